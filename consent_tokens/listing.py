"""Which items of a merchant's list to return: filters, and the page."""

from dataclasses import dataclass
from datetime import datetime

Position = tuple[datetime, int]  # of an item in its list: its time and its row id


@dataclass(frozen=True, slots=True, kw_only=True)
class ListFilter:
    """Which items of a list to return: at most `limit`, from behind `after`.

    The oldest come first, unless `is_newest_first`.

    An item is created when a request was made, a consent given, a message accepted.
    """

    limit: int
    after: Position | None = None
    status: str | None = None
    reference: str | None = None
    purpose: str | None = None  # of templates
    created_from: datetime | None = None  # at this time or later
    created_before: datetime | None = None
    is_newest_first: bool = False
