"""Weighted fair sharing, so that one merchant's bulk does not delay the messages of others."""

from collections.abc import Mapping


def fair_shares(weights: Mapping[str, int], capacity: int, turn: int = 0) -> dict[str, int]:
    """Return the share of each name: all of `capacity`, in proportion to the weights.

    The remainder of the division is given out one by one, from a different name each `turn`.
    """
    if not weights:
        return {}
    total = sum(weights.values())
    shares = {name: capacity * weight // total for name, weight in weights.items()}
    names = sorted(weights)
    first = turn % len(names)
    remainder = capacity - sum(shares.values())
    for name in (names[first:] + names[:first])[:remainder]:
        shares[name] += 1
    return shares
