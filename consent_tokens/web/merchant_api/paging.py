"""Lists by cursor: where the last page ended, in a form that only we read."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from flask import request

from consent_tokens.crypto.signed_values import open_value, sign_value
from consent_tokens.errors import InvalidError
from consent_tokens.web.request_context import world

DIGITS = re.compile(r"[0-9]{1,4}")
DEFAULT_LIMIT: Final = 50
MAX_LIMIT: Final = 200
CURSOR_LIFETIME_SECONDS: Final = 24 * 3600


@dataclass(frozen=True, slots=True)
class Page:
    """A page that was asked for: what comes behind `after` (moment, number), at most `limit`."""

    after: tuple[datetime, int] | None
    limit: int

    @staticmethod
    def cursor(moment: datetime, number: int) -> str:
        """Return the cursor of a list's last shown item."""
        return sign_value(world().keyring, "cursor", f"{int(moment.timestamp())} {number}")


def requested_page() -> Page:
    """Return the page that this request asks for. Raises InvalidError."""
    text = request.args.get("limit", str(DEFAULT_LIMIT))
    if not DIGITS.fullmatch(text) or not 1 <= int(text) <= MAX_LIMIT:
        raise InvalidError({"limit": [f"Must be from 1 to {MAX_LIMIT}."]})
    cursor = request.args.get("cursor")
    if cursor is None:
        return Page(None, int(text))
    value = open_value(world().keyring, "cursor", cursor, max_age_seconds=CURSOR_LIFETIME_SECONDS)
    if value is None:
        raise InvalidError({"cursor": ["Not a cursor of this list, or older than a day."]})
    moment, number = value.split(" ")
    return Page((datetime.fromtimestamp(int(moment), UTC), int(number)), int(text))
