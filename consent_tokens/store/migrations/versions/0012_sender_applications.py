"""Senders that merchants applied for: in a table of their own, for none of them may send yet."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "sender_applications",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("merchant_id", sa.String(length=40), nullable=False),
        sa.Column("port", sa.String(length=16), nullable=False),
        sa.Column("extension", sa.String(length=16), nullable=False),
        sa.Column("signature", sa.String(length=40), nullable=False),
        sa.Column("source", sa.String(length=16), nullable=False),
        sa.Column("evidence", sa.String(length=200), nullable=True),
        sa.Column("classes", sa.String(length=64), nullable=True),
        sa.Column("carrier", sa.String(length=60), nullable=True),
        sa.Column("licence", sa.String(length=60), nullable=True),
        sa.Column("filed_use", sa.String(length=200), nullable=True),
        sa.Column("valid_until", sa.BigInteger(), nullable=True),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("submitted_at", sa.BigInteger(), nullable=False),
        sa.Column("decided_at", sa.BigInteger(), nullable=True),
        sa.Column("reason", sa.String(length=400), nullable=True),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_sender_applications_merchant_id", "sender_applications", ["merchant_id"])
