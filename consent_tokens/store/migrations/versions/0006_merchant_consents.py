"""One row for each recipient and merchant: the lock on their grants, and the last stop."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "merchant_consents",
        sa.Column("partition", sa.BigInteger(), nullable=False),
        sa.Column("merchant_id", sa.String(length=40), nullable=False),
        sa.Column("stopped_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("partition", "merchant_id"),
    )
    op.create_index(
        op.f("ix_merchant_consents_stopped_at"), "merchant_consents", ["stopped_at"], unique=False
    )
