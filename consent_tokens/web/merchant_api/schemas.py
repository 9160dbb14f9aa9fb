"""What merchants send: schemas that validate it, describe it and load it as values."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
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

from consent_tokens.consent.grant import GrantStatus
from consent_tokens.consent.purpose_catalogue import MAX_PURPOSES
from consent_tokens.consent.purposes import Purpose
from consent_tokens.consent.request import MAX_VALID_DAYS, AskedTerms, RequestStatus
from consent_tokens.consent.scope import MAX_DAYS, MAX_MESSAGES, parse_time_of_day
from consent_tokens.listing import ListFilter
from consent_tokens.localization import DEFAULT_LANGUAGE, LANGUAGES
from consent_tokens.relay.message import MessageStatus
from consent_tokens.relay.sandbox import SandboxRecipient
from consent_tokens.services.consents.sandbox_answers import SandboxAnswer
from consent_tokens.web.merchant_api.parsing import FastHeader
from consent_tokens.web.merchant_api.purpose_field import PurposeField

MAX_REFERENCE_LENGTH: Final = 100
MAX_URL_LENGTH: Final = 2000
MAX_TOKEN_LENGTH: Final = 16_384  # the relay says `token_malformed` above 4096
MAX_KEY_LENGTH: Final = 255  # characters of an Idempotency-Key
DEFAULT_LIMIT: Final = 50  # items of a page
MAX_LIMIT: Final = 200
MAX_CURSOR_LENGTH: Final = 400
DIGITS: Final = re.compile(r"[0-9]{1,4}")

BY_THE_RULES: Final[Mapping[str, Any]] = {
    "description": "No more than the rules allow; by default as the rules have it (`/rules`)."
}


class Strict(Schema):
    """A schema that refuses unknown members."""

    class Meta:
        """Options of marshmallow."""

        unknown = RAISE


def _is_url(text: str) -> None:
    try:
        parts = urlsplit(text)
        parts.port  # noqa: B018 - raises ValueError for a port that is none
    except ValueError:
        raise ValidationError("Must be an https URL.") from None
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


def is_printable(text: str) -> None:
    """Raise ValidationError for control characters and halves of surrogate pairs."""
    if not text.isprintable():
        raise ValidationError("Must be printable.")


def _is_printable_ascii(text: str) -> None:
    if not text.isascii() or not text.isprintable():
        raise ValidationError("Must be printable ASCII characters.")


class ConsentRequestIn(Strict):
    """A consent request: what the merchant asks one consumer for."""

    purposes = fields.List(
        PurposeField(),
        required=True,
        validate=validate.Length(1, MAX_PURPOSES),
        metadata={"example": [Purpose.PROMOTIONS.value]},
    )
    max_messages = fields.Integer(
        strict=True,
        validate=validate.Range(1, MAX_MESSAGES),
        metadata={**BY_THE_RULES, "example": 4},
    )
    per_days = fields.Integer(
        strict=True, validate=validate.Range(1, MAX_DAYS), metadata={**BY_THE_RULES, "example": 30}
    )
    opens = fields.String(
        data_key="from", validate=_is_time, metadata={**BY_THE_RULES, "example": "09:00"}
    )
    closes = fields.String(
        data_key="to", validate=_is_time, metadata={**BY_THE_RULES, "example": "21:00"}
    )
    expires_in_days = fields.Integer(
        strict=True,
        validate=validate.Range(1, MAX_VALID_DAYS),
        metadata={**BY_THE_RULES, "example": 180},
    )
    reference = fields.String(
        load_default=None,
        allow_none=True,
        validate=[validate.Length(1, MAX_REFERENCE_LENGTH), is_printable],
        metadata={"example": "customer-8812"},
    )
    return_url = fields.String(
        load_default=None, allow_none=True, validate=[validate.Length(1, MAX_URL_LENGTH), _is_url]
    )
    locale = fields.String(load_default=DEFAULT_LANGUAGE, validate=validate.OneOf(LANGUAGES))
    token = fields.String(
        load_default=None,
        allow_none=True,
        validate=validate.Length(1, MAX_TOKEN_LENGTH),
        metadata={"description": "One of your tokens: the request is sent to its consumer by SMS."},
    )

    @validates_schema(skip_on_field_errors=True)
    def hours_begin_before_they_end(self, members: Mapping[str, Any], **_: object) -> None:
        """Refuse hours that end before they begin."""
        opens, closes = members.get("opens"), members.get("closes")
        if opens and closes and parse_time_of_day(opens) >= parse_time_of_day(closes):
            raise ValidationError("Must be later than `from`.", "to")

    @post_load
    def to_terms(self, members: Mapping[str, Any], **_: object) -> tuple[AskedTerms, str | None]:
        """Return the terms, and the token whose consumer the request is sent to, if any."""
        return AskedTerms(
            purposes=frozenset(members["purposes"]),
            max_messages=members.get("max_messages"),
            per_days=members.get("per_days"),
            opens=members.get("opens"),
            closes=members.get("closes"),
            valid_days=members.get("expires_in_days"),
            locale=members["locale"],
            reference=members["reference"],
            return_url=members["return_url"],
        ), members["token"]


class SandboxAnswerIn(Strict):
    """What the consumer of a consent request would answer."""

    decision = fields.String(required=True, validate=validate.OneOf(["grant", "decline"]))
    purposes = fields.List(
        PurposeField(),
        validate=validate.Length(1, MAX_PURPOSES),
        metadata={"description": "Those that are granted; without, all that were asked for."},
    )
    recipient = fields.Enum(
        SandboxRecipient,
        by_value=fields.String,
        load_default=SandboxRecipient.DELIVERED,
        metadata={"description": "What becomes of messages under the consent."},
    )

    @post_load
    def to_answer(self, members: Mapping[str, Any], **_: object) -> SandboxAnswer:
        """Return the answer."""
        return SandboxAnswer(
            is_yes=members["decision"] == "grant",
            purposes=frozenset(members.get("purposes", ())),
            recipient=members["recipient"],
        )


class TokenIn(Strict):
    """A token to introspect, renew or revoke (RFC 7662, 2.1; RFC 7009, 2.1)."""

    token = fields.String(required=True, validate=validate.Length(1, MAX_TOKEN_LENGTH))
    token_type_hint = fields.String(validate=validate.Length(max=64))

    @post_load
    def to_token(self, members: Mapping[str, Any], **_: object) -> str:
        """Return the token."""
        token: str = members["token"]
        return token


class IdempotencyHeader(FastHeader):
    """The header that makes a POST safe to repeat."""

    name = "Idempotency-Key"  # as `data_key` below

    key = fields.String(
        data_key="Idempotency-Key",
        validate=[validate.Length(1, MAX_KEY_LENGTH), _is_printable_ascii],
        metadata={
            "description": "The same key with the same request is done once and answered the same, "
            "for 24 hours; with another request it is refused."
        },
    )

    def read_fast(self, value: str) -> str | None:
        """Return the key, if it is one."""
        is_key = len(value) <= MAX_KEY_LENGTH and value.isascii() and value.isprintable()
        return value if is_key else None

    @post_load
    def to_key(self, members: Mapping[str, Any], **_: object) -> str | None:
        """Return the key, if the request has one."""
        key: str | None = members.get("key")
        return key


@dataclass(frozen=True, slots=True)
class RequestedPage:
    """Which part of a list to return: what is wanted, and the cursor where it begins."""

    wanted: ListFilter
    cursor: str | None


class Limit(fields.Integer):
    """A whole number in digits."""

    def _deserialize(
        self,
        value: object,
        attr: str | None,
        data: Mapping[str, object] | None,
        **kwargs: object,
    ) -> int:
        if not isinstance(value, str) or not DIGITS.fullmatch(value):
            raise ValidationError(f"Must be from 1 to {MAX_LIMIT}.")
        return super()._deserialize(value, attr, data, **kwargs)


class PageQuery(Schema):
    """The page of a list to return."""

    cursor = fields.String(
        validate=validate.Length(1, MAX_CURSOR_LENGTH),
        metadata={
            "description": "`next` of the page before, with the same filters; good for a day."
        },
    )
    limit = Limit(
        load_default=DEFAULT_LIMIT,
        validate=validate.Range(1, MAX_LIMIT, error=f"Must be from 1 to {MAX_LIMIT}."),
    )

    @post_load
    def to_page(self, members: dict[str, Any], **_: object) -> RequestedPage:
        """Return the page."""
        cursor = members.pop("cursor", None)
        return RequestedPage(ListFilter(**members), cursor)


class ListQuery(PageQuery):
    """The page of a list to return, and which of its items."""

    status: fields.Field[Any]
    reference = fields.String(
        validate=[validate.Length(1, MAX_REFERENCE_LENGTH), is_printable],
        metadata={"example": "customer-8812"},
    )
    created_from = fields.AwareDateTime(
        format="iso",
        metadata={
            "description": "Only what was requested, granted or accepted at this time or later.",
            "example": "2026-11-01T00:00:00Z",
        },
    )
    created_before = fields.AwareDateTime(
        format="iso", metadata={"description": "Only what was before this time."}
    )


class ConsentRequestsQuery(ListQuery):
    """Which consent requests to list."""

    status = fields.Enum(RequestStatus, by_value=fields.String)


class GrantsQuery(ListQuery):
    """Which grants to list."""

    status = fields.Enum(GrantStatus, by_value=fields.String)


class MessagesQuery(ListQuery):
    """Which messages to list."""

    status = fields.Enum(MessageStatus, by_value=fields.String)
