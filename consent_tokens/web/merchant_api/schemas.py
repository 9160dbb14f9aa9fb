"""What merchants send: schemas that validate it, describe it and load it as values."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
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
from consent_tokens.localization import DEFAULT_LANGUAGE, LANGUAGES
from consent_tokens.web.request_context import runtime

MAX_REFERENCE_LENGTH: Final = 100
MAX_URL_LENGTH: Final = 2000
MAX_TOKEN_LENGTH: Final = 16_384  # the relay says `token_malformed` above 4096
MAX_KEY_LENGTH: Final = 255  # characters of an Idempotency-Key
DEFAULT_LIMIT: Final = 50  # items of a page
MAX_LIMIT: Final = 200
CURSOR_LIFETIME_SECONDS: Final = 24 * 3600
DIGITS: Final = re.compile(r"[0-9]{1,4}")

Position = tuple[datetime, int]  # of an item in its list: its time and its row id


class Strict(Schema):
    """A schema that refuses unknown members."""

    class Meta:
        """Options of marshmallow."""

        unknown = RAISE


def _is_url(text: str) -> None:
    try:
        parts = urlsplit(text)
    except ValueError as error:
        raise ValidationError("Must be an https URL.") from error
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
        fields.Enum(Purpose, by_value=fields.String),
        required=True,
        validate=validate.Length(1, len(Purpose)),
        metadata={"example": [Purpose.PROMOTIONS.value]},
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
        if parse_time_of_day(members["opens"]) >= parse_time_of_day(members["closes"]):
            raise ValidationError("Must be later than `from`.", "to")

    @post_load
    def to_terms(
        self, members: Mapping[str, Any], **_: object
    ) -> tuple[RequestedTerms, str | None]:
        """Return the terms, and the token whose consumer the request is sent to, if any."""
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


class TokenIn(Strict):
    """A token to introspect, renew or revoke (RFC 7662, 2.1; RFC 7009, 2.1)."""

    token = fields.String(required=True, validate=validate.Length(1, MAX_TOKEN_LENGTH))
    token_type_hint = fields.String(validate=validate.Length(max=64))

    @post_load
    def to_token(self, members: Mapping[str, Any], **_: object) -> str:
        """Return the token."""
        token: str = members["token"]
        return token


class IdempotencyHeader(Schema):
    """The header that makes a POST safe to repeat."""

    key = fields.String(
        data_key="Idempotency-Key",
        validate=[validate.Length(1, MAX_KEY_LENGTH), _is_printable_ascii],
        metadata={
            "description": "The same key with the same request is done once and answered the same, "
            "for 24 hours; with another request it is refused."
        },
    )

    @post_load
    def to_key(self, members: Mapping[str, Any], **_: object) -> str | None:
        """Return the key, if the request has one."""
        key: str | None = members.get("key")
        return key


def _position(cursor: str) -> Position:
    """Return the position in a list that a cursor holds, which this service signed."""
    opened = runtime().open_value("cursor", cursor, max_age_seconds=CURSOR_LIFETIME_SECONDS)
    if opened is None:
        raise ValidationError("Not a cursor of this list, or older than a day.", "cursor")
    at, row_id = opened.split(" ")
    return datetime.fromtimestamp(int(at), UTC), int(row_id)


@dataclass(frozen=True, slots=True)
class RequestedPage:
    """Which part of a list to return: at most `limit` items, from behind `after` on."""

    after: Position | None
    limit: int
    reference: str = ""  # of the messages to list

    @property
    def lookahead(self) -> int:
        """Return how many items to read: one more than is returned tells whether there are more."""
        return self.limit + 1


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
        metadata={"description": "`next` of the page before; it can be used for a day."}
    )
    limit = Limit(
        load_default=DEFAULT_LIMIT,
        validate=validate.Range(1, MAX_LIMIT, error=f"Must be from 1 to {MAX_LIMIT}."),
    )

    @post_load
    def to_page(self, members: Mapping[str, Any], **_: object) -> RequestedPage:
        """Return the page. Raises ValidationError for a cursor that is not of this service."""
        after = _position(members["cursor"]) if "cursor" in members else None
        return RequestedPage(after, members["limit"], members.get("reference", ""))


class MessagesQuery(PageQuery):
    """The reference of the messages to list, and the page of the list."""

    reference = fields.String(
        required=True, validate=[validate.Length(1, MAX_REFERENCE_LENGTH), is_printable]
    )
