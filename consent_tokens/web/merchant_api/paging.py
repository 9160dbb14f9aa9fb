"""Lists by cursor: the cursor holds where the last page ended, signed, so that only we read it."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, TypeVar

from flask import request

from consent_tokens.errors import InvalidError
from consent_tokens.services.idempotency import ApiResponse
from consent_tokens.web.request_context import runtime

Item = TypeVar("Item")
Position = tuple[datetime, int]  # of an item in its list: when, and its row id

DIGITS = re.compile(r"[0-9]{1,4}")
DEFAULT_LIMIT: Final = 50
MAX_LIMIT: Final = 200
CURSOR_LIFETIME_SECONDS: Final = 24 * 3600


@dataclass(frozen=True, slots=True)
class RequestedPage:
    """Which part of a list was asked for: what follows `after`, at most `limit` items."""

    after: Position | None
    limit: int

    @property
    def lookahead(self) -> int:
        """Return how many items to read: one more than is shown tells whether there are more."""
        return self.limit + 1

    def response(
        self,
        items: Sequence[Item],
        position: Callable[[Item], Position],
        render: Callable[[Item], dict[str, Any]],
    ) -> ApiResponse:
        """Return the page: its items, and as `next` the cursor of the page behind it."""
        shown = items[: self.limit]
        has_more = len(items) > self.limit
        body = {
            "items": [render(item) for item in shown],
            "next": _cursor(*position(shown[-1])) if has_more else None,
        }
        return ApiResponse(200, body)


def requested_page() -> RequestedPage:
    """Return the page that this request asks for. Raises InvalidError."""
    text = request.args.get("limit", str(DEFAULT_LIMIT))
    if not DIGITS.fullmatch(text) or not 1 <= int(text) <= MAX_LIMIT:
        raise InvalidError({"limit": [f"Must be from 1 to {MAX_LIMIT}."]})
    cursor = request.args.get("cursor")
    if cursor is None:
        return RequestedPage(None, int(text))
    value = runtime().open_value("cursor", cursor, max_age_seconds=CURSOR_LIFETIME_SECONDS)
    if value is None:
        raise InvalidError({"cursor": ["Not a cursor of this list, or older than a day."]})
    at, row_id = value.split(" ")
    return RequestedPage((datetime.fromtimestamp(int(at), UTC), int(row_id)), int(text))


def _cursor(at: datetime, row_id: int) -> str:
    return runtime().sign_value("cursor", f"{int(at.timestamp())} {row_id}")
