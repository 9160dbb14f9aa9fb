"""Count a day anew from what is stored: messages, refusals, consents and complaints."""

from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import Any, Final

from sqlalchemy import (
    ColumnElement,
    Select,
    TextClause,
    delete,
    distinct,
    func,
    literal,
    select,
    text,
)

from consent_tokens.clock import utc_from_epoch
from consent_tokens.consent.grant import EndReason
from consent_tokens.evidence.events import EventKind
from consent_tokens.evidence.rollups import EXPIRED, Counted, Measure, counted_for
from consent_tokens.relay.message import MessageStatus
from consent_tokens.relay.pacing import SECONDS_OF_DAY
from consent_tokens.store.database import Transaction
from consent_tokens.store.messages import MAX_TIME_IN_OUTBOX
from consent_tokens.store.rollup_tables import daily_reasons, daily_rollups, rollup_increments
from consent_tokens.store.tables import (
    IS_DELETED_BY_TIME,
    IS_GRANT_END,
    complaints,
    events,
    grants,
    messages,
)

PASSED_ON: Final = (
    MessageStatus.SENT,
    MessageStatus.UNKNOWN,
    MessageStatus.DELIVERED,
    MessageStatus.UNDELIVERABLE,
)
OF: Final = (
    messages.c.merchant_id,
    messages.c.sender_id,
    messages.c.template_id,
    messages.c.purpose,
)


def begin(transaction: Transaction) -> None:
    """Have all statements of the transaction see the same rows; the first statement of it."""
    if transaction.dialect.name != "sqlite":  # there they do
        transaction.execute(text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ"))


def delete_day(transaction: Transaction, day: int) -> None:
    """Delete the counts of a day, and what of it is not added yet."""
    for table in (daily_rollups, daily_reasons, rollup_increments):
        transaction.execute(delete(table).where(table.c.day == day))


def count_day(transaction: Transaction, day: int) -> Counter[Counted]:
    """Return what is to be counted of a day."""
    counts: Counter[Counted] = Counter()
    for each, number in _of_day(transaction, day):
        counts[each] += number
    return counts


def _of_day(transaction: Transaction, day: int) -> Iterator[tuple[Counted, int]]:
    for measure, query in _queries(day):
        for row in transaction.execute(query).mappings():
            columns: dict[str, Any] = dict(row)
            number, reason = columns.pop("number"), columns.pop("reason", None)
            if of := counted_for(**columns):
                yield Counted(day, of, measure, reason or ""), number


def _queries(day: int) -> Iterator[tuple[Measure, Select[Any]]]:
    """Return queries for each measure: of what, perhaps a reason, and the number."""
    yield from _queries_of_texts(day)
    yield Measure.REFUSED, _of_events(day, EventKind.MESSAGE_REFUSED, IS_DELETED_BY_TIME)
    yield Measure.LOST, _of_events(day, EventKind.GRANT_ENDED, IS_GRANT_END)
    people = func.count(distinct(events.c.partition))
    is_stop = events.c.reason.in_([EndReason.CONSUMER, EndReason.REPLY])
    is_end = events.c.kind == EventKind.GRANT_ENDED
    by = [events.c.merchant_id]
    is_counted: tuple[Any, ...] = (IS_GRANT_END, is_end, is_stop, _is_on(events.c.at, day))
    yield Measure.STOPS, _counted(by, *is_counted, n=people)
    of_complaint = [complaints.c.merchant_id, complaints.c.template_id, complaints.c.purpose]
    yield Measure.COMPLAINTS, _counted(of_complaint, _is_on(complaints.c.filed_at, day))
    yield Measure.GAINED, _counted([grants.c.merchant_id], _is_on(grants.c.granted_at, day))


def _queries_of_texts(day: int) -> Iterator[tuple[Measure, Select[Any]]]:
    """Return queries on what became of messages: what was sent counts on the day it was sent on."""
    longest = utc_from_epoch(day * SECONDS_OF_DAY) - MAX_TIME_IN_OUTBOX
    is_recent = messages.c.accepted_at >= longest
    is_sent = is_recent & _is_on(messages.c.send_at, day)
    is_over = is_recent & _is_on(messages.c.changed_at, day)
    is_refused, status = messages.c.status == MessageStatus.REFUSED, messages.c.status
    by_carrier = is_refused & messages.c.gateway_id.is_not(None)
    has_failed = (status == MessageStatus.UNDELIVERABLE) | by_carrier
    yield Measure.ACCEPTED, _counted(OF, _is_on(messages.c.accepted_at, day))
    yield Measure.SENT, _counted(OF, is_sent, status.in_(PASSED_ON) | by_carrier)
    yield Measure.DELIVERED, _counted(OF, is_sent, status == MessageStatus.DELIVERED)
    yield Measure.UNDELIVERED, _counted(OF, is_sent, has_failed)
    why = [*OF, messages.c.reason]
    yield Measure.REFUSED, _counted(why, is_over, is_refused, messages.c.gateway_id.is_(None))
    expired = [*OF, literal(EXPIRED).label("reason")]
    yield Measure.REFUSED, _counted(expired, is_over, status == MessageStatus.EXPIRED)


def _of_events(day: int, kind: EventKind, index: TextClause) -> Select[Any]:
    """Return the query that counts events of a kind, which one of their indexes has."""
    by = [events.c.merchant_id, events.c.reason]
    return _counted(by, index, events.c.kind == kind, _is_on(events.c.at, day))


def _counted(
    by: Sequence[ColumnElement[Any]],
    *conditions: ColumnElement[bool] | TextClause,
    n: ColumnElement[int] | None = None,
) -> Select[Any]:
    number = func.count() if n is None else n
    return select(*by, number.label("number")).where(*conditions).group_by(*by)


def _is_on(column: ColumnElement[Any], day: int) -> ColumnElement[bool]:
    first = utc_from_epoch(day * SECONDS_OF_DAY)
    return (column >= first) & (column < first + timedelta(days=1))
