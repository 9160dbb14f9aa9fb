"""Add grants.token_mac, the MAC of the newest token, and token_mac_keys, the keys of the MACs.

The keys have a table of their own: a process of the version before knows no such kind of key, and
could not read a row of it in key_records.
"""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("grants", sa.Column("token_mac", sa.LargeBinary(), nullable=True))
    op.create_table(
        "token_mac_keys",
        sa.Column("kid", sa.String(length=64), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("created_by", sa.String(length=64), nullable=True),
        sa.Column("starts_at", sa.BigInteger(), nullable=False),
        sa.Column("withdrawn_at", sa.BigInteger(), nullable=True),
        sa.Column("withdrawn_by", sa.String(length=64), nullable=True),
        sa.PrimaryKeyConstraint("kid"),
    )
