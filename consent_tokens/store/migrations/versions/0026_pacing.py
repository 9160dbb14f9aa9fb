"""Let the texts of new templates leave in parts: how each stands, and which messages count."""

import sqlalchemy as sa
from alembic import op

revision = "0026"
down_revision = "0025"
branch_labels = None
depends_on = None

IS_PACED = sa.text("pacing_id IS NOT NULL")


def upgrade() -> None:
    op.create_table(
        "pacings",
        sa.Column("subject_id", sa.String(length=40), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("merchant_id", sa.String(length=40), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("is_budgeted", sa.SmallInteger(), nullable=False),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("stage", sa.SmallInteger(), nullable=False),
        sa.Column("taken", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("active_until", sa.BigInteger(), nullable=False),
        sa.Column("left_at", sa.BigInteger(), nullable=True),
        sa.Column("held_at", sa.BigInteger(), nullable=True),
        sa.Column("waiting_since", sa.BigInteger(), nullable=True),
        sa.Column("changed_at", sa.BigInteger(), nullable=False),
        sa.Column("checked_at", sa.BigInteger(), nullable=False),
        sa.Column("people", sa.BigInteger(), nullable=False),
        sa.Column("stops", sa.BigInteger(), nullable=False),
        sa.Column("complainants", sa.BigInteger(), nullable=False),
        sa.Column("held", sa.BigInteger(), nullable=False),
        sa.Column("accepted_people", sa.BigInteger(), nullable=False),
        sa.Column("accepted_stops", sa.BigInteger(), nullable=False),
        sa.Column("accepted_complainants", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("subject_id", "version"),
    )
    op.create_index(op.f("ix_pacings_merchant_id"), "pacings", ["merchant_id"])
    op.create_index(op.f("ix_pacings_active_until"), "pacings", ["active_until"])
    op.create_table(
        "unproven_texts",
        sa.Column("group_id", sa.String(length=40), nullable=False),
        sa.Column("day", sa.Integer(), nullable=False),
        sa.Column("texts", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("group_id"),
    )
    op.add_column("messages", sa.Column("pacing_id", sa.String(length=48), nullable=True))
    op.add_column("messages", sa.Column("pacing", sa.SmallInteger(), nullable=True))
    op.add_column("messages", sa.Column("held_from", sa.BigInteger(), nullable=True))
    op.create_index(
        "messages_paced",
        "messages",
        ["pacing_id", "pacing", "accepted_at", "id"],
        postgresql_where=IS_PACED,
        sqlite_where=IS_PACED,
    )


def downgrade() -> None:
    op.drop_index("messages_paced", "messages")
    op.drop_column("messages", "held_from")
    op.drop_column("messages", "pacing")
    op.drop_column("messages", "pacing_id")
    op.drop_table("unproven_texts")
    op.drop_table("pacings")
