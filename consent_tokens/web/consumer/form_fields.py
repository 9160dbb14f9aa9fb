"""What comes in with a form, parsed at the door. Every fault is an InvalidError of its field."""

from datetime import date, datetime
from zoneinfo import ZoneInfo

from flask import request

from consent_tokens.consent.purposes import Purpose
from consent_tokens.consent.scope import MINUTES_PER_DAY, ScopeReduction
from consent_tokens.errors import InvalidError

MAX_DIGITS = 6
MAX_FIELD_LENGTH = 2000
MAX_CODE_LENGTH = 16  # characters of a typed code


def text(name: str, max_length: int = MAX_FIELD_LENGTH) -> str:
    """Return a field's text without blanks around it, cut to what can make sense."""
    return request.form.get(name, "").strip()[:max_length]


def one_time_code() -> str:
    """Return the one-time code as it was typed, without blanks."""
    return "".join(request.form.get("code", "").split())[:MAX_CODE_LENGTH]


def whole_number(name: str) -> int | None:
    """Return a whole number; None if the field is empty or not there. Raises InvalidError."""
    given = text(name, MAX_DIGITS)
    if not given:
        return None
    if not given.isascii() or not given.isdigit():
        raise InvalidError({name: ["not_a_number"]})
    return int(given)


def minute_of_day(name: str) -> int | None:
    """Return minutes since midnight; None if the field is empty or not there."""
    value = whole_number(name)
    if value is not None and value > MINUTES_PER_DAY:
        raise InvalidError({name: ["not_a_time"]})
    return value


def day(name: str) -> date | None:
    """Return the day in a date field; None if it is empty. Raises InvalidError."""
    given = text(name, 10)
    if not given:
        return None
    try:
        return date.fromisoformat(given)
    except ValueError:
        raise InvalidError({name: ["not_a_day"]}) from None


def local_datetime(name: str, timezone: ZoneInfo) -> datetime | None:
    """Return the moment in a field of local date and time; None if it is none."""
    try:
        naive = datetime.fromisoformat(text(name, 19))
    except ValueError:
        return None
    return naive.replace(tzinfo=timezone) if naive.tzinfo is None else None


def scope_reduction() -> ScopeReduction:
    """Return what the consumer ticked and chose of a question or a consent. Raises InvalidError."""
    ticked = frozenset(request.form.getlist("purposes")[: len(Purpose)])
    return ScopeReduction(
        purposes=frozenset(purpose for purpose in Purpose if purpose.value in ticked),
        max_messages=whole_number("max_messages"),
        opens=minute_of_day("from"),
        closes=minute_of_day("to"),
        days=whole_number("expires_in_days"),
    )
