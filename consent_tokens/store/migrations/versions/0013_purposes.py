"""Add purposes: what tokens and texts say of each, and which merchants are admitted for some."""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "purposes",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("number", sa.SmallInteger(), nullable=False),
        sa.Column("class", sa.String(length=16), nullable=False),
        sa.Column("first_seen_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("number"),
    )
    op.add_column("merchants", sa.Column("purposes", sa.Text(), nullable=True))


def downgrade() -> None:
    op.drop_column("merchants", "purposes")
    op.drop_table("purposes")
