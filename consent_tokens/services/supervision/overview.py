"""What the operator's overview shows beside what waits: figures, alarms, whether a no is kept."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from consent_tokens.clock import start_of_day
from consent_tokens.evidence.rollups import Measure
from consent_tokens.services.rollups.figures import (
    ALL_MERCHANTS,
    FOUR_WEEKS,
    Figures,
    MerchantFigures,
    PastDay,
    busiest_day,
    merchants_by_complaints,
    read_periods,
)
from consent_tokens.services.runtime import Runtime
from consent_tokens.store import merchants, supervision
from consent_tokens.store.database import Transaction
from consent_tokens.store.merchants import Merchant

MAX_STOPS: Final = 2000  # consents that ended today, of which texts are looked for
SAMPLE: Final = 1000  # people whose texts of today are counted
ALARM_COMPLAINTS: Final = 3  # of a merchant today, from which on they are compared
ALARM_FACTOR: Final = 3  # times as many as on an average day of the four weeks before


@dataclass(frozen=True, slots=True)
class Alarm:
    """A merchant with many more complaints today than on its other days."""

    merchant: Merchant
    complaints: int  # today
    usual: float  # a day, in the four weeks before

    @property
    def times(self) -> float | None:
        """Return how many times as many as usual; None if there were none before."""
        return round(self.complaints / self.usual, 1) if self.usual else None


@dataclass(frozen=True, slots=True)
class TextsOfPeople:
    """How many texts people got today, of those of a sample who got any."""

    people: int
    median: int
    percentile_99: int
    most: int


@dataclass(frozen=True, slots=True)
class Supervision:
    """What an operator looks at first."""

    figures: Figures  # of the period that was asked for
    four_weeks: Figures
    busiest: PastDay | None  # before these four weeks
    merchants: Sequence[tuple[Merchant, MerchantFigures]]  # by complaints
    alarms: Sequence[Alarm]
    ended_today: int  # consents that were looked at
    texts_after_stop: int  # that left under them: must be 0
    texts_of_people: TextsOfPeople | None  # None: nobody of the sample got a text


def read_supervision(runtime: Runtime, days: int) -> Supervision:
    """Return what happened in the last `days`, today and four weeks."""
    figures, four_weeks = read_periods(runtime, ALL_MERCHANTS, [days, FOUR_WEEKS])
    ranked = merchants_by_complaints(runtime, days)
    today = ranked if days == 1 else merchants_by_complaints(runtime, 1)
    start = runtime.new_partition()
    now = runtime.clock.now()
    since = start_of_day(now)

    def query(transaction: Transaction) -> Supervision:
        ids = sorted({each.merchant_id for each in (*ranked, *today)})
        known = merchants.find_many(transaction, ids)
        ended, late = supervision.texts_after_stop(transaction, since, MAX_STOPS)
        texts = supervision.texts_of_people(transaction, start, SAMPLE, since, now)
        return Supervision(
            figures=figures,
            four_weeks=four_weeks,
            busiest=busiest_day(transaction, now),
            merchants=[(known[each.merchant_id], each) for each in ranked],
            alarms=_alarms(today, known),
            ended_today=ended,
            texts_after_stop=late,
            texts_of_people=_distribution(texts),
        )

    return runtime.database.read(query)


def _alarms(today: Sequence[MerchantFigures], known: Mapping[str, Merchant]) -> list[Alarm]:
    """Return the merchants whose complaints of today are many more than usual."""
    found = [
        Alarm(
            known[each.merchant_id],
            each.total[Measure.COMPLAINTS],
            each.before[Measure.COMPLAINTS] / FOUR_WEEKS,
        )
        for each in today
    ]
    return [
        each
        for each in found
        if each.complaints >= ALARM_COMPLAINTS and each.complaints > ALARM_FACTOR * each.usual
    ]


def _distribution(texts: Sequence[int]) -> TextsOfPeople | None:
    if not texts:
        return None
    ordered = sorted(texts)
    last = len(ordered) - 1
    return TextsOfPeople(
        len(ordered), ordered[last // 2], ordered[-(-last * 99 // 100)], ordered[last]
    )
