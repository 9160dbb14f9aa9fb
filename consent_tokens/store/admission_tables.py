"""The tables of admission: merchants, their senders, signatures and templates, and who decided.

They are small, and not in a recipient's partition. `store/migrations` creates them.
"""

from sqlalchemy import (
    BigInteger,
    Boolean,
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

from consent_tokens.store.table_metadata import Timestamp, metadata

merchants = Table(
    "merchants",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("partition", BigInteger, nullable=False, unique=True),
    Column("name", String(100), nullable=False),
    Column("status", String(16), nullable=False),  # applied, active, suspended, refused
    Column("admitted_at", Timestamp, nullable=False),
    Column("legal_name", String(200)),
    Column("registration", String(60)),
    Column("contact", String(200)),
    Column("website", String(200)),
    Column("checked_by", String(100)),  # who checked the identity; null: nobody did
    Column("checked_at", Timestamp),
    # demonstration or legal_entity: a demonstration is not checked, and sends on a loopback address
    Column("kind", String(16), nullable=False, server_default=text("'demonstration'")),
    Column("classes", String(64)),  # of purposes that it is admitted for; null: all
    Column("suspended_classes", String(64)),  # of those, what it may not use now
    Column("control_group", String(40), index=True),  # id of its control group; null: it is alone
    Column("purposes", Text),  # that need an admission of their own, and that it is admitted for
    Column("daily_limits", String(200)),  # messages a day by class, "marketing=500"; null: none
    Column("plans_until", Timestamp),  # when the last of its plans ends; null: it has none
)

api_keys = Table(
    "api_keys",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("merchant_id", String(40), nullable=False, index=True),
    Column("digest", LargeBinary, nullable=False),  # SHA-256 of 256 random bits
    Column("created_at", Timestamp, nullable=False),
    Column("revoked_at", Timestamp),
    Column("scopes", String(200)),  # separated by a space; null: all
    Column("networks", Text),  # of clients, separated by a space; null: any
    Column("expires_at", Timestamp),
    Column("rate", Integer),  # requests a minute
    Column("created_by", String(40)),  # id of the API key that created it; null: the operator
    Column("is_test", Boolean),  # null: no
)

daily_counts = Table(  # messages accepted on a day, of merchants with a limit for the class
    "daily_counts",
    metadata,
    Column("merchant_id", String(40), primary_key=True),
    Column("class", String(16), primary_key=True),
    Column("day", Integer, nullable=False),  # as Python's date.toordinal
    Column("accepted", Integer, nullable=False),
)

plans = Table(  # what merchants say they will send, and what was accepted of it
    "plans",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("merchant_id", String(40), nullable=False, index=True),
    Column("starts_at", Timestamp, nullable=False),
    Column("ends_at", Timestamp, nullable=False, index=True),
    Column("messages", BigInteger, nullable=False),
    Column("purpose", String(64)),  # null: of any
    Column("template_id", String(40)),
    Column("sender_id", String(40)),
    Column("reference", String(100)),
    Column("created_at", Timestamp, nullable=False),
    Column("stated_at", Timestamp, nullable=False),  # since when it plans no less
    Column("withdrawn_at", Timestamp),
    Column("accepted", BigInteger, nullable=False),
    Column("excess", BigInteger, nullable=False),  # refused, because it was used up
)

api_rates = Table(  # requests of this minute, of a key or a merchant
    "api_rates",
    metadata,
    Column("bucket", String(48), primary_key=True),  # the id of the key, or of the merchant
    Column("minute", BigInteger, nullable=False),  # since 1970
    Column("used", Integer, nullable=False),
)

senders = Table(
    "senders",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("merchant_id", String(40), nullable=False, index=True),
    Column("port", String(16), nullable=False),
    Column("extension", String(16), nullable=False),
    Column("signature", String(40), nullable=False),
    Column("admitted_at", Timestamp, nullable=False),
    Column("classes", String(64)),  # of purposes that it is admitted for; null: its merchant's
    Column("carrier", String(60)),
    Column("licence", String(60)),  # that the carrier filed the port under
    Column("filed_use", String(200)),  # what the carrier was told it is for
    Column("valid_until", Timestamp),
    Column("revoked_at", Timestamp),  # it rests from then on, before another may have it
)

# what merchants applied for: no sender until an operator admits it, then under the same id
sender_applications = Table(
    "sender_applications",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("merchant_id", String(40), nullable=False, index=True),
    Column("port", String(16), nullable=False),
    Column("extension", String(16), nullable=False),
    Column("signature", String(40), nullable=False),
    Column("source", String(16), nullable=False),  # of the signature
    Column("evidence", String(200)),
    Column("classes", String(64)),
    Column("carrier", String(60)),
    Column("licence", String(60)),
    Column("filed_use", String(200)),
    Column("valid_until", Timestamp),
    Column("status", String(16), nullable=False),  # submitted, admitted, refused
    Column("submitted_at", Timestamp, nullable=False),
    Column("decided_at", Timestamp),
    Column("reason", String(400)),  # of a refusal
)

merchant_weights = Table(  # for fair sharing at dispatch; a merchant without a row has weight 1
    "merchant_weights",
    metadata,
    Column("merchant_id", String(40), primary_key=True),
    Column("weight", SmallInteger, nullable=False),
)

link_domains = Table(  # that a merchant's texts may link to; without rows: any
    "link_domains",
    metadata,
    Column("merchant_id", String(40), primary_key=True),
    Column("domain", String(253), primary_key=True),
)

# what a merchant told about itself when it applied; at the id of the merchant
merchant_applications = Table(
    "merchant_applications",
    metadata,
    Column("merchant_id", String(40), primary_key=True),
    Column("status", String(16), nullable=False),  # submitted, returned, approved, refused
    Column("classes", String(64), nullable=False),  # of purposes that it asks for
    Column("country", String(2), nullable=False),  # where it is registered, ISO 3166-1 alpha-2
    Column("legal_person", String(100)),  # who represents it
    Column("licences", String(400)),
    Column("wanted_use", String(1000)),  # what it wants to send, and to whom
    Column("submitted_at", Timestamp, nullable=False),
    Column("decided_at", Timestamp),
    Column("decided_by", String(40)),  # id of an operator
    Column("reason", String(400)),  # of a return or a refusal
    Index("merchant_applications_by_status", "status", "submitted_at"),
)

merchant_documents = Table(
    "merchant_documents",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("merchant_id", String(40), nullable=False, index=True),
    Column("name", String(200), nullable=False),
    Column("content_type", String(60), nullable=False),
    Column("digest", LargeBinary(32), nullable=False),  # SHA-256 of the content
    Column("content", LargeBinary, nullable=False),  # a sealed envelope
    Column("added_at", Timestamp, nullable=False),
)

operators = Table(
    "operators",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("name", String(60), nullable=False, unique=True),
    Column("role", String(16), nullable=False),  # admin, reviewer, analyst, auditor
    Column("added_at", Timestamp, nullable=False),
    Column("disabled_at", Timestamp),
)

# what operators decided, one row each: where two are asked for, two rows of different operators
reviews = Table(
    "reviews",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("subject_id", String(60), nullable=False, index=True),  # merchant, template:version ...
    Column("action", String(32), nullable=False),
    Column("operator_id", String(40), nullable=False),
    Column("at", Timestamp, nullable=False),
    Column("reason", String(400)),
)

# pairs of merchants that may be under one control, for a reviewer to decide
control_group_proposals = Table(
    "control_group_proposals",
    metadata,
    Column("merchant_id", String(40), primary_key=True),
    Column("other_id", String(40), primary_key=True),  # the greater id of the two
    Column("signals", String(200), nullable=False),  # what they share, separated by a space
    Column("proposed_at", Timestamp, nullable=False),
    Column("status", String(16), nullable=False),  # open, joined, rejected
    Column("decided_at", Timestamp),
    Column("decided_by", String(40)),
)

signatures = Table(  # the names before texts: each has one owner
    "signatures",
    metadata,
    Column("folded", String(60), primary_key=True),  # look-alikes fold to the same
    Column("signature", String(40), nullable=False),
    Column("merchant_id", String(40), nullable=False, index=True),
    Column("source", String(16), nullable=False),  # company, trademark, application, site
    Column("evidence", String(200)),  # such as the number of the trademark
    Column("status", String(16), nullable=False),  # submitted, admitted, refused, revoked
    Column("changed_at", Timestamp, nullable=False),
)

templates = Table(  # versions of texts with variables; the text of a version never changes
    "templates",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("version", SmallInteger, primary_key=True),  # from 1
    Column("merchant_id", String(40), nullable=False),
    Column("purpose", String(64), nullable=False),
    Column("text", Text, nullable=False),  # with {variables}
    Column("variables", Text, nullable=False),  # JSON: type and bounds, by name
    Column("on_overflow", String(16), nullable=False),  # truncate, refuse
    Column("event_type", String(32)),  # that its texts need, such as order; null: none
    Column("texts_per_event", SmallInteger, nullable=False),
    Column("is_essential", SmallInteger, nullable=False),  # needs no event, but two approvals
    Column("fingerprint", LargeBinary(32), nullable=False),  # of the fixed text, folded
    Column("findings", Text, nullable=False),  # JSON: what the automatic check marked
    Column("status", String(16), nullable=False),  # submitted, approved, refused, held, withdrawn
    Column("submitted_at", Timestamp, nullable=False),
    Column("decided_at", Timestamp),
    Column("reason", String(400)),
    Index("templates_by_merchant", "merchant_id", "submitted_at", "id", "version"),
    Index("templates_by_status", "status", "submitted_at"),
    Index("templates_by_fingerprint", "fingerprint"),
)

template_moves = Table(  # to another purpose, as a reviewer decided
    "template_moves",
    metadata,
    Column("template_id", String(40), primary_key=True),
    Column("place", SmallInteger, primary_key=True),  # among the moves of the template, from 1
    Column("previous_purpose", String(64), nullable=False),
    Column("purpose", String(64), nullable=False),
    Column("status", String(16), nullable=False),  # announced, in_effect, reversed, dropped
    Column("decided_at", Timestamp, nullable=False),
    Column("decided_by", String(40), nullable=False),
    Column("reason", String(400), nullable=False),
    Column("takes_effect_at", Timestamp, nullable=False),
    Column("appeal", String(400)),  # what the merchant says against it
    Column("appealed_at", Timestamp),
    Column("appeal_status", String(16)),  # open, upheld, dismissed
    Index("template_moves_by_status", "status", "takes_effect_at"),
    Index("template_moves_by_appeal", "appeal_status", "appealed_at"),
)

# how often each value of a variable was sent: keyed hashes, no value
template_value_counts = Table(
    "template_value_counts",
    metadata,
    Column("template_id", String(40), primary_key=True),
    Column("variable", String(40), primary_key=True),  # empty: the texts of the template
    Column("value_hash", BigInteger, primary_key=True),  # 0 of the texts of the template
    Column("texts", BigInteger, nullable=False),
    Column("counted_at", Timestamp, nullable=False, index=True),
    Column("accepted_at", Timestamp),  # since when it may be repeated: somebody has looked at it
)

# templates whose texts leave in parts, until they are proven (relay/pacing.py); one without a row
# is not paced
pacings = Table(
    "pacings",
    metadata,
    Column("subject_id", String(40), primary_key=True),  # a template, or a sender of free texts
    Column("version", Integer, primary_key=True),  # of the template; the day, of free texts
    Column("merchant_id", String(40), nullable=False, index=True),
    Column("kind", String(16), nullable=False),  # limited, transactional: which parts it has
    Column("is_budgeted", SmallInteger, nullable=False),  # counts in unproven_texts
    Column("status", String(16), nullable=False),  # open, held, dropped, proven
    Column("stage", SmallInteger, nullable=False),  # from 0
    Column("taken", BigInteger, nullable=False),  # places of its parts, of all stages
    Column("created_at", Timestamp, nullable=False),
    Column("active_until", Timestamp, nullable=False, index=True),  # until when it is looked at
    Column("left_at", Timestamp),  # since when the part of its stage has left
    Column("held_at", Timestamp),
    Column("waiting_since", Timestamp),  # since when a person has to decide
    Column("changed_at", Timestamp, nullable=False),
    # as last counted
    Column("checked_at", Timestamp, nullable=False),
    Column("people", BigInteger, nullable=False),  # who got a text
    Column("stops", BigInteger, nullable=False),
    Column("complainants", BigInteger, nullable=False),
    Column("held", BigInteger, nullable=False),  # messages
    # when a person let it go on
    Column("accepted_people", BigInteger, nullable=False),
    Column("accepted_stops", BigInteger, nullable=False),
    Column("accepted_complainants", BigInteger, nullable=False),
)

unproven_texts = Table(  # of all unproven templates of a control group, or a merchant alone
    "unproven_texts",
    metadata,
    Column("group_id", String(40), primary_key=True),
    Column("day", Integer, nullable=False),  # since 1970, of UTC
    Column("texts", BigInteger, nullable=False),
)

objections = Table(  # of merchants, to a refusal or suspension
    "objections",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("merchant_id", String(40), nullable=False, index=True),
    Column("kind", String(16), nullable=False),  # template, sender, suspension
    Column("subject_id", String(80), nullable=False),  # as in `reviews`
    Column("review_id", String(40), nullable=False, unique=True),  # the decision: one to each
    Column("decided_against_by", String(40), nullable=False),  # who may not decide this
    Column("words", String(400), nullable=False),
    Column("made_by", String(40), nullable=False),  # somebody of `merchant_people`
    Column("made_at", Timestamp, nullable=False),
    Column("status", String(16), nullable=False),  # open, upheld, dismissed
    Column("decided_by", String(40)),
    Column("decided_at", Timestamp),
    Column("reason", String(400)),
    Index("objections_by_status", "status", "made_at"),
)
