"""Sets of purpose classes as columns hold them: their values, separated by a space."""

from collections.abc import Iterable
from functools import lru_cache

from consent_tokens.consent.purposes import PurposeClass

ALL_CLASSES = frozenset(PurposeClass)


def write_classes(classes: Iterable[PurposeClass]) -> str:
    """Return the text of a column."""
    return " ".join(sorted(classes))


@lru_cache(maxsize=32)
def read_classes(text: str | None) -> frozenset[PurposeClass]:
    """Return the classes of a column; of null none, which admits nothing."""
    return frozenset(PurposeClass(each) for each in (text or "").split())
