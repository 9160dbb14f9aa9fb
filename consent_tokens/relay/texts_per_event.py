"""Which merchants send more texts for each event than others: adverts may be among them.

Each template has its bound of texts for an event; a merchant with many templates can still send
many about one order. Counts are compared with the median of the day, so a peak alarms nobody.
"""

from collections.abc import Sequence
from statistics import median
from typing import Final, NamedTuple

MIN_EVENTS: Final = 50  # of a merchant on a day: fewer say nothing
MIN_MERCHANTS: Final = 5  # with so many events: of fewer there is no usual number
FACTOR: Final = 2  # times the median


class EventTexts(NamedTuple):
    """How many texts with an event a merchant had on a day, and about how many events."""

    merchant_id: str
    texts: int
    events: int

    @property
    def per_event(self) -> float:
        """Return the texts for each event."""
        return self.texts / self.events


class Outlier(NamedTuple):
    """A merchant with many texts for each event, and the median of that day."""

    counted: EventTexts
    median: float


def outliers(counted: Sequence[EventTexts]) -> list[Outlier]:
    """Return the merchants with more than FACTOR times the median of texts for each event."""
    compared = [each for each in counted if each.events >= MIN_EVENTS]
    if len(compared) < MIN_MERCHANTS:
        return []
    usual = median(each.per_event for each in compared)
    return [Outlier(each, usual) for each in compared if each.per_event > FACTOR * usual]
