"""What PostgreSQL's planner makes of statements on the way of a message, in any statistics."""

from datetime import UTC, datetime, timedelta

from sqlalchemy import text

from consent_tokens.relay.message import Priority
from consent_tokens.row_key import RowKey
from consent_tokens.store import messages, outbox
from consent_tokens.store.bulk import insert_rows
from consent_tokens.store.database import Database, Transaction

T0 = datetime(2026, 11, 27, tzinfo=UTC)
FEW, MANY = 300, 3000
COLUMNS = (
    "partition", "id", "grant_id", "merchant_id", "priority", "purpose", "status", "accepted_at",
    "send_at", "valid_until", "changed_at", "segments", "attempts",
)  # fmt: skip
FETCHES = text("SELECT idx_tup_fetch FROM pg_stat_xact_user_tables WHERE relname = 'messages'")
SCANS = text("SELECT seq_scan FROM pg_stat_xact_user_tables WHERE relname = 'messages'")


def test_sends_are_counted_by_an_index(empty_postgres_url: str) -> None:
    """Without statistics it took hundreds of times as long: each row beside each grant."""
    database, now = Database.open(empty_postgres_url), int(T0.timestamp())
    times = (now, now, now + 3600, now)
    rows = [
        (place, place, place, "m", 2, "marketing.promotions", "sent", *times, 1, 1)
        for place in range(MANY)
    ]
    database.run(lambda transaction: insert_rows(transaction, "messages", COLUMNS, rows))

    def count(transaction: Transaction) -> tuple[int, int, int]:
        since = T0 - timedelta(days=30)
        grants = [RowKey(place, place) for place in range(FEW)]
        of_grants = messages.counted_sends(transaction, grants, since)()
        of_all = messages.marketing_sends_of(transaction, range(FEW), since)
        return len(of_grants), len(of_all), transaction.execute(SCANS).scalar_one()

    assert database.read(count) == (FEW, FEW, 0)
    database.close()


def test_a_lease_finds_its_messages_by_key_after_statistics_of_an_empty_outbox(
    empty_postgres_url: str,
) -> None:
    """It looked through all that waited, for each message that it leased."""
    database, now = Database.open(empty_postgres_url), int(T0.timestamp())

    def add(transaction: Transaction, first: int, status: str) -> None:
        times = (now, now, now + 3600, now)
        rows = [
            (place, place, place, "m", 2, "marketing.promotions", status, *times, 1, 1)
            for place in range(first, first + MANY)
        ]
        insert_rows(transaction, "messages", COLUMNS, rows)

    def analyze(transaction: Transaction) -> None:
        transaction.execute(text("ANALYZE messages"))

    database.run(lambda transaction: add(transaction, 0, "sent"))
    database.run(analyze)
    database.run(lambda transaction: add(transaction, MANY, "queued"))

    def lease(transaction: Transaction) -> tuple[int, int]:
        until = T0 + timedelta(minutes=1)
        leased = outbox.lease(transaction, Priority.MARKETING, "m", T0, until=until, limit=FEW)
        return len(leased), transaction.execute(FETCHES).scalar_one()

    count, fetched = database.run(lease)
    assert count == FEW
    assert fetched < MANY, "not all that waits"
    database.close()
