"""When complaints that a transactional text was an advert have its template reviewed."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

COUNTED_PERIOD: Final = timedelta(days=90)  # one complaint of a recipient about a merchant counts
YOUNG: Final = timedelta(days=1)  # a consent that was younger when the text was sent counts half
# weights in halves, so that sums are exact
FULL_WEIGHT: Final = 2
YOUNG_WEIGHT: Final = 1
REVIEW_WEIGHT: Final = 3 * FULL_WEIGHT  # three different people


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassDispute:
    """A complaint about the class of a text, and the consent that the text was sent under."""

    partition: int  # of the recipient
    template_id: str
    filed_at: datetime
    sent_at: datetime
    granted_at: datetime
    is_waiting: bool  # no review was started for it, and nobody has decided


def weight_of(disputes: Sequence[ClassDispute], template_id: str) -> int:
    """Return what complaints about a merchant weigh for the review of one of its templates.

    `disputes` are those of the merchant within COUNTED_PERIOD. Of each recipient only the first
    counts, whichever template it was about.
    """
    first: dict[int, ClassDispute] = {}
    for each in sorted(disputes, key=lambda dispute: dispute.filed_at):
        first.setdefault(each.partition, each)
    return sum(
        YOUNG_WEIGHT if each.sent_at - each.granted_at < YOUNG else FULL_WEIGHT
        for each in first.values()
        if each.template_id == template_id and each.is_waiting
    )
