"""Long lists of the consoles: filtered by status and reference, the newest first, page by page.

They are read by key, not by number of the page: the thousandth page costs as much as the first.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, Generic, TypeVar

from flask import request, url_for

from consent_tokens.errors import InvalidError
from consent_tokens.listing import ListFilter, Position
from consent_tokens.web.consoles.session import person
from consent_tokens.web.consoles.tables import MAX_FILTER_LENGTH, PAGE_SIZE
from consent_tokens.web.merchant_api.paging import list_page
from consent_tokens.web.merchant_api.schemas import RequestedPage

Item = TypeVar("Item")

MAX_CURSOR_LENGTH: Final = 400  # characters


@dataclass(frozen=True)  # without slots, which generic dataclasses of Python 3.11 cannot have
class ListView(Generic[Item]):
    """A page of a long list, and the addresses that lead on from it."""

    items: Sequence[Item]
    statuses: Sequence[str]  # that it can be filtered by
    status: str
    reference: str
    next_url: str | None
    first_url: str | None  # None on the first page


def list_view(
    statuses: Sequence[str],
    read: Callable[[ListFilter], Sequence[Item]],
    position: Callable[[Item], Position],
) -> ListView[Item]:
    """Return the page of a merchant's list that the address asks for.

    A cursor that is not of this list and filter, or older than a day, leads to the first page.
    """
    status = request.args.get("status", "")
    status = status if status in statuses else ""
    reference = request.args.get("reference", "").replace("\0", "").strip()[:MAX_FILTER_LENGTH]
    wanted = ListFilter(
        limit=PAGE_SIZE, status=status or None, reference=reference or None, is_newest_first=True
    )
    cursor = request.args.get("cursor", "")[:MAX_CURSOR_LENGTH] or None
    name = f"console {request.endpoint}"
    try:
        found = list_page(
            person().merchant_id or "", name, RequestedPage(wanted, cursor), read, position
        )
    except InvalidError:
        cursor = None
        found = list_page(
            person().merchant_id or "", name, RequestedPage(wanted, None), read, position
        )
    address: dict[str, Any] = {
        key: value for key, value in (("status", status), ("reference", reference)) if value
    } | (request.view_args or {})
    endpoint = request.endpoint or ""
    return ListView(
        items=found["items"],
        statuses=statuses,
        status=status,
        reference=reference,
        next_url=url_for(endpoint, **address, cursor=found["next"]) if found["next"] else None,
        first_url=url_for(endpoint, **address) if cursor else None,
    )
