"""The tables. `store/migrations` creates them.

`partition` comes first in the key of every table on the path of a message, so that a database can
be distributed by it. `partition` and `id` are random 64-bit numbers; together they are a row key.
Times are whole seconds of UTC.
"""

from sqlalchemy import (
    BigInteger,
    Column,
    Index,
    Integer,
    LargeBinary,
    SmallInteger,
    String,
    Table,
    Text,
    text,
)

from consent_tokens.store import admission_tables, console_tables, operation_tables, rollup_tables
from consent_tokens.store.table_metadata import Timestamp

# that define tables of the same metadata
OTHER_MODULES = (admission_tables, console_tables, operation_tables, rollup_tables)
metadata = admission_tables.merchants.metadata  # of all tables

# IANA names, separated by a space. SQLite limits no length, and would have to copy the table for it
TIMEZONES = String(1000).with_variant(String(64), "sqlite")
IS_WAITING = text("status IN ('queued', 'deferred')")
IS_SENDING = text("status = 'sending'")
IS_PENDING = text("status = 'pending'")
IS_ATTEMPTED = text("(attempts > 0 OR response IS NOT NULL)")
IS_HELD = text("status = 'held'")
IS_FAILING = text("status <> 'delivered' AND response IS NOT NULL")
HAS_REFERENCE = text("reference IS NOT NULL")
HAS_MERCHANT = text("merchant_id IS NOT NULL")
HAS_GATEWAY_ID = text("gateway_id IS NOT NULL")
IS_PARTLY_REPORTED = text("settle_at IS NOT NULL")
HAS_EVENT = text("event_hash IS NOT NULL")
HAS_VALUES = text("value_hashes IS NOT NULL")
IS_PACED = text("pacing_id IS NOT NULL")
HAS_KEY = text("wrapped_key IS NOT NULL")
# of an index whose entries are written again with each update: joined, they are taken apart again
ONE_BY_ONE = {"deduplicate_items": "off"}
IS_UNACCEPTED_REFUSAL = text("kind = 'message_refused' AND message_id IS NULL")
IS_GRANT_END = text("kind IN ('grant_ended', 'number_reassigned')")
HAS_NO_KEY = text("wrapped_key IS NULL")
HAS_TEXT = text("text IS NOT NULL")
HAS_TOKEN = text("token IS NOT NULL")
HAS_QUIET_PERIOD = text("quiet_until IS NOT NULL")
HAS_SEVERAL_QUIET_PERIODS = text("quiet_first_end IS NOT NULL")
IS_UNDECIDED = text("status IN ('received', 'in_review')")
HAS_NO_GRANT = text("grant_id IS NULL")
# events that are deleted by their time; others with their message or grant; kept: admissions, and
# what an operator decided
IS_DELETED_BY_TIME = text(
    "message_id IS NULL AND actor IS NULL AND kind NOT IN ('grant_created', 'grant_changed', "
    "'grant_ended', 'merchant_admitted', 'merchant_suspended', 'sender_admitted', "
    "'api_key_created', 'api_key_revoked') AND NOT (kind = 'number_reassigned' AND grant_id IS NOT "
    "NULL)"
)


# the only trace of a phone number; deleted when nothing needs it (docs/data-model.md)
recipients = Table(
    "recipients",
    metadata,
    Column("blind_index", LargeBinary(32), primary_key=True),
    # drawn anew while another recipient has it: recipients.get_or_create
    Column("partition", BigInteger, nullable=False, index=True),
)

consent_requests = Table(  # in the merchant's partition
    "consent_requests",
    metadata,
    Column("partition", BigInteger, primary_key=True),
    Column("id", BigInteger, primary_key=True),
    Column("merchant_id", String(40), nullable=False),
    Column("purposes", String(400), nullable=False),
    Column("cap_limit", Integer, nullable=False),
    Column("cap_days", Integer, nullable=False),
    Column("opens", String(5), nullable=False),
    Column("closes", String(5), nullable=False),
    Column("valid_days", Integer, nullable=False),
    Column("locale", String(16), nullable=False),
    Column("reference", String(100)),
    Column("return_url", String(2000)),
    Column("created_at", Timestamp, nullable=False),
    Column("expires_at", Timestamp, nullable=False),
    Column("status", String(16), nullable=False),
    Column("decided_at", Timestamp),
    Column("grant_partition", BigInteger),
    Column("grant_id", BigInteger),
    Column("token", LargeBinary),  # a sealed envelope; null once its 24 hours are over
    Index("consent_requests_by_grant", "grant_partition", "grant_id"),
    Index("consent_requests_by_merchant", "merchant_id", "created_at", "id"),
    Index("consent_requests_pending", "expires_at",
          postgresql_where=IS_PENDING, sqlite_where=IS_PENDING),
    Index("consent_requests_with_token", "decided_at",
          postgresql_where=HAS_TOKEN, sqlite_where=HAS_TOKEN),
    Index("consent_requests_not_granted", "expires_at",
          postgresql_where=HAS_NO_GRANT, sqlite_where=HAS_NO_GRANT),
    Index("consent_requests_by_reference", "merchant_id", "reference",
          postgresql_where=HAS_REFERENCE, sqlite_where=HAS_REFERENCE),
)  # fmt: skip

posters = Table(  # in the merchant's partition
    "posters",
    metadata,
    Column("partition", BigInteger, primary_key=True),
    Column("id", BigInteger, primary_key=True),
    Column("merchant_id", String(40), nullable=False),
    Column("name", String(60), nullable=False),
    Column("terms", Text, nullable=False),  # JSON: what is asked
    Column("created_at", Timestamp, nullable=False),
    Column("created_by", String(40), nullable=False),  # somebody of `merchant_people`
    Column("expires_at", Timestamp, nullable=False),
    Column("opened", Integer, nullable=False),  # requests
    Column("opened_on", Integer, nullable=False),  # as Python's date.toordinal
    Column("opened_today", Integer, nullable=False),
    Index("posters_of_merchant", "merchant_id", "created_at"),
    Index("posters_by_end", "expires_at"),
)

grants = Table(
    "grants",
    metadata,
    Column("partition", BigInteger, primary_key=True),
    Column("id", BigInteger, primary_key=True),
    Column("merchant_id", String(40), nullable=False),
    Column("purposes", String(400), nullable=False),
    Column("cap_limit", Integer, nullable=False),
    Column("cap_days", Integer, nullable=False),
    Column("opens", SmallInteger, nullable=False),  # minutes since midnight
    Column("closes", SmallInteger, nullable=False),
    Column("timezone", TIMEZONES, nullable=False),
    Column("ends_at", Timestamp, nullable=False),
    Column("language", String(16), nullable=False),
    Column("granted_at", Timestamp, nullable=False),
    Column("status", String(16), nullable=False),
    Column("status_since", Timestamp, nullable=False),
    Column("wrapped_key", LargeBinary),  # null from the moment of revocation (promise 3)
    # of the newest token: key id, digest and MAC; null once the grant has ended, or none is known
    Column("token_mac", LargeBinary),
    Index("grants_by_merchant", "merchant_id", "granted_at", "id"),
    Index("grants_by_end", "ends_at", postgresql_where=HAS_KEY, sqlite_where=HAS_KEY),
    Index("grants_ended", "status_since", postgresql_where=HAS_NO_KEY, sqlite_where=HAS_NO_KEY),
    postgresql_with={"fillfactor": 50},  # a grant is locked by updating it: leave room on the page
)  # fmt: skip

notices = Table(  # at the row key of the grant
    "notices",
    metadata,
    Column("partition", BigInteger, primary_key=True),
    Column("id", BigInteger, primary_key=True),
    Column("language", String(16), nullable=False),
    Column("text", Text, nullable=False),
    Column("digest", LargeBinary(32), nullable=False),
)

messages = Table(  # in the recipient's partition; what waits here is the outbox
    "messages",
    metadata,
    Column("partition", BigInteger, primary_key=True),
    Column("id", BigInteger, primary_key=True),
    Column("grant_id", BigInteger),  # null: the service's own message
    Column("merchant_id", String(40)),
    Column("sender_id", String(40)),
    Column("priority", SmallInteger, nullable=False),  # 0 service, 1 transactional, 2 limited
    Column("purpose", String(64), nullable=False),
    Column("reference", String(100)),
    Column("status", String(16), nullable=False),
    Column("reason", String(40)),
    Column("accepted_at", Timestamp, nullable=False),
    Column("send_at", Timestamp, nullable=False),  # as planned; once submitted, when that was
    Column("valid_until", Timestamp, nullable=False),
    Column("changed_at", Timestamp, nullable=False),
    Column("segments", SmallInteger, nullable=False),
    Column("attempts", SmallInteger, nullable=False),
    Column("lease_until", Timestamp),
    Column("gateway_id", String(80)),
    Column("sealed_number", LargeBinary),  # null once nothing more is to be sent
    Column("wrapped_key", LargeBinary),  # of the service's own messages only
    Column("text", Text),
    Column("template_id", String(40)),
    Column("template_version", SmallInteger),
    Column("value_hashes", LargeBinary),  # of its variables, eight bytes each, keyed; until counted
    Column("event_hash", BigInteger),  # keyed, of grant, type and id of the event
    Column("pacing_id", String(48)),  # subject and version of the pacing that it counts for
    # 0: held back; else 1, with 2 added if its recipient stopped the merchant, 4 if they complained
    Column("pacing", SmallInteger),
    Column("held_from", Timestamp),  # while it is held back: send_at as planned
    Index("messages_waiting", "priority", "merchant_id", "send_at",
          postgresql_where=IS_WAITING, sqlite_where=IS_WAITING),
    Index("messages_sending", "lease_until", postgresql_where=IS_SENDING, sqlite_where=IS_SENDING),
    # by accepted_at, which never changes: an index by send_at would be written twice a message
    Index("messages_under_grant", "partition", "grant_id", "accepted_at"),
    # without the id, by which lists sort: entries of a second would go to all pages of that second
    Index("messages_by_merchant", "merchant_id", "accepted_at",
          postgresql_where=HAS_MERCHANT, sqlite_where=HAS_MERCHANT, postgresql_with=ONE_BY_ONE),
    # for retention: new rows go to their end, and an update writes its entry there again
    Index("messages_by_acceptance", "accepted_at", postgresql_with=ONE_BY_ONE),
    Index("messages_with_text", "accepted_at",
          postgresql_where=HAS_TEXT, sqlite_where=HAS_TEXT, postgresql_with=ONE_BY_ONE),
    Index("messages_by_reference", "merchant_id", "reference",
          postgresql_where=HAS_REFERENCE, sqlite_where=HAS_REFERENCE),
    Index(
        "messages_by_gateway_id", "gateway_id",
        postgresql_where=HAS_GATEWAY_ID, sqlite_where=HAS_GATEWAY_ID,
    ),
    Index("messages_to_count", "accepted_at",
          postgresql_where=HAS_VALUES, sqlite_where=HAS_VALUES),
    Index("messages_of_event", "partition", "event_hash",
          postgresql_where=HAS_EVENT, sqlite_where=HAS_EVENT),
    Index("messages_paced", "pacing_id", "pacing", "accepted_at", "id",
          postgresql_where=IS_PACED, sqlite_where=IS_PACED),
    postgresql_with={"fillfactor": 70},
)  # fmt: skip

message_segments = Table(  # at the row key of a message that was sent in several segments
    "message_segments",
    metadata,
    Column("partition", BigInteger, primary_key=True),
    Column("id", BigInteger, primary_key=True),
    Column("part", SmallInteger, primary_key=True),  # from 1
    Column("gateway_id", String(80), nullable=False, index=True),
    Column("sent_at", Timestamp, nullable=False, index=True),
    Column("status", String(16)),  # as reported: delivered, undeliverable, refused
    Column("reason", String(40)),
    # when the message counts as delivered, if no other segment is reported until then
    Column("settle_at", Timestamp),
    Index("message_segments_by_settle_at", "settle_at",
          postgresql_where=IS_PARTLY_REPORTED, sqlite_where=IS_PARTLY_REPORTED),
)  # fmt: skip

events = Table(
    "events",
    metadata,
    Column("partition", BigInteger, primary_key=True),
    Column("id", BigInteger, primary_key=True),
    Column("at", Timestamp, nullable=False),
    Column("kind", String(32), nullable=False),
    Column("merchant_id", String(40)),
    Column("grant_id", BigInteger),
    Column("message_id", BigInteger),
    Column("reason", String(64)),
    Column("actor", String(40)),  # id of the operator who decided; null: nobody did, or unknown
    Column("rules", String(200)),  # version of the rules, and the ids of those that refused
    Column("inputs", LargeBinary),  # of a decision on a message: relay.case_record
    # what the consumer's pages ask of a partition: none of them is written for an accepted message
    Index("events_of_refusals", "partition", "grant_id", "at",
          postgresql_where=IS_UNACCEPTED_REFUSAL, sqlite_where=IS_UNACCEPTED_REFUSAL),
    Index("events_of_grant_ends", "partition", "grant_id",
          postgresql_where=IS_GRANT_END, sqlite_where=IS_GRANT_END),
    Index("events_deleted_by_time", "at",
          postgresql_where=IS_DELETED_BY_TIME, sqlite_where=IS_DELETED_BY_TIME),
)  # fmt: skip

challenges = Table(
    "challenges",
    metadata,
    Column("id", LargeBinary(32), primary_key=True),
    Column("intent", String(64), nullable=False),
    Column("code_hash", LargeBinary(32), nullable=False),
    Column("sealed_number", LargeBinary, nullable=False),
    Column("failures_key", LargeBinary(32), nullable=False),
    Column("sent_at", Timestamp, nullable=False, index=True),
    Column("attempts", SmallInteger, nullable=False),
    Column("is_used", SmallInteger, nullable=False),
)

rate_limits = Table(
    "rate_limits",
    metadata,
    Column("id", LargeBinary(32), primary_key=True),  # a keyed hash of what is limited
    Column("hits", LargeBinary, nullable=False),  # times, four bytes each
    Column("idle_at", Timestamp, nullable=False, index=True),  # when the last one stops counting
)

consumer_sessions = Table(
    "consumer_sessions",
    metadata,
    Column("id", LargeBinary(32), primary_key=True),  # SHA-256 of what the cookie holds
    Column("partition", BigInteger, nullable=False),
    Column("begun_at", Timestamp, nullable=False),
    Column("seen_at", Timestamp, nullable=False, index=True),
    # a keyed hash of the code that is read out to who helps; null: none, or it was used
    Column("support_hash", LargeBinary(32)),
    Column("support_until", Timestamp),
    Index("consumer_sessions_by_support", "support_hash"),
)

idempotency_responses = Table(  # the response to an Idempotency-Key, sealed, for 24 hours
    "idempotency_responses",
    metadata,
    Column("merchant_id", String(40), primary_key=True),
    Column("key_hash", LargeBinary(32), primary_key=True),
    Column("request_fingerprint", LargeBinary(32), nullable=False),
    Column("created_at", Timestamp, nullable=False, index=True),
    Column("sealed_response", LargeBinary),
)

# the journal's outbox: added in the transaction of the act, deleted once the checkpoint is past it
journal_entries = Table(
    "journal_entries",
    metadata,
    Column("sequence", BigInteger().with_variant(Integer, "sqlite"), primary_key=True),
    Column("id", BigInteger, nullable=False, unique=True),
    Column("entry", Text, nullable=False),  # the line, without its checksum
    Column("position", BigInteger),  # offset in the journal behind the entry; null: not written yet
)

# replayed entries of a number that this database did not know, by its tag, until it comes back
waiting_entries = Table(
    "waiting_entries",
    metadata,
    Column("tag", String(22), primary_key=True),
    Column("id", BigInteger, primary_key=True),
    Column("entry", Text, nullable=False),
    Column("until", Timestamp, index=True),  # when it stops to matter; null: never
)

# what the version before wrote to instead of journal_entries; a later version drops it
journal_outbox = Table(
    "journal_outbox",
    metadata,
    Column("partition", BigInteger, primary_key=True),
    Column("id", BigInteger, primary_key=True),
    Column("at", Timestamp, nullable=False),
)

checkpoints = Table(  # how far the database has read the journal, and the latest clock it has seen
    "checkpoints",
    metadata,
    Column("name", String(32), primary_key=True),
    Column("value", String(100), nullable=False),
)

purposes = Table(  # that were ever in the catalogue; rows are only added
    "purposes",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("number", SmallInteger, nullable=False, unique=True),  # that follows STOP
    Column("class", String(16), nullable=False),
    Column("first_seen_at", Timestamp, nullable=False),
)

# the keys that rotate, by id; a row is added with the key, and never deleted
key_records = Table(
    "key_records",
    metadata,
    Column("kind", String(16), primary_key=True),  # signing, wrapping, session
    Column("kid", String(64), primary_key=True),
    Column("created_at", Timestamp, nullable=False),
    Column("created_by", String(64)),  # user of the operating system; null: the service itself
    Column("starts_at", Timestamp, nullable=False),  # since when it is in use
    Column("withdrawn_at", Timestamp),
    Column("withdrawn_by", String(64)),
)

rule_versions = Table(  # that decisions were made by; rows are only added
    "rule_versions",
    metadata,
    Column("version", String(12), primary_key=True),
    Column("first_used_at", Timestamp, nullable=False),
    Column("files", Text, nullable=False),  # JSON: the text of each pack, by the name of its file
)

token_mac_keys = Table(  # as key_records, of another kind
    "token_mac_keys",
    metadata,
    Column("kid", String(64), primary_key=True),
    Column("created_at", Timestamp, nullable=False),
    Column("created_by", String(64)),
    Column("starts_at", Timestamp, nullable=False),
    Column("withdrawn_at", Timestamp),
    Column("withdrawn_by", String(64)),
)

webhooks = Table(
    "webhooks",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("merchant_id", String(40), nullable=False, index=True),
    Column("url", String(2000), nullable=False),
    Column("event_types", String(200), nullable=False),
    Column("secret", LargeBinary, nullable=False),  # a sealed envelope
    Column("created_at", Timestamp, nullable=False),
    Column("previous_secret", LargeBinary),  # sealed; signs as well until previous_until
    Column("previous_until", Timestamp),
    Column("paused_at", Timestamp),  # nothing is delivered from then on
)

# in the merchant's partition; what is pending here is the outbox of webhooks
webhook_events = Table(
    "webhook_events",
    metadata,
    Column("partition", BigInteger, primary_key=True),
    Column("id", BigInteger, primary_key=True),
    Column("merchant_id", String(40), nullable=False),
    Column("webhook_id", String(40), nullable=False),
    Column("event_type", String(32), nullable=False),
    Column("body", Text, nullable=False),
    Column("status", String(16), nullable=False),  # pending, held, delivered, failed
    Column("attempts", SmallInteger, nullable=False),
    Column("due_at", Timestamp, nullable=False),  # while leased: the end of the lease
    Column("created_at", Timestamp, nullable=False, index=True),
    Column("response", String(40)),  # of the last attempt: a status, or a kind of error
    Index("webhook_events_due", "due_at", postgresql_where=IS_PENDING, sqlite_where=IS_PENDING),
    Index("webhook_events_attempted", "webhook_id", "status", "due_at", "id",
          postgresql_where=IS_ATTEMPTED, sqlite_where=IS_ATTEMPTED),
    Index("webhook_events_held", "webhook_id", postgresql_where=IS_HELD, sqlite_where=IS_HELD),
    Index("webhook_events_failing", "created_at", "id",
          postgresql_where=IS_FAILING, sqlite_where=IS_FAILING),
    Index("webhook_events_failing_of_merchant", "merchant_id", "created_at", "id",
          postgresql_where=IS_FAILING, sqlite_where=IS_FAILING),
)  # fmt: skip

preferences = Table(  # of a recipient, over all merchants; one without a row has set none
    "preferences",
    metadata,
    Column("partition", BigInteger, primary_key=True),
    Column("quiet_from", Timestamp),  # from the begin of the first quiet period
    Column("quiet_until", Timestamp),  # to the end of the last
    Column("daily_limit", SmallInteger),
    Column("weekly_limit", SmallInteger),
    Column("quiet_hours_from", SmallInteger),  # minutes since midnight
    Column("quiet_hours_until", SmallInteger),
    Column("timezone", TIMEZONES, nullable=False),
    Column("no_invitations", SmallInteger, nullable=False),
    Column("quiet_periods", String(200)),  # if there are several: their seconds, "1-5 7-9"
    Column("quiet_first_end", Timestamp),  # of several, which ends first
    Index("preferences_quiet", "quiet_until",
          postgresql_where=HAS_QUIET_PERIOD, sqlite_where=HAS_QUIET_PERIOD),
    Index("preferences_quiet_first", "quiet_first_end",
          postgresql_where=HAS_SEVERAL_QUIET_PERIODS, sqlite_where=HAS_SEVERAL_QUIET_PERIODS),
)  # fmt: skip

recipient_locks = Table(  # locked while the texts of all merchants to a recipient are counted
    "recipient_locks",
    metadata,
    Column("partition", BigInteger, primary_key=True),
    Column("locked_at", Timestamp, nullable=False, index=True),  # last
)

pauses = Table(  # at the row key of the grant; an open-ended pause has no row
    "pauses",
    metadata,
    Column("partition", BigInteger, primary_key=True),
    Column("id", BigInteger, primary_key=True),
    Column("until", Timestamp, nullable=False, index=True),
)

# the terms of a grant until `changed_at`: history is added to, never overwritten
grant_changes = Table(
    "grant_changes",
    metadata,
    Column("partition", BigInteger, primary_key=True),
    Column("id", BigInteger, primary_key=True),
    Column("grant_id", BigInteger, nullable=False),
    Column("changed_at", Timestamp, nullable=False),
    Column("amendment", String(16), nullable=False),  # narrowed, widened, paused ...
    Column("purposes", String(400), nullable=False),
    Column("cap_limit", Integer, nullable=False),
    Column("cap_days", Integer, nullable=False),
    Column("opens", SmallInteger, nullable=False),
    Column("closes", SmallInteger, nullable=False),
    Column("timezone", TIMEZONES, nullable=False),
    Column("ends_at", Timestamp, nullable=False),
    Column("status", String(16), nullable=False),
)

invitations = Table(  # who was invited by SMS, and from when on the merchant may invite again
    "invitations",
    metadata,
    Column("partition", BigInteger, primary_key=True),
    Column("id", BigInteger, primary_key=True),
    Column("merchant_id", String(40), nullable=False),
    Column("request_partition", BigInteger, nullable=False),
    Column("request_id", BigInteger, nullable=False),
    Column("invited_at", Timestamp, nullable=False),
    Column("next_allowed_at", Timestamp, nullable=False, index=True),
    Column("is_open", SmallInteger, nullable=False),
    Index("invitations_by_request", "request_partition", "request_id"),
)

merchant_consents = Table(  # what holds for all grants of one recipient to one merchant
    "merchant_consents",
    metadata,
    Column("partition", BigInteger, primary_key=True),
    Column("merchant_id", String(40), primary_key=True),
    Column("stopped_at", Timestamp, index=True),  # the last stop by the consumer; null: none
)

receipts = Table(
    "receipts",
    metadata,
    Column("partition", BigInteger, primary_key=True),
    Column("id", BigInteger, primary_key=True),
    Column("kind", String(16), nullable=False),  # consent, withdrawal
    Column("grant_id", BigInteger, nullable=False),
    Column("issued_at", Timestamp, nullable=False),
    Column("jws", Text, nullable=False),
)

# a keyed hash of number, sender and text of every text that left, to find a pasted text again
fingerprints = Table(
    "fingerprints",
    metadata,
    Column("fingerprint", LargeBinary(32), primary_key=True),
    Column("partition", BigInteger, primary_key=True),  # of the message
    Column("id", BigInteger, primary_key=True),
    Column("sent_at", Timestamp, nullable=False, index=True),
    sqlite_with_rowid=False,  # the key holds nearly all columns: one B-tree instead of two
)

message_links = Table(  # on Citus distributed by the hash
    "message_links",
    metadata,
    Column("link_hash", LargeBinary(32), primary_key=True),
    Column("partition", BigInteger, nullable=False, index=True),  # of the message
    Column("id", BigInteger, nullable=False),
    Column("expires_at", Timestamp, nullable=False, index=True),
    sqlite_with_rowid=False,
)

# what stays of a text after its recipient was erased: it answers whoever shows the text again, and
# leads to nothing else; `sent_on` is a midnight, so that it matches no other row
erased_texts = Table(
    "erased_texts",
    metadata,
    Column("fingerprint", LargeBinary(32), primary_key=True),
    Column("sent_on", Timestamp, primary_key=True, index=True),
    Column("verdict", String(16), nullable=False),
    sqlite_with_rowid=False,  # no row number that shows which were erased together
)

retention_runs = Table(  # what the deletion of each kind has done
    "retention_runs",
    metadata,
    Column("kind", String(32), primary_key=True),
    Column("ran_at", Timestamp, nullable=False),
    Column("deleted_before", Timestamp),  # nothing older is left; null: nothing was deleted yet
    Column("deleted", BigInteger, nullable=False),  # rows, in all runs
)

complaints = Table(
    "complaints",
    metadata,
    Column("partition", BigInteger, primary_key=True),
    Column("id", BigInteger, primary_key=True),
    Column("case_number_hash", LargeBinary(32), nullable=False, unique=True),  # keyed hash
    Column("merchant_id", String(40)),
    Column("grant_id", BigInteger),
    Column("message_id", BigInteger),
    Column("purpose", String(64)),
    Column("sent_at", Timestamp),
    Column("reason", String(16), nullable=False),
    Column("verdict", String(16), nullable=False),
    Column("status", String(16), nullable=False),
    Column("statement", LargeBinary),  # what the consumer wrote, sealed
    Column("picture", LargeBinary),  # sealed
    Column("filed_at", Timestamp, nullable=False),
    Column("changed_at", Timestamp, nullable=False),
    Column("template_id", String(40), index=True),
    # of a disputed class: what is found of it as marketing; only of quiet periods until decided
    Column("as_marketing", String(100)),
    Column("has_ordered", SmallInteger),  # as the consumer says: 1, 0; null: not said
    Column("shown_text", LargeBinary),  # the text, as its consumer shows it to who decides; sealed
    Column("owner_id", String(40)),  # the operator who has taken it; null: nobody
    Column("ground", String(16)),  # why it was decided so, from a list
    Column("remark", String(400)),  # what the operator wrote about that
    Index("complaints_by_merchant", "merchant_id", "filed_at", "id"),
    Index("complaints_by_change", "changed_at"),
    Index(
        "complaints_undecided", "filed_at", postgresql_where=IS_UNDECIDED, sqlite_where=IS_UNDECIDED
    ),
)
