"""Sliding-window frequency caps: at most N messages in any D days."""

from bisect import bisect_right
from collections.abc import Sequence
from datetime import datetime

from consent_tokens.policies import RateLimit


def _blocking_send(limit: RateLimit, sends: Sequence[datetime], at: datetime) -> datetime | None:
    """Return the first send of the latest N that leave no place for one at `at`; None if it fits.

    `sends` is ascending. With `at` inserted, every N + 1 neighbours that include it must span the
    window D or more; that covers every half-open window. Fewer than N sends always leave a place.
    """
    if len(sends) < limit.limit:
        return None
    index = bisect_right(sends, at)
    for first in range(min(index, len(sends) - limit.limit), max(-1, index - limit.limit - 1), -1):
        earliest, latest = sends[first], sends[first + limit.limit - 1]
        if max(at, latest) - min(at, earliest) < limit.window:
            return earliest
    return None


def fits(limit: RateLimit, sends: Sequence[datetime], at: datetime) -> bool:
    """Whether one more message fits at a time, as `next_allowed_at` would say.

    Quick where all of `sends` are past, as they mostly are.
    """
    if len(sends) < limit.limit:
        return True
    if sends[-1] <= at:
        return at - sends[-limit.limit] >= limit.window
    return _blocking_send(limit, sends, at) is None


def next_allowed_at(limit: RateLimit, sends: Sequence[datetime], at: datetime) -> datetime:
    """Return the earliest time, not before `at`, at which one more message fits.

    `sends` are the times of all messages that count, past and planned, ascending. While N sends
    block a time, they block every later time before the first of them plus the window: the search
    jumps from one such bound to the next.
    """
    while (first := _blocking_send(limit, sends, at)) is not None:
        at = first + limit.window
    return at


def remaining(limit: RateLimit, sends: Sequence[datetime], now: datetime) -> int:
    """Return how many more messages may be sent at `now`."""
    counted = sorted(sends)
    left = 0
    while left < limit.limit and next_allowed_at(limit, counted, now) == now:
        counted.insert(bisect_right(counted, now), now)
        left += 1
    return left
