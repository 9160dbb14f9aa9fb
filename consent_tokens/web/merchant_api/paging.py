"""Lists by cursor: where the last page ended, in a form that only we read."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from flask import request

from consent_tokens.crypto.signed_values import opened, signed
from consent_tokens.errors import InvalidError
from consent_tokens.web.request_context import world

DIGITS = re.compile(r"[0-9]{1,4}")
LIMIT: Final = 50
MOST_LIMIT: Final = 200
CURSOR_SECONDS: Final = 24 * 3600


@dataclass(frozen=True, slots=True)
class Page:
    """A page that was asked for: what comes behind `after` (moment, number), at most `limit`."""

    after: tuple[datetime, int] | None
    limit: int

    @staticmethod
    def cursor(moment: datetime, number: int) -> str:
        """Return the cursor of a list's last shown item."""
        return signed(world().keyring, "cursor", f"{int(moment.timestamp())} {number}")


def page_asked() -> Page:
    """Return the page that this request asks for. Raises InvalidError."""
    text = request.args.get("limit", str(LIMIT))
    if not DIGITS.fullmatch(text) or not 1 <= int(text) <= MOST_LIMIT:
        raise InvalidError({"limit": [f"Must be from 1 to {MOST_LIMIT}."]})
    cursor = request.args.get("cursor")
    if cursor is None:
        return Page(None, int(text))
    value = opened(world().keyring, "cursor", cursor, most_seconds=CURSOR_SECONDS)
    if value is None:
        raise InvalidError({"cursor": ["Not a cursor of this list, or older than a day."]})
    moment, number = value.split(" ")
    return Page((datetime.fromtimestamp(int(moment), UTC), int(number)), int(text))
