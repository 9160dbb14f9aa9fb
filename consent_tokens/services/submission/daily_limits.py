"""Limits that merchants were admitted with: messages of a class that are accepted in a day.

A merchant without limits costs nothing here. The counter of one that has them is locked while its
messages are accepted, so that the limit holds for all processes together.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Self

from consent_tokens.consent.purposes import PurposeClass
from consent_tokens.relay.decision import class_of
from consent_tokens.store import daily_counts
from consent_tokens.store.daily_counts import Key
from consent_tokens.store.database import Transaction
from consent_tokens.store.merchants import Merchant


@dataclass(slots=True)
class DailyLimits:
    """The limits that bind the messages of one transaction, and what was accepted today."""

    limits: Mapping[Key, int]
    counts: dict[Key, int]
    day: date

    @classmethod
    def load(
        cls,
        transaction: Transaction,
        merchants: Mapping[str, Merchant],
        purposes: Iterable[tuple[str, str]],
        day: date,
    ) -> Self:
        """Lock the counters of the merchants and purposes that are limited.

        The caller holds the grants' locks already: those come first everywhere.
        """
        limited = {each.id: each.daily_limits for each in merchants.values() if each.daily_limits}
        if not limited:
            return cls({}, {}, day)
        limits: dict[Key, int] = {}
        for merchant_id, purpose in purposes:
            purpose_class = class_of(purpose)
            limit = limited.get(merchant_id, {}).get(purpose_class)
            if limit is not None:
                limits[merchant_id, purpose_class] = limit
        return cls(limits, daily_counts.lock(transaction, limits, day), day)

    def left_of(
        self, merchant_id: str, classes: frozenset[PurposeClass]
    ) -> frozenset[PurposeClass]:
        """Return those of a merchant's classes whose limit of today is not used up."""
        if not self.limits:
            return classes
        used_up = {
            purpose_class
            for (limited, purpose_class), limit in self.limits.items()
            if limited == merchant_id and self.counts[limited, purpose_class] >= limit
        }
        return classes - used_up if used_up else classes

    def count(self, merchant_id: str, purpose_class: PurposeClass) -> None:
        """Count a message that was accepted."""
        if self.counts and (merchant_id, purpose_class) in self.counts:
            self.counts[merchant_id, purpose_class] += 1

    def save(self, transaction: Transaction) -> None:
        """Save the counts."""
        daily_counts.save(transaction, self.counts, self.day)
