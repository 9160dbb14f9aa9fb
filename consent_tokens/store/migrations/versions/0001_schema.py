"""The schema of the first release."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "api_keys",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("merchant_id", sa.String(length=40), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("revoked_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index(op.f("ix_api_keys_merchant_id"), "api_keys", ["merchant_id"], unique=False)
    op.create_table(
        "challenges",
        sa.Column("id", sa.LargeBinary(length=32), nullable=False),
        sa.Column("intent", sa.String(length=64), nullable=False),
        sa.Column("code_hash", sa.LargeBinary(length=32), nullable=False),
        sa.Column("sealed_number", sa.LargeBinary(), nullable=False),
        sa.Column("failures_key", sa.LargeBinary(length=32), nullable=False),
        sa.Column("sent_at", sa.BigInteger(), nullable=False),
        sa.Column("attempts", sa.SmallInteger(), nullable=False),
        sa.Column("is_used", sa.SmallInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index(op.f("ix_challenges_sent_at"), "challenges", ["sent_at"], unique=False)
    op.create_table(
        "checkpoints",
        sa.Column("name", sa.String(length=32), nullable=False),
        sa.Column("value", sa.String(length=100), nullable=False),
        sa.PrimaryKeyConstraint("name"),
    )
    op.create_table(
        "complaints",
        sa.Column("partition", sa.BigInteger(), nullable=False),
        sa.Column("id", sa.BigInteger(), nullable=False),
        sa.Column("case_number_hash", sa.LargeBinary(length=32), nullable=False),
        sa.Column("merchant_id", sa.String(length=40), nullable=True),
        sa.Column("grant_id", sa.BigInteger(), nullable=True),
        sa.Column("message_id", sa.BigInteger(), nullable=True),
        sa.Column("purpose", sa.String(length=64), nullable=True),
        sa.Column("sent_at", sa.BigInteger(), nullable=True),
        sa.Column("reason", sa.String(length=16), nullable=False),
        sa.Column("verdict", sa.String(length=16), nullable=False),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("statement", sa.LargeBinary(), nullable=True),
        sa.Column("picture", sa.LargeBinary(), nullable=True),
        sa.Column("filed_at", sa.BigInteger(), nullable=False),
        sa.Column("changed_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("partition", "id"),
        sa.UniqueConstraint("case_number_hash"),
    )
    op.create_index(
        "complaints_by_merchant", "complaints", ["merchant_id", "filed_at", "id"], unique=False
    )
    op.create_table(
        "consent_requests",
        sa.Column("partition", sa.BigInteger(), nullable=False),
        sa.Column("id", sa.BigInteger(), nullable=False),
        sa.Column("merchant_id", sa.String(length=40), nullable=False),
        sa.Column("purposes", sa.String(length=400), nullable=False),
        sa.Column("cap_limit", sa.Integer(), nullable=False),
        sa.Column("cap_days", sa.Integer(), nullable=False),
        sa.Column("opens", sa.String(length=5), nullable=False),
        sa.Column("closes", sa.String(length=5), nullable=False),
        sa.Column("valid_days", sa.Integer(), nullable=False),
        sa.Column("locale", sa.String(length=16), nullable=False),
        sa.Column("reference", sa.String(length=100), nullable=True),
        sa.Column("return_url", sa.String(length=2000), nullable=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("decided_at", sa.BigInteger(), nullable=True),
        sa.Column("grant_partition", sa.BigInteger(), nullable=True),
        sa.Column("grant_id", sa.BigInteger(), nullable=True),
        sa.Column("token", sa.LargeBinary(), nullable=True),
        sa.PrimaryKeyConstraint("partition", "id"),
    )
    op.create_index(
        "consent_requests_by_grant",
        "consent_requests",
        ["grant_partition", "grant_id"],
        unique=False,
    )
    op.create_index(
        "consent_requests_by_reference",
        "consent_requests",
        ["merchant_id", "reference"],
        unique=False,
        postgresql_where=sa.text("reference IS NOT NULL"),
        sqlite_where=sa.text("reference IS NOT NULL"),
    )
    op.create_table(
        "consumer_sessions",
        sa.Column("id", sa.LargeBinary(length=32), nullable=False),
        sa.Column("partition", sa.BigInteger(), nullable=False),
        sa.Column("begun_at", sa.BigInteger(), nullable=False),
        sa.Column("seen_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index(
        op.f("ix_consumer_sessions_seen_at"), "consumer_sessions", ["seen_at"], unique=False
    )
    op.create_table(
        "events",
        sa.Column("partition", sa.BigInteger(), nullable=False),
        sa.Column("id", sa.BigInteger(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.String(length=32), nullable=False),
        sa.Column("merchant_id", sa.String(length=40), nullable=True),
        sa.Column("grant_id", sa.BigInteger(), nullable=True),
        sa.Column("message_id", sa.BigInteger(), nullable=True),
        sa.Column("reason", sa.String(length=64), nullable=True),
        sa.PrimaryKeyConstraint("partition", "id"),
    )
    op.create_index(
        "events_of_refusals",
        "events",
        ["partition", "grant_id", "at"],
        unique=False,
        postgresql_where=sa.text("kind = 'message_refused' AND message_id IS NULL"),
        sqlite_where=sa.text("kind = 'message_refused' AND message_id IS NULL"),
    )
    op.create_index(
        "events_of_grant_ends",
        "events",
        ["partition", "grant_id"],
        unique=False,
        postgresql_where=sa.text("kind = 'grant_ended'"),
        sqlite_where=sa.text("kind = 'grant_ended'"),
    )
    op.create_table(
        "fingerprints",
        sa.Column("fingerprint", sa.LargeBinary(length=32), nullable=False),
        sa.Column("partition", sa.BigInteger(), nullable=False),
        sa.Column("id", sa.BigInteger(), nullable=False),
        sa.Column("sent_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("fingerprint", "partition", "id"),
        sqlite_with_rowid=False,
    )
    op.create_index(op.f("ix_fingerprints_sent_at"), "fingerprints", ["sent_at"], unique=False)
    op.create_table(
        "grant_changes",
        sa.Column("partition", sa.BigInteger(), nullable=False),
        sa.Column("id", sa.BigInteger(), nullable=False),
        sa.Column("grant_id", sa.BigInteger(), nullable=False),
        sa.Column("changed_at", sa.BigInteger(), nullable=False),
        sa.Column("amendment", sa.String(length=16), nullable=False),
        sa.Column("purposes", sa.String(length=400), nullable=False),
        sa.Column("cap_limit", sa.Integer(), nullable=False),
        sa.Column("cap_days", sa.Integer(), nullable=False),
        sa.Column("opens", sa.SmallInteger(), nullable=False),
        sa.Column("closes", sa.SmallInteger(), nullable=False),
        sa.Column("timezone", sa.String(length=64), nullable=False),
        sa.Column("ends_at", sa.BigInteger(), nullable=False),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.PrimaryKeyConstraint("partition", "id"),
    )
    op.create_table(
        "grants",
        sa.Column("partition", sa.BigInteger(), nullable=False),
        sa.Column("id", sa.BigInteger(), nullable=False),
        sa.Column("merchant_id", sa.String(length=40), nullable=False),
        sa.Column("purposes", sa.String(length=400), nullable=False),
        sa.Column("cap_limit", sa.Integer(), nullable=False),
        sa.Column("cap_days", sa.Integer(), nullable=False),
        sa.Column("opens", sa.SmallInteger(), nullable=False),
        sa.Column("closes", sa.SmallInteger(), nullable=False),
        sa.Column("timezone", sa.String(length=64), nullable=False),
        sa.Column("ends_at", sa.BigInteger(), nullable=False),
        sa.Column("language", sa.String(length=16), nullable=False),
        sa.Column("granted_at", sa.BigInteger(), nullable=False),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("status_since", sa.BigInteger(), nullable=False),
        sa.Column("wrapped_key", sa.LargeBinary(), nullable=True),
        sa.PrimaryKeyConstraint("partition", "id"),
        postgresql_with={"fillfactor": 50},
    )
    op.create_index(
        "grants_by_end",
        "grants",
        ["ends_at"],
        unique=False,
        postgresql_where=sa.text("wrapped_key IS NOT NULL"),
        sqlite_where=sa.text("wrapped_key IS NOT NULL"),
    )
    op.create_index(
        "grants_by_merchant", "grants", ["merchant_id", "granted_at", "id"], unique=False
    )
    op.create_table(
        "idempotency_responses",
        sa.Column("merchant_id", sa.String(length=40), nullable=False),
        sa.Column("key_hash", sa.LargeBinary(length=32), nullable=False),
        sa.Column("request_fingerprint", sa.LargeBinary(length=32), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("sealed_response", sa.LargeBinary(), nullable=True),
        sa.PrimaryKeyConstraint("merchant_id", "key_hash"),
    )
    op.create_index(
        op.f("ix_idempotency_responses_created_at"),
        "idempotency_responses",
        ["created_at"],
        unique=False,
    )
    op.create_table(
        "invitations",
        sa.Column("partition", sa.BigInteger(), nullable=False),
        sa.Column("id", sa.BigInteger(), nullable=False),
        sa.Column("merchant_id", sa.String(length=40), nullable=False),
        sa.Column("request_partition", sa.BigInteger(), nullable=False),
        sa.Column("request_id", sa.BigInteger(), nullable=False),
        sa.Column("invited_at", sa.BigInteger(), nullable=False),
        sa.Column("next_allowed_at", sa.BigInteger(), nullable=False),
        sa.Column("is_open", sa.SmallInteger(), nullable=False),
        sa.PrimaryKeyConstraint("partition", "id"),
    )
    op.create_index(
        "invitations_by_request", "invitations", ["request_partition", "request_id"], unique=False
    )
    op.create_index(
        op.f("ix_invitations_next_allowed_at"), "invitations", ["next_allowed_at"], unique=False
    )
    op.create_table(
        "journal_outbox",
        sa.Column("partition", sa.BigInteger(), nullable=False),
        sa.Column("id", sa.BigInteger(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("partition", "id"),
    )
    op.create_table(
        "merchant_weights",
        sa.Column("merchant_id", sa.String(length=40), nullable=False),
        sa.Column("weight", sa.SmallInteger(), nullable=False),
        sa.PrimaryKeyConstraint("merchant_id"),
    )
    op.create_table(
        "merchants",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("partition", sa.BigInteger(), nullable=False),
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("admitted_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("partition"),
    )
    op.create_table(
        "messages",
        sa.Column("partition", sa.BigInteger(), nullable=False),
        sa.Column("id", sa.BigInteger(), nullable=False),
        sa.Column("grant_id", sa.BigInteger(), nullable=True),
        sa.Column("merchant_id", sa.String(length=40), nullable=True),
        sa.Column("sender_id", sa.String(length=40), nullable=True),
        sa.Column("priority", sa.SmallInteger(), nullable=False),
        sa.Column("purpose", sa.String(length=64), nullable=False),
        sa.Column("reference", sa.String(length=100), nullable=True),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("reason", sa.String(length=40), nullable=True),
        sa.Column("accepted_at", sa.BigInteger(), nullable=False),
        sa.Column("send_at", sa.BigInteger(), nullable=False),
        sa.Column("valid_until", sa.BigInteger(), nullable=False),
        sa.Column("changed_at", sa.BigInteger(), nullable=False),
        sa.Column("segments", sa.SmallInteger(), nullable=False),
        sa.Column("attempts", sa.SmallInteger(), nullable=False),
        sa.Column("lease_until", sa.BigInteger(), nullable=True),
        sa.Column("gateway_id", sa.String(length=80), nullable=True),
        sa.Column("sealed_number", sa.LargeBinary(), nullable=True),
        sa.Column("wrapped_key", sa.LargeBinary(), nullable=True),
        sa.Column("text", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("partition", "id"),
        postgresql_with={"fillfactor": 70},
    )
    op.create_index(
        "messages_by_gateway_id",
        "messages",
        ["gateway_id"],
        unique=False,
        postgresql_where=sa.text("gateway_id IS NOT NULL"),
        sqlite_where=sa.text("gateway_id IS NOT NULL"),
    )
    op.create_index(
        "messages_by_reference",
        "messages",
        ["merchant_id", "reference"],
        unique=False,
        postgresql_where=sa.text("reference IS NOT NULL"),
        sqlite_where=sa.text("reference IS NOT NULL"),
    )
    op.create_index(
        "messages_sending",
        "messages",
        ["lease_until"],
        unique=False,
        postgresql_where=sa.text("status = 'sending'"),
        sqlite_where=sa.text("status = 'sending'"),
    )
    op.create_index(
        "messages_under_grant", "messages", ["partition", "grant_id", "accepted_at"], unique=False
    )
    op.create_index(
        "messages_waiting",
        "messages",
        ["priority", "merchant_id", "send_at"],
        unique=False,
        postgresql_where=sa.text("status IN ('queued', 'deferred')"),
        sqlite_where=sa.text("status IN ('queued', 'deferred')"),
    )
    op.create_table(
        "notices",
        sa.Column("partition", sa.BigInteger(), nullable=False),
        sa.Column("id", sa.BigInteger(), nullable=False),
        sa.Column("language", sa.String(length=16), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("digest", sa.LargeBinary(length=32), nullable=False),
        sa.PrimaryKeyConstraint("partition", "id"),
    )
    op.create_table(
        "pauses",
        sa.Column("partition", sa.BigInteger(), nullable=False),
        sa.Column("id", sa.BigInteger(), nullable=False),
        sa.Column("until", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("partition", "id"),
    )
    op.create_index(op.f("ix_pauses_until"), "pauses", ["until"], unique=False)
    op.create_table(
        "preferences",
        sa.Column("partition", sa.BigInteger(), nullable=False),
        sa.Column("quiet_from", sa.BigInteger(), nullable=True),
        sa.Column("quiet_until", sa.BigInteger(), nullable=True),
        sa.Column("daily_limit", sa.SmallInteger(), nullable=True),
        sa.Column("weekly_limit", sa.SmallInteger(), nullable=True),
        sa.Column("quiet_hours_from", sa.SmallInteger(), nullable=True),
        sa.Column("quiet_hours_until", sa.SmallInteger(), nullable=True),
        sa.Column("timezone", sa.String(length=64), nullable=False),
        sa.Column("no_invitations", sa.SmallInteger(), nullable=False),
        sa.PrimaryKeyConstraint("partition"),
    )
    op.create_table(
        "rate_limits",
        sa.Column("id", sa.LargeBinary(length=32), nullable=False),
        sa.Column("hits", sa.LargeBinary(), nullable=False),
        sa.Column("idle_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index(op.f("ix_rate_limits_idle_at"), "rate_limits", ["idle_at"], unique=False)
    op.create_table(
        "receipts",
        sa.Column("partition", sa.BigInteger(), nullable=False),
        sa.Column("id", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("grant_id", sa.BigInteger(), nullable=False),
        sa.Column("issued_at", sa.BigInteger(), nullable=False),
        sa.Column("jws", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("partition", "id"),
    )
    op.create_table(
        "recipients",
        sa.Column("blind_index", sa.LargeBinary(length=32), nullable=False),
        sa.Column("partition", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("blind_index"),
        sa.UniqueConstraint("partition"),
    )
    op.create_table(
        "senders",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("merchant_id", sa.String(length=40), nullable=False),
        sa.Column("port", sa.String(length=16), nullable=False),
        sa.Column("extension", sa.String(length=16), nullable=False),
        sa.Column("signature", sa.String(length=40), nullable=False),
        sa.Column("admitted_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index(op.f("ix_senders_merchant_id"), "senders", ["merchant_id"], unique=False)
    op.create_table(
        "webhook_events",
        sa.Column("partition", sa.BigInteger(), nullable=False),
        sa.Column("id", sa.BigInteger(), nullable=False),
        sa.Column("merchant_id", sa.String(length=40), nullable=False),
        sa.Column("webhook_id", sa.String(length=40), nullable=False),
        sa.Column("event_type", sa.String(length=32), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("attempts", sa.SmallInteger(), nullable=False),
        sa.Column("due_at", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("response", sa.String(length=40), nullable=True),
        sa.PrimaryKeyConstraint("partition", "id"),
    )
    op.create_index(
        op.f("ix_webhook_events_created_at"), "webhook_events", ["created_at"], unique=False
    )
    op.create_index(
        "webhook_events_due",
        "webhook_events",
        ["due_at"],
        unique=False,
        postgresql_where=sa.text("status = 'pending'"),
        sqlite_where=sa.text("status = 'pending'"),
    )
    op.create_table(
        "webhooks",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("merchant_id", sa.String(length=40), nullable=False),
        sa.Column("url", sa.String(length=2000), nullable=False),
        sa.Column("event_types", sa.String(length=200), nullable=False),
        sa.Column("secret", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index(op.f("ix_webhooks_merchant_id"), "webhooks", ["merchant_id"], unique=False)


def downgrade() -> None:
    op.drop_table("api_keys")
    op.drop_table("challenges")
    op.drop_table("checkpoints")
    op.drop_table("complaints")
    op.drop_table("consent_requests")
    op.drop_table("consumer_sessions")
    op.drop_table("events")
    op.drop_table("fingerprints")
    op.drop_table("grant_changes")
    op.drop_table("grants")
    op.drop_table("idempotency_responses")
    op.drop_table("invitations")
    op.drop_table("journal_outbox")
    op.drop_table("merchant_weights")
    op.drop_table("merchants")
    op.drop_table("messages")
    op.drop_table("notices")
    op.drop_table("pauses")
    op.drop_table("preferences")
    op.drop_table("rate_limits")
    op.drop_table("receipts")
    op.drop_table("recipients")
    op.drop_table("senders")
    op.drop_table("webhook_events")
    op.drop_table("webhooks")
