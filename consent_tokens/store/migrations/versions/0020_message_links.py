"""Add message_links: the ids of the links in texts, as keyed hashes.

On Citus it is distributed by link_hash.
"""

from datetime import timedelta
from typing import Final

import sqlalchemy as sa
from alembic import op

from consent_tokens.clock import SystemClock

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None

ENCRYPTED_LINKS: Final = "encrypted_links_until"
# a dispatcher of the version before, which still runs, puts encrypted row keys into links
OVERLAP: Final = timedelta(days=1)


def upgrade() -> None:
    op.create_table(
        "message_links",
        sa.Column("link_hash", sa.LargeBinary(length=32), nullable=False),
        sa.Column("partition", sa.BigInteger(), nullable=False),
        sa.Column("id", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("link_hash"),
        sqlite_with_rowid=False,
    )
    for column in ("partition", "expires_at"):
        op.create_index(op.f(f"ix_message_links_{column}"), "message_links", [column])
    until = int((SystemClock().now() + OVERLAP).timestamp())
    op.execute(
        sa.text(
            "INSERT INTO checkpoints (name, value)"
            " SELECT :name, :until WHERE EXISTS (SELECT 1 FROM messages)"
        ).bindparams(name=ENCRYPTED_LINKS, until=str(until))
    )


def downgrade() -> None:
    op.drop_table("message_links")
    op.execute(
        sa.text("DELETE FROM checkpoints WHERE name = :name").bindparams(name=ENCRYPTED_LINKS)
    )
