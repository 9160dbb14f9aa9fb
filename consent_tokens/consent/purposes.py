"""The catalogue of purposes: why a message is sent. Each is of class marketing or transactional."""

from enum import StrEnum


class Purpose(StrEnum):
    """Why a message is sent. The values are part of tokens and never change."""

    PROMOTIONS = "marketing.promotions"
    RECOMMENDATIONS = "marketing.recommendations"
    EVENTS = "marketing.events"
    SURVEYS = "marketing.surveys"
    ORDERS = "orders.updates"
    DELIVERIES = "orders.deliveries"
    APPOINTMENTS = "service.appointments"
    NOTICES = "service.notices"

    @property
    def is_marketing(self) -> bool:
        """Whether cap, hours and the way to refuse bind it."""
        return self.value.startswith("marketing.")


def in_catalogue_order(purposes: frozenset[Purpose]) -> tuple[Purpose, ...]:
    """Return purposes in the order of the catalogue: the same wherever they are shown."""
    return tuple(purpose for purpose in Purpose if purpose in purposes)
