"""A cap is a cap: at most N in any D days, whichever D days one looks at."""

from bisect import bisect_right
from collections.abc import Sequence
from datetime import datetime

from consent_tokens.policies import RateLimit


def _blocking_send(limit: RateLimit, sends: Sequence[datetime], at: datetime) -> datetime | None:
    """Return the first of the latest `cap.most` slots that `at` would crowd; None if it fits.

    `slots` is in ascending order. With `at` put in its place, every run of N + 1 neighbours that
    holds it must span D or more; that says it for every window (half-open) at once. Fewer than N
    crowd nobody.
    """
    if len(sends) < limit.limit:
        return None
    place = bisect_right(sends, at)
    for first in range(min(place, len(sends) - limit.limit), max(-1, place - limit.limit - 1), -1):
        others = sends[first], sends[first + limit.limit - 1]
        if max(at, others[1]) - min(at, others[0]) < limit.window:
            return others[0]
    return None


def next_allowed_at(limit: RateLimit, sends: Sequence[datetime], at: datetime) -> datetime:
    """Return the first moment, from `at` on, at which one more message fits; `at` if it fits.

    `slots` are the moments of all that counts, past and planned, in ascending order. As long as N
    slots within D days crowd a moment, so does every later one before the first of them + D: the
    search jumps from one such bound to the next.
    """
    while (first := _blocking_send(limit, sends, at)) is not None:
        at = first + limit.window
    return at


def remaining(limit: RateLimit, sends: Sequence[datetime], now: datetime) -> int:
    """Return how many more messages could leave at `now`."""
    counted = sorted(sends)
    left = 0
    while left < limit.limit and next_allowed_at(limit, counted, now) == now:
        counted.insert(bisect_right(counted, now), now)
        left += 1
    return left
