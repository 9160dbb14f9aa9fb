"""Keep campaigns of the merchant console, and the parts of their files."""

import sqlalchemy as sa
from alembic import op

revision = "0033"
down_revision = "0032"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "campaigns",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("merchant_id", sa.String(length=40), nullable=False),
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("lines", sa.Integer(), nullable=False),
        sa.Column("faulty", sa.Integer(), nullable=False),
        sa.Column("next_part", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("created_by", sa.String(length=40), nullable=False),
        sa.Column("changed_at", sa.BigInteger(), nullable=False),
        sa.Column("due_at", sa.BigInteger(), nullable=True),
        sa.Column("template_id", sa.String(length=40), nullable=True),
        sa.Column("sender_id", sa.String(length=40), nullable=True),
        sa.Column("starts_at", sa.BigInteger(), nullable=True),
        sa.Column("opens", sa.SmallInteger(), nullable=False),
        sa.Column("closes", sa.SmallInteger(), nullable=False),
        sa.Column("timezone", sa.String(length=64), nullable=False),
        sa.Column("tally", sa.Text(), nullable=False),
        sa.Column("preview", sa.Text(), nullable=False),
        sa.Column("accepted", sa.Integer(), nullable=False),
        sa.Column("refused", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("campaigns_of_merchant", "campaigns", ["merchant_id", "created_at"])
    op.create_index("campaigns_due", "campaigns", ["due_at"])
    op.create_index("campaigns_by_change", "campaigns", ["changed_at"])
    op.create_table(
        "campaign_parts",
        sa.Column("campaign_id", sa.String(length=40), nullable=False),
        sa.Column("part", sa.Integer(), nullable=False),
        sa.Column("lines", sa.LargeBinary(), nullable=True),
        sa.Column("refused", sa.LargeBinary(), nullable=True),
        sa.PrimaryKeyConstraint("campaign_id", "part"),
    )


def downgrade() -> None:
    op.drop_table("campaign_parts")
    op.drop_table("campaigns")
