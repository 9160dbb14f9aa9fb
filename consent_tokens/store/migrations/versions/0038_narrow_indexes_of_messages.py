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


NAME, MEANWHILE = "messages_by_merchant", "messages_by_merchant_and_time"


def upgrade() -> None:
    is_postgresql = op.get_bind().dialect.name == "postgresql"
    if is_postgresql:  # while it is built messages are read, but not written
        _create(MEANWHILE, ["merchant_id", "accepted_at"], ONE_BY_ONE)
    op.drop_index(NAME, "messages")
    if is_postgresql:
        op.execute(f"ALTER INDEX {MEANWHILE} RENAME TO {NAME}")
        for name in BY_TIME:  # what is in them already stays as it is
            op.execute(f"ALTER INDEX {name} SET (deduplicate_items = off)")
    else:
        _create(NAME, ["merchant_id", "accepted_at"], ONE_BY_ONE)


def downgrade() -> None:
    if op.get_bind().dialect.name == "postgresql":
        for name in BY_TIME:
            op.execute(f"ALTER INDEX {name} RESET (deduplicate_items)")
    op.drop_index(NAME, "messages")
    _create(NAME, ["merchant_id", "accepted_at", "id"], {})


def _create(name: str, columns: list[str], storage: dict[str, str]) -> None:
    op.create_index(
        name,
        "messages",
        columns,
        postgresql_where=HAS_MERCHANT,
        sqlite_where=HAS_MERCHANT,
        postgresql_with=storage,
    )
