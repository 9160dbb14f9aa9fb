"""Add message_segments: the gateway's id and the report of each segment of a long message."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

IS_PARTLY_REPORTED = sa.text("settle_at IS NOT NULL")


def upgrade() -> None:
    op.create_table(
        "message_segments",
        sa.Column("partition", sa.BigInteger(), nullable=False),
        sa.Column("id", sa.BigInteger(), nullable=False),
        sa.Column("part", sa.SmallInteger(), nullable=False),
        sa.Column("gateway_id", sa.String(length=80), nullable=False),
        sa.Column("sent_at", sa.BigInteger(), nullable=False),
        sa.Column("status", sa.String(length=16), nullable=True),
        sa.Column("reason", sa.String(length=40), nullable=True),
        sa.Column("settle_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("partition", "id", "part"),
    )
    op.create_index(
        op.f("ix_message_segments_gateway_id"), "message_segments", ["gateway_id"], unique=False
    )
    op.create_index(
        op.f("ix_message_segments_sent_at"), "message_segments", ["sent_at"], unique=False
    )
    op.create_index(
        "message_segments_by_settle_at",
        "message_segments",
        ["settle_at"],
        unique=False,
        postgresql_where=IS_PARTLY_REPORTED,
        sqlite_where=IS_PARTLY_REPORTED,
    )


def downgrade() -> None:
    op.drop_table("message_segments")
