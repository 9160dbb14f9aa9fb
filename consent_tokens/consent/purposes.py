"""The catalogue of purposes: why a message is sent, each of one class."""

from enum import StrEnum
from typing import Self


class PurposeClass(StrEnum):
    """What kind of message a purpose is for; senders, templates and limits go by it."""

    MARKETING = "marketing"
    FINANCE = "finance"
    TRANSACTIONAL = "transactional"

    @property
    def is_limited(self) -> bool:
        """Whether frequency cap, send window, quiet periods and opt-out bind it."""
        return self is not PurposeClass.TRANSACTIONAL


class Purpose(StrEnum):
    """Why a message is sent. Values are part of tokens, and keyword numbers of texts: both stay.

    A consumer stops one purpose by its keyword number, as in `STOP 3`.
    """

    keyword_number: int
    purpose_class: PurposeClass

    def __new__(
        cls,
        value: str,
        keyword_number: int = 0,
        purpose_class: PurposeClass = PurposeClass.MARKETING,
    ) -> Self:
        """Return a member with its keyword number and class."""
        member = str.__new__(cls, value)
        member._value_ = value
        member.keyword_number = keyword_number
        member.purpose_class = purpose_class
        return member

    PROMOTIONS = ("marketing.promotions", 1, PurposeClass.MARKETING)
    RECOMMENDATIONS = ("marketing.recommendations", 2, PurposeClass.MARKETING)
    EVENTS = ("marketing.events", 3, PurposeClass.MARKETING)
    SURVEYS = ("marketing.surveys", 4, PurposeClass.MARKETING)
    LOANS = ("finance.loans", 9, PurposeClass.FINANCE)
    CREDIT = ("finance.credit", 10, PurposeClass.FINANCE)
    INSURANCE = ("finance.insurance", 11, PurposeClass.FINANCE)
    COLLECTION = ("finance.collection", 12, PurposeClass.FINANCE)
    ORDERS = ("orders.updates", 5, PurposeClass.TRANSACTIONAL)
    DELIVERIES = ("orders.deliveries", 6, PurposeClass.TRANSACTIONAL)
    APPOINTMENTS = ("service.appointments", 7, PurposeClass.TRANSACTIONAL)
    NOTICES = ("service.notices", 8, PurposeClass.TRANSACTIONAL)
    CODES = ("account.code", 13, PurposeClass.TRANSACTIONAL)

    @property
    def is_limited(self) -> bool:
        """Whether frequency cap, send window, quiet periods and opt-out bind it."""
        return self.purpose_class.is_limited


def in_catalogue_order(purposes: frozenset[Purpose]) -> tuple[Purpose, ...]:
    """Return purposes in the order of the catalogue: the same wherever they are shown."""
    return tuple(purpose for purpose in Purpose if purpose in purposes)
