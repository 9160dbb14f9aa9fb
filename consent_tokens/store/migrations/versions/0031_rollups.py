"""Add rollups: what was counted on a day for each merchant, sender and template, and for all."""

import sqlalchemy as sa
from alembic import op

revision = "0031"
down_revision = "0030"
branch_labels = None
depends_on = None

HAS_COMPLAINTS = sa.text("complaints > 0 AND kind = 1")
MEASURES = (
    "accepted", "refused", "sent", "delivered", "undelivered", "stops", "complaints", "gained",
    "lost",
)  # fmt: skip


def upgrade() -> None:
    op.create_table(
        "rollup_increments",
        sa.Column("partition", sa.BigInteger(), nullable=False),
        sa.Column("id", sa.BigInteger(), nullable=False),
        sa.Column("counted_at", sa.BigInteger(), nullable=False),
        sa.Column("day", sa.Integer(), nullable=False),
        sa.Column("merchant_id", sa.String(length=40), nullable=False),
        sa.Column("sender_id", sa.String(length=40), nullable=False),
        sa.Column("template_id", sa.String(length=40), nullable=False),
        sa.Column("purpose", sa.String(length=64), nullable=False),
        sa.Column("measure", sa.String(length=16), nullable=False),
        sa.Column("reason", sa.String(length=40), nullable=False),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("partition", "id"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "daily_rollups",
        sa.Column("subject_id", sa.String(length=40), nullable=False),
        sa.Column("day", sa.Integer(), nullable=False),
        sa.Column("purpose", sa.String(length=64), nullable=False),
        sa.Column("kind", sa.SmallInteger(), nullable=False),
        *(sa.Column(name, sa.BigInteger(), nullable=False) for name in MEASURES),
        sa.PrimaryKeyConstraint("subject_id", "day", "purpose"),
    )
    op.create_index("daily_rollups_by_day", "daily_rollups", ["day"])
    op.create_index(
        "daily_rollups_with_complaints",
        "daily_rollups",
        ["day", "subject_id", "complaints"],
        postgresql_where=HAS_COMPLAINTS,
        sqlite_where=HAS_COMPLAINTS,
    )
    op.create_table(
        "daily_reasons",
        sa.Column("subject_id", sa.String(length=40), nullable=False),
        sa.Column("day", sa.Integer(), nullable=False),
        sa.Column("measure", sa.String(length=16), nullable=False),
        sa.Column("reason", sa.String(length=40), nullable=False),
        sa.Column("count", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("subject_id", "day", "measure", "reason"),
    )
    op.create_index("daily_reasons_by_day", "daily_reasons", ["day"])


def downgrade() -> None:
    op.drop_table("daily_reasons")
    op.drop_table("daily_rollups")
    op.drop_table("rollup_increments")
