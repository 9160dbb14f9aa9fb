"""Recognises one typing error in a keyword, and two in a long one."""

from collections.abc import Iterable
from typing import Final

MAX_EDITS: Final = 2  # in a long keyword
LONG_KEYWORD: Final = 8  # letters; from here on two errors are one word still


def is_one_edit_apart(first: str, second: str) -> bool:
    """Whether one letter was added, left out, replaced, or swapped with the next."""
    if abs(len(first) - len(second)) > 1 or first == second:
        return False
    short, long = sorted((first, second), key=len)
    start = 0
    while start < len(short) and short[start] == long[start]:
        start += 1
    if len(short) < len(long):
        return short[start:] == long[start + 1 :]
    swapped = short[start + 1 : start + 2] + short[start : start + 1]
    return short[start + 1 :] == long[start + 1 :] or (
        swapped == long[start : start + 2] and short[start + 2 :] == long[start + 2 :]
    )


def _edits(word: str) -> Iterable[str]:
    """Return a word without one of its letters, and with two neighbours swapped."""
    for index in range(len(word)):
        yield word[:index] + word[index + 1 :]
        if index + 1 < len(word):
            yield word[:index] + word[index + 1] + word[index] + word[index + 2 :]


def is_misspelt(word: str, keyword: str) -> bool:
    """Whether a word is a keyword with one typing error, or with two if the keyword is long."""
    if is_one_edit_apart(word, keyword):
        return True
    is_long = min(len(word), len(keyword)) >= LONG_KEYWORD - 1
    if not is_long or abs(len(word) - len(keyword)) > MAX_EDITS:
        return False
    nearer = set(_edits(keyword))
    return any(is_one_edit_apart(each, other) or each == other
               for each in _edits(word) for other in nearer)  # fmt: skip
