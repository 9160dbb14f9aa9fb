"""Find the events that are held for a paused webhook."""

import sqlalchemy as sa
from alembic import op

revision = "0036"
down_revision = "0035"
branch_labels = None
depends_on = None

IS_HELD = sa.text("status = 'held'")


def upgrade() -> None:
    op.create_index(
        "webhook_events_held",
        "webhook_events",
        ["webhook_id"],
        postgresql_where=IS_HELD,
        sqlite_where=IS_HELD,
    )


def downgrade() -> None:
    op.drop_index("webhook_events_held", "webhook_events")
