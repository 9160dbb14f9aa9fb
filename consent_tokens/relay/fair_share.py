"""Who goes next: weighted fair shares, so that one merchant's million delays nobody's hundred."""

from collections.abc import Mapping


def fair_shares(weights: Mapping[str, int], capacity: int, turn: int = 0) -> dict[str, int]:
    """Return how much of `capacity` each gets: all of it, in proportion to the weights.

    What does not divide goes one by one, beginning with a different one each `turn`.
    """
    if not weights:
        return {}
    total = sum(weights.values())
    given = {name: capacity * weight // total for name, weight in weights.items()}
    names = sorted(weights)
    first = turn % len(names)
    rest = capacity - sum(given.values())
    for name in (names[first:] + names[:first])[:rest]:
        given[name] += 1
    return given
