"""Pages of lists. A cursor holds where a page ended, signed by this service."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, TypeVar

from consent_tokens.web.merchant_api.schemas import Position, RequestedPage
from consent_tokens.web.request_context import runtime

Item = TypeVar("Item")


def page_of(
    items: Sequence[Item], page: RequestedPage, position: Callable[[Item], Position]
) -> dict[str, Any]:
    """Return the members of a page: of `page.lookahead` items its own, and the next cursor."""
    shown = items[: page.limit]
    has_more = len(items) > page.limit
    return {"items": shown, "next": _cursor(*position(shown[-1])) if has_more else None}


def _cursor(at: datetime, row_id: int) -> str:
    return runtime().sign_value("cursor", f"{int(at.timestamp())} {row_id}")
