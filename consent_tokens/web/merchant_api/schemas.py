"""What merchants send and get, as marshmallow schemas that parse into the flow's values."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Final
from urllib.parse import urlsplit

from marshmallow import (
    RAISE,
    Schema,
    ValidationError,
    fields,
    post_load,
    validate,
    validates_schema,
)

from consent_tokens.consent.purposes import Purpose
from consent_tokens.consent.request import MAX_VALID_DAYS, RequestedTerms
from consent_tokens.consent.scope import MAX_DAYS, MAX_MESSAGES, FrequencyCap, parse_time_of_day
from consent_tokens.evidence.complaints import ComplaintReason, ComplaintStatus, Verdict
from consent_tokens.localization import DEFAULT_LANGUAGE, LANGUAGES
from consent_tokens.relay.message import DEFAULT_VALIDITY, MAX_VALIDITY
from consent_tokens.services.submission.accept import MessageRequest

MAX_REFERENCE_LENGTH: Final = 100
MAX_URL_LENGTH: Final = 2000
MAX_PURPOSE_LENGTH: Final = 64
MAX_TOKEN_LENGTH: Final = 16_384  # the relay says `token_malformed` above 4096
MAX_TEXT_LENGTH: Final = 20_000  # the relay says `text_too_long` far below
MAX_BATCH_SIZE: Final = 1000
MAX_VALIDITY_MINUTES: Final = int(MAX_VALIDITY.total_seconds() // 60)


class Strict(Schema):
    """Unknown members are refused: what is not understood is not ignored."""

    class Meta:
        """Marshmallow's options."""

        unknown = RAISE


def _is_url(text: str) -> None:
    parts = urlsplit(text)
    is_local = parts.hostname in {"localhost", "127.0.0.1", "::1"}
    if parts.scheme != "https" and not (parts.scheme == "http" and is_local):
        raise ValidationError("Must be an https URL.")
    if not parts.hostname or parts.username or not text.isprintable() or " " in text:
        raise ValidationError("Must be an https URL.")


def _is_time(text: str) -> None:
    try:
        parse_time_of_day(text)
    except ValueError as error:
        raise ValidationError("Must be a time such as 09:00, up to 24:00.") from error


def _is_printable(text: str) -> None:
    if not text.isprintable():
        raise ValidationError("Must be printable.")


def _is_unicode(text: str) -> None:
    """Refuse halves of surrogate pairs, which JSON can write and nothing can send."""
    if not text.isascii() and any("\ud800" <= letter <= "\udfff" for letter in text):
        raise ValidationError("Must be whole Unicode characters.")


class ConsentRequestSchema(Strict):
    """What `POST /v1/consent-requests` takes."""

    purposes = fields.List(
        fields.Enum(Purpose, by_value=True),
        required=True,
        validate=validate.Length(1, len(Purpose)),
    )
    max_messages = fields.Integer(
        strict=True, load_default=4, validate=validate.Range(1, MAX_MESSAGES)
    )
    per_days = fields.Integer(strict=True, load_default=30, validate=validate.Range(1, MAX_DAYS))
    opens = fields.String(data_key="from", load_default="09:00", validate=_is_time)
    closes = fields.String(data_key="to", load_default="21:00", validate=_is_time)
    expires_in_days = fields.Integer(
        strict=True, load_default=180, validate=validate.Range(1, MAX_VALID_DAYS)
    )
    reference = fields.String(
        load_default=None,
        allow_none=True,
        validate=[validate.Length(1, MAX_REFERENCE_LENGTH), _is_printable],
    )
    return_url = fields.String(
        load_default=None, allow_none=True, validate=[validate.Length(1, MAX_URL_LENGTH), _is_url]
    )
    locale = fields.String(load_default=DEFAULT_LANGUAGE, validate=validate.OneOf(LANGUAGES))
    token = fields.String(
        load_default=None,
        allow_none=True,
        validate=validate.Length(1, MAX_TOKEN_LENGTH),
        metadata={"description": "One of your tokens: its consumer is asked, by a text"},
    )

    @validates_schema(skip_on_field_errors=True)
    def hours_begin_before_they_end(self, members: Mapping[str, Any], **_: object) -> None:
        """Refuse hours that end before they begin."""
        if parse_time_of_day(members["opens"]) >= parse_time_of_day(members["closes"]):
            raise ValidationError("Must be later than `from`.", "to")

    @post_load
    def to_question(
        self, members: Mapping[str, Any], **_: object
    ) -> tuple[RequestedTerms, str | None]:
        """Return the question, and the token of whom it is sent to, if it is."""
        return RequestedTerms(
            purposes=frozenset(members["purposes"]),
            frequency_cap=FrequencyCap(
                members["max_messages"], timedelta(days=members["per_days"])
            ),
            opens=members["opens"],
            closes=members["closes"],
            valid_for=timedelta(days=members["expires_in_days"]),
            locale=members["locale"],
            reference=members["reference"],
            return_url=members["return_url"],
        ), members["token"]


class MessageSchema(Strict):
    """What `POST /v1/messages` takes, and each item of a batch."""

    token = fields.String(required=True, validate=validate.Length(1, MAX_TOKEN_LENGTH))
    purpose = fields.String(required=True, validate=validate.Length(1, MAX_PURPOSE_LENGTH))
    text = fields.String(required=True, validate=[validate.Length(1, MAX_TEXT_LENGTH), _is_unicode])
    reference = fields.String(validate=[validate.Length(1, MAX_REFERENCE_LENGTH), _is_printable])
    send_at = fields.AwareDateTime(format="iso")
    valid_for_minutes = fields.Integer(
        strict=True, validate=validate.Range(1, MAX_VALIDITY_MINUTES)
    )

    @post_load
    def to_message_request(self, members: Mapping[str, Any], **_: object) -> MessageRequest:
        """Return the value."""
        valid_for = members.get("valid_for_minutes")
        send_at = members.get("send_at")
        return MessageRequest(
            token=members["token"],
            purpose=members["purpose"],
            text=members["text"],
            reference=members.get("reference"),
            send_at=send_at.replace(microsecond=0) if send_at else None,
            validity=DEFAULT_VALIDITY if valid_for is None else timedelta(minutes=valid_for),
        )


PLAIN_MEMBERS: Final = frozenset({"token", "purpose", "text"})


def parse_plain_message(item: object) -> MessageRequest | None:
    """Return the draft in an item that is plainly well-formed; None sends it to DraftSchema.

    A short way for the most common form, since a batch has a thousand of them. A test holds it to
    the schema: what it returns is what the schema returns.
    """
    if not isinstance(item, dict) or item.keys() != PLAIN_MEMBERS:
        return None
    token, purpose, text = item["token"], item["purpose"], item["text"]
    is_plain = (
        isinstance(token, str)
        and isinstance(purpose, str)
        and isinstance(text, str)
        and 0 < len(token) <= MAX_TOKEN_LENGTH
        and 0 < len(purpose) <= MAX_PURPOSE_LENGTH
        and 0 < len(text) <= MAX_TEXT_LENGTH
        and text.isprintable()  # no half of a surrogate pair is
    )
    return MessageRequest(token=token, purpose=purpose, text=text) if is_plain else None


class BatchSchema(Strict):
    """What `POST /v1/messages/batch` takes; items are loaded one by one, so none spoils another."""

    messages = fields.List(fields.Raw(), required=True, validate=validate.Length(1, MAX_BATCH_SIZE))


class TokenSchema(Strict):
    """What introspection, renewal and revocation take (RFC 7662, 2.1; RFC 7009, 2.1)."""

    token = fields.String(required=True, validate=validate.Length(1, MAX_TOKEN_LENGTH))
    token_type_hint = fields.String(validate=validate.Length(max=64))


# --- What they get; these describe the OpenAPI, the views render ----------------------------------


class RequestView(Schema):
    """A consent request, as its merchant sees it."""

    id = fields.String()
    status = fields.String(validate=validate.OneOf(["pending", "granted", "declined", "expired"]))
    consent_url = fields.Url()
    qr_url = fields.Url()
    expires_at = fields.DateTime()
    reference = fields.String(allow_none=True)
    scope = fields.Dict(allow_none=True)
    grant = fields.String(allow_none=True)


class ComplaintView(Schema):
    """A complaint as its merchant sees it: that, and why; never who."""

    id = fields.String()
    reason = fields.String(validate=validate.OneOf([why.value for why in ComplaintReason]))
    verdict = fields.String(validate=validate.OneOf([verdict.value for verdict in Verdict]))
    status = fields.String(validate=validate.OneOf([status.value for status in ComplaintStatus]))
    purpose = fields.String(allow_none=True)
    filed_on = fields.Date()
    changed_on = fields.Date()


class ComplaintList(Schema):
    """A page of complaints."""

    items = fields.List(fields.Nested(ComplaintView))
    next = fields.String(allow_none=True)


class TokenView(Schema):
    """A consent token and the handle of its grant."""

    token = fields.String()
    grant = fields.String()


class GrantView(Schema):
    """A grant, as its merchant sees it."""

    id = fields.String()
    status = fields.String(validate=validate.OneOf(["live", "paused", "revoked", "expired"]))
    scope = fields.Dict()
    granted_at = fields.DateTime()
    remaining = fields.Integer()
    next_at = fields.DateTime(allow_none=True)


class GrantList(Schema):
    """A page of grants."""

    items = fields.List(fields.Nested(GrantView))
    next = fields.String(allow_none=True)


class IntrospectionView(Schema):
    """RFC 7662, 2.2; `{"active": false}` alone for whatever is not a live token of yours."""

    active = fields.Boolean(required=True)
    iss = fields.String()
    aud = fields.String()
    client_id = fields.String()
    jti = fields.String()
    iat = fields.Integer()
    exp = fields.Integer()
    scope = fields.String()
    token_type = fields.String()
    remaining = fields.Integer()
    next_at = fields.DateTime(allow_none=True)


class AcceptedView(Schema):
    """An accepted message."""

    id = fields.String()
    status = fields.String(validate=validate.OneOf(["queued", "deferred"]))
    send_after = fields.DateTime()
    segments = fields.Integer()


class ResultView(Schema):
    """One result of a batch: `accepted`, or `refused` with its problem."""

    status = fields.String(validate=validate.OneOf(["accepted", "refused"]))
    id = fields.String()
    send_after = fields.DateTime()
    segments = fields.Integer()
    problem = fields.Dict()


class BatchView(Schema):
    """The results of a batch, in the order of its messages."""

    results = fields.List(fields.Nested(ResultView))


class MessageView(Schema):
    """A message, as its merchant sees it."""

    id = fields.String()
    grant = fields.String()
    status = fields.String()
    purpose = fields.String()
    reference = fields.String(allow_none=True)
    accepted_at = fields.DateTime()
    send_after = fields.DateTime()
    valid_until = fields.DateTime()
    changed_at = fields.DateTime()
    segments = fields.Integer()
    reason = fields.String(allow_none=True)
    explain = fields.Dict(allow_none=True)


class MessageList(Schema):
    """A page of messages."""

    items = fields.List(fields.Nested(MessageView))
    next = fields.String(allow_none=True)


class ProblemView(Schema):
    """RFC 9457, 3.1, with a stable `code` and `errors` by field."""

    type = fields.Url()
    title = fields.String()
    status = fields.Integer()
    detail = fields.String()
    code = fields.String()
    errors = fields.Dict()
    explain = fields.Dict()
    next_at = fields.DateTime()
