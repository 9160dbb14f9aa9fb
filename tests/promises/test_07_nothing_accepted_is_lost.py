"""Promise 7: nothing accepted is lost. (That it survives being killed: tests/faults.)"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from consent_tokens.crypto.opaque_ids import RowKey
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
from consent_tokens.services.dispatch.lease import LeaseQuota, lease_messages
from consent_tokens.services.dispatch.outcomes import recover_expired_leases
from consent_tokens.store import events, messages
from consent_tokens.store.database import Database, Transaction
from consent_tokens.workers.dispatcher import Dispatcher
from tests.service import ORDERS, PROMOTIONS, Service

T0 = datetime.fromtimestamp(0, UTC)


@dataclass
class Moody(Simulator):
    """A gateway that answers as it is told, and counts what it really took."""

    answers: list[SubmitOutcome] = field(default_factory=list)  # used up; then it takes everything
    took: list[str] = field(default_factory=list)
    handed: int = 0

    def submit(self, submissions: Sequence[Submission]) -> Iterator[list[SubmitResult]]:
        for place, submission in enumerate(submissions):
            self.handed += 1
            answer = self.answers.pop(0) if self.answers else Submitted(f"m-{self.handed}")
            if isinstance(answer, Submitted | Uncertain):
                self.took.append(decode(submission.composed))
            yield [(place, answer)]


@pytest.fixture
def moody(database_url: str, tmp_path: Path) -> Iterator[tuple[Service, Moody]]:
    gateway = Moody()
    service = Service.at(database_url, tmp_path / "keys", gateway=gateway)
    yield service, gateway
    service.close()


def sent(service: Service, purpose: str) -> str:
    """Return the handle of a message that waits; its consent came by another service's phones."""
    merchant = service.merchant()
    helper = service.but(gateway=Simulator())
    consumer = helper.consumer()
    asked = merchant.ask(PROMOTIONS, ORDERS, **{"from": "00:00", "to": "24:00"})
    consumer.agree(asked["path"], PROMOTIONS, ORDERS)
    handle: str = merchant.send(merchant.token(asked), purpose).json["id"]
    return handle


def address(service: Service, handle: str) -> RowKey:
    found = service.world.keyring.ids.message.decode(handle)
    assert found
    return found


def state(service: Service, handle: str) -> str:
    found = service.world.database.read(lambda at: messages.find(at, address(service, handle)))
    assert found
    return found.status.value


def rounds(service: Service, count: int = 30) -> None:
    for _ in range(count):
        service.dispatcher.round()
        service.clock.advance(timedelta(seconds=6))


@pytest.mark.parametrize("purpose", [PROMOTIONS, ORDERS])
@pytest.mark.parametrize("was_done", [False, True])
def test_what_left_while_the_database_was_away_is_written_down_when_it_is_back(
    purpose: str,
    was_done: bool,
    moody: tuple[Service, Moody],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    service, gateway = moody
    handle = sent(service, purpose)
    run, faults = (
        Database.run,
        [CommitUncertainError(), DatabaseUnavailableError(), DatabaseBusyError()],
    )

    def fails(store: Database, deed: Callable[[Transaction], object]) -> object:
        if not gateway.handed or not faults:
            return run(store, deed)
        if was_done:
            run(store, deed)
        raise faults.pop()

    monkeypatch.setattr(Database, "run", fails)
    service.dispatcher.round()
    assert not faults
    assert (state(service, handle), len(gateway.took)) == ("sent", 1)
    found = service.world.database.read(
        lambda at: events.of_partition(at, address(service, handle).partition, T0)
    )
    assert [each.kind for each in found].count(EventKind.MESSAGE_SUBMITTED) == 1


@pytest.mark.parametrize("purpose", [PROMOTIONS, ORDERS])
@pytest.mark.parametrize("no", [Throttled(), Unsent()])
def test_what_was_not_taken_is_tried_until_it_is(
    purpose: str, no: SubmitOutcome, moody: tuple[Service, Moody]
) -> None:
    service, gateway = moody
    handle = sent(service, purpose)
    gateway.answers = [no] * 12
    rounds(service)
    assert state(service, handle) in {"sent", "delivered"}
    assert len(gateway.took) == 1


def test_done_but_reported_failed_marketing_is_at_most_once(moody: tuple[Service, Moody]) -> None:
    service, gateway = moody
    handle = sent(service, PROMOTIONS)
    gateway.answers = [Uncertain()]
    rounds(service)
    assert (state(service, handle), len(gateway.took)) == ("unknown", 1)


def test_done_but_reported_failed_transactional_is_at_least_once(
    moody: tuple[Service, Moody],
) -> None:
    service, gateway = moody
    handle = sent(service, ORDERS)
    gateway.answers = [Uncertain(), Uncertain()]
    rounds(service)
    assert (state(service, handle), len(gateway.took)) == ("sent", 3)


@pytest.mark.parametrize(
    ("fault", "last"), [(Faulty("x"), "undeliverable"), (Uncertain(), "unknown")]
)
def test_what_fails_by_itself_is_set_aside_after_five_tries_and_delays_nobody(
    fault: SubmitOutcome, last: str, moody: tuple[Service, Moody]
) -> None:
    service, gateway = moody
    bad = sent(service, ORDERS)
    gateway.answers = [fault]
    service.dispatcher.round()
    good = sent(service, ORDERS)
    gateway.answers = [Submitted("good"), *[fault] * 20]
    service.dispatcher.round()
    assert state(service, good) == "sent"
    rounds(service, 60)
    assert state(service, bad) == last
    assert gateway.handed == 1 + 1 + 4, "it was tried five times, the good one once"


def test_what_the_gateway_will_never_take_is_not_tried_again(moody: tuple[Service, Moody]) -> None:
    service, gateway = moody
    handle = sent(service, ORDERS)
    gateway.answers = [Rejected("smpp_0xb")]
    rounds(service, 5)
    assert (state(service, handle), gateway.handed) == ("undeliverable", 1)


@pytest.mark.parametrize(("purpose", "after"), [(PROMOTIONS, "unknown"), (ORDERS, "queued")])
def test_what_a_dead_dispatcher_held_is_settled_by_the_next(
    purpose: str, after: str, moody: tuple[Service, Moody]
) -> None:
    service, _ = moody
    handle = sent(service, purpose)
    service.world.database.run(lambda at: lease_messages(service.world, at, LeaseQuota(limit=10)))
    assert state(service, handle) == "sending"
    assert recover_expired_leases(service.world) == 0, "it may be alive"
    service.clock.advance(timedelta(seconds=60))
    assert recover_expired_leases(service.world) == 1
    assert state(service, handle) == after


def test_on_sqlite_the_only_dispatcher_settles_at_once(small: Service) -> None:
    merchant, consumer = small.merchant(), small.consumer()
    token = small.agreed(merchant, consumer, PROMOTIONS, ORDERS)
    merchant.send(token, ORDERS)
    small.world.database.run(lambda at: lease_messages(small.world, at, LeaseQuota(limit=10)))
    assert recover_expired_leases(small.world, is_alone=True) == 1


def test_an_answer_that_comes_too_late_changes_nothing(moody: tuple[Service, Moody]) -> None:
    """The fencing number: another has taken the message meanwhile."""
    service, gateway = moody
    handle = sent(service, ORDERS)

    class Sleeper(Moody):
        def submit(self, submissions: Sequence[Submission]) -> Iterator[list[SubmitResult]]:
            service.clock.advance(timedelta(seconds=60))  # it was stopped, past its lease
            recover_expired_leases(service.world)
            service.clock.advance(timedelta(seconds=6))
            service.dispatcher.round()  # another takes it, and sends it
            late = [submission.deadline.is_past for submission in submissions]
            assert all(late), "it would send what another has sent"
            yield [(place, Submitted("late")) for place in range(len(submissions))]

    sleeper = service.but(gateway=Sleeper())
    sleeper.dispatcher.round()
    assert len(gateway.took) == 1
    service.world.gateway._events.append(  # type: ignore[attr-defined]  # of the simulator
        DeliveryReport("late", was_delivered=False, status_text="UNDELIV")
    )
    rounds(service, 2)
    assert state(service, handle) == "sent", "the late answer was written down"


def test_a_second_dispatcher_on_one_sqlite_file_is_refused_clearly(small: Service) -> None:
    first, second = Dispatcher(small.world), Dispatcher(small.but().world)
    first.start()
    try:
        with pytest.raises(DispatcherRunningError, match="SQLite takes one at a time"):
            second.start()
    finally:
        first.stop()
    third = Dispatcher(small.but().world)
    third.start()  # the place is free again
    third.stop()
