"""Add to complaints who decides on them, and why they were decided so."""

import sqlalchemy as sa
from alembic import op

revision = "0027"
down_revision = "0026"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("complaints", sa.Column("owner_id", sa.String(length=40), nullable=True))
    op.add_column("complaints", sa.Column("ground", sa.String(length=16), nullable=True))
    op.add_column("complaints", sa.Column("remark", sa.String(length=400), nullable=True))


def downgrade() -> None:
    op.drop_column("complaints", "remark")
    op.drop_column("complaints", "ground")
    op.drop_column("complaints", "owner_id")
