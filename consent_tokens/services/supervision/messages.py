"""Find messages over all merchants, and show the evidence on one: never its text or number."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from consent_tokens.errors import InvalidError, NotFoundError
from consent_tokens.listing import Position
from consent_tokens.relay.message import Message
from consent_tokens.services.decisions.explain import ExplainedDecision, explain
from consent_tokens.services.runtime import Runtime
from consent_tokens.services.supervision.message_view import (
    ConsentView,
    EventView,
    MessageView,
    consent_of,
    events_of,
    view_of,
)
from consent_tokens.store import complaints, merchants, message_search
from consent_tokens.store.database import Transaction
from consent_tokens.store.merchants import Merchant

PAGE_SIZE: Final = 50
MAX_READ: Final = 2000  # messages of which a status or reason is looked for, on one page
DEFAULT_PERIOD: Final = timedelta(days=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageSearch:
    """What is looked for; empty and None leave it open. Times are of acceptance."""

    message_id: str = ""
    merchant_id: str = ""
    reference: str = ""  # needs a merchant
    reason: str = ""  # a status or a reason
    since: datetime | None = None  # without it, the last day before `until`
    until: datetime | None = None
    before: str = ""  # the public id of the message that the page before ended with


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundMessages:
    """One page of messages, the newest first."""

    messages: Sequence[MessageView]
    merchants: Mapping[str, str]  # names, by id
    read: int  # messages that were looked at
    next: str = ""  # for `before`; empty: there are no more


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageEvidence:
    """What the records say of one message."""

    message: MessageView
    merchant: Merchant | None  # None: a message of the service itself
    events: Sequence[EventView]
    consent: ConsentView | None
    complaint: str | None  # public id
    decisions: Sequence[ExplainedDecision]  # step by step; none where none is kept


def search_messages(runtime: Runtime, wanted: MessageSearch) -> FoundMessages:
    """Return a page of messages. Raises InvalidError of `reference` without a merchant."""
    if wanted.reference and not wanted.merchant_id:
        raise InvalidError({"reference": ["needs_merchant"]})

    def query(transaction: Transaction) -> FoundMessages:
        found, is_cut = _read(runtime, transaction, wanted)
        fitting = [each for each in found if wanted.reason in {"", each.status, each.reason}]
        shown = fitting[:PAGE_SIZE]
        has_more = len(fitting) > PAGE_SIZE or is_cut
        last = shown[-1:] if len(fitting) > PAGE_SIZE else found[-1:]
        ids = sorted({each.merchant_id for each in shown if each.merchant_id})
        names = {key: each.name for key, each in merchants.find_many(transaction, ids).items()}
        return FoundMessages(
            messages=[view_of(runtime, each) for each in shown],
            merchants=names,
            read=len(found),
            next=runtime.ids.message.encode(last[0].key) if has_more and last else "",
        )

    return runtime.database.read(query)


def _read(
    runtime: Runtime, transaction: Transaction, wanted: MessageSearch
) -> tuple[list[Message], bool]:
    """Return the messages to choose from, and whether there may be more."""
    if wanted.message_id:
        key = runtime.ids.message.decode(wanted.message_id)
        one = message_search.find(transaction, key) if key else None
        return ([one] if one else []), False
    if wanted.reference:
        found = message_search.by_reference(
            transaction, wanted.merchant_id, wanted.reference, PAGE_SIZE
        )
        return found, False
    limit = MAX_READ if wanted.reason else PAGE_SIZE + 1
    until = wanted.until or runtime.clock.now() + timedelta(seconds=1)
    found = message_search.latest(
        transaction,
        merchant_id=wanted.merchant_id or None,
        since=wanted.since or until - DEFAULT_PERIOD,
        until=until,
        before=_place(runtime, transaction, wanted.before),
        limit=limit,
    )
    return found, len(found) == MAX_READ


def _place(runtime: Runtime, transaction: Transaction, public_id: str) -> Position | None:
    key = runtime.ids.message.decode(public_id)
    found = message_search.find(transaction, key) if key else None
    return (found.accepted_at, found.key.id) if found else None


def read_message(runtime: Runtime, public_id: str) -> MessageEvidence:
    """Return the evidence on a message. Raises NotFoundError."""
    key = runtime.ids.message.decode(public_id)
    decisions = _explained(runtime, public_id)

    def query(transaction: Transaction) -> MessageEvidence:
        found = message_search.find(transaction, key) if key else None
        if found is None:
            raise NotFoundError("no message of that id")
        complaint = complaints.find_by_message(transaction, found.key)
        merchant_id = found.merchant_id
        return MessageEvidence(
            message=view_of(runtime, found),
            merchant=merchants.find(transaction, merchant_id) if merchant_id else None,
            events=events_of(transaction, found.key),
            consent=consent_of(runtime, transaction, found.grant_key, found.send_at),
            complaint=runtime.ids.complaint.encode(complaint.key) if complaint else None,
            decisions=decisions,
        )

    return runtime.database.read(query)


def _explained(runtime: Runtime, public_id: str) -> Sequence[ExplainedDecision]:
    try:
        return explain(runtime, public_id)
    except NotFoundError:
        return ()
