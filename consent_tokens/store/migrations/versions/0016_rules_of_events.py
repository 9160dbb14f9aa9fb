"""Keep with each decision the version of the rules that it was made by."""

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("events", sa.Column("rules", sa.String(200), nullable=True))


def downgrade() -> None:
    op.drop_column("events", "rules")
