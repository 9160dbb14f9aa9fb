"""The catalogue of purposes: why a message is sent. Each is of class marketing or transactional."""

from enum import StrEnum
from typing import Self


class Purpose(StrEnum):
    """Why a message is sent. Values are part of tokens, and keyword numbers of texts: both stay.

    A consumer stops one purpose by its keyword number, as in `STOP 3`.
    """

    keyword_number: int

    def __new__(cls, value: str, keyword_number: int = 0) -> Self:
        """Return a member with its keyword number."""
        member = str.__new__(cls, value)
        member._value_ = value
        member.keyword_number = keyword_number
        return member

    PROMOTIONS = ("marketing.promotions", 1)
    RECOMMENDATIONS = ("marketing.recommendations", 2)
    EVENTS = ("marketing.events", 3)
    SURVEYS = ("marketing.surveys", 4)
    ORDERS = ("orders.updates", 5)
    DELIVERIES = ("orders.deliveries", 6)
    APPOINTMENTS = ("service.appointments", 7)
    NOTICES = ("service.notices", 8)

    @property
    def is_marketing(self) -> bool:
        """Whether frequency cap, send window and opt-out bind it."""
        return self.value.startswith("marketing.")


def in_catalogue_order(purposes: frozenset[Purpose]) -> tuple[Purpose, ...]:
    """Return purposes in the order of the catalogue: the same wherever they are shown."""
    return tuple(purpose for purpose in Purpose if purpose in purposes)
