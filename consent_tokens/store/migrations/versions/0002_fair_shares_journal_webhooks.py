"""Fair shares, the revocation journal's marks, and webhooks.

Only adds, but for one index: the version before works on with it while it is replaced.
"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

WAITING = sa.text("state IN ('queued', 'deferred')")
DUE = sa.text("state = 'waiting'")


def upgrade() -> None:
    op.create_table(
        "merchant_shares",
        sa.Column("merchant_id", sa.String(40), nullable=False),
        sa.Column("weight", sa.SmallInteger(), nullable=False),
        sa.PrimaryKeyConstraint("merchant_id"),
    )
    op.create_table(
        "to_journal",
        sa.Column("home", sa.BigInteger(), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("home", "number"),
    )
    op.create_table(
        "marks",
        sa.Column("name", sa.String(32), nullable=False),
        sa.Column("value", sa.String(100), nullable=False),
        sa.PrimaryKeyConstraint("name"),
    )
    op.create_table(
        "webhooks",
        sa.Column("id", sa.String(40), nullable=False),
        sa.Column("merchant_id", sa.String(40), nullable=False),
        sa.Column("url", sa.String(2000), nullable=False),
        sa.Column("kinds", sa.String(200), nullable=False),
        sa.Column("secret", sa.LargeBinary(), nullable=False),
        sa.Column("made_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_webhooks_merchant_id", "webhooks", ["merchant_id"])
    op.create_table(
        "notifications",
        sa.Column("home", sa.BigInteger(), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("merchant_id", sa.String(40), nullable=False),
        sa.Column("webhook_id", sa.String(40), nullable=False),
        sa.Column("kind", sa.String(32), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("attempts", sa.SmallInteger(), nullable=False),
        sa.Column("due_at", sa.BigInteger(), nullable=False),
        sa.Column("made_at", sa.BigInteger(), nullable=False),
        sa.Column("answer", sa.String(40)),
        sa.PrimaryKeyConstraint("home", "number"),
    )
    op.create_index("ix_notifications_made_at", "notifications", ["made_at"])
    op.create_index(
        "notifications_due", "notifications", ["due_at"], postgresql_where=DUE, sqlite_where=DUE
    )
    op.create_index(
        "messages_in_turn",
        "messages",
        ["rank", "merchant_id", "leaves_at"],
        postgresql_where=WAITING,
        sqlite_where=WAITING,
    )
    op.drop_index("messages_waiting", "messages")


def downgrade() -> None:
    op.create_index(
        "messages_waiting",
        "messages",
        ["rank", "leaves_at"],
        postgresql_where=WAITING,
        sqlite_where=WAITING,
    )
    op.drop_index("messages_in_turn", "messages")
    for table in ("notifications", "webhooks", "marks", "to_journal", "merchant_shares"):
        op.drop_table(table)
