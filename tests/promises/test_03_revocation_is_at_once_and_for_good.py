"""Promise 3: revocation is immediate and final, by every way to revoke, on both databases."""

import os
import random
import re
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from itertools import pairwise
from pathlib import Path

import pytest
from sqlalchemy import text

from consent_tokens.clock import ManualClock, SystemClock
from consent_tokens.consent.grant import EndReason, GrantStatus
from consent_tokens.consent.phone import PhoneNumber
from consent_tokens.evidence.events import EventKind
from consent_tokens.gateways.base import DeliveryReport, ReportedOutcome, Submission, SubmitResult
from consent_tokens.gateways.simulator import Simulator
from consent_tokens.listing import ListFilter
from consent_tokens.relay.composition import decode
from consent_tokens.relay.message import Message, MessageStatus, Priority
from consent_tokens.row_key import RowKey
from consent_tokens.services.consents.revocation import revoke
from consent_tokens.services.dispatch.lease import LeaseQuota
from consent_tokens.services.runtime import Runtime
from consent_tokens.services.submission.message_request import MessageRequest
from consent_tokens.store import events, grants, messages, outbox
from consent_tokens.tokens.verify import verify
from consent_tokens.workers import dispatcher
from tests import fixtures
from tests.fixtures import dispatch_round
from tests.number_scan import NUMBERS, WRITTEN
from tests.service import LINK, Consumer, Merchant, Service, found

IS_WHOLE = os.environ.get("FAULTS") == "all"  # `make faults`


def by_link(_merchant: Merchant, consumer: Consumer, _token: str) -> None:
    path = f"/m/{found(LINK, consumer.texts()[-1])}"
    assert consumer.post(path, action="revoke").status_code == 303


def by_page(_merchant: Merchant, consumer: Consumer, _token: str) -> None:
    page = consumer.log_in().text
    grant = page.split('name="grant" value="')[1].split('"')[0]
    assert consumer.post("/my", page, action="revoke", grant=grant).status_code == 303


def by_reply(_merchant: Merchant, consumer: Consumer, _token: str) -> None:
    consumer.service.reply(consumer.number, "106900011", "ｔｄ。")


def by_merchant(merchant: Merchant, _consumer: Consumer, token: str) -> None:
    assert merchant.post("/v1/tokens/revoke", {"token": token}).status_code == 200


WAYS_TO_REVOKE = [by_link, by_page, by_reply, by_merchant]


@pytest.mark.parametrize("revoke_by", WAYS_TO_REVOKE)
def test_however_it_was_revoked_nothing_is_accepted_and_nothing_opens(
    service: Service, revoke_by: object
) -> None:
    merchant, consumer = service.merchant(), service.consumer()
    token = service.obtain_token(merchant, consumer)
    assert merchant.send(token).status_code == 202
    service.work()
    assert callable(revoke_by)
    revoke_by(merchant, consumer, token)
    refused = merchant.send(token)
    assert (refused.status_code, refused.json["code"]) == (403, "consent_revoked")
    assert merchant.post("/v1/tokens/renew", {"token": token}).status_code == 409
    assert merchant.post("/v1/tokens/introspect", {"token": token}).json == {"active": False}


def test_queued_messages_are_refused_at_dispatch_and_say_why(service: Service) -> None:
    merchant, consumer = service.merchant(), service.consumer()
    token = service.obtain_token(merchant, consumer, max_messages=50)
    queued = [merchant.send(token, text=f"第 {place} 条").json["id"] for place in range(20)]
    before = consumer.texts()
    assert merchant.post("/v1/tokens/revoke", {"token": token}).status_code == 200
    service.work()
    assert consumer.texts() == before
    for handle in queued:
        message = merchant.get(f"/v1/messages/{handle}").json
        assert (message["status"], message["reason"]) == ("refused", "consent_revoked")
        assert message["explain"]["code"] == "consent_revoked"


def test_the_stored_token_is_deleted_with_the_grant(service: Service) -> None:
    merchant, consumer = service.merchant(), service.consumer()
    request = merchant.ask()
    consumer.agree(request["path"], "marketing.promotions")
    token = merchant.token(request)
    merchant.post("/v1/tokens/revoke", {"token": token})
    gone = merchant.post(f"/v1/consent-requests/{request['id']}/token")
    assert (gone.status_code, gone.json["code"]) == (410, "gone")


def test_revoking_twice_is_no_error_and_leaves_one_event(service: Service) -> None:
    merchant, consumer = service.merchant(), service.consumer()
    token = service.obtain_token(merchant, consumer)
    for _ in range(2):
        assert merchant.post("/v1/tokens/revoke", {"token": token}).status_code == 200
    lines = service.runtime.database.read(
        lambda transaction: transaction.scalar(
            text("SELECT count(*) FROM events WHERE kind = 'grant_ended'")
        )
    )
    assert lines == 1


def test_no_byte_of_the_wrapped_key_is_left_in_sqlite(small: Service, tmp_path: Path) -> None:
    """Database, journal and free pages are searched as bytes, not asked with SELECT."""
    merchant = small.merchant()
    tokens = [small.obtain_token(merchant, small.consumer(number)) for number in NUMBERS[:6]]
    with small.runtime.database.engine.connect() as connection:
        keys = [row.wrapped_key for row in connection.execute(text("SELECT * FROM grants"))]
    assert len(keys) == len(tokens)

    def on_disk() -> bytes:
        return b"".join(path.read_bytes() for path in tmp_path.glob("consent.db*"))

    assert all(key in on_disk() for key in keys)
    for token in tokens:
        merchant.post("/v1/tokens/revoke", {"token": token})
    assert not [key for key in keys if key in on_disk()]


def test_all_other_keys_together_open_no_revoked_number(service: Service) -> None:
    merchant, consumer = service.merchant(), service.consumer()
    token = service.obtain_token(merchant, consumer)
    merchant.post("/v1/tokens/revoke", {"token": token})
    ring = service.runtime.keyring
    claims = verify(token, ring.verifying, issuer=service.runtime.service.issuer)
    key = ring.ids.grant.decode(claims.jti)
    assert key
    row = service.runtime.database.read(
        lambda transaction: transaction.execute(
            text("SELECT wrapped_key FROM grants WHERE id = :id"),
            {"id": key.id},
        ).one()
    )
    assert row.wrapped_key is None


class SlowSimulator(Simulator):
    """A gateway that lets the test act between submission and response."""

    def __init__(self) -> None:
        super().__init__(run="slow")
        self.submitted, self.go_on = threading.Event(), threading.Event()

    def submit(self, submissions: Sequence[Submission]) -> Iterator[list[SubmitResult]]:
        self.submitted.set()
        assert self.go_on.wait(10)
        yield from super().submit(submissions)


def test_the_answer_waits_until_no_message_is_in_flight(database_url: str, tmp_path: Path) -> None:
    """The one race that is left: leased before the revocation, submitted after it."""
    gateway = SlowSimulator()
    gateway.go_on.set()
    service = Service.start(database_url, tmp_path / "keys", gateway=gateway, clock=SystemClock())
    merchant, consumer = service.merchant(), service.consumer()
    token = service.obtain_token(merchant, consumer)
    assert merchant.send(token).status_code == 202
    gateway.submitted.clear()
    gateway.go_on.clear()
    answered = threading.Event()
    dispatching = threading.Thread(target=lambda: dispatch_round(service.context))
    dispatching.start()
    assert gateway.submitted.wait(10)

    def revoke() -> None:
        merchant.post("/v1/tokens/revoke", {"token": token})
        answered.set()

    revoking = threading.Thread(target=revoke)
    revoking.start()
    assert not answered.wait(0.3), "the revocation was answered while a message was in flight"
    gateway.go_on.set()
    revoking.join(10)
    dispatching.join(10)
    assert answered.is_set()
    count = len(consumer.texts())
    assert merchant.send(token).json["code"] == "consent_revoked"
    service.work()
    assert len(consumer.texts()) == count
    service.close()


class TickingSimulator(Simulator):
    """A gateway for which time passes while it submits."""

    clock: ManualClock

    def submit(self, submissions: Sequence[Submission]) -> Iterator[list[SubmitResult]]:
        self.clock.advance(timedelta(seconds=1))
        yield from super().submit(submissions)


@pytest.mark.parametrize("what", ["reply", "gone"])
def test_a_dispatcher_records_what_is_in_flight_before_it_handles_a_revocation(
    what: str, database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It cannot wait for its own messages, and nothing leaves after a reply was handled."""
    gateway = TickingSimulator()
    service = Service.start(database_url, tmp_path / "keys", gateway=gateway)
    gateway.clock = service.clock
    merchant, consumer = service.merchant(), service.consumer()
    token = service.obtain_token(merchant, consumer)
    merchant.send(token, text="zero")
    service.work()
    monkeypatch.setattr(dispatcher, "BATCH_SIZE", 1)  # so that every round is a full one
    merchant.send(token, text="one")
    merchant.send(token, text="two")
    service.dispatcher.round()
    assert service.dispatcher._in_flight.messages
    assert _texts_of(consumer, "one", "two") == 0
    if what == "reply":
        gateway.reply(PhoneNumber.parse(consumer.number), "106900011", "TD")
    else:
        zero = f"{gateway.run}-{gateway._submitted}"
        gateway._events.append(
            DeliveryReport(zero, ReportedOutcome.UNDELIVERABLE, "UNDELIV", is_deactivated=True)
        )
    service.work()
    (grant,) = service.runtime.database.read(
        lambda at: grants.of_merchant(at, merchant.id, ListFilter(limit=2), service.clock.now())
    )
    assert grant.status is GrantStatus.REVOKED
    lines = service.runtime.database.read(
        lambda at: events.of_partition(
            at, grant.key.partition, grant.granted_at - timedelta(days=1)
        )
    )
    left = [each.at for each in lines if each.kind is EventKind.MESSAGE_SUBMITTED and each.grant_id]
    assert len(left) == 2
    assert max(left) <= grant.status_since
    assert _texts_of(consumer, "one", "two") == 1
    service.close()


def _texts_of(consumer: Consumer, *words: str) -> int:
    return sum(word in text for text in consumer.texts() for word in words)


@pytest.mark.both_databases
def test_no_send_races_past_an_answered_revocation(database_url: str, tmp_path: Path) -> None:
    """Forty grants, one dispatcher at work all the time: what leaves left before the answer."""
    service = Service.start(database_url, tmp_path / "keys", clock=SystemClock())
    merchant = service.merchant()
    consumer = service.consumer()
    stop = threading.Event()

    def work() -> None:
        while not stop.is_set():
            dispatch_round(service.context)

    request = [merchant.ask(max_messages=200, **{"from": "00:00", "to": "24:00"}) for _ in range(4)]
    tokens = []
    for each in request:
        consumer.agree(each["path"], "marketing.promotions")
        tokens.append(merchant.token(each))
    working = threading.Thread(target=work)
    working.start()
    try:
        for round_, token in enumerate(tokens):
            batch = [
                {"token": token, "purpose": "marketing.promotions", "text": f"r{round_} n{place}"}
                for place in range(60)
            ]
            merchant.post("/v1/messages/batch", {"messages": batch})
            revoke(service.runtime, _grant_key(service.runtime, token), EndReason.CONSUMER)
            left = sum(f"r{round_} n" in text for text in consumer.texts())
            merchant.send(token)
            tokens_after = sum(f"r{round_} n" in text for text in consumer.texts())
            assert tokens_after == left
    finally:
        stop.set()
        working.join()
    assert all(earlier != later for earlier, later in pairwise(tokens))
    service.close()


class RecordingSimulator(Simulator):
    """A gateway that notes when each message was submitted."""

    def __init__(self) -> None:
        super().__init__(run="watching")
        self.submitted: dict[str, float] = {}

    def submit(self, submissions: Sequence[Submission]) -> Iterator[list[SubmitResult]]:
        now = time.monotonic()
        for submission in submissions:
            self.submitted[NAME.findall(decode(submission.composed))[0]] = now
        yield from super().submit(submissions)


NAME = re.compile(r"#(\w+)#")


@pytest.mark.slow
@pytest.mark.both_databases
def test_many_revocations_race_as_many_sends(database_url: str, tmp_path: Path) -> None:
    """Hundreds of grants (`make faults`: a thousand), each with a message that waits.

    Two dispatchers are at work, and four who revoke.
    Nothing is submitted after the answer to a revocation, and what was not submitted by then is
    refused.
    """
    count, gateway = 1000 if IS_WHOLE else 300, RecordingSimulator()
    service = Service.start(database_url, tmp_path / "keys", gateway=gateway, clock=SystemClock())
    context = service.context
    who = fixtures.admit_merchant(context.runtime)
    tokens = fixtures.insert_grants(context.runtime, who, count)
    drafts = [
        MessageRequest(token=token, purpose="marketing.promotions", text=f"#n{place}#")
        for place, token in enumerate(tokens)
    ]
    fixtures.accept_messages(context, who, drafts)
    answered: dict[str, float] = {}

    def revoke_one(place: int) -> None:
        key = _grant_key(service.runtime, tokens[place])
        revoke(service.runtime, key, EndReason.CONSUMER)
        answered[f"n{place}"] = time.monotonic()

    def work() -> None:
        while len(answered) < count:
            dispatch_round(context, LeaseQuota(limit=4))

    with ThreadPoolExecutor(6) as pool:
        working = [pool.submit(work) for _ in range(2)]
        order = list(range(count))
        random.Random(3).shuffle(order)  # noqa: S311 - the same each time
        for done in [pool.submit(revoke_one, place) for place in order]:
            done.result()
        for each in working:
            each.result()
    late = [name for name, at in gateway.submitted.items() if at > answered[name]]
    print(
        f"\n{len(gateway.submitted)} of {count} left before their revocation, {len(late)} after it"
    )
    assert late == []
    assert 20 < len(gateway.submitted) < count - 20, "it was no race"
    while dispatch_round(context).leased:
        pass
    assert (
        len(gateway.submitted)
        + sum(
            message.status is MessageStatus.REFUSED
            for place in range(count)
            for message in [_only_message(service.runtime, tokens[place])]
        )
        == count
    )
    service.close()


def _only_message(runtime: Runtime, token: str) -> Message:
    key = _grant_key(runtime, token)
    (message,) = runtime.database.read(lambda transaction: messages.of_grant(transaction, key, 2))
    return message


def _grant_key(runtime: Runtime, token: str) -> RowKey:
    claims = verify(token, runtime.keyring.verifying, issuer=runtime.service.issuer)
    key = runtime.keyring.ids.grant.decode(claims.jti)
    assert key
    return key


def test_a_revocation_does_not_wait_for_a_dispatcher_that_is_leasing(
    empty_postgres_url: str, tmp_path: Path
) -> None:
    """It passes over what is being leased; the dispatcher then finds the grant ended."""
    WRITTEN.append(tmp_path)
    service = Service.start(empty_postgres_url, tmp_path / "keys")
    merchant = service.merchant()
    token = service.obtain_token(merchant, service.consumer())
    merchant.send(token)
    merchant.send(token)
    context, now = service.context, service.clock.now()
    with context.runtime.database.engine.begin() as dispatcher:
        leased = outbox.lease(
            dispatcher,
            Priority.MARKETING,
            merchant.id,
            now,
            until=now + timedelta(seconds=30),
            limit=1,
        )
        assert len(leased) == 1
        with ThreadPoolExecutor(1) as pool:
            revoked = pool.submit(merchant.post, "/v1/tokens/revoke", {"token": token})
            assert revoked.result(timeout=5).status_code == 200
        grant = leased[0].grant_key
        assert grant
        locked = grants.lock_one(dispatcher, grant)
        assert locked
        assert locked.grant.is_ended
    service.close()
