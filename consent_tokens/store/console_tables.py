"""The tables of the consoles: who may sign in, with what, where they are signed in, and four eyes.

They are small, but for the parts of campaigns, and not in a recipient's partition.
`store/migrations` creates them.
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
)

from consent_tokens.store.table_metadata import Timestamp, metadata

merchant_people = Table(
    "merchant_people",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("merchant_id", String(40), nullable=False, index=True),
    Column("name", String(60), nullable=False),
    Column("role", String(16), nullable=False),  # owner, developer, marketer, viewer
    Column("added_at", Timestamp, nullable=False),
    Column("disabled_at", Timestamp),
)

# one row a person of either console who was invited: an operator or one of `merchant_people`
console_credentials = Table(
    "console_credentials",
    metadata,
    Column("person_id", String(40), primary_key=True),
    Column("login", String(80), nullable=False, unique=True),  # console, colon, folded name
    Column("password_hash", String(200)),  # argon2id; null: the invitation was not accepted yet
    Column("password_set_at", Timestamp),
    Column("totp_secret", LargeBinary),  # an envelope
    Column("totp_step", BigInteger),  # of the newest code that was used: it works once
)

passkeys = Table(
    "passkeys",
    metadata,
    Column("id", LargeBinary(32), primary_key=True),  # SHA-256 of the credential id
    Column("person_id", String(40), nullable=False, index=True),
    Column("credential_id", LargeBinary, nullable=False),
    Column("public_key", LargeBinary, nullable=False),  # COSE
    Column("sign_count", BigInteger, nullable=False),
    Column("name", String(60), nullable=False),
    Column("added_at", Timestamp, nullable=False),
    Column("used_at", Timestamp),
)

recovery_codes = Table(  # those that are left: a code that was used is deleted
    "recovery_codes",
    metadata,
    Column("id", LargeBinary(32), primary_key=True),  # keyed hash of person and code
    Column("person_id", String(40), nullable=False, index=True),
)

console_links = Table(  # links that were sent to a person: an invitation
    "console_links",
    metadata,
    Column("id", LargeBinary(32), primary_key=True),  # SHA-256 of the secret in the link
    Column("person_id", String(40), nullable=False, index=True),
    Column("kind", String(16), nullable=False),  # invitation, demonstration
    Column("expires_at", Timestamp, nullable=False),
)

console_sessions = Table(
    "console_sessions",
    metadata,
    Column("id", LargeBinary(32), primary_key=True),  # SHA-256 of what the cookie holds
    Column("public_id", String(24), nullable=False, unique=True),  # by which it is ended
    Column("person_id", String(40), nullable=False, index=True),
    Column("begun_at", Timestamp, nullable=False),
    Column("seen_at", Timestamp, nullable=False, index=True),
    Column("verified_at", Timestamp, nullable=False),  # when a second factor was proved last
    Column("factor", String(16), nullable=False),  # totp, passkey, recovery_code, demonstration
    Column("client", String(200), nullable=False),  # the User-Agent
)

console_challenges = Table(  # of passkeys, that were answered: each is answered once
    "console_challenges",
    metadata,
    Column("id", LargeBinary(32), primary_key=True),  # SHA-256 of the challenge
    Column("expires_at", Timestamp, nullable=False),
)

sign_in_waits = Table(  # failed sign-ins of a name, of a client, and wrong codes of a person
    "sign_in_waits",
    metadata,
    Column("id", LargeBinary(32), primary_key=True),  # a keyed hash of what is counted
    Column("failures", Integer, nullable=False),  # since the last success
    Column("failed_at", Timestamp, nullable=False),
    Column("next_at", Timestamp, nullable=False),  # before then an attempt is not looked at
)

proposed_actions = Table(  # what one person proposes and another decides
    "proposed_actions",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("kind", String(32), nullable=False),
    Column("subject_id", String(60), nullable=False),
    Column("details", Text, nullable=False),  # JSON: what the action needs beside its subject
    Column("reason", String(400), nullable=False),
    Column("status", String(16), nullable=False),  # open, approved, rejected
    Column("proposed_by", String(40), nullable=False),
    Column("proposed_at", Timestamp, nullable=False),
    Column("expires_at", Timestamp, nullable=False),
    Column("decided_by", String(40)),
    Column("decided_at", Timestamp),
    Index("proposed_actions_by_status", "status", "proposed_at"),
)

campaigns = Table(
    "campaigns",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("merchant_id", String(40), nullable=False),
    Column("name", String(100), nullable=False),
    Column("status", String(16), nullable=False),  # checking, ready, running, finished, stopped
    Column("lines", Integer, nullable=False),  # that can be read as messages
    Column("faulty", Integer, nullable=False),
    Column("next_part", Integer, nullable=False),
    Column("created_at", Timestamp, nullable=False),
    Column("created_by", String(40), nullable=False),  # somebody of `merchant_people`
    Column("changed_at", Timestamp, nullable=False),
    Column("due_at", Timestamp),  # of the next part; null: none is
    Column("template_id", String(40)),
    Column("sender_id", String(40)),
    Column("starts_at", Timestamp),
    Column("opens", SmallInteger, nullable=False),  # minutes of the day in `timezone`
    Column("closes", SmallInteger, nullable=False),
    Column("timezone", String(64), nullable=False),
    Column("tally", Text, nullable=False),  # JSON: sums of the check, until it is over
    Column("preview", Text, nullable=False),  # JSON: what is shown of them
    Column("accepted", Integer, nullable=False),
    Column("refused", Text, nullable=False),  # JSON: lines by reason
    Index("campaigns_of_merchant", "merchant_id", "created_at"),
    Index("campaigns_due", "due_at"),
    Index("campaigns_by_change", "changed_at"),
)

campaign_parts = Table(
    "campaign_parts",
    metadata,
    Column("campaign_id", String(40), primary_key=True),
    Column("part", Integer, primary_key=True),  # -1: the lines that cannot be read
    Column("lines", LargeBinary),  # an envelope; null once they were submitted, or will not be
    Column("refused", LargeBinary),  # an envelope: line, reference, reason and detail of each
)
