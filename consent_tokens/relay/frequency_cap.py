"""A cap is a cap: at most N in any D days, whichever D days one looks at."""

from bisect import bisect_right
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Protocol


class Cap(Protocol):
    """At most `most` in any `within`: a scope's cap, or any other limit of that form."""

    @property
    def most(self) -> int:
        """Return how many."""

    @property
    def within(self) -> timedelta:
        """Return the length of the window."""


def _crowding(cap: Cap, slots: Sequence[datetime], at: datetime) -> datetime | None:
    """Return the first of the latest `cap.most` slots that `at` would crowd; None if it fits.

    `slots` is in ascending order. With `at` put in its place, every run of N + 1 neighbours that
    holds it must span D or more; that says it for every window (half-open) at once. Fewer than N
    crowd nobody.
    """
    if len(slots) < cap.most:
        return None
    place = bisect_right(slots, at)
    for first in range(min(place, len(slots) - cap.most), max(-1, place - cap.most - 1), -1):
        others = slots[first], slots[first + cap.most - 1]
        if max(at, others[1]) - min(at, others[0]) < cap.within:
            return others[0]
    return None


def next_free(cap: Cap, slots: Sequence[datetime], at: datetime) -> datetime:
    """Return the first moment, from `at` on, at which one more message fits; `at` if it fits.

    `slots` are the moments of all that counts, past and planned, in ascending order. As long as N
    slots within D days crowd a moment, so does every later one before the first of them + D: the
    search jumps from one such bound to the next.
    """
    while (first := _crowding(cap, slots, at)) is not None:
        at = first + cap.within
    return at


def remaining(cap: Cap, slots: Sequence[datetime], now: datetime) -> int:
    """Return how many more messages could leave at `now`."""
    counted = sorted(slots)
    left = 0
    while left < cap.most and next_free(cap, counted, now) == now:
        counted.insert(bisect_right(counted, now), now)
        left += 1
    return left
