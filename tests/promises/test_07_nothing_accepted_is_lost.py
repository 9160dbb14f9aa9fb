"""Promise 7: nothing accepted is lost. (That it survives being killed: tests/faults.)"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from consent_tokens.errors import (
    CommitUncertainError,
    DatabaseBusyError,
    DatabaseUnavailableError,
    DispatcherRunningError,
)
from consent_tokens.evidence.events import EventKind
from consent_tokens.gateways.base import (
    DeliveryReport,
    Faulty,
    Rejected,
    ReportedOutcome,
    Submission,
    SubmitOutcome,
    SubmitResult,
    Submitted,
    Throttled,
    Uncertain,
    Unsent,
)
from consent_tokens.gateways.simulator import Simulator
from consent_tokens.relay.composition import decode
from consent_tokens.relay.message import Priority
from consent_tokens.row_key import RowKey
from consent_tokens.services.dispatch.lease import LeaseQuota, lease_messages
from consent_tokens.services.dispatch.outcomes import recover_expired_leases
from consent_tokens.services.submission.message_request import MessageRequest
from consent_tokens.store import events, messages, outbox
from consent_tokens.store.database import Database, Transaction
from consent_tokens.workers.dispatcher import Dispatcher
from tests.fixtures import accept_messages, admit_merchant, insert_grants
from tests.service import ORDERS, PROMOTIONS, Service

T0 = datetime.fromtimestamp(0, UTC)


@dataclass
class ScriptedGateway(Simulator):
    """A gateway that answers as the test says, and counts what it really took."""

    answers: list[SubmitOutcome] = field(default_factory=list)  # used up; then it takes everything
    took: list[str] = field(default_factory=list)
    submitted: int = 0

    def submit(self, submissions: Sequence[Submission]) -> Iterator[list[SubmitResult]]:
        for place, submission in enumerate(submissions):
            self.submitted += 1
            answer = self.answers.pop(0) if self.answers else Submitted(f"m-{self.submitted}")
            if isinstance(answer, Submitted | Uncertain):
                self.took.append(decode(submission.composed))
            yield [(place, answer)]


@pytest.fixture
def scripted(database_url: str, tmp_path: Path) -> Iterator[tuple[Service, ScriptedGateway]]:
    gateway = ScriptedGateway()
    service = Service.start(database_url, tmp_path / "keys", gateway=gateway)
    yield service, gateway
    service.close()


def sent(service: Service, purpose: str) -> str:
    """Return the id of a queued message, consented to by the phones of another service."""
    merchant = service.merchant()
    helper = service.with_context(gateway=Simulator())
    consumer = helper.consumer()
    asked = merchant.ask(PROMOTIONS, ORDERS, **{"from": "00:00", "to": "24:00"})
    consumer.agree(asked["path"], PROMOTIONS, ORDERS)
    message_id: str = merchant.send(merchant.token(asked), purpose).json["id"]
    return message_id


def message_key(service: Service, message_id: str) -> RowKey:
    found = service.runtime.keyring.ids.message.decode(message_id)
    assert found
    return found


def lease_ten(service: Service) -> None:
    """Lease messages as a dispatcher does that then dies."""
    service.runtime.database.run(
        lambda transaction: lease_messages(
            service.runtime, service.context.relay, transaction, LeaseQuota(limit=10)
        )
    )


def status(service: Service, message_id: str) -> str:
    found = service.runtime.database.read(
        lambda at: messages.find(at, message_key(service, message_id))
    )
    assert found
    return found.status.value


def rounds(service: Service, count: int = 30) -> None:
    for _ in range(count):
        service.dispatcher.round()
        service.clock.advance(timedelta(seconds=6))


@pytest.mark.parametrize("purpose", [PROMOTIONS, ORDERS])
@pytest.mark.parametrize("was_done", [False, True])
def test_what_left_while_the_database_was_away_is_recorded_when_it_is_back(
    purpose: str,
    was_done: bool,
    scripted: tuple[Service, ScriptedGateway],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    service, gateway = scripted
    message_id = sent(service, purpose)
    run, faults = (
        Database.run,
        [CommitUncertainError(), DatabaseUnavailableError(), DatabaseBusyError()],
    )

    def fails(store: Database, *work: Callable[..., Any]) -> object:
        if not gateway.submitted or not faults:
            return run(store, *work)
        if was_done:
            run(store, *work)
        raise faults.pop()

    monkeypatch.setattr(Database, "run", fails)
    service.dispatcher.round()
    assert not faults
    assert (status(service, message_id), len(gateway.took)) == ("sent", 1)
    found = service.runtime.database.read(
        lambda at: events.of_partition(at, message_key(service, message_id).partition, T0)
    )
    assert [each.kind for each in found].count(EventKind.MESSAGE_SUBMITTED) == 1


@pytest.mark.parametrize("purpose", [PROMOTIONS, ORDERS])
@pytest.mark.parametrize("no", [Throttled(), Unsent()])
def test_what_was_not_taken_is_tried_until_it_is(
    purpose: str, no: SubmitOutcome, scripted: tuple[Service, ScriptedGateway]
) -> None:
    service, gateway = scripted
    message_id = sent(service, purpose)
    gateway.answers = [no] * 12
    rounds(service)
    assert status(service, message_id) in {"sent", "delivered"}
    assert len(gateway.took) == 1


def test_done_but_reported_failed_marketing_is_at_most_once(
    scripted: tuple[Service, ScriptedGateway],
) -> None:
    service, gateway = scripted
    message_id = sent(service, PROMOTIONS)
    gateway.answers = [Uncertain()]
    rounds(service)
    assert (status(service, message_id), len(gateway.took)) == ("unknown", 1)


def test_done_but_reported_failed_transactional_is_at_least_once(
    scripted: tuple[Service, ScriptedGateway],
) -> None:
    service, gateway = scripted
    message_id = sent(service, ORDERS)
    gateway.answers = [Uncertain(), Uncertain()]
    rounds(service)
    assert (status(service, message_id), len(gateway.took)) == ("sent", 3)


@pytest.mark.parametrize(
    ("fault", "last"), [(Faulty("x"), "undeliverable"), (Uncertain(), "unknown")]
)
def test_what_fails_by_itself_is_quarantined_after_five_tries_and_delays_nobody(
    fault: SubmitOutcome, last: str, scripted: tuple[Service, ScriptedGateway]
) -> None:
    service, gateway = scripted
    bad = sent(service, ORDERS)
    gateway.answers = [fault]
    service.dispatcher.round()
    good = sent(service, ORDERS)
    gateway.answers = [Submitted("good"), *[fault] * 20]
    service.dispatcher.round()
    assert status(service, good) == "sent"
    rounds(service, 60)
    assert status(service, bad) == last
    assert gateway.submitted == 1 + 1 + 4, "it was tried five times, the good one once"


def test_what_the_gateway_will_never_take_is_not_tried_again(
    scripted: tuple[Service, ScriptedGateway],
) -> None:
    service, gateway = scripted
    message_id = sent(service, ORDERS)
    gateway.answers = [Rejected("smpp_0xb")]
    rounds(service, 5)
    assert (status(service, message_id), gateway.submitted) == ("undeliverable", 1)


@pytest.mark.parametrize(("purpose", "after"), [(PROMOTIONS, "unknown"), (ORDERS, "queued")])
def test_the_next_dispatcher_recovers_what_a_dead_one_had_leased(
    purpose: str, after: str, scripted: tuple[Service, ScriptedGateway]
) -> None:
    service, _ = scripted
    message_id = sent(service, purpose)
    lease_ten(service)
    assert status(service, message_id) == "sending"
    assert recover_expired_leases(service.runtime) == 0, "it may be alive"
    service.clock.advance(timedelta(seconds=60))
    assert recover_expired_leases(service.runtime) == 1
    assert status(service, message_id) == after


def test_on_sqlite_the_only_dispatcher_recovers_leases_at_once(small: Service) -> None:
    merchant, consumer = small.merchant(), small.consumer()
    token = small.obtain_token(merchant, consumer, PROMOTIONS, ORDERS)
    merchant.send(token, ORDERS)
    lease_ten(small)
    assert recover_expired_leases(small.runtime, is_only_dispatcher=True) == 1


def test_an_answer_that_comes_too_late_changes_nothing(
    scripted: tuple[Service, ScriptedGateway],
) -> None:
    """The fencing number: another has taken the message meanwhile."""
    service, gateway = scripted
    message_id = sent(service, ORDERS)

    class Sleeper(ScriptedGateway):
        def submit(self, submissions: Sequence[Submission]) -> Iterator[list[SubmitResult]]:
            service.clock.advance(timedelta(seconds=60))  # it was stopped, past its lease
            recover_expired_leases(service.runtime)
            service.clock.advance(timedelta(seconds=6))
            service.dispatcher.round()  # another takes it, and sends it
            late = [submission.deadline.is_past for submission in submissions]
            assert all(late), "it would send what another has sent"
            yield [(place, Submitted("late")) for place in range(len(submissions))]

    sleeper = service.with_context(gateway=Sleeper())
    sleeper.dispatcher.round()
    assert len(gateway.took) == 1
    service.context.gateway._events.append(  # type: ignore[attr-defined]  # of the simulator
        DeliveryReport("late", ReportedOutcome.UNDELIVERABLE, "UNDELIV")
    )
    rounds(service, 2)
    assert status(service, message_id) == "sent", "the late answer was recorded"


def test_a_second_dispatcher_on_one_sqlite_file_is_refused_clearly(small: Service) -> None:
    first, second = Dispatcher(small.context), Dispatcher(replace(small.context))
    first.start()
    try:
        with pytest.raises(DispatcherRunningError, match="SQLite allows only one"):
            second.start()
    finally:
        first.stop()
    third = Dispatcher(replace(small.context))
    third.start()  # the place is free again
    third.stop()


def test_two_dispatchers_lease_at_the_same_time(empty_postgres_url: str, tmp_path: Path) -> None:
    """Each passes over what the other is leasing: neither waits, and no message leaves twice."""
    service = Service.start(empty_postgres_url, tmp_path)
    merchant_id = admit_merchant(service.runtime)
    requests = [
        MessageRequest(token=token, purpose=PROMOTIONS, text="a book")
        for token in insert_grants(service.runtime, merchant_id, 3)
    ]
    accept_messages(service.context, merchant_id, requests)
    now = service.clock.now()

    def leased(transaction: Transaction, limit: int) -> set[RowKey]:
        transaction.execute(text("SET LOCAL lock_timeout = '5s'"))
        found = outbox.lease(
            transaction, Priority.MARKETING, merchant_id, now, until=now, limit=limit
        )
        return {each.key for each in found}

    engine = service.runtime.database.engine
    with engine.begin() as first, engine.begin() as second:
        of_first, of_second = leased(first, 2), leased(second, 3)
    service.close()
    assert (len(of_first), len(of_second)) == (2, 1)
    assert not of_first & of_second
