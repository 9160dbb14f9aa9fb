"""Let a webhook be paused, and find what was posted to it."""

import sqlalchemy as sa
from alembic import op

revision = "0035"
down_revision = "0034"
branch_labels = None
depends_on = None

IS_ATTEMPTED = sa.text("(attempts > 0 OR response IS NOT NULL)")


def upgrade() -> None:
    op.add_column("webhooks", sa.Column("paused_at", sa.BigInteger(), nullable=True))
    op.create_index(
        "webhook_events_attempted",
        "webhook_events",
        ["webhook_id", "status", "due_at", "id"],
        postgresql_where=IS_ATTEMPTED,
        sqlite_where=IS_ATTEMPTED,
    )


def downgrade() -> None:
    op.drop_index("webhook_events_attempted", "webhook_events")
    op.drop_column("webhooks", "paused_at")
