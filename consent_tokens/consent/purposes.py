"""Purposes: why a message is sent, each of one class and with its own `STOP` number."""

from collections.abc import Iterator, Sequence
from typing import Any, ClassVar, Final, Self

from consent_tokens.consent.purpose_catalogue import (
    PurposeClass,
    PurposeDefinition,
    PurposeWords,
    built_in_definitions,
    extend,
)

__all__ = [
    "Purpose",
    "PurposeClass",
    "in_catalogue_order",
    "limited_purposes",
    "use_own_purposes",
]


class _Catalogue(type):
    """The type of `Purpose`: lets its members be listed, counted and looked up."""

    members: dict[str, "Purpose"]

    def __iter__(cls) -> Iterator["Purpose"]:
        """Return the purposes in the order of the catalogue."""
        return iter(cls.members.values())

    def __len__(cls) -> int:
        """Return how many purposes there are."""
        return len(cls.members)

    def __contains__(cls, value: object) -> bool:
        """Whether there is a purpose of that id."""
        return value in cls.members


class Purpose(str, metaclass=_Catalogue):  # noqa: SLOT000 - it has a few instances
    """Why a message is sent: `Purpose("orders.updates")` looks it up. Raises ValueError.

    It is equal to its id. Ids are part of tokens, and keyword numbers of texts: both stay. A
    consumer stops one purpose by its keyword number, as in `STOP 3`.
    """

    PROMOTIONS: ClassVar["Purpose"]
    RECOMMENDATIONS: ClassVar["Purpose"]
    EVENTS: ClassVar["Purpose"]
    SURVEYS: ClassVar["Purpose"]
    LOANS: ClassVar["Purpose"]
    CREDIT: ClassVar["Purpose"]
    INSURANCE: ClassVar["Purpose"]
    COLLECTION: ClassVar["Purpose"]
    ORDERS: ClassVar["Purpose"]
    DELIVERIES: ClassVar["Purpose"]
    APPOINTMENTS: ClassVar["Purpose"]
    NOTICES: ClassVar["Purpose"]
    CODES: ClassVar["Purpose"]

    value: str  # the id as a plain string
    definition: PurposeDefinition
    keyword_number: int
    purpose_class: PurposeClass
    is_limited: bool  # frequency cap, send window, quiet periods and opt-out bind it
    needs_own_admission: bool  # being admitted for its class is not enough

    def __new__(cls, value: str) -> "Purpose":  # noqa: PYI034 - it returns the one that exists
        """Return the purpose of an id. Raises ValueError."""
        try:
            return cls.members[value]
        except KeyError:
            raise ValueError(f"{value!r} is no purpose") from None

    @classmethod
    def of(cls, definition: PurposeDefinition) -> Self:
        """Return the purpose that a definition describes."""
        purpose = str.__new__(cls, definition.id)
        purpose.value, purpose.definition = definition.id, definition
        purpose.keyword_number = definition.number
        purpose.purpose_class = definition.purpose_class
        purpose.is_limited = definition.purpose_class.is_limited
        purpose.needs_own_admission = definition.needs_own_admission
        return purpose

    def __reduce__(self) -> tuple[Any, ...]:
        """Return how copies and pickles look the purpose up."""
        return Purpose, (self.value,)

    def words(self, language: str) -> PurposeWords:
        """Return the words of the purpose in one of `localization.LANGUAGES`."""
        return self.definition.words[language]


BUILT_IN: Final = {each.id: Purpose.of(each) for each in built_in_definitions()}


def use_own_purposes(own: Sequence[PurposeDefinition]) -> None:
    """Set which purposes there are in this process beside the built-in ones.

    Called once at start, before anything reads a token or a row. Raises ValueError as `extend`.
    """
    catalogue = extend([each.definition for each in BUILT_IN.values()], own)
    Purpose.members = {each.id: BUILT_IN.get(each.id) or Purpose.of(each) for each in catalogue}


use_own_purposes(())
Purpose.PROMOTIONS = Purpose("marketing.promotions")
Purpose.RECOMMENDATIONS = Purpose("marketing.recommendations")
Purpose.EVENTS = Purpose("marketing.events")
Purpose.SURVEYS = Purpose("marketing.surveys")
Purpose.LOANS = Purpose("finance.loans")
Purpose.CREDIT = Purpose("finance.credit")
Purpose.INSURANCE = Purpose("finance.insurance")
Purpose.COLLECTION = Purpose("finance.collection")
Purpose.ORDERS = Purpose("orders.updates")
Purpose.DELIVERIES = Purpose("orders.deliveries")
Purpose.APPOINTMENTS = Purpose("service.appointments")
Purpose.NOTICES = Purpose("service.notices")
Purpose.CODES = Purpose("account.code")


def in_catalogue_order(purposes: frozenset[Purpose]) -> tuple[Purpose, ...]:
    """Return purposes in the order of the catalogue: the same wherever they are shown."""
    return tuple(purpose for purpose in Purpose if purpose in purposes)


def limited_purposes() -> frozenset[Purpose]:
    """Return the purposes of marketing and finance."""
    return frozenset(each for each in Purpose if each.is_limited)
