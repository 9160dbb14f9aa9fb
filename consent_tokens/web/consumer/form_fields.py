"""Parse form fields. Each error is an InvalidError of its field."""

from datetime import date, datetime
from typing import Final
from zoneinfo import ZoneInfo

from flask import request

from consent_tokens.consent.one_time_code import entered_code
from consent_tokens.consent.purposes import Purpose
from consent_tokens.consent.scope import MINUTES_PER_DAY, ScopeReduction
from consent_tokens.errors import InvalidError

MAX_DIGITS: Final = 6  # of a whole number
MAX_FIELD_LENGTH: Final = 2000  # characters
MAX_DATE_LENGTH: Final = 10  # characters of 2021-11-11
YEARS: Final = range(1990, 2201)  # the first and the last year of all overflow with an offset
MAX_DATETIME_LENGTH: Final = 19  # characters of 2021-11-11T12:00:00


def text(name: str, max_length: int = MAX_FIELD_LENGTH) -> str:
    """Return the text of a field without blanks around it, cut to `max_length` characters.

    Null bytes are left out: PostgreSQL stores none.
    """
    return request.form.get(name, "").replace("\0", "").strip()[:max_length]


def one_time_code() -> str:
    """Return the one-time code in what was entered; empty if there is none."""
    return entered_code(request.form.get("code", ""))


def whole_number(name: str) -> int | None:
    """Return a whole number; None if the field is empty or missing. Raises InvalidError."""
    digits = text(name, MAX_DIGITS)
    if not digits:
        return None
    if not digits.isascii() or not digits.isdigit():
        raise InvalidError({name: ["not_a_number"]})
    return int(digits)


def minute_of_day(name: str) -> int | None:
    """Return minutes since midnight; None if the field is empty or missing. Raises InvalidError."""
    value = whole_number(name)
    if value is not None and value > MINUTES_PER_DAY:
        raise InvalidError({name: ["not_a_time"]})
    return value


def day(name: str) -> date | None:
    """Return the day in a date field; None if it is empty. Raises InvalidError."""
    iso_date = text(name, MAX_DATE_LENGTH)
    if not iso_date:
        return None
    try:
        found = date.fromisoformat(iso_date)
    except ValueError:
        raise InvalidError({name: ["not_a_day"]}) from None
    if found.year not in YEARS:
        raise InvalidError({name: ["not_a_day"]})
    return found


def local_datetime(name: str, timezone: ZoneInfo) -> datetime | None:
    """Return the time in a field of local date and time; None if it is none."""
    try:
        naive = datetime.fromisoformat(text(name, MAX_DATETIME_LENGTH))
    except ValueError:
        return None
    is_local = naive.tzinfo is None and naive.year in YEARS
    return naive.replace(tzinfo=timezone) if is_local else None


def scope_reduction() -> ScopeReduction:
    """Return what the consumer chose of a request or a consent. Raises InvalidError."""
    ticked = frozenset(request.form.getlist("purposes")[: len(Purpose)])
    return ScopeReduction(
        purposes=frozenset(purpose for purpose in Purpose if purpose.value in ticked),
        max_messages=whole_number("max_messages"),
        opens=minute_of_day("from"),
        closes=minute_of_day("to"),
        days=whole_number("expires_in_days"),
    )
