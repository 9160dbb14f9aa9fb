"""Room for the names of several time zones, separated by a space."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

TABLES = ("grants", "grant_changes", "preferences")


def upgrade() -> None:
    if op.get_bind().dialect.name == "sqlite":  # which does not limit the length of a text
        return
    for table in TABLES:
        op.alter_column(table, "timezone", type_=sa.String(length=1000), existing_nullable=False)
