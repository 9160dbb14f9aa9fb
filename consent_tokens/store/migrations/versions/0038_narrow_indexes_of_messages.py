"""List a merchant's messages by an index without their ids, and keep times one by one.

On PostgreSQL both updates of a message that leaves write all of its index entries again.
"""

import sqlalchemy as sa
from alembic import op

revision = "0038"
down_revision = "0037"
branch_labels = None
depends_on = None

HAS_MERCHANT = sa.text("merchant_id IS NOT NULL")
ONE_BY_ONE = {"deduplicate_items": "off"}
BY_TIME = ("messages_by_acceptance", "messages_with_text")


def upgrade() -> None:
    op.drop_index("messages_by_merchant", "messages")
    op.create_index(
        "messages_by_merchant",
        "messages",
        ["merchant_id", "accepted_at"],
        postgresql_where=HAS_MERCHANT,
        sqlite_where=HAS_MERCHANT,
        postgresql_with=ONE_BY_ONE,
    )
    if op.get_bind().dialect.name == "postgresql":
        for name in BY_TIME:  # what is in them already stays as it is
            op.execute(f"ALTER INDEX {name} SET (deduplicate_items = off)")


def downgrade() -> None:
    if op.get_bind().dialect.name == "postgresql":
        for name in BY_TIME:
            op.execute(f"ALTER INDEX {name} RESET (deduplicate_items)")
    op.drop_index("messages_by_merchant", "messages")
    op.create_index(
        "messages_by_merchant",
        "messages",
        ["merchant_id", "accepted_at", "id"],
        postgresql_where=HAS_MERCHANT,
        sqlite_where=HAS_MERCHANT,
    )
