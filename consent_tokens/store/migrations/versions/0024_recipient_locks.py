"""Lock a recipient while the texts of all merchants are counted."""

import sqlalchemy as sa
from alembic import op

revision = "0024"
down_revision = "0023"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "recipient_locks",
        sa.Column("partition", sa.BigInteger(), nullable=False),
        sa.Column("locked_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("partition"),
    )
    op.create_index(op.f("ix_recipient_locks_locked_at"), "recipient_locks", ["locked_at"])


def downgrade() -> None:
    op.drop_table("recipient_locks")
