"""Several quiet periods of one recipient, side by side.

`quiet_from` and `quiet_until` span all of them, so that the version before stays quiet, too.
"""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

HAS_SEVERAL = "quiet_first_end IS NOT NULL"


def upgrade() -> None:
    op.add_column("preferences", sa.Column("quiet_periods", sa.String(length=200), nullable=True))
    op.add_column("preferences", sa.Column("quiet_first_end", sa.BigInteger(), nullable=True))
    op.create_index(
        "preferences_quiet_first",
        "preferences",
        ["quiet_first_end"],
        sqlite_where=sa.text(HAS_SEVERAL),
        postgresql_where=sa.text(HAS_SEVERAL),
    )
