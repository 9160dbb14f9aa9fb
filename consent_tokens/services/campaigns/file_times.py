"""Times as spreadsheets save them, made RFC 3339 times with an offset."""

import re
from datetime import datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

DAY_FIRST_IS_YEAR = re.compile(
    r"(\d{4})[-/.年](\d{1,2})[-/.月](\d{1,2})日?"
    r"(?:[T\s]+(\d{1,2})[:：时](\d{1,2})(?:[:：分](\d{1,2}))?[分秒]?)?"
)
SERIAL = re.compile(r"\d{5}(\.\d{1,15})?")  # days since SERIAL_EPOCH
SERIAL_EPOCH: Final = datetime(1899, 12, 30)  # noqa: DTZ001 - the zone is added below


def with_offset(text: str, timezone: ZoneInfo) -> str:
    """Return a time with an offset: `2026/11/25 9:30` in `timezone`, or the day number 46351.4.

    What is none of these is returned as it is, and the service says what is wrong with it. So is a
    day that begins with day or month: nobody knows which.
    """
    moment = _local_time(text.strip())
    if moment is None:
        return text
    return moment.replace(tzinfo=timezone).isoformat()


def _local_time(text: str) -> datetime | None:
    if SERIAL.fullmatch(text):
        return SERIAL_EPOCH + timedelta(seconds=round(float(text) * 86_400))
    match = DAY_FIRST_IS_YEAR.fullmatch(text)
    if match is None:
        return None
    try:
        return datetime(*[int(each) for each in match.groups(default="0")])  # type: ignore[arg-type]  # noqa: DTZ001 - the zone is added by the caller
    except ValueError:
        return None
