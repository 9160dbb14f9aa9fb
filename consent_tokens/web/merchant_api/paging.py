"""Pages of lists. A cursor holds where a page ended: sealed, and bound to merchant and list."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Final, TypeVar

import msgspec

from consent_tokens.crypto.encoding import decode, encode
from consent_tokens.errors import InvalidError, KeyUnavailableError, SealBrokenError
from consent_tokens.listing import ListFilter, Position
from consent_tokens.web.merchant_api.schemas import RequestedPage
from consent_tokens.web.request_context import runtime

Item = TypeVar("Item")

CURSOR_LIFETIME_SECONDS: Final = 24 * 3600


def list_page(
    merchant_id: str,
    list_name: str,
    page: RequestedPage,
    read: Callable[[ListFilter], Sequence[Item]],
    position: Callable[[Item], Position],
) -> dict[str, Any]:
    """Return the members of a page: its items, and the cursor of the next page, if there is one.

    Raises InvalidError for a cursor of another merchant, list or filter, or older than a day.
    """
    wanted, binding = page.wanted, _binding(merchant_id, list_name, page.wanted)
    after = None if page.cursor is None else _open(page.cursor, binding)
    # one more item than is returned tells whether there are more
    items = read(replace(wanted, after=after, limit=wanted.limit + 1))
    shown = items[: wanted.limit]
    has_more = len(items) > wanted.limit
    return {"items": shown, "next": _seal(position(shown[-1]), binding) if has_more else None}


def _binding(merchant_id: str, list_name: str, wanted: ListFilter) -> bytes:
    """Return what a cursor is bound to: the list that it is a place in."""
    filters = wanted.status, wanted.reference, wanted.created_from, wanted.created_before
    members = ["cursor", merchant_id, list_name, *filters, wanted.purpose]
    return msgspec.json.encode(members, enc_hook=str)  # a purpose as its id


def _seal(position: Position, binding: bytes) -> str:
    at, row_id = position
    now = int(runtime().clock.now().timestamp())
    content = msgspec.json.encode([now, int(at.timestamp()), row_id])
    return encode(runtime().seal_envelope(content, binding))


def _open(cursor: str, binding: bytes) -> Position:
    try:
        content = runtime().open_envelope(decode(cursor), binding)
    except (ValueError, SealBrokenError, KeyUnavailableError):
        raise _invalid_cursor() from None
    sealed_at, at, row_id = msgspec.json.decode(content, type=tuple[int, int, int])
    if runtime().clock.now().timestamp() - sealed_at > CURSOR_LIFETIME_SECONDS:
        raise _invalid_cursor()
    return datetime.fromtimestamp(at, UTC), row_id


def _invalid_cursor() -> InvalidError:
    return InvalidError({"cursor": ["Not a cursor of this list and filter, or older than a day."]})
