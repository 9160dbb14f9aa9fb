"""Rows that are inserted or joined with: each value arrives as it is, whatever is in it."""

from collections.abc import Iterator

import pytest
from sqlalchemy import select

from consent_tokens.store import schema
from consent_tokens.store.bulk import MAX_SQLITE_VALUES, RowSet, insert_rows
from consent_tokens.store.database import Database
from consent_tokens.store.tables import events

pytestmark = pytest.mark.both_databases

TEXTS = (
    "plain", "", " ", "null", "NULL", '"', "\\", '\\"', "{}", "{a,b}", ",", "'", "$1", "%s", ":id",
    "a\nb\tc", "店名", "😀", None,
)  # fmt: skip
COLUMNS = ("partition", "id", "at", "kind", "reason", "inputs")


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    opened = Database.open(database_url)
    schema.upgrade(opened)
    yield opened
    opened.close()


@pytest.mark.parametrize("count", [1, len(TEXTS)])
def test_what_is_inserted_is_what_is_read(database: Database, count: int) -> None:
    rows = [
        (-(2**63) + place, 2**63 - 1, 7, "k", text, None if text is None else text.encode())
        for place, text in enumerate(TEXTS[-count:])
    ]
    stored = select(*(events.c[name] for name in ("partition", "id", "kind", "reason", "inputs")))

    assert database.run(lambda at: insert_rows(at, "events", COLUMNS, rows)) == count
    found = database.read(lambda at: at.execute(stored.order_by(events.c.partition)).all())

    assert [tuple(row) for row in found] == [(row[0], row[1], *row[3:]) for row in rows]


def test_a_row_that_is_there_twice_is_inserted_once(database: Database) -> None:
    row = (1, 1, 7, "k", None, b"\x00")
    count = database.run(lambda at: insert_rows(at, "events", COLUMNS, [row, row], or_ignore=True))
    assert count == 1


def test_what_is_joined_with_is_what_was_given(database: Database) -> None:
    rows = list(enumerate(TEXTS))
    columns = {"place": "bigint", "said": "text"}
    query = "SELECT place, said FROM {input} ORDER BY place"
    found = database.read(lambda at: RowSet(columns, rows).run(at, query))
    assert [tuple(row) for row in found] == rows


@pytest.mark.parametrize(
    "count", [1, 2, 3, MAX_SQLITE_VALUES - 1, MAX_SQLITE_VALUES, MAX_SQLITE_VALUES + 1]
)
def test_any_number_of_rows_is_joined_with(database: Database, count: int) -> None:
    """With values that are equal in all rows, null in some, and beside parameters."""
    rows = [(place, None if place % 3 else place, "店名") for place in range(-1, count - 1)]
    columns = {"place": "bigint", "third": "bigint", "said": "text"}
    query = """SELECT place, third, said, :a AS a, :b AS b FROM {input}
        WHERE place > CAST(:a AS bigint) ORDER BY place"""
    found = database.read(lambda at: RowSet(columns, rows).run(at, query, a=-2, b="ß"))
    assert [(*row[:3], int(row[3]), row[4]) for row in found] == [(*row, -2, "ß") for row in rows]
