"""Indexes and tables for the deletion of what is past its retention."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

GRANT_ENDS = "events_of_grant_ends"
BY_TIME = sa.text(
    "message_id IS NULL AND kind NOT IN ('grant_created', 'grant_changed', 'grant_ended', "
    "'merchant_admitted', 'merchant_suspended', 'sender_admitted', 'api_key_created', "
    "'api_key_revoked') AND NOT (kind = 'number_reassigned' AND grant_id IS NOT NULL)"
)
NEW_INDEXES = (
    ("consent_requests_not_granted", "consent_requests", ["expires_at"], "grant_id IS NULL"),
    ("consent_requests_with_token", "consent_requests", ["decided_at"], "token IS NOT NULL"),
    ("preferences_quiet", "preferences", ["quiet_until"], "quiet_until IS NOT NULL"),
    ("grants_ended", "grants", ["status_since"], "wrapped_key IS NULL"),
    ("messages_by_acceptance", "messages", ["accepted_at"], None),
    ("messages_with_text", "messages", ["accepted_at"], "text IS NOT NULL"),
    ("complaints_by_change", "complaints", ["changed_at"], None),
)


def upgrade() -> None:
    op.create_table(
        "erased_texts",
        sa.Column("fingerprint", sa.LargeBinary(length=32), nullable=False),
        sa.Column("sent_on", sa.BigInteger(), nullable=False),
        sa.Column("verdict", sa.String(length=16), nullable=False),
        sa.PrimaryKeyConstraint("fingerprint", "sent_on"),
        sqlite_with_rowid=False,
    )
    op.create_index(op.f("ix_erased_texts_sent_on"), "erased_texts", ["sent_on"], unique=False)
    op.create_table(
        "retention_runs",
        sa.Column("kind", sa.String(length=32), nullable=False),
        sa.Column("ran_at", sa.BigInteger(), nullable=False),
        sa.Column("deleted_before", sa.BigInteger(), nullable=True),
        sa.Column("deleted", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("kind"),
    )
    for name, table, columns, condition in NEW_INDEXES:
        where = sa.text(condition) if condition else None
        op.create_index(
            name, table, columns, unique=False, postgresql_where=where, sqlite_where=where
        )
    op.create_index(
        "events_deleted_by_time", "events", ["at"], postgresql_where=BY_TIME, sqlite_where=BY_TIME
    )
    op.drop_index(GRANT_ENDS, table_name="events")
    ends = sa.text("kind IN ('grant_ended', 'number_reassigned')")
    op.create_index(
        GRANT_ENDS,
        "events",
        ["partition", "grant_id"],
        postgresql_where=ends,
        sqlite_where=ends,
    )
