"""Keep with each decision what it was made of, and the rules of each version."""

import sqlalchemy as sa
from alembic import op

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("events", sa.Column("inputs", sa.LargeBinary(), nullable=True))
    op.create_table(
        "rule_versions",
        sa.Column("version", sa.String(length=12), nullable=False),
        sa.Column("first_used_at", sa.BigInteger(), nullable=False),
        sa.Column("files", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("version"),
    )


def downgrade() -> None:
    op.drop_table("rule_versions")
    op.drop_column("events", "inputs")
