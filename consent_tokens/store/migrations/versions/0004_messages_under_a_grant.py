"""Messages under a grant are found by when they were accepted, which never changes.

Exchanges one index: the version before works on with it.
"""

from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index(
        "messages_under_grant",
        "messages",
        ["home", "grant_number", "accepted_at"],
        if_not_exists=True,  # built beforehand, without holding up writers: docs/operations.md
    )
    op.drop_index("messages_by_grant", "messages")


def downgrade() -> None:
    op.create_index("messages_by_grant", "messages", ["home", "grant_number", "leaves_at"])
    op.drop_index("messages_under_grant", "messages")
