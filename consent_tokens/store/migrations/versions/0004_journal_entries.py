"""The journal's outbox keeps whole entries; entries wait for numbers that are not known yet."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "journal_entries",
        sa.Column("sequence", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("id", sa.BigInteger(), nullable=False),
        sa.Column("entry", sa.Text(), nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("sequence"),
        sa.UniqueConstraint("id"),
    )
    op.create_table(
        "waiting_entries",
        sa.Column("tag", sa.String(length=22), nullable=False),
        sa.Column("id", sa.BigInteger(), nullable=False),
        sa.Column("entry", sa.Text(), nullable=False),
        sa.Column("until", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("tag", "id"),
    )
    op.create_index(op.f("ix_waiting_entries_until"), "waiting_entries", ["until"], unique=False)
    # revocations that no journal holds yet; the random id of the grant serves as that of the entry
    op.execute(
        "INSERT INTO journal_entries (id, entry) "
        "SELECT id, 'revoked ' || id || ' ' || at || ' ' || partition || ' ' || id "
        "FROM journal_outbox"
    )
    op.execute("DELETE FROM journal_outbox")


def downgrade() -> None:
    op.drop_table("waiting_entries")
    op.drop_table("journal_entries")
