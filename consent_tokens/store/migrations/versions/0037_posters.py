"""Keep posters: what a merchant asks of everybody who scans a code."""

import sqlalchemy as sa
from alembic import op

revision = "0037"
down_revision = "0036"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "posters",
        sa.Column("partition", sa.BigInteger(), nullable=False),
        sa.Column("id", sa.BigInteger(), nullable=False),
        sa.Column("merchant_id", sa.String(length=40), nullable=False),
        sa.Column("name", sa.String(length=60), nullable=False),
        sa.Column("terms", sa.Text(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("created_by", sa.String(length=40), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.Column("opened", sa.Integer(), nullable=False),
        sa.Column("opened_on", sa.Integer(), nullable=False),
        sa.Column("opened_today", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("partition", "id"),
    )
    op.create_index("posters_of_merchant", "posters", ["merchant_id", "created_at"])
    op.create_index("posters_by_end", "posters", ["expires_at"])


def downgrade() -> None:
    op.drop_table("posters")
