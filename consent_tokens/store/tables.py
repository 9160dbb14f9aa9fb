"""The tables, as they are. Migrations bring older databases here.

`home` is first in the key of every table on the way of a message, so that a database can be spread
by it. `home` and `number` are random 64-bit numbers; together they are an address.
"""

from datetime import datetime

from sqlalchemy import (
    BigInteger,
    Column,
    Dialect,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    SmallInteger,
    String,
    Table,
    Text,
    TypeDecorator,
    text,
)

from consent_tokens.clock import utc_from_epoch


class Moment(TypeDecorator[datetime]):
    """A moment is whole seconds of UTC on disk, in every database, and aware in Python."""

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> int | None:
        """Return the seconds. A naive datetime raises ValueError: it means nothing here."""
        del dialect
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a moment without a time zone")
        return int(value.timestamp())

    def process_result_value(self, value: int | None, dialect: Dialect) -> datetime | None:
        """Return the aware moment."""
        del dialect
        return None if value is None else utc_from_epoch(value)


metadata = MetaData()

WAITING = text("state IN ('queued', 'deferred')")
SENDING = text("state = 'sending'")
DUE = text("state = 'waiting'")
NAMED = text("reference IS NOT NULL")
TAKEN = text("gateway_id IS NOT NULL")
KEYED = text("wrapped_key IS NOT NULL")


merchants = Table(
    "merchants",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("home", BigInteger, nullable=False, unique=True),
    Column("name", String(100), nullable=False),
    Column("state", String(16), nullable=False),  # applied, active, suspended
    Column("admitted_at", Moment, nullable=False),
)

api_keys = Table(
    "api_keys",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("merchant_id", String(40), nullable=False, index=True),
    Column("digest", LargeBinary, nullable=False),  # SHA-256 of 256 random bits
    Column("made_at", Moment, nullable=False),
    Column("revoked_at", Moment),
)

senders = Table(
    "senders",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("merchant_id", String(40), nullable=False, index=True),
    Column("port", String(16), nullable=False),
    Column("extension", String(16), nullable=False),
    Column("signature", String(40), nullable=False),
    Column("admitted_at", Moment, nullable=False),
)

# the only trace of a number: goes with the consumer's last consent
recipients = Table(
    "recipients",
    metadata,
    Column("blind_index", LargeBinary(32), primary_key=True),
    Column("home", BigInteger, nullable=False, unique=True),
)

consent_requests = Table(  # in the home of the merchant
    "consent_requests",
    metadata,
    Column("home", BigInteger, primary_key=True),
    Column("number", BigInteger, primary_key=True),
    Column("merchant_id", String(40), nullable=False),
    Column("purposes", String(400), nullable=False),
    Column("cap_most", Integer, nullable=False),
    Column("cap_days", Integer, nullable=False),
    Column("opens", String(5), nullable=False),
    Column("closes", String(5), nullable=False),
    Column("valid_days", Integer, nullable=False),
    Column("locale", String(16), nullable=False),
    Column("reference", String(100)),
    Column("return_url", String(2000)),
    Column("asked_at", Moment, nullable=False),
    Column("expires_at", Moment, nullable=False),
    Column("state", String(16), nullable=False),
    Column("decided_at", Moment),
    Column("grant_home", BigInteger),
    Column("grant_number", BigInteger),
    Column("token", LargeBinary),  # enclosed; null once its 24 hours are over
    Index("consent_requests_by_grant", "grant_home", "grant_number"),
    Index("consent_requests_by_reference", "merchant_id", "reference",
          postgresql_where=NAMED, sqlite_where=NAMED),
)  # fmt: skip

grants = Table(
    "grants",
    metadata,
    Column("home", BigInteger, primary_key=True),
    Column("number", BigInteger, primary_key=True),
    Column("merchant_id", String(40), nullable=False),
    Column("purposes", String(400), nullable=False),
    Column("cap_most", Integer, nullable=False),
    Column("cap_days", Integer, nullable=False),
    Column("opens", SmallInteger, nullable=False),  # minutes since midnight
    Column("closes", SmallInteger, nullable=False),
    Column("zone", String(64), nullable=False),
    Column("ends_at", Moment, nullable=False),
    Column("language", String(16), nullable=False),
    Column("granted_at", Moment, nullable=False),
    Column("state", String(16), nullable=False),
    Column("since", Moment, nullable=False),
    Column("wrapped_key", LargeBinary),  # null from the moment of revocation (promise 3)
    Index("grants_by_merchant", "merchant_id", "granted_at", "number"),
    Index("grants_by_end", "ends_at", postgresql_where=KEYED, sqlite_where=KEYED),
    postgresql_with={"fillfactor": 50},  # a grant is locked by updating it: leave it room beside
)  # fmt: skip

notices = Table(  # at the address of the grant
    "notices",
    metadata,
    Column("home", BigInteger, primary_key=True),
    Column("number", BigInteger, primary_key=True),
    Column("language", String(16), nullable=False),
    Column("text", Text, nullable=False),
    Column("digest", LargeBinary(32), nullable=False),
)

messages = Table(  # in the home of the recipient; while it waits, this is the outbox
    "messages",
    metadata,
    Column("home", BigInteger, primary_key=True),
    Column("number", BigInteger, primary_key=True),
    Column("grant_number", BigInteger),  # null: the service's own message
    Column("merchant_id", String(40)),
    Column("sender_id", String(40)),
    Column("rank", SmallInteger, nullable=False),  # 0 service, 1 transactional, 2 marketing
    Column("purpose", String(64), nullable=False),
    Column("reference", String(100)),
    Column("state", String(16), nullable=False),
    Column("reason", String(40)),
    Column("accepted_at", Moment, nullable=False),
    Column("leaves_at", Moment, nullable=False),  # as planned; once it has left, when it did
    Column("valid_until", Moment, nullable=False),
    Column("changed_at", Moment, nullable=False),
    Column("segments", SmallInteger, nullable=False),
    Column("attempts", SmallInteger, nullable=False),
    Column("lease_until", Moment),
    Column("gateway_id", String(80)),
    Column("box", LargeBinary),  # the sealed number; null once nothing more is to be sent
    Column("wrapped_key", LargeBinary),  # of the service's own messages only
    Column("text", Text),
    Index("messages_in_turn", "rank", "merchant_id", "leaves_at",
          postgresql_where=WAITING, sqlite_where=WAITING),
    Index("messages_sending", "lease_until", postgresql_where=SENDING, sqlite_where=SENDING),
    # by what never changes: an index by `leaves_at` would be written twice for each that leaves
    Index("messages_under_grant", "home", "grant_number", "accepted_at"),
    Index("messages_by_reference", "merchant_id", "reference",
          postgresql_where=NAMED, sqlite_where=NAMED),
    Index("messages_by_gateway_id", "gateway_id", postgresql_where=TAKEN, sqlite_where=TAKEN),
    postgresql_with={"fillfactor": 70},
)  # fmt: skip

events = Table(
    "events",
    metadata,
    Column("home", BigInteger, primary_key=True),
    Column("number", BigInteger, primary_key=True),
    Column("at", Moment, nullable=False),
    Column("kind", String(32), nullable=False),
    Column("merchant_id", String(40)),
    Column("grant_number", BigInteger),
    Column("message_number", BigInteger),
    Column("code", String(64)),
)

challenges = Table(
    "challenges",
    metadata,
    Column("id", LargeBinary(32), primary_key=True),
    Column("about", String(64), nullable=False),
    Column("digest", LargeBinary(32), nullable=False),
    Column("box", LargeBinary, nullable=False),
    Column("limit_key", LargeBinary(32), nullable=False),
    Column("sent_at", Moment, nullable=False, index=True),
    Column("tries", SmallInteger, nullable=False),
    Column("used", SmallInteger, nullable=False),
)

limits = Table(
    "limits",
    metadata,
    Column("id", LargeBinary(32), primary_key=True),  # a keyed hash of what is limited
    Column("hits", LargeBinary, nullable=False),  # moments, four bytes each
    Column("idle_at", Moment, nullable=False, index=True),  # when all of them are past
)

sessions = Table(
    "sessions",
    metadata,
    Column("id", LargeBinary(32), primary_key=True),  # SHA-256 of what the cookie holds
    Column("home", BigInteger, nullable=False),
    Column("begun_at", Moment, nullable=False),
    Column("seen_at", Moment, nullable=False, index=True),
)

replies = Table(  # what was answered under an Idempotency-Key, enclosed, for 24 hours
    "replies",
    metadata,
    Column("merchant_id", String(40), primary_key=True),
    Column("key", LargeBinary(32), primary_key=True),
    Column("fingerprint", LargeBinary(32), nullable=False),
    Column("at", Moment, nullable=False, index=True),
    Column("envelope", LargeBinary),
)

merchant_shares = Table(  # of the way out; a merchant without a row has one
    "merchant_shares",
    metadata,
    Column("merchant_id", String(40), primary_key=True),
    Column("weight", SmallInteger, nullable=False),
)

# ended grants that are not in the revocation journal yet: put here with the end, gone once told
to_journal = Table(
    "to_journal",
    metadata,
    Column("home", BigInteger, primary_key=True),
    Column("number", BigInteger, primary_key=True),
    Column("at", Moment, nullable=False),
)

marks = Table(  # how far the database has come: of the journal, of the clock
    "marks",
    metadata,
    Column("name", String(32), primary_key=True),
    Column("value", String(100), nullable=False),
)

webhooks = Table(
    "webhooks",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("merchant_id", String(40), nullable=False, index=True),
    Column("url", String(2000), nullable=False),
    Column("kinds", String(200), nullable=False),
    Column("secret", LargeBinary, nullable=False),  # enclosed
    Column("made_at", Moment, nullable=False),
)

notifications = Table(  # in the home of the merchant; while one waits, this is the webhooks' outbox
    "notifications",
    metadata,
    Column("home", BigInteger, primary_key=True),
    Column("number", BigInteger, primary_key=True),
    Column("merchant_id", String(40), nullable=False),
    Column("webhook_id", String(40), nullable=False),
    Column("kind", String(32), nullable=False),
    Column("body", Text, nullable=False),
    Column("state", String(16), nullable=False),  # waiting, delivered, dead
    Column("attempts", SmallInteger, nullable=False),
    Column("due_at", Moment, nullable=False),  # while one is being sent: when that is given up
    Column("made_at", Moment, nullable=False, index=True),
    Column("answer", String(40)),  # what the receiver said last: a status, or a kind of fault
    Index("notifications_due", "due_at", postgresql_where=DUE, sqlite_where=DUE),
)

wishes = Table(  # of a recipient, over all merchants; one without a row has none
    "wishes",
    metadata,
    Column("home", BigInteger, primary_key=True),
    Column("calm_from", Moment),
    Column("calm_until", Moment),
    Column("day_limit", SmallInteger),
    Column("week_limit", SmallInteger),
    Column("rest_from", SmallInteger),  # minutes since midnight
    Column("rest_until", SmallInteger),
    Column("zone", String(64), nullable=False),
    Column("no_invitations", SmallInteger, nullable=False),
)

pauses = Table(  # at the address of the grant; one that is paused without a day has none
    "pauses",
    metadata,
    Column("home", BigInteger, primary_key=True),
    Column("number", BigInteger, primary_key=True),
    Column("until", Moment, nullable=False, index=True),
)

grant_changes = Table(  # what a grant was until `at`: history is added to, never overwritten
    "grant_changes",
    metadata,
    Column("home", BigInteger, primary_key=True),
    Column("number", BigInteger, primary_key=True),
    Column("grant_number", BigInteger, nullable=False),
    Column("at", Moment, nullable=False),
    Column("what", String(16), nullable=False),  # narrowed, paused, resumed, prolonged
    Column("purposes", String(400), nullable=False),
    Column("cap_most", Integer, nullable=False),
    Column("cap_days", Integer, nullable=False),
    Column("opens", SmallInteger, nullable=False),
    Column("closes", SmallInteger, nullable=False),
    Column("zone", String(64), nullable=False),
    Column("ends_at", Moment, nullable=False),
    Column("state", String(16), nullable=False),
)

invitations = Table(  # who was asked by SMS, and from when on the same merchant may ask again
    "invitations",
    metadata,
    Column("home", BigInteger, primary_key=True),
    Column("number", BigInteger, primary_key=True),
    Column("merchant_id", String(40), nullable=False),
    Column("request_home", BigInteger, nullable=False),
    Column("request_number", BigInteger, nullable=False),
    Column("asked_at", Moment, nullable=False),
    Column("again_at", Moment, nullable=False, index=True),
    Column("is_open", SmallInteger, nullable=False),
    Index("invitations_by_request", "request_home", "request_number"),
)

receipts = Table(
    "receipts",
    metadata,
    Column("home", BigInteger, primary_key=True),
    Column("number", BigInteger, primary_key=True),
    Column("kind", String(16), nullable=False),  # consent, withdrawal
    Column("grant_number", BigInteger, nullable=False),
    Column("at", Moment, nullable=False),
    Column("jws", Text, nullable=False),
)

# of every text that left, with its number and sender: a keyed hash, so that a pasted text is found
fingerprints = Table(
    "fingerprints",
    metadata,
    Column("digest", LargeBinary(32), primary_key=True),
    Column("home", BigInteger, primary_key=True),  # of the message
    Column("number", BigInteger, primary_key=True),
    Column("at", Moment, nullable=False, index=True),
    sqlite_with_rowid=False,  # the key is all there is: one tree less to write
)

complaints = Table(
    "complaints",
    metadata,
    Column("home", BigInteger, primary_key=True),
    Column("number", BigInteger, primary_key=True),
    Column("follow", LargeBinary(32), nullable=False, unique=True),  # keyed hash of its number
    Column("merchant_id", String(40)),
    Column("grant_number", BigInteger),
    Column("message_number", BigInteger),
    Column("purpose", String(64)),
    Column("sent_at", Moment),
    Column("reason", String(16), nullable=False),
    Column("verdict", String(16), nullable=False),
    Column("state", String(16), nullable=False),
    Column("said", LargeBinary),  # what the consumer wrote, enclosed
    Column("picture", LargeBinary),  # enclosed
    Column("at", Moment, nullable=False),
    Column("changed_at", Moment, nullable=False),
    Index("complaints_by_merchant", "merchant_id", "at", "number"),
)
