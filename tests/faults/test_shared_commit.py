"""Messages that share a commit on PostgreSQL: their statements are sent together, or not at all."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import psycopg
import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from consent_tokens.errors import (
    CommitUncertainError,
    DatabaseUnavailableError,
)
from consent_tokens.services.idempotency import (
    ApiResponse,
    Done,
    IdempotencyKey,
    Worked,
    run_each_once,
)
from consent_tokens.services.submission.group_commit import Submission
from consent_tokens.services.submission.message_request import MessageRequest
from consent_tokens.store import checkpoints
from consent_tokens.store.bulk import RowSet, insert_rows
from consent_tokens.store.database import Database, Transaction
from consent_tokens.store.round_trips import one_round_trip
from tests.fixtures import insert_grants
from tests.service import ORDERS, Service

KEY = IdempotencyKey("mer", "k", b"a")


@pytest.fixture
def on_postgres(empty_postgres_url: str, tmp_path: Path) -> Iterator[Service]:
    started = Service.start(empty_postgres_url, tmp_path)
    yield started
    started.close()


def insert_one(transaction: Transaction, name: str) -> None:
    insert_rows(transaction, "checkpoints", ("name", "value"), [(name, "1")])


def stored(service: Service, name: str) -> str | None:
    return service.runtime.database.read(lambda at: checkpoints.find(at, name))


def test_a_key_that_was_stored_meanwhile_is_answered_as_it_was_there(on_postgres: Service) -> None:
    attempts: list[str] = []

    def run(name: str, meanwhile: Callable[[], object]) -> Done[str] | Exception:
        def work(places: Sequence[int]) -> Worked[str]:
            attempts.append(name)
            meanwhile()
            done = [Done(ApiResponse.render(202, name), name) for _ in places]
            return Worked(done, lambda at: insert_one(at, name))

        return run_each_once(on_postgres.runtime, [KEY], lambda _transaction: work)[0]

    answer = run("one", lambda: run("two", lambda: None))
    assert isinstance(answer, Done)
    assert (answer.response.body, answer.response.is_replayed) == (b'"two"', True)
    assert attempts == ["one", "two"]
    assert (stored(on_postgres, "one"), stored(on_postgres, "two")) == (None, "1")


def test_a_connection_that_breaks_before_the_commit_leaves_nothing(on_postgres: Service) -> None:
    database = on_postgres.runtime.database

    def insert(transaction: Transaction, backend: int) -> None:
        insert_one(transaction, "broken")
        with database.engine.begin() as other:
            other.execute(text("SELECT pg_terminate_backend(:pid)"), {"pid": backend})

    pid = text("SELECT pg_backend_pid()")
    with pytest.raises(CommitUncertainError):
        database.run(lambda at: int(at.execute(pid).scalar_one()), insert)
    assert stored(on_postgres, "broken") is None
    database.run(lambda _: None, lambda at, _: insert_one(at, "whole"))
    assert stored(on_postgres, "whole") == "1"


def test_behind_a_statement_that_fails_nothing_is_done(on_postgres: Service) -> None:
    database = on_postgres.runtime.database

    def insert(transaction: Transaction, _: None) -> None:
        insert_one(transaction, "first")
        insert_one(transaction, "first")
        insert_one(transaction, "last")

    with pytest.raises(DBAPIError, match="UniqueViolation"):
        database.run(lambda _: None, insert)
    assert (stored(on_postgres, "first"), stored(on_postgres, "last")) == (None, None)


def test_rows_are_read_after_the_round_trip_and_within_it(on_postgres: Service) -> None:
    names = RowSet({"name": "text"}, [("a",), ("b",)])
    query = "SELECT input.name AS name FROM {input} WHERE input.name <> :left_out"

    def work(transaction: Transaction) -> list[str]:
        with one_round_trip(transaction):
            after = names.ask(transaction, query, left_out="a")
            within = names.run(transaction, query, left_out="b")
        return [row.name for row in (*after(), *within)]

    assert on_postgres.runtime.database.run(work) == ["b", "a"]


def test_a_group_waits_for_six_answers(on_postgres: Service, tmp_path: Path) -> None:
    """The MACs, BEGIN, what is read without a lock, the lock, what is read under it, the rest."""
    service, merchant = on_postgres, on_postgres.merchant()
    tokens = insert_grants(service.runtime, merchant.id, 12)
    groups = [
        [
            Submission(
                merchant.id,
                MessageRequest(token=token, purpose=ORDERS, text="a parcel"),
                lambda _: ApiResponse.render(202, {}),
                IdempotencyKey(merchant.id, token, b""),
            )
            for token in tokens[at : at + 3]
        ]
        for at in (0, 3, 6, 9)
    ]
    accept_all = service.context.submitter._accept_all
    for _ in range(2):  # the first stores the version of the rules, the second sees it there
        accept_all(groups.pop())
    with service.runtime.database.engine.connect() as connection:
        driver = connection.connection.driver_connection
    assert isinstance(driver, psycopg.Connection), "the only one, that the groups get too"
    with (tmp_path / "trace").open("w") as trace:
        driver.pgconn.trace(trace.fileno())
        for group in groups:
            assert all(isinstance(each, Done) for each in accept_all(group))
        driver.pgconn.untrace()
    assert (tmp_path / "trace").read_text().count("ReadyForQuery") == 6 * len(groups)


def test_a_query_leaves_what_the_server_has_prepared(on_postgres: Service) -> None:
    database = on_postgres.runtime.database
    names = RowSet({"name": "text"}, [("a",)])
    prepared = text(
        "SELECT count(*) FROM pg_prepared_statements WHERE statement LIKE 'SELECT input%'"
    )

    def ask(transaction: Transaction) -> int:
        names.run(transaction, "SELECT input.name AS name FROM {input}")
        return int(transaction.execute(prepared).scalar_one())

    assert [database.read(ask) for _ in range(8)][-1] == 1


def test_what_was_committed_before_a_repeated_key_is_answered_as_committed(
    on_postgres: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A group with one key twice takes two transactions; the second one finds no database."""
    runs: list[int] = []
    run = Database.run

    def run_once_only(database: Database, work: Any, finish: Any = None) -> Any:  # noqa: ANN401 - as the real one
        runs.append(1)
        if len(runs) > 1:
            raise DatabaseUnavailableError
        return run(database, work, finish)

    def work(places: Sequence[int]) -> Worked[str]:
        done = [Done(ApiResponse.render(202, {}), "accepted") for _ in places]
        return Worked(done, lambda at: insert_one(at, "committed"))

    monkeypatch.setattr(Database, "run", run_once_only)
    outcomes = run_each_once(on_postgres.runtime, [KEY, None, KEY], lambda _transaction: work)
    assert [type(each) for each in outcomes] == [Done, Done, DatabaseUnavailableError]
    assert stored(on_postgres, "committed") == "1"


def test_what_the_server_refuses_at_the_end_is_not_called_uncertain(on_postgres: Service) -> None:
    """Class 53 of SQLSTATE: the disk is full, say; nothing was committed."""

    def refuse(transaction: Transaction, _: None) -> None:
        insert_one(transaction, "refused")
        RowSet({"name": "text"}, [("x",)]).ask(
            transaction, "SELECT pg_temp.refuses() AS name FROM {input}"
        )

    database = on_postgres.runtime.database
    refuses = """CREATE FUNCTION pg_temp.refuses() RETURNS text LANGUAGE plpgsql AS
        $$ BEGIN RAISE EXCEPTION 'disk full' USING ERRCODE = '53100'; END $$"""

    def make_function(transaction: Transaction) -> None:
        transaction.execute(text(refuses))

    with pytest.raises(DatabaseUnavailableError):
        database.run(make_function, refuse)
    assert stored(on_postgres, "refused") is None
