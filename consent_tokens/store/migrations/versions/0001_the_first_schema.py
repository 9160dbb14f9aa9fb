"""The first schema."""

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
        sa.Column("made_at", sa.BigInteger(), nullable=False),
        sa.Column("revoked_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id"),
    )
    with op.batch_alter_table("api_keys", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_api_keys_merchant_id"), ["merchant_id"], unique=False)

    op.create_table(
        "challenges",
        sa.Column("id", sa.LargeBinary(length=32), nullable=False),
        sa.Column("about", sa.String(length=64), nullable=False),
        sa.Column("digest", sa.LargeBinary(length=32), nullable=False),
        sa.Column("box", sa.LargeBinary(), nullable=False),
        sa.Column("limit_key", sa.LargeBinary(length=32), nullable=False),
        sa.Column("sent_at", sa.BigInteger(), nullable=False),
        sa.Column("tries", sa.SmallInteger(), nullable=False),
        sa.Column("used", sa.SmallInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    with op.batch_alter_table("challenges", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_challenges_sent_at"), ["sent_at"], unique=False)

    op.create_table(
        "consent_requests",
        sa.Column("home", sa.BigInteger(), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("merchant_id", sa.String(length=40), nullable=False),
        sa.Column("purposes", sa.String(length=400), nullable=False),
        sa.Column("cap_most", sa.Integer(), nullable=False),
        sa.Column("cap_days", sa.Integer(), nullable=False),
        sa.Column("opens", sa.String(length=5), nullable=False),
        sa.Column("closes", sa.String(length=5), nullable=False),
        sa.Column("valid_days", sa.Integer(), nullable=False),
        sa.Column("locale", sa.String(length=16), nullable=False),
        sa.Column("reference", sa.String(length=100), nullable=True),
        sa.Column("return_url", sa.String(length=2000), nullable=True),
        sa.Column("asked_at", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("decided_at", sa.BigInteger(), nullable=True),
        sa.Column("grant_home", sa.BigInteger(), nullable=True),
        sa.Column("grant_number", sa.BigInteger(), nullable=True),
        sa.Column("token", sa.LargeBinary(), nullable=True),
        sa.PrimaryKeyConstraint("home", "number"),
    )
    with op.batch_alter_table("consent_requests", schema=None) as batch_op:
        batch_op.create_index(
            "consent_requests_by_grant", ["grant_home", "grant_number"], unique=False
        )

    op.create_table(
        "events",
        sa.Column("home", sa.BigInteger(), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.String(length=32), nullable=False),
        sa.Column("merchant_id", sa.String(length=40), nullable=True),
        sa.Column("grant_number", sa.BigInteger(), nullable=True),
        sa.Column("message_number", sa.BigInteger(), nullable=True),
        sa.Column("code", sa.String(length=64), nullable=True),
        sa.PrimaryKeyConstraint("home", "number"),
    )
    op.create_table(
        "grants",
        sa.Column("home", sa.BigInteger(), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("merchant_id", sa.String(length=40), nullable=False),
        sa.Column("purposes", sa.String(length=400), nullable=False),
        sa.Column("cap_most", sa.Integer(), nullable=False),
        sa.Column("cap_days", sa.Integer(), nullable=False),
        sa.Column("opens", sa.SmallInteger(), nullable=False),
        sa.Column("closes", sa.SmallInteger(), nullable=False),
        sa.Column("zone", sa.String(length=64), nullable=False),
        sa.Column("ends_at", sa.BigInteger(), nullable=False),
        sa.Column("language", sa.String(length=16), nullable=False),
        sa.Column("granted_at", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("since", sa.BigInteger(), nullable=False),
        sa.Column("wrapped_key", sa.LargeBinary(), nullable=True),
        sa.PrimaryKeyConstraint("home", "number"),
        postgresql_with={"fillfactor": 50},
    )
    with op.batch_alter_table("grants", schema=None) as batch_op:
        batch_op.create_index(
            "grants_by_end",
            ["ends_at"],
            unique=False,
            postgresql_where=sa.text("wrapped_key IS NOT NULL"),
            sqlite_where=sa.text("wrapped_key IS NOT NULL"),
        )
        batch_op.create_index(
            "grants_by_merchant", ["merchant_id", "granted_at", "number"], unique=False
        )

    op.create_table(
        "limits",
        sa.Column("id", sa.LargeBinary(length=32), nullable=False),
        sa.Column("hits", sa.LargeBinary(), nullable=False),
        sa.Column("idle_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    with op.batch_alter_table("limits", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_limits_idle_at"), ["idle_at"], unique=False)

    op.create_table(
        "merchants",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("home", sa.BigInteger(), nullable=False),
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("admitted_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("home"),
    )
    op.create_table(
        "messages",
        sa.Column("home", sa.BigInteger(), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("grant_number", sa.BigInteger(), nullable=True),
        sa.Column("merchant_id", sa.String(length=40), nullable=True),
        sa.Column("sender_id", sa.String(length=40), nullable=True),
        sa.Column("rank", sa.SmallInteger(), nullable=False),
        sa.Column("purpose", sa.String(length=64), nullable=False),
        sa.Column("reference", sa.String(length=100), nullable=True),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("reason", sa.String(length=40), nullable=True),
        sa.Column("accepted_at", sa.BigInteger(), nullable=False),
        sa.Column("leaves_at", sa.BigInteger(), nullable=False),
        sa.Column("valid_until", sa.BigInteger(), nullable=False),
        sa.Column("changed_at", sa.BigInteger(), nullable=False),
        sa.Column("segments", sa.SmallInteger(), nullable=False),
        sa.Column("attempts", sa.SmallInteger(), nullable=False),
        sa.Column("lease_until", sa.BigInteger(), nullable=True),
        sa.Column("gateway_id", sa.String(length=80), nullable=True),
        sa.Column("box", sa.LargeBinary(), nullable=True),
        sa.Column("wrapped_key", sa.LargeBinary(), nullable=True),
        sa.Column("text", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("home", "number"),
        postgresql_with={"fillfactor": 70},
    )
    with op.batch_alter_table("messages", schema=None) as batch_op:
        batch_op.create_index(
            "messages_by_gateway_id",
            ["gateway_id"],
            unique=False,
            postgresql_where=sa.text("gateway_id IS NOT NULL"),
            sqlite_where=sa.text("gateway_id IS NOT NULL"),
        )
        batch_op.create_index(
            "messages_by_grant", ["home", "grant_number", "leaves_at"], unique=False
        )
        batch_op.create_index(
            "messages_by_reference",
            ["merchant_id", "reference"],
            unique=False,
            postgresql_where=sa.text("reference IS NOT NULL"),
            sqlite_where=sa.text("reference IS NOT NULL"),
        )
        batch_op.create_index(
            "messages_sending",
            ["lease_until"],
            unique=False,
            postgresql_where=sa.text("state = 'sending'"),
            sqlite_where=sa.text("state = 'sending'"),
        )
        batch_op.create_index(
            "messages_waiting",
            ["rank", "leaves_at"],
            unique=False,
            postgresql_where=sa.text("state IN ('queued', 'deferred')"),
            sqlite_where=sa.text("state IN ('queued', 'deferred')"),
        )

    op.create_table(
        "notices",
        sa.Column("home", sa.BigInteger(), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("language", sa.String(length=16), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("digest", sa.LargeBinary(length=32), nullable=False),
        sa.PrimaryKeyConstraint("home", "number"),
    )
    op.create_table(
        "recipients",
        sa.Column("blind_index", sa.LargeBinary(length=32), nullable=False),
        sa.Column("home", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("blind_index"),
        sa.UniqueConstraint("home"),
    )
    op.create_table(
        "replies",
        sa.Column("merchant_id", sa.String(length=40), nullable=False),
        sa.Column("key", sa.LargeBinary(length=32), nullable=False),
        sa.Column("fingerprint", sa.LargeBinary(length=32), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("envelope", sa.LargeBinary(), nullable=True),
        sa.PrimaryKeyConstraint("merchant_id", "key"),
    )
    with op.batch_alter_table("replies", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_replies_at"), ["at"], unique=False)

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
    with op.batch_alter_table("senders", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_senders_merchant_id"), ["merchant_id"], unique=False)

    op.create_table(
        "sessions",
        sa.Column("id", sa.LargeBinary(length=32), nullable=False),
        sa.Column("home", sa.BigInteger(), nullable=False),
        sa.Column("begun_at", sa.BigInteger(), nullable=False),
        sa.Column("seen_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    with op.batch_alter_table("sessions", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_sessions_seen_at"), ["seen_at"], unique=False)


def downgrade() -> None:

    with op.batch_alter_table("sessions", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_sessions_seen_at"))

    op.drop_table("sessions")
    with op.batch_alter_table("senders", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_senders_merchant_id"))

    op.drop_table("senders")
    with op.batch_alter_table("replies", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_replies_at"))

    op.drop_table("replies")
    op.drop_table("recipients")
    op.drop_table("notices")
    with op.batch_alter_table("messages", schema=None) as batch_op:
        batch_op.drop_index(
            "messages_waiting",
            postgresql_where=sa.text("state IN ('queued', 'deferred')"),
            sqlite_where=sa.text("state IN ('queued', 'deferred')"),
        )
        batch_op.drop_index(
            "messages_sending",
            postgresql_where=sa.text("state = 'sending'"),
            sqlite_where=sa.text("state = 'sending'"),
        )
        batch_op.drop_index(
            "messages_by_reference",
            postgresql_where=sa.text("reference IS NOT NULL"),
            sqlite_where=sa.text("reference IS NOT NULL"),
        )
        batch_op.drop_index("messages_by_grant")
        batch_op.drop_index(
            "messages_by_gateway_id",
            postgresql_where=sa.text("gateway_id IS NOT NULL"),
            sqlite_where=sa.text("gateway_id IS NOT NULL"),
        )

    op.drop_table("messages")
    op.drop_table("merchants")
    with op.batch_alter_table("limits", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_limits_idle_at"))

    op.drop_table("limits")
    with op.batch_alter_table("grants", schema=None) as batch_op:
        batch_op.drop_index("grants_by_merchant")
        batch_op.drop_index(
            "grants_by_end",
            postgresql_where=sa.text("wrapped_key IS NOT NULL"),
            sqlite_where=sa.text("wrapped_key IS NOT NULL"),
        )

    op.drop_table("grants")
    op.drop_table("events")
    with op.batch_alter_table("consent_requests", schema=None) as batch_op:
        batch_op.drop_index("consent_requests_by_grant")

    op.drop_table("consent_requests")
    with op.batch_alter_table("challenges", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_challenges_sent_at"))

    op.drop_table("challenges")
    with op.batch_alter_table("api_keys", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_api_keys_merchant_id"))

    op.drop_table("api_keys")
