"""Rounds that overlap: what the gateway answered to one is recorded while another is leased."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy import select, text

from consent_tokens.gateways.simulator import Simulator
from consent_tokens.services.submission.message_request import MessageRequest
from consent_tokens.store.database import Transaction
from consent_tokens.store.tables import messages
from consent_tokens.workers import dispatcher
from tests.fixtures import accept_messages, admit_merchant, insert_grants
from tests.service import PROMOTIONS, Service

COUNT = 7
FAIL = """
CREATE OR REPLACE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN RAISE EXCEPTION 'a fault'; END $$"""


@pytest.fixture
def loaded(database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Service:
    """Return a service with messages of several people, of which each round leases two."""
    service = Service.start(database_url, tmp_path / "keys", gateway=Simulator())
    merchant_id = admit_merchant(service.runtime)
    requests = [
        MessageRequest(token=token, purpose=PROMOTIONS, text="a book")
        for token in insert_grants(service.runtime, merchant_id, COUNT)
    ]
    accept_messages(service.context, merchant_id, requests)
    monkeypatch.setattr(dispatcher, "BATCH_SIZE", 2)
    return service


def counts(service: Service) -> tuple[int, int, int]:
    """Return how many messages are in flight, how many are sent, and how many events say so."""

    def query(transaction: Transaction) -> tuple[int, int, int]:
        found = transaction.execute(
            text("""
            SELECT (SELECT count(*) FROM messages WHERE status = 'sending'),
                (SELECT count(*) FROM messages WHERE status IN ('sent', 'delivered')),
                (SELECT count(*) FROM events WHERE kind = 'message_submitted')""")
        ).one()
        return found[0], found[1], found[2]

    return service.runtime.database.read(query)


def states(service: Service) -> dict[int, str]:
    """Return the status of each message, by id."""
    return service.runtime.database.read(
        lambda at: {row.id: row.status for row in at.execute(select(messages))}
    )


def dispatch_all(service: Service) -> None:
    while service.dispatcher.round():
        pass


@contextmanager
def failing(service: Service, condition: str) -> Iterator[None]:
    """Let updates of messages fail while a condition holds of OLD and NEW."""
    is_sqlite = service.runtime.database.is_sqlite
    create = f"CREATE TRIGGER failing BEFORE UPDATE ON messages FOR EACH ROW WHEN ({condition})"
    statements = (
        [f"{create} BEGIN SELECT RAISE(ABORT, 'a fault'); END"]
        if is_sqlite
        else [FAIL, f"{create} EXECUTE FUNCTION fail()"]
    )
    with service.runtime.database.engine.begin() as transaction:
        for statement in statements:
            transaction.exec_driver_sql(statement)
    try:
        yield
    finally:  # other tests get the same database of PostgreSQL
        with service.runtime.database.engine.begin() as transaction:
            transaction.exec_driver_sql(
                f"DROP TRIGGER failing{'' if is_sqlite else ' ON messages'}"
            )


@pytest.mark.both_databases
def test_each_message_of_rounds_that_overlap_leaves_and_is_recorded_once(loaded: Service) -> None:
    most_in_flight = 0
    while loaded.dispatcher.round():
        most_in_flight = max(most_in_flight, counts(loaded)[0])
    assert most_in_flight == (4 if loaded.runtime.database.is_sqlite else 2), "none overlapped"
    assert counts(loaded) == (0, COUNT, COUNT)
    loaded.close()


@pytest.mark.both_databases
def test_what_left_is_recorded_though_no_other_round_can_be_leased(loaded: Service) -> None:
    for _ in range(3):
        loaded.dispatcher.round()
    in_flight, recorded, _ = counts(loaded)
    assert in_flight
    with (
        failing(loaded, "NEW.status = 'sending'"),
        pytest.raises(Exception, match="a fault"),
    ):
        loaded.dispatcher.round()
    assert counts(loaded) == (0, recorded + in_flight, recorded + in_flight)
    loaded.close()


@pytest.mark.both_databases
def test_what_left_later_is_recorded_though_an_earlier_round_cannot_be(loaded: Service) -> None:
    loaded.dispatcher.round()
    loaded.dispatcher.round()  # once the gateway has proven to be quick
    first = [key for key, status in states(loaded).items() if status == "sending"]
    assert len(first) == 2
    ids = ", ".join(map(str, first))
    with (
        failing(
            loaded, f"OLD.status = 'sending' AND NEW.status <> 'sending' AND OLD.id IN ({ids})"
        ),
        pytest.raises(Exception, match="a fault"),
    ):
        dispatch_all(loaded)
    in_flight = {key for key, status in states(loaded).items() if status == "sending"}
    assert in_flight == set(first)
    assert counts(loaded)[1:] == (4, 4), "what was leased after them is recorded"
    loaded.close()


@pytest.mark.both_databases
def test_reports_that_came_in_are_recorded_when_the_dispatcher_stops(loaded: Service) -> None:
    for _ in range(3):
        loaded.dispatcher.round()
    loaded.dispatcher._finish_last_rounds()
    left = {status for status in states(loaded).values() if status != "queued"}
    assert left == {"delivered"}, "the carrier does not send them again"
    loaded.close()
