"""Who a merchant is, and who checked it."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

TEXTS = {"legal_name": 200, "registration": 60, "contact": 200, "website": 200, "checked_by": 100}


def upgrade() -> None:
    for name, length in TEXTS.items():
        op.add_column("merchants", sa.Column(name, sa.String(length=length), nullable=True))
    op.add_column("merchants", sa.Column("checked_at", sa.BigInteger(), nullable=True))
