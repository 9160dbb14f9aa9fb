"""Who goes next: weighted fair shares, so that one merchant's million delays nobody's hundred."""

from collections.abc import Mapping


def shares(weights: Mapping[str, int], room: int, turn: int = 0) -> dict[str, int]:
    """Return how much of `room` each gets, in proportion to its weight, and all of it given away.

    What does not divide goes one by one, beginning with a different one each `turn`.
    """
    if not weights:
        return {}
    total = sum(weights.values())
    given = {name: room * weight // total for name, weight in weights.items()}
    names = sorted(weights)
    first = turn % len(names)
    rest = room - sum(given.values())
    for name in (names[first:] + names[:first])[:rest]:
        given[name] += 1
    return given
