"""Find the webhook events that fail."""

import sqlalchemy as sa
from alembic import op

revision = "0030"
down_revision = "0029"
branch_labels = None
depends_on = None

IS_FAILING = sa.text("status <> 'delivered' AND response IS NOT NULL")


def upgrade() -> None:
    op.create_index(
        "webhook_events_failing",
        "webhook_events",
        ["created_at", "id"],
        postgresql_where=IS_FAILING,
        sqlite_where=IS_FAILING,
    )
    op.create_index(
        "webhook_events_failing_of_merchant",
        "webhook_events",
        ["merchant_id", "created_at", "id"],
        postgresql_where=IS_FAILING,
        sqlite_where=IS_FAILING,
    )


def downgrade() -> None:
    op.drop_index("webhook_events_failing_of_merchant", "webhook_events")
    op.drop_index("webhook_events_failing", "webhook_events")
