"""The consumer's pages ask the database for what they show, however much is kept."""

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import psycopg
import pytest
from psycopg.rows import RowMaker, tuple_row
from sqlalchemy import event

from consent_tokens.consent.grant import EndReason, Grant, GrantStatus
from consent_tokens.consent.notice import Notice
from consent_tokens.evidence.events import Event, EventKind
from consent_tokens.evidence.receipts import Receipt, ReceiptKind
from consent_tokens.listing import ListFilter
from consent_tokens.relay.message import Message, MessageStatus, Priority
from consent_tokens.services.consents.revocation import revoke
from consent_tokens.services.outbox.message_links import draw_links
from consent_tokens.services.runtime import Runtime
from consent_tokens.store import grants, merchants, outbox, receipts
from consent_tokens.store.database import Database, Transaction
from consent_tokens.store.merchants import Merchant, MerchantStatus
from tests.service import PROMOTIONS, Consumer, Service

CONSENTS, MESSAGES_EACH, REFUSALS_EACH = 100, 600, 120
CONSENTS_PER_TRANSACTION = 10
MAX_STATEMENTS, MAX_ROWS = 14, 500
WEEKS = 12
NOT_QUERIES = frozenset({"BEGIN", "BEGIN IMMEDIATE", "COMMIT", "ROLLBACK", "SELECT 1"})
STATUSES = (
    MessageStatus.DELIVERED,
    MessageStatus.REFUSED,
    MessageStatus.SENT,
    MessageStatus.QUEUED,
    MessageStatus.EXPIRED,
)
SUBMITTED = frozenset({MessageStatus.DELIVERED, MessageStatus.SENT})
COUNTS = re.compile(r"</i>(\d+) received</span><span><i class=\"b\"></i>(\d+) blocked")
TOTALS = re.compile(r"<b>(\d+)</b><span>(?:texts? in 12 weeks|blocked for you)")


@dataclass
class Queries:
    """What the driver was asked: statements, and the rows that it handed out."""

    statements: list[str] = field(default_factory=list)
    rows: int = 0

    def add(self, statement: str) -> None:
        if statement.strip().upper() not in NOT_QUERIES:
            self.statements.append(statement)

    def watch(self, connection: Any, *_: object) -> None:  # noqa: ANN401 - either driver's
        """Count what goes through a connection of the driver."""
        if isinstance(connection, psycopg.Connection):
            connection.cursor_factory = self.counting_cursor()
            connection.row_factory = self.counting_rows
        else:
            connection.set_trace_callback(self.add)
            connection.row_factory = self.counted_row

    def counted_row(self, _cursor: object, row: tuple[Any, ...]) -> tuple[Any, ...]:
        self.rows += 1
        return row

    def counting_rows(self, cursor: psycopg.Cursor[Any]) -> RowMaker[tuple[Any, ...]]:
        make = tuple_row(cursor)

        def counted(values: Sequence[Any]) -> tuple[Any, ...]:
            self.rows += 1
            return make(values)

        return counted

    def counting_cursor(self) -> type[psycopg.Cursor[Any]]:
        add = self.add

        class Counting(psycopg.Cursor[Any]):
            def execute(self, query: Any, *rest: Any, **more: Any) -> Any:  # noqa: ANN401 - psycopg's
                add(str(query))
                return super().execute(query, *rest, **more)

        return Counting


@contextmanager
def counted(database: Database) -> Iterator[Queries]:
    """Count all statements and rows of a database, over new connections."""
    queries = Queries()
    database.engine.dispose()
    event.listen(database.engine, "connect", queries.watch)
    try:
        yield queries
    finally:
        event.remove(database.engine, "connect", queries.watch)
        database.engine.dispose()


@dataclass
class Kept:
    """What was inserted of one consent."""

    name: str
    grant: Grant
    messages: list[Message]
    refusals: list[Event]

    def weeks(self, now: datetime) -> tuple[list[int], list[int]]:
        """Return what was submitted and what was refused, counted one by one."""
        submitted = [each.send_at for each in self.messages if each.status in SUBMITTED]
        refused = [each.changed_at for each in self.messages if each.status == "refused"]
        refused += [each.at for each in self.refusals]
        return by_week(submitted, now), by_week(refused, now)


def by_week(moments: Sequence[datetime], now: datetime) -> list[int]:
    counts = [0] * WEEKS
    for moment in moments:
        week = WEEKS - 1 - (now - moment) // timedelta(days=7)
        if 0 <= week < WEEKS:
            counts[week] += 1
    return counts


def a_message(runtime: Runtime, grant: Grant, place: int, number: int) -> Message:
    """Return the `number`-th message of a grant: one every three hours, back from now on."""
    at = runtime.clock.now() - timedelta(hours=3 * number, seconds=place)
    return Message(
        key=runtime.new_key(grant.key.partition),
        grant_key=grant.key,
        merchant_id=grant.merchant_id,
        sender_id=None,
        priority=Priority.MARKETING,
        purpose=PROMOTIONS,
        status=STATUSES[(place + number) % len(STATUSES)],
        accepted_at=at - timedelta(minutes=5),
        send_at=at,
        valid_until=at + timedelta(days=1),
        changed_at=at,
        segments=1,
        sealed_number=None,
        text=f"第{number}条",
    )


def a_refusal(runtime: Runtime, grant: Grant, number: int) -> Event:
    return Event(
        partition=grant.key.partition,
        at=runtime.clock.now() - timedelta(days=number),
        kind=EventKind.MESSAGE_REFUSED,
        merchant_id=grant.merchant_id,
        grant_id=grant.key.id,
        reason="cap_reached",
    )


def an_acceptance(message: Message) -> Event:
    return Event(
        partition=message.key.partition,
        at=message.accepted_at,
        kind=EventKind.MESSAGE_ACCEPTED,
        merchant_id=message.merchant_id,
        grant_id=message.grant_id,
        message_id=message.key.id,
    )


def insert_consents(runtime: Runtime, first: Grant) -> list[Kept]:
    """Insert consents beside a first one, each of a merchant of its own, the newest first."""
    found = [Kept("晨光书店", first, [], [])]

    def insert_grants(transaction: Transaction) -> None:
        for place in range(1, CONSENTS):
            merchant = Merchant(
                id=f"merchant-{place}",
                partition=runtime.new_partition(),
                name=f"Shop {place}",
                status=MerchantStatus.ACTIVE,
                admitted_at=runtime.clock.now(),
            )
            merchants.add(transaction, merchant)
            grant = Grant(
                key=runtime.new_key(first.key.partition),
                merchant_id=merchant.id,
                scope=first.scope,
                language="en",
                granted_at=first.granted_at - timedelta(days=place),
                status=GrantStatus.PAUSED if place % 10 == 0 else GrantStatus.LIVE,
                status_since=first.granted_at,
            )
            notice = Notice("en", "words")
            grants.add(transaction, grant, wrapped_key=bytes(40), token_mac=b"", notice=notice)
            if grant.status is GrantStatus.PAUSED:
                until = runtime.clock.now() + timedelta(days=30)
                grants.set_pause_end(transaction, grant.key, until)
            receipt = Receipt(
                key=runtime.new_key(grant.key.partition),
                kind=ReceiptKind.CONSENT,
                grant_id=grant.key.id,
                issued_at=grant.granted_at,
                jws="a.b.c",
            )
            receipts.add(transaction, receipt)
            found.append(Kept(merchant.name, grant, [], []))

    def insert_rows(batch: Sequence[Kept], transaction: Transaction) -> None:
        for kept in batch:
            outbox.enqueue(transaction, kept.messages)
            runtime.record(transaction, *map(an_acceptance, kept.messages))
            runtime.record(transaction, *kept.refusals)

    runtime.database.run(insert_grants)
    for place, kept in enumerate(found):
        kept.messages = [
            a_message(runtime, kept.grant, place, number) for number in range(MESSAGES_EACH)
        ]
        kept.refusals = [a_refusal(runtime, kept.grant, number) for number in range(REFUSALS_EACH)]
    for first_of_batch in range(0, CONSENTS, CONSENTS_PER_TRANSACTION):
        batch = found[first_of_batch : first_of_batch + CONSENTS_PER_TRANSACTION]
        runtime.database.run(partial(insert_rows, batch))
    return found


@dataclass
class Large:
    """A consumer with very many consents, who is signed in."""

    service: Service
    consumer: Consumer
    kept: list[Kept]

    def page(self, path: str) -> str:
        """Return a page that took few statements and few rows, in English."""
        with counted(self.service.runtime.database) as queries:
            answer = self.consumer.get(path)
        assert answer.status_code == 200
        assert len(queries.statements) <= MAX_STATEMENTS, "\n".join(queries.statements)
        assert queries.rows <= MAX_ROWS
        return answer.text

    def consent_path(self, place: int) -> str:
        return f"/my/consents/{self.service.runtime.ids.grant.encode(self.kept[place].grant.key)}"

    def link_path(self, place: int) -> str:
        newest, runtime = self.kept[place].messages[0], self.service.runtime
        drawn = runtime.database.run(lambda transaction: draw_links(runtime, transaction, [newest]))
        return f"/m/{drawn[newest.key]}"


@pytest.fixture
def large(service: Service) -> Large:
    merchant, consumer = service.merchant(), service.consumer()
    service.obtain_token(merchant, consumer, PROMOTIONS)
    consumer.log_in()
    consumer.get("/my?lang=en")
    (first,) = service.runtime.database.read(
        lambda transaction: grants.of_merchant(
            transaction, merchant.id, ListFilter(limit=1), service.clock.now()
        )
    )
    return Large(service, consumer, insert_consents(service.runtime, first))


def shown_counts(page: str) -> list[tuple[int, int]]:
    return [(int(received), int(blocked)) for received, blocked in COUNTS.findall(page)]


@pytest.mark.slow
def test_a_hundred_consents_of_hundreds_of_messages_take_few_statements(large: Large) -> None:
    now = large.service.clock.now()
    weeks = [each.weeks(now) for each in large.kept]
    expected = [(sum(received), sum(blocked)) for received, blocked in weeks]

    page = large.page("/my")
    assert shown_counts(page) == expected
    assert "<svg" not in page, "a hundred cards are short"
    totals = [sum(column) for column in zip(*expected, strict=True)]
    assert TOTALS.findall(page) == [str(each) for each in totals]
    searched = large.page("/my?q=Shop 17")
    assert shown_counts(searched) == [expected[17]]
    assert TOTALS.findall(searched) == TOTALS.findall(page)
    assert "Quiet hours" in large.page("/my/wishes")
    assert "Delete my data" in large.page("/my/all")

    for place in (0, 10, 99):
        shown = large.page(large.consent_path(place))
        assert shown_counts(shown) == [expected[place]]
        messages_shown, refusals_shown = shown.split("<h2>Blocked for you", 1)
        assert messages_shown.count('<p class="bubble">') == 50
        assert refusals_shown.count("it would have been more than you agreed to") == 50
        assert "/receipts/" in refusals_shown

    check_export(large)

    assert "Shop 3 texted you" in large.page(large.link_path(3))
    revoke(large.service.runtime, large.kept[3].grant.key, EndReason.CONSUMER)
    waiting = sum(each.status is MessageStatus.QUEUED for each in large.kept[3].messages)
    assert f"{waiting} texts that waited were not sent." in large.page(large.link_path(3))


def check_export(large: Large) -> None:
    """Check that the export holds all, and takes no statement for each consent."""
    with counted(large.service.runtime.database) as queries:
        exported = large.consumer.get("/my/data.json").json["consents"]
    assert len(queries.statements) <= MAX_STATEMENTS, "\n".join(queries.statements)
    assert [each["merchant"] for each in exported] == [each.name for each in large.kept]
    for shown, kept in zip(exported, large.kept, strict=True):
        assert len(shown["messages"]) == len(kept.messages)
        assert len(shown["refused"]) == len(kept.refusals)
        assert len(shown["receipts"]) == 1
        assert shown["notice"]["text"]
