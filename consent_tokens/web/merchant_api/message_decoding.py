"""Messages decoded by msgspec: what the schema of a message loads, several times faster.

What is not decoded here is left to the schema, which says what is wrong.
"""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Annotated, Final

import msgspec
from marshmallow import ValidationError, fields
from msgspec import UNSET, Meta, Struct, UnsetType

from consent_tokens.relay.message import (
    DEFAULT_VALIDITY,
    MAX_SCHEDULE_AHEAD,
    MAX_SCHEDULE_BEHIND,
    MAX_VALIDITY,
)
from consent_tokens.services.submission.message_request import MessageRequest
from consent_tokens.services.submission.template_texts import MessageEvent, TemplateCall
from consent_tokens.web.merchant_api.schemas import (
    MAX_REFERENCE_LENGTH,
    MAX_TOKEN_LENGTH,
    is_printable,
)
from consent_tokens.web.request_context import runtime
from consent_tokens.web.strict_json import count_quotes

MAX_BATCH_SIZE: Final = 1000
MAX_PURPOSE_LENGTH: Final = 64
MAX_TEXT_LENGTH: Final = 20_000  # the relay says `text_too_long` far below
MAX_VALIDITY_MINUTES: Final = int(MAX_VALIDITY.total_seconds() // 60)
MAX_TEMPLATE_ID_LENGTH: Final = 40
MAX_VARIABLES: Final = 20  # the relay says `template_rejected` far below
MAX_NAME_LENGTH: Final = 40  # of a variable
MAX_VALUE_LENGTH: Final = 1000  # of a variable
MAX_EVENT_TYPE_LENGTH, MAX_EVENT_ID_LENGTH, MAX_EVENT_STEP_LENGTH = 32, 100, 32

# what is met in a body that is left to the schema
UNREAD: Final = (msgspec.MsgspecError, ValidationError, ValueError, RecursionError)


class SendAt(fields.AwareDateTime):
    """A time with an offset, to the second, at most MAX_SCHEDULE_AHEAD from now; it becomes UTC.

    Rules count days of UTC, so the offset that it is written with decides nothing. One that is past
    by no more than MAX_SCHEDULE_BEHIND means: now.
    """

    def _deserialize(
        self,
        value: object,
        attr: str | None,
        data: Mapping[str, object] | None,
        **kwargs: object,
    ) -> datetime:
        at: datetime = super()._deserialize(value, attr, data, **kwargs)
        now = runtime().clock.now()
        if at < now - MAX_SCHEDULE_BEHIND:
            raise ValidationError("Must not be in the past.")
        if at > now + MAX_SCHEDULE_AHEAD:
            raise ValidationError(f"Must be within {MAX_SCHEDULE_AHEAD.days} days.")
        return at.astimezone(UTC).replace(microsecond=0)


class _Event(Struct, forbid_unknown_fields=True):
    """The members of EventIn."""

    type: Annotated[str, Meta(min_length=1, max_length=MAX_EVENT_TYPE_LENGTH)]
    id: Annotated[str, Meta(min_length=1, max_length=MAX_EVENT_ID_LENGTH)]
    step: Annotated[str, Meta(min_length=1, max_length=MAX_EVENT_STEP_LENGTH)] | UnsetType = UNSET


_Name = Annotated[str, Meta(min_length=1, max_length=MAX_NAME_LENGTH)]
_Value = Annotated[str, Meta(max_length=MAX_VALUE_LENGTH)]


class _Message(Struct, forbid_unknown_fields=True):
    """The members of MessageIn."""

    token: Annotated[str, Meta(min_length=1, max_length=MAX_TOKEN_LENGTH)]
    purpose: Annotated[str, Meta(min_length=1, max_length=MAX_PURPOSE_LENGTH)]
    text: Annotated[str, Meta(min_length=1, max_length=MAX_TEXT_LENGTH)] | UnsetType = UNSET
    template: Annotated[str, Meta(min_length=1, max_length=MAX_TEMPLATE_ID_LENGTH)] | UnsetType = (
        UNSET
    )
    variables: Annotated[dict[_Name, _Value], Meta(max_length=MAX_VARIABLES)] | UnsetType = UNSET
    event: _Event | UnsetType = UNSET
    reference: Annotated[str, Meta(min_length=1, max_length=MAX_REFERENCE_LENGTH)] | UnsetType = (
        UNSET
    )
    send_at: str | UnsetType = UNSET
    valid_for_minutes: Annotated[int, Meta(ge=1, le=MAX_VALIDITY_MINUTES)] | UnsetType = UNSET


class _Batch(Struct, forbid_unknown_fields=True):
    """The member of BatchIn."""

    messages: Annotated[list[_Message], Meta(min_length=1, max_length=MAX_BATCH_SIZE)]


_MESSAGE_DECODER: Final = msgspec.json.Decoder(_Message)
_BATCH_DECODER: Final = msgspec.json.Decoder(_Batch)
_SEND_AT: Final = SendAt(format="iso")


def decode_message(body: bytes) -> MessageRequest:
    """Return the message request in a body. Raises what UNREAD lists."""
    found = _MESSAGE_DECODER.decode(body)
    _check_quotes(body, _expected_quotes(found))
    return _to_request(found)


def decode_batch(body: bytes) -> list[MessageRequest]:
    """Return the message requests in a batch that are all valid. Raises what UNREAD lists."""
    found = _BATCH_DECODER.decode(body).messages
    _check_quotes(body, 2 + sum(map(_expected_quotes, found)))  # 2: of the name `messages`
    return [_to_request(each) for each in found]


def _check_quotes(body: bytes, expected: int) -> None:
    """Raise ValueError for more quotation marks than expected; there are no fewer."""
    if body.count(b'"') != expected != count_quotes(body):
        raise ValueError("a member occurs twice")  # msgspec takes the last


def _to_request(found: _Message) -> MessageRequest:
    """Return the message request of its members. Raises ValidationError, ValueError."""
    if found.reference is not UNSET:
        is_printable(found.reference)
    text, template = _text_or_template(found)
    minutes = found.valid_for_minutes
    return MessageRequest(
        token=found.token,
        purpose=found.purpose,
        text=text,
        template=template,
        event=None if found.event is UNSET else _to_event(found.event),
        reference=None if found.reference is UNSET else found.reference,
        send_at=None if found.send_at is UNSET else _SEND_AT.deserialize(found.send_at),
        validity=DEFAULT_VALIDITY if minutes is UNSET else timedelta(minutes=minutes),
    )


def _text_or_template(found: _Message) -> tuple[str, TemplateCall | None]:
    """Return the text, or the template in place of one. Raises ValueError for both or neither."""
    if found.template is UNSET:
        if found.text is UNSET or found.variables is not UNSET:
            raise ValueError("neither a text nor a template, or variables of none")
        return found.text, None
    if found.text is not UNSET:
        raise ValueError("both a text and a template")
    return "", TemplateCall(found.template, {} if found.variables is UNSET else found.variables)


def _to_event(event: _Event) -> MessageEvent:
    """Return an event. Raises ValidationError for control characters."""
    step = None if event.step is UNSET else event.step
    for each in (event.type, event.id, step or ""):
        is_printable(each)
    return MessageEvent(event.type, event.id, step)


def _expected_quotes(found: _Message) -> int:
    """Return how many quotation marks the JSON of a message has in which no member occurs twice."""
    names_and_texts = 4  # of token and purpose
    for member in (found.text, found.template, found.reference, found.send_at):
        if member is not UNSET:
            names_and_texts += 2
    if found.valid_for_minutes is not UNSET:
        names_and_texts += 1
    if found.variables is not UNSET:
        names_and_texts += 1 + 2 * len(found.variables)
    if found.event is not UNSET:
        names_and_texts += 5 if found.event.step is UNSET else 7
    return 2 * names_and_texts
