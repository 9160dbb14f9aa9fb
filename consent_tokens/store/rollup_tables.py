"""The tables of rollups (services/rollups): counts of each day, and what is not added yet."""

from sqlalchemy import BigInteger, Column, Index, Integer, SmallInteger, String, Table, text

from consent_tokens.store.table_metadata import Timestamp, metadata

HAS_COMPLAINTS = text("complaints > 0 AND kind = 1")

# what transactions counted and no rollup has yet: inserted with what it is about, deleted when it
# is added. The partition is random, and of nobody
rollup_increments = Table(
    "rollup_increments",
    metadata,
    Column("partition", BigInteger, primary_key=True),
    Column("id", BigInteger, primary_key=True),
    Column("counted_at", Timestamp, nullable=False),
    Column("day", Integer, nullable=False),  # of UTC, since 1970
    Column("merchant_id", String(40), nullable=False),
    Column("sender_id", String(40), nullable=False),  # empty: not known, as in what follows
    Column("template_id", String(40), nullable=False),
    Column("purpose", String(64), nullable=False),
    Column("measure", String(16), nullable=False),
    Column("reason", String(40), nullable=False),
    Column("count", Integer, nullable=False),  # less than 0: corrects what was counted
    sqlite_with_rowid=False,  # one page that a transaction writes, instead of two
)

daily_rollups = Table(
    "daily_rollups",
    metadata,
    Column("subject_id", String(40), primary_key=True),  # of a merchant, sender, template; all: ""
    Column("day", Integer, primary_key=True),  # of UTC, since 1970
    Column("purpose", String(64), primary_key=True),  # empty: of none
    Column("kind", SmallInteger, nullable=False),  # of the subject: store.rollups.SubjectKind
    Column("accepted", BigInteger, nullable=False),
    Column("refused", BigInteger, nullable=False),
    Column("sent", BigInteger, nullable=False),
    Column("delivered", BigInteger, nullable=False),
    Column("undelivered", BigInteger, nullable=False),
    Column("stops", BigInteger, nullable=False),
    Column("complaints", BigInteger, nullable=False),
    Column("gained", BigInteger, nullable=False),
    Column("lost", BigInteger, nullable=False),
    Index("daily_rollups_by_day", "day"),
    Index("daily_rollups_with_complaints", "day", "subject_id", "complaints",
          postgresql_where=HAS_COMPLAINTS, sqlite_where=HAS_COMPLAINTS),
)  # fmt: skip

daily_reasons = Table(  # of what daily_rollups counts as refused and lost
    "daily_reasons",
    metadata,
    Column("subject_id", String(40), primary_key=True),
    Column("day", Integer, primary_key=True),
    Column("measure", String(16), primary_key=True),
    Column("reason", String(40), primary_key=True),
    Column("count", BigInteger, nullable=False),
    Index("daily_reasons_by_day", "day"),
)
