"""Rounds that overlap: what the gateway answered to one is recorded while another is leased."""

from pathlib import Path

import pytest
from sqlalchemy import text

from consent_tokens.gateways.simulator import Simulator
from consent_tokens.services.submission.message_request import MessageRequest
from consent_tokens.store.database import Transaction
from consent_tokens.workers import dispatcher
from tests.fixtures import accept_messages, admit_merchant, insert_grants
from tests.service import PROMOTIONS, Service

COUNT = 7
ON_LEASE = "BEFORE UPDATE ON messages FOR EACH ROW WHEN (NEW.status = 'sending')"
FAIL_ON_SQLITE = [f"CREATE TRIGGER no_lease {ON_LEASE} BEGIN SELECT RAISE(ABORT, 'a fault'); END"]
FAIL = """
CREATE OR REPLACE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN RAISE EXCEPTION 'a fault'; END $$"""
FAIL_ON_POSTGRESQL = [FAIL, f"CREATE TRIGGER no_lease {ON_LEASE} EXECUTE FUNCTION fail()"]


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
    is_sqlite = loaded.runtime.database.is_sqlite
    with loaded.runtime.database.engine.begin() as transaction:
        for statement in FAIL_ON_SQLITE if is_sqlite else FAIL_ON_POSTGRESQL:
            transaction.exec_driver_sql(statement)
    try:
        with pytest.raises(Exception, match="a fault"):
            loaded.dispatcher.round()
    finally:  # other tests get the same database of PostgreSQL
        with loaded.runtime.database.engine.begin() as transaction:
            transaction.exec_driver_sql(
                f"DROP TRIGGER no_lease{'' if is_sqlite else ' ON messages'}"
            )
    assert counts(loaded) == (0, recorded + in_flight, recorded + in_flight)
    loaded.close()
