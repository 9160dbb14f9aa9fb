"""The figures that the consoles show: what rollups counted in a period, of one subject."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Final, TypeVar

from consent_tokens.clock import utc_from_epoch
from consent_tokens.consent.grant import EndReason
from consent_tokens.consent.purposes import PurposeClass
from consent_tokens.evidence.rollups import Measure
from consent_tokens.relay.decision import class_of
from consent_tokens.relay.pacing import SECONDS_OF_DAY, day_of
from consent_tokens.services.runtime import Runtime
from consent_tokens.store import rollup_queries, rollups
from consent_tokens.store.database import Transaction
from consent_tokens.store.rollup_queries import Days, Key
from consent_tokens.store.rollups import ALL_MERCHANTS

__all__ = ["ALL_MERCHANTS", "Figures", "MerchantFigures", "merchants_by_complaints", "read_figures"]

Group = TypeVar("Group")

FOUR_WEEKS: Final = 28  # days
MILLION: Final = 1_000_000
MAX_MERCHANTS: Final = 10  # that the overview lists by their complaints
ONLY_OF_PAST_DAYS: Final = (Measure.STOPS, Measure.COMPLAINTS, Measure.LOST)  # for a merchant
NOT_FOR_MERCHANTS: Final = frozenset(
    {EndReason.CONSUMER, EndReason.REPLY, EndReason.NUMBER, EndReason.JOURNAL}
)
CUSTOMER_OR_PLATFORM: Final = "customer_or_platform"  # the reason that they see instead


@dataclass(frozen=True, slots=True)
class Figures:
    """What was counted of a subject in a period, and in as many days before it."""

    days: Sequence[date]
    by_day: Sequence[Counter[Measure]]  # of each day
    by_class: Mapping[PurposeClass, Counter[Measure]]
    by_purpose: Mapping[str, Counter[Measure]]
    total: Counter[Measure]
    before: Counter[Measure]  # the period before: its total
    before_by_class: Mapping[PurposeClass, Counter[Measure]]
    refused: Mapping[str, int]  # by reason
    lost: Mapping[str, int]  # by what ended the consent
    counted_until: datetime  # what was counted before is in it

    @property
    def is_empty(self) -> bool:
        """Whether nothing was counted in the period."""
        return not any(self.total.values())


@dataclass(frozen=True, slots=True)
class MerchantFigures:
    """The totals of a merchant in a period, and in the four weeks before it."""

    merchant_id: str
    total: Counter[Measure]
    before: Counter[Measure]


@dataclass(frozen=True, slots=True)
class PastDay:
    """What was counted on one day."""

    day: date
    total: Counter[Measure]


def read_figures(
    runtime: Runtime, subject_id: str, days: int = FOUR_WEEKS, *, for_merchant: bool = False
) -> Figures:
    """Return the figures of a merchant, sender, template or all; today is the last day.

    `for_merchant` leaves out the stops, complaints and consents lost of today, and the reasons that
    no webhook names: merchants who compare theirs cannot see that one act of a consumer ended
    consents at each of them (promise 5), or who complained.
    """
    return read_periods(runtime, subject_id, [days], for_merchant=for_merchant)[0]


def read_periods(
    runtime: Runtime, subject_id: str, periods: Sequence[int], *, for_merchant: bool = False
) -> list[Figures]:
    """Return the figures of several periods, each of so many days; see `read_figures`."""
    now = runtime.clock.now()
    longest = _period(now, 2 * max(periods))

    def query(transaction: Transaction) -> list[Figures]:
        counts = rollup_queries.counts_of(transaction, subject_id, longest)
        for key, each in counts.items():
            if for_merchant and key.day == longest.last:
                for measure in ONLY_OF_PAST_DAYS:
                    each[measure] = 0
        until = rollups.oldest_increment(transaction) or now
        return [
            _figures(
                _period(now, days),
                counts,
                _reasons(transaction, subject_id, _period(now, days), for_merchant=for_merchant),
                until,
            )
            for days in periods
        ]

    return runtime.database.read(query)


def merchants_by_complaints(runtime: Runtime, days: int = FOUR_WEEKS) -> list[MerchantFigures]:
    """Return the merchants with the most complaints in a period, the most first."""
    period = _period(runtime.clock.now(), days)

    def query(transaction: Transaction) -> list[MerchantFigures]:
        found = rollup_queries.most_complaints(transaction, period, MAX_MERCHANTS)
        totals = rollup_queries.totals_of(transaction, found, period)
        earlier = Days(period.first - FOUR_WEEKS, period.first - 1)
        before = rollup_queries.totals_of(transaction, found, earlier)
        return [MerchantFigures(each, totals[each], before.get(each, Counter())) for each in found]

    return runtime.database.read(query)


def busiest_day(transaction: Transaction, now: datetime) -> PastDay | None:
    """Return the day with the most texts before the last four weeks; None if there is none."""
    before = _period(now, FOUR_WEEKS).first
    day = rollup_queries.busiest_day(transaction, ALL_MERCHANTS, before)
    if day is None:
        return None
    totals = rollup_queries.totals_of(transaction, [ALL_MERCHANTS], Days(day, day))
    return PastDay(date_of(day), totals[ALL_MERCHANTS])


def per_million(hits: int, of: int) -> float | None:
    """Return how many of a million texts; None if there was no text."""
    return hits * MILLION / of if of > 0 else None


def _figures(
    period: Days,
    counts: Mapping[Key, Counter[Measure]],
    reasons: Mapping[Measure, Mapping[str, int]],
    counted_until: datetime,
) -> Figures:
    """Return the figures of a period, from the counts of at least twice as many days."""
    days = range(period.first, period.last + 1)
    inside = {key: each for key, each in counts.items() if key.day in days}
    former = range(period.first - len(days), period.first)
    outside = {key: each for key, each in counts.items() if key.day in former}
    by_day = _sums({key: key.day for key in inside}, inside)
    return Figures(
        days=[date_of(day) for day in days],
        by_day=[by_day.get(day, Counter()) for day in days],
        by_class=_by_class(inside),
        by_purpose=_sums({key: key.purpose for key in inside if key.purpose}, inside),
        total=_total(inside),
        before=_total(outside),
        before_by_class=_by_class(outside),
        refused=reasons[Measure.REFUSED],
        lost=reasons[Measure.LOST],
        counted_until=counted_until,
    )


def _reasons(
    transaction: Transaction, subject_id: str, period: Days, *, for_merchant: bool
) -> Mapping[Measure, Mapping[str, int]]:
    """Return why texts were refused and consents lost; see `read_figures`."""
    reasons = rollup_queries.reasons_of(transaction, subject_id, period)
    if not for_merchant:
        return reasons
    past = period._replace(last=period.last - 1)
    lost = rollup_queries.reasons_of(transaction, subject_id, past)[Measure.LOST]
    shown: Counter[str] = Counter()
    for reason, number in lost.items():
        shown[CUSTOMER_OR_PLATFORM if reason in NOT_FOR_MERCHANTS else reason] += number
    return {**reasons, Measure.LOST: shown}


def _period(now: datetime, days: int) -> Days:
    today = day_of(now)
    return Days(today - days + 1, today)


def date_of(day: int) -> date:
    """Return the date of a day since 1970."""
    return utc_from_epoch(day * SECONDS_OF_DAY).date()


def _by_class(counts: Mapping[Key, Counter[Measure]]) -> dict[PurposeClass, Counter[Measure]]:
    return _sums({key: class_of(key.purpose) for key in counts if key.purpose}, counts)


def _total(counts: Mapping[Key, Counter[Measure]]) -> Counter[Measure]:
    return _sums(dict.fromkeys(counts, 0), counts).get(0, Counter())


def _sums(
    groups: Mapping[Key, Group], counts: Mapping[Key, Counter[Measure]]
) -> dict[Group, Counter[Measure]]:
    """Return the sums of counts, by the group that each key is in."""
    sums: dict[Group, Counter[Measure]] = {}
    for key, group in groups.items():
        sums.setdefault(group, Counter()).update(counts[key])
    return sums
