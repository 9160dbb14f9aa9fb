"""Messages and batches: the schemas of their calls, and msgspec types that do the same faster.

A batch has up to 1000 messages. What `read_fast` accepts, `load` loads as the same value; what it
does not accept is left to `load`, which says what is wrong. `dump` of an answer returns what
`Schema.dump` does. Property tests compare them (tests/api/test_message_schemas.py). Reading and
rendering a batch of 500 takes 1.6 ms of processor time, by the schemas alone 18 ms.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Annotated, Any, Final

import msgspec
from marshmallow import (
    ValidationError,
    fields,
    post_load,
    pre_dump,
    validate,
    validates_schema,
)
from msgspec import UNSET, Meta, Struct, UnsetType

from consent_tokens.consent.purposes import Purpose
from consent_tokens.errors import ConsentTokensError, InvalidError
from consent_tokens.relay.decision import Accepted, Deferred, Reason, Refused
from consent_tokens.relay.message import DEFAULT_VALIDITY
from consent_tokens.services.submission.message_request import MessageRequest, SubmissionResult
from consent_tokens.services.submission.submit import ItemResult
from consent_tokens.services.submission.template_texts import MessageEvent, TemplateCall
from consent_tokens.web import problems, strict_json
from consent_tokens.web.merchant_api.answers import AnswerSchema, Problem, PublicId
from consent_tokens.web.merchant_api.message_decoding import (
    MAX_BATCH_SIZE,
    MAX_EVENT_ID_LENGTH,
    MAX_EVENT_STEP_LENGTH,
    MAX_EVENT_TYPE_LENGTH,
    MAX_NAME_LENGTH,
    MAX_PURPOSE_LENGTH,
    MAX_TEMPLATE_ID_LENGTH,
    MAX_TEXT_LENGTH,
    MAX_VALIDITY_MINUTES,
    MAX_VALUE_LENGTH,
    MAX_VARIABLES,
    UNREAD,
    SendAt,
    decode_batch,
    decode_message,
)
from consent_tokens.web.merchant_api.parsing import FastSchema, flatten_errors
from consent_tokens.web.merchant_api.schemas import (
    MAX_REFERENCE_LENGTH,
    MAX_TOKEN_LENGTH,
    Strict,
    is_printable,
)
from consent_tokens.web.request_context import runtime

CHARACTERS_LEFT: Final = {  # metadata of the member
    "description": "How many more the last segment takes, in the coding of the text."
}
BATCH_LENGTH: Final = validate.Length(1, MAX_BATCH_SIZE)
HELD_BACK_WORDS: Final = (
    "Of a message that waits until people have reacted to the first texts of its template."
)


class EventIn(Strict):
    """What happened, for which a message is sent."""

    type = fields.String(
        required=True,
        validate=[validate.Length(1, MAX_EVENT_TYPE_LENGTH), is_printable],
        metadata={"example": "order", "description": "As the template was approved for it."},
    )
    id = fields.String(
        required=True,
        validate=[validate.Length(1, MAX_EVENT_ID_LENGTH), is_printable],
        metadata={"description": "The order number, where the text has one. Only hashed."},
    )
    step = fields.String(
        validate=[validate.Length(1, MAX_EVENT_STEP_LENGTH), is_printable],
        metadata={"description": "Such as `shipped`; it makes no other event of it."},
    )

    @post_load
    def to_event(self, members: Mapping[str, Any], **_: object) -> MessageEvent:
        """Return the event."""
        return MessageEvent(members["type"], members["id"], members.get("step"))


class MessageIn(Strict, FastSchema):
    """A message to send: a text, or a template with its variables."""

    token = fields.String(required=True, validate=validate.Length(1, MAX_TOKEN_LENGTH))
    purpose = fields.String(
        required=True,
        validate=validate.Length(1, MAX_PURPOSE_LENGTH),
        metadata={"example": Purpose.PROMOTIONS.value},
    )
    text = fields.String(
        validate=validate.Length(1, MAX_TEXT_LENGTH),
        metadata={"description": "Unless there is a `template`."},
    )
    template = fields.String(
        validate=validate.Length(1, MAX_TEMPLATE_ID_LENGTH),
        metadata={"description": "The id of an approved template of this purpose, for `text`."},
    )
    variables = fields.Dict(
        keys=fields.String(validate=validate.Length(1, MAX_NAME_LENGTH)),
        values=fields.String(validate=validate.Length(max=MAX_VALUE_LENGTH)),
        validate=validate.Length(max=MAX_VARIABLES),
        metadata={"description": "The values of the template's variables, by name."},
    )
    event = fields.Nested(
        EventIn,
        metadata={"description": "A transactional template needs one; a `text` has none."},
    )
    reference = fields.String(validate=[validate.Length(1, MAX_REFERENCE_LENGTH), is_printable])
    send_at = SendAt(format="iso")
    valid_for_minutes = fields.Integer(
        strict=True, validate=validate.Range(1, MAX_VALIDITY_MINUTES)
    )

    def read_fast(self, body: bytes) -> MessageRequest | None:
        """Return what `load` returns for this JSON, or None to leave it to `load`."""
        return _try_decode(body)

    @validates_schema(skip_on_field_errors=True)
    def has_a_text_or_a_template(self, members: Mapping[str, Any], **_: object) -> None:
        """Refuse a message with neither or both, or with variables of no template."""
        if "template" not in members:
            if "text" not in members:
                raise ValidationError("Needed, unless there is a template.", "text")
            if "variables" in members:
                raise ValidationError("Only with a template.", "variables")
        elif "text" in members:
            raise ValidationError("Not together with a template.", "text")

    @post_load
    def to_message_request(self, members: Mapping[str, Any], **_: object) -> MessageRequest:
        """Return the message request."""
        valid_for = members.get("valid_for_minutes")
        template = members.get("template")
        return MessageRequest(
            token=members["token"],
            purpose=members["purpose"],
            text=members.get("text", ""),
            template=template and TemplateCall(template, members.get("variables", {})),
            event=members.get("event"),
            reference=members.get("reference"),
            send_at=members.get("send_at"),
            validity=DEFAULT_VALIDITY if valid_for is None else timedelta(minutes=valid_for),
        )


class BatchItem(fields.Nested):
    """An item that loads as an InvalidError where it is invalid, so that it spoils no other."""

    def deserialize(
        self,
        value: object,
        attr: str | None = None,
        data: Mapping[str, object] | None = None,
        **kwargs: object,
    ) -> MessageRequest | InvalidError:
        """Return the loaded item, or an InvalidError with its fields at fault."""
        try:
            loaded: MessageRequest = super().deserialize(value, attr, data, **kwargs)
        except ValidationError as error:
            return InvalidError(flatten_errors(error.messages))
        return loaded


class BatchItems(fields.List[Any]):
    """A list whose length is checked before its items are loaded."""

    def _deserialize(
        self,
        value: object,
        attr: str | None,
        data: Mapping[str, object] | None,
        **kwargs: object,
    ) -> list[Any]:
        if isinstance(value, list):
            BATCH_LENGTH(value)
        return super()._deserialize(value, attr, data, **kwargs)


class BatchIn(Strict, FastSchema):
    """Messages to send; each is validated and decided on its own."""

    messages = BatchItems(BatchItem(MessageIn()), required=True, validate=BATCH_LENGTH)

    def read_fast(self, body: bytes) -> list[MessageRequest | InvalidError] | None:
        """Return what `load` returns for this JSON, or None to leave it to `load`.

        If one is not valid, they are read one by one. Those that msgspec does not read are read
        strictly, with the whole body, and loaded by the schema. Raises MalformedJsonError.
        """
        with suppress(*UNREAD):
            return [*decode_batch(body)]
        try:
            raws = [bytes(item) for item in _RAW_BATCH_DECODER.decode(body).messages]
        except UNREAD:
            return None
        found = [_try_decode(raw) for raw in raws]
        if all(found):
            return None  # the member `messages` stands twice
        items = strict_json.parse(body)["messages"]
        return [fast or _ITEM.deserialize(item) for fast, item in zip(found, items, strict=True)]

    @post_load
    def to_items(
        self, members: Mapping[str, Any], **_: object
    ) -> list[MessageRequest | InvalidError]:
        """Return the message requests, in order, each or the error in its place."""
        items: list[MessageRequest | InvalidError] = members["messages"]
        return items


class AcceptedAnswer(AnswerSchema):
    """An accepted message."""

    id = PublicId("message", required=True)
    status = fields.String(required=True, validate=validate.OneOf(["queued", "deferred"]))
    send_after = fields.DateTime(required=True)
    segments = fields.Integer(required=True)
    characters_left = fields.Integer(required=True, metadata=CHARACTERS_LEFT)
    reason = fields.String(
        validate=validate.Equal(Reason.HELD_BACK.value), metadata={"description": HELD_BACK_WORDS}
    )

    def dump(self, obj: SubmissionResult, **_: object) -> dict[str, Any]:
        """Return the answer as `Schema.dump` does, faster."""
        members: dict[str, Any] = self.to_members(obj)
        members["id"] = runtime().ids.message.encode(members["id"])
        members["send_after"] = members["send_after"].isoformat()
        return members

    @pre_dump
    def to_members(self, result: SubmissionResult, **_: object) -> dict[str, Any]:
        """Return the members of a result that is no refusal."""
        assert not isinstance(result.decision, Refused)  # noqa: S101 - a refusal is a problem
        decision = result.decision
        members: dict[str, Any] = {
            "id": result.key,
            "status": "queued" if isinstance(decision, Accepted) else "deferred",
            "send_after": decision.send_at,
            "segments": result.segments,
            "characters_left": result.characters_left,
        }
        if isinstance(decision, Deferred) and decision.reason:
            members["reason"] = decision.reason.value
        return members


class ResultAnswer(AnswerSchema):
    """One result of a batch: `accepted` with its id, or `refused` with its problem."""

    status = fields.String(required=True, validate=validate.OneOf(["accepted", "refused"]))
    id = PublicId("message")
    send_after = fields.DateTime()
    segments = fields.Integer()
    characters_left = fields.Integer(metadata=CHARACTERS_LEFT)
    reason = fields.String(
        validate=validate.Equal(Reason.HELD_BACK.value), metadata={"description": HELD_BACK_WORDS}
    )
    problem = fields.Nested(Problem)

    @pre_dump
    def to_members(self, result: ItemResult, **_: object) -> dict[str, Any]:
        """Return the members of a result, or of the error in its place."""
        if isinstance(result, ConsentTokensError) or isinstance(result.decision, Refused):
            return {"status": "refused", "problem": _problem(result)}
        decision = result.decision
        members: dict[str, Any] = {
            "status": "accepted",
            "id": result.key,
            "send_after": decision.send_at,
            "segments": result.segments,
            "characters_left": result.characters_left,
        }
        if isinstance(decision, Deferred) and decision.reason:
            members["reason"] = decision.reason.value
        return members


class BatchAnswer(AnswerSchema):
    """The results of a batch, in the order of its messages."""

    results = fields.List(fields.Nested(ResultAnswer), required=True)

    def dump(self, obj: Sequence[ItemResult], **_: object) -> dict[str, Any]:
        """Return the answer as `Schema.dump` does, faster."""
        return {"results": msgspec.to_builtins([*_results(obj)])}

    @pre_dump
    def to_members(self, results: Sequence[ItemResult], **_: object) -> dict[str, Any]:
        """Return the members."""
        return {"results": results}


# --- msgspec types with the same members ----------------------------------------------------------


class _RawBatch(Struct, forbid_unknown_fields=True):
    """The member of BatchIn, for items that are decoded one by one."""

    messages: Annotated[list[msgspec.Raw], Meta(min_length=1, max_length=MAX_BATCH_SIZE)]


class _Result(Struct):
    """The members of ResultAnswer."""

    status: str
    id: str | UnsetType = UNSET
    send_after: str | UnsetType = UNSET
    segments: int | UnsetType = UNSET
    characters_left: int | UnsetType = UNSET
    reason: str | UnsetType = UNSET
    problem: dict[str, Any] | UnsetType = UNSET


_RAW_BATCH_DECODER: Final = msgspec.json.Decoder(_RawBatch)
_ITEM: Final = BatchItem(MessageIn())


def _try_decode(item: bytes) -> MessageRequest | None:
    """Return a message, or an item of a batch; None if it is left to the schema."""
    try:
        return decode_message(item)
    except UNREAD:
        return None


def _results(results: Sequence[ItemResult]) -> Iterator[_Result]:
    keys = [each.key for each in results if not isinstance(each, ConsentTokensError) and each.key]
    ids = iter(runtime().ids.message.encode_all(keys))
    at: datetime | None = None
    send_after = ""
    for result in results:
        if isinstance(result, ConsentTokensError) or isinstance(result.decision, Refused):
            yield _Result("refused", problem=_problem(result))
            continue
        decision = result.decision
        reason: str | UnsetType = UNSET
        if isinstance(decision, Deferred) and decision.reason:
            reason = decision.reason.value
        if decision.send_at is not at:  # most are sent now
            at, send_after = decision.send_at, decision.send_at.isoformat()
        left = result.characters_left
        yield _Result("accepted", next(ids), send_after, result.segments, left, reason)


def _problem(result: ItemResult) -> dict[str, Any]:
    """Return the problem of an error or a refusal."""
    if isinstance(result, ConsentTokensError):
        return problems.error_problem(result)
    assert isinstance(result.decision, Refused)  # noqa: S101 - the callers ask
    return problems.refusal_problem(result.decision, result.event)
