"""Add limits of merchants: how many messages of a class they may have accepted in a day."""

import sqlalchemy as sa
from alembic import op

revision = "0025"
down_revision = "0024"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("merchants", sa.Column("daily_limits", sa.String(length=200), nullable=True))
    op.create_table(
        "daily_counts",
        sa.Column("merchant_id", sa.String(length=40), nullable=False),
        sa.Column("class", sa.String(length=16), nullable=False),
        sa.Column("day", sa.Integer(), nullable=False),
        sa.Column("accepted", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("merchant_id", "class"),
    )


def downgrade() -> None:
    op.drop_table("daily_counts")
    op.drop_column("merchants", "daily_limits")
