"""What comes in with a form, parsed at the door. Every fault is an InvalidError of its field."""

from datetime import date, datetime
from zoneinfo import ZoneInfo

from flask import request

from consent_tokens.consent.purposes import Purpose
from consent_tokens.consent.scope import MINUTES_A_DAY, Less
from consent_tokens.errors import InvalidError

MOST_DIGITS = 6
MOST_FIELD = 2000
MOST_CODE = 16  # characters of a typed code


def text(name: str, most: int = MOST_FIELD) -> str:
    """Return a field's text without blanks around it, cut to what can make sense."""
    return request.form.get(name, "").strip()[:most]


def typed_code() -> str:
    """Return the one-time code as it was typed, without blanks."""
    return "".join(request.form.get("code", "").split())[:MOST_CODE]


def whole(name: str) -> int | None:
    """Return a whole number; None if the field is empty or not there. Raises InvalidError."""
    given = text(name, MOST_DIGITS)
    if not given:
        return None
    if not given.isascii() or not given.isdigit():
        raise InvalidError({name: ["not_a_number"]})
    return int(given)


def minute(name: str) -> int | None:
    """Return minutes since midnight; None if the field is empty or not there."""
    value = whole(name)
    if value is not None and value > MINUTES_A_DAY:
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


def moment(name: str, zone: ZoneInfo) -> datetime | None:
    """Return the moment in a field of local date and time; None if it is none."""
    try:
        naive = datetime.fromisoformat(text(name, 19))
    except ValueError:
        return None
    return naive.replace(tzinfo=zone) if naive.tzinfo is None else None


def less() -> Less:
    """Return what the consumer ticked and chose of a question or a consent. Raises InvalidError."""
    ticked = frozenset(request.form.getlist("purposes")[: len(Purpose)])
    return Less(
        purposes=frozenset(purpose for purpose in Purpose if purpose.value in ticked),
        most=whole("max_messages"),
        opens=minute("from"),
        closes=minute("to"),
        days=whole("expires_in_days"),
    )
