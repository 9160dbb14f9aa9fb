"""A message as the operator's people see it: its states and events, never its text or number."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from consent_tokens.consent.grant import GrantStatus
from consent_tokens.consent.notice import Notice
from consent_tokens.consent.scope import Scope
from consent_tokens.relay.message import Message, MessageStatus
from consent_tokens.row_key import RowKey
from consent_tokens.services.runtime import Runtime
from consent_tokens.store import decision_inputs, events, grants
from consent_tokens.store.database import Transaction


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageView:
    """A message without its text and its number."""

    id: str  # the public id
    merchant_id: str | None
    sender_id: str | None
    purpose: str
    reference: str | None
    status: MessageStatus
    reason: str | None
    template: str | None  # id and version
    accepted_at: datetime
    send_at: datetime
    valid_until: datetime
    changed_at: datetime
    segments: int
    attempts: int


@dataclass(frozen=True, slots=True, kw_only=True)
class EventView:
    """An event about a message; `rules` are the version and those that refused."""

    at: datetime
    kind: str
    reason: str | None
    rules: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsentView:
    """The consent that a message was sent under; `scope` is as it was at the time."""

    id: str  # the public id of the grant
    status: GrantStatus
    granted_at: datetime
    status_since: datetime
    scope: Scope
    notice: Notice | None  # the words that were shown


def view_of(runtime: Runtime, message: Message) -> MessageView:
    """Return what is shown of a message."""
    version = f"{message.template_id}:{message.template_version}"
    return MessageView(
        id=runtime.ids.message.encode(message.key),
        merchant_id=message.merchant_id,
        sender_id=message.sender_id,
        purpose=message.purpose,
        reference=message.reference,
        status=message.status,
        reason=message.reason,
        template=version if message.template_id else None,
        accepted_at=message.accepted_at,
        send_at=message.send_at,
        valid_until=message.valid_until,
        changed_at=message.changed_at,
        segments=message.segments,
        attempts=message.attempts,
    )


def events_of(transaction: Transaction, message: RowKey) -> Sequence[EventView]:
    """Return the events of a message, the oldest first."""
    return [
        EventView(
            at=each.event.at,
            kind=each.event.kind,
            reason=each.event.reason,
            rules=each.event.rules,
        )
        for each in decision_inputs.of_message(transaction, message)
    ]


def consent_of(
    runtime: Runtime, transaction: Transaction, key: RowKey | None, at: datetime
) -> ConsentView | None:
    """Return the consent with a row key as it was at a time.

    None if it is not recorded any more, or was that of a former owner of the number.
    """
    grant = grants.find(transaction, key) if key else None
    if grant is None or events.is_reassigned(transaction, grant.key):
        return None
    return ConsentView(
        id=runtime.ids.grant.encode(grant.key),
        status=grant.status_at(runtime.clock.now()),
        granted_at=grant.granted_at,
        status_since=grant.status_since,
        scope=grants.scope_at(transaction, grant, at),
        notice=grants.notice_of(transaction, grant.key),
    )
