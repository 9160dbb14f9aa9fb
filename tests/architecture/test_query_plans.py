"""What the planners make of statements on the way of a message."""

import pkgutil
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from importlib import import_module
from pathlib import Path

import pytest
from sqlalchemy import text

from consent_tokens import store
from consent_tokens.relay.message import Priority
from consent_tokens.row_key import RowKey
from consent_tokens.store import messages, outbox, schema
from consent_tokens.store.bulk import (
    MAX_SQLITE_VALUES,
    ROW_KEY_COLUMNS,
    insert_rows,
    rows_as_values,
)
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


def joined() -> Iterator[tuple[str, str]]:
    """Yield the name and the text of each statement that joins with rows."""
    for module in pkgutil.iter_modules(store.__path__, f"{store.__name__}."):
        for name, value in vars(import_module(module.name)).items():
            if isinstance(value, str) and "{input}" in value and "{{" not in value:
                yield f"{module.name.rpartition('.')[2]}.{name}", value


@pytest.mark.parametrize("rows", [1, MAX_SQLITE_VALUES])
def test_sqlite_looks_up_what_it_joins_with_rows(tmp_path: Path, rows: int) -> None:
    """Of many rows it indexed a whole table for itself, each time."""
    database = Database.open(f"sqlite:///{tmp_path}/consent.db")
    schema.upgrade(database)
    statements = dict(joined())
    assert len(statements) > 15
    for name, statement in statements.items():
        names = re.findall(r"\binput\.(\w+)", statement) or ROW_KEY_COLUMNS
        columns = dict.fromkeys(names, tuple(range(rows)))
        parameters = dict.fromkeys(re.findall(r"(?<!:):(\w+)", statement), 1)
        plain, values = rows_as_values(statement, columns, parameters)

        def explain(
            transaction: Transaction, plain: str = plain, values: list[int] = values
        ) -> list[str]:
            found = transaction.exec_driver_sql(f"EXPLAIN QUERY PLAN {plain}", tuple(values))
            return [row.detail for row in found]

        plan = database.read(explain)
        assert not [step for step in plan if "AUTOMATIC" in step], (name, plan)
    database.close()
