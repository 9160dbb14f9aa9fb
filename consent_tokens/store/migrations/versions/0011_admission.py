"""Admission: applications, operators, control groups, signatures, templates.

Every merchant of before is a demonstration from now on: nobody reviewed it.
"""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

DEMONSTRATION = sa.text("'demonstration'")
HAS_EVENT = sa.text("event_hash IS NOT NULL")
DELETED_BY_TIME = sa.text(
    "message_id IS NULL AND actor IS NULL AND kind NOT IN ('grant_created', 'grant_changed', "
    "'grant_ended', 'merchant_admitted', 'merchant_suspended', 'sender_admitted', "
    "'api_key_created', 'api_key_revoked') AND NOT (kind = 'number_reassigned' AND grant_id IS NOT "
    "NULL)"
)


def upgrade() -> None:
    _create_tables()
    _add_columns()


def _create_tables() -> None:
    op.create_table(
        "control_group_proposals",
        sa.Column("merchant_id", sa.String(length=40), nullable=False),
        sa.Column("other_id", sa.String(length=40), nullable=False),
        sa.Column("signals", sa.String(length=200), nullable=False),
        sa.Column("proposed_at", sa.BigInteger(), nullable=False),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("decided_at", sa.BigInteger(), nullable=True),
        sa.Column("decided_by", sa.String(length=40), nullable=True),
        sa.PrimaryKeyConstraint("merchant_id", "other_id"),
    )
    op.create_table(
        "merchant_applications",
        sa.Column("merchant_id", sa.String(length=40), nullable=False),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("classes", sa.String(length=64), nullable=False),
        sa.Column("country", sa.String(length=2), nullable=False),
        sa.Column("legal_person", sa.String(length=100), nullable=True),
        sa.Column("licences", sa.String(length=400), nullable=True),
        sa.Column("wanted_use", sa.String(length=1000), nullable=True),
        sa.Column("submitted_at", sa.BigInteger(), nullable=False),
        sa.Column("decided_at", sa.BigInteger(), nullable=True),
        sa.Column("decided_by", sa.String(length=40), nullable=True),
        sa.Column("reason", sa.String(length=400), nullable=True),
        sa.PrimaryKeyConstraint("merchant_id"),
    )
    op.create_index(
        "merchant_applications_by_status", "merchant_applications", ["status", "submitted_at"]
    )
    op.create_table(
        "merchant_documents",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("merchant_id", sa.String(length=40), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("content_type", sa.String(length=60), nullable=False),
        sa.Column("digest", sa.LargeBinary(length=32), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.Column("added_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_merchant_documents_merchant_id", "merchant_documents", ["merchant_id"])
    op.create_table(
        "operators",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("name", sa.String(length=60), nullable=False),
        sa.Column("role", sa.String(length=16), nullable=False),
        sa.Column("added_at", sa.BigInteger(), nullable=False),
        sa.Column("disabled_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("name"),
    )
    op.create_table(
        "reviews",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("subject_id", sa.String(length=60), nullable=False),
        sa.Column("action", sa.String(length=32), nullable=False),
        sa.Column("operator_id", sa.String(length=40), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("reason", sa.String(length=400), nullable=True),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_reviews_subject_id", "reviews", ["subject_id"])
    op.create_table(
        "signatures",
        sa.Column("folded", sa.String(length=60), nullable=False),
        sa.Column("signature", sa.String(length=40), nullable=False),
        sa.Column("merchant_id", sa.String(length=40), nullable=False),
        sa.Column("source", sa.String(length=16), nullable=False),
        sa.Column("evidence", sa.String(length=200), nullable=True),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("changed_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("folded"),
    )
    op.create_index("ix_signatures_merchant_id", "signatures", ["merchant_id"])
    op.create_table(
        "template_value_counts",
        sa.Column("template_id", sa.String(length=40), nullable=False),
        sa.Column("variable", sa.String(length=40), nullable=False),
        sa.Column("value_hash", sa.BigInteger(), nullable=False),
        sa.Column("texts", sa.BigInteger(), nullable=False),
        sa.Column("counted_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("template_id", "variable", "value_hash"),
    )
    op.create_index("ix_template_value_counts_counted_at", "template_value_counts", ["counted_at"])
    op.create_table(
        "templates",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("version", sa.SmallInteger(), nullable=False),
        sa.Column("merchant_id", sa.String(length=40), nullable=False),
        sa.Column("purpose", sa.String(length=64), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("variables", sa.Text(), nullable=False),
        sa.Column("on_overflow", sa.String(length=16), nullable=False),
        sa.Column("event_type", sa.String(length=32), nullable=True),
        sa.Column("texts_per_event", sa.SmallInteger(), nullable=False),
        sa.Column("is_essential", sa.SmallInteger(), nullable=False),
        sa.Column("fingerprint", sa.LargeBinary(length=32), nullable=False),
        sa.Column("findings", sa.Text(), nullable=False),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("submitted_at", sa.BigInteger(), nullable=False),
        sa.Column("decided_at", sa.BigInteger(), nullable=True),
        sa.Column("reason", sa.String(length=400), nullable=True),
        sa.PrimaryKeyConstraint("id", "version"),
    )
    op.create_index("templates_by_fingerprint", "templates", ["fingerprint"])
    op.create_index(
        "templates_by_merchant", "templates", ["merchant_id", "submitted_at", "id", "version"]
    )
    op.create_index("templates_by_status", "templates", ["status", "submitted_at"])


def _add_columns() -> None:
    op.add_column("complaints", sa.Column("template_id", sa.String(length=40), nullable=True))
    op.create_index("ix_complaints_template_id", "complaints", ["template_id"])
    op.add_column("events", sa.Column("actor", sa.String(length=40), nullable=True))
    op.add_column(
        "merchants",
        sa.Column("kind", sa.String(length=16), server_default=DEMONSTRATION, nullable=False),
    )
    op.add_column("merchants", sa.Column("classes", sa.String(length=64), nullable=True))
    op.add_column("merchants", sa.Column("suspended_classes", sa.String(length=64), nullable=True))
    op.add_column("merchants", sa.Column("control_group", sa.String(length=40), nullable=True))
    op.create_index("ix_merchants_control_group", "merchants", ["control_group"])
    op.add_column("messages", sa.Column("template_id", sa.String(length=40), nullable=True))
    op.add_column("messages", sa.Column("template_version", sa.SmallInteger(), nullable=True))
    op.add_column("messages", sa.Column("value_hashes", sa.LargeBinary(), nullable=True))
    op.add_column("messages", sa.Column("event_hash", sa.BigInteger(), nullable=True))
    op.create_index(
        "messages_of_event",
        "messages",
        ["partition", "event_hash"],
        postgresql_where=HAS_EVENT,
        sqlite_where=HAS_EVENT,
    )
    op.add_column("senders", sa.Column("classes", sa.String(length=64), nullable=True))
    op.add_column("senders", sa.Column("carrier", sa.String(length=60), nullable=True))
    op.add_column("senders", sa.Column("licence", sa.String(length=60), nullable=True))
    op.add_column("senders", sa.Column("filed_use", sa.String(length=200), nullable=True))
    op.add_column("senders", sa.Column("valid_until", sa.BigInteger(), nullable=True))
    op.add_column("senders", sa.Column("revoked_at", sa.BigInteger(), nullable=True))
    op.drop_index("events_deleted_by_time", table_name="events")
    op.create_index(
        "events_deleted_by_time",
        "events",
        ["at"],
        postgresql_where=DELETED_BY_TIME,
        sqlite_where=DELETED_BY_TIME,
    )
