"""Rates how much a decoded text looks like written text, to choose between codings."""

import re
import unicodedata
from itertools import pairwise
from typing import Final

LAST_COMMON_HAN: Final = {"gb2312": 0xD7, "big5": 0xC6}  # lead octet of the frequent characters
SECOND_SCRIPT_FACTOR: Final = 0.7
MIN_TYPED: Final = 0.75  # share of the letters, digits and blanks in what somebody typed
TYPED_SCRIPTS: Final = frozenset({"LATIN", "CJK", "CYRILLIC", "FULLWIDTH"})
LOW_OCTET: Final = 0xFF
HAN = re.compile("[\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]")
HAN_WITHIN_WORD = re.compile(f"[a-z]{HAN.pattern}|{HAN.pattern}[a-z]")  # a mistaken accent
FULL_WIDTH_PUNCTUATION: Final = "，。！？、：；（）《》【】“”‘’—…・～￥　"


def rate(text: str) -> float:
    """Return how much a text looks like written text: from 0, not at all, to 1.

    Only what is not ASCII counts: ASCII letters are the same in most codings. A text in several
    scripts is less likely; one with control characters or unassigned codes is none.
    """
    letters = [letter for letter in text if letter not in "\n\r\t"]
    ratings = [_rating_of(letter, before) for before, letter in pairwise([" ", *letters])]
    if not ratings or min(ratings) < 0:
        return 0.0
    foreign = [
        rating for letter, rating in zip(letters, ratings, strict=True) if not letter.isascii()
    ]
    average = sum(foreign) / len(foreign) if foreign else 1.0
    scripts = {script for letter in letters if (script := _script_of(letter))}
    factor = SECOND_SCRIPT_FACTOR ** max(0, len(scripts) - 1)
    if HAN_WITHIN_WORD.search(text):
        factor *= SECOND_SCRIPT_FACTOR
    return average * factor * _at_sign_factor(text)


def _at_sign_factor(text: str) -> float:
    """Return a factor for `@`, which is octet 0 in GSM 7-bit: half of UCS-2 text would be `@`."""
    return 1.0 if text.count("@") * 3 <= len(text) or len(text) == 1 else 0.3


def _rating_of(letter: str, before: str) -> float:
    """Return the rating of one character; below 0 if no written text contains it."""
    if " " <= letter <= "~":
        return 1.0
    category = unicodedata.category(letter)
    if category in {"Cc", "Cn", "Co", "Cs"} or letter == "\ufffd":
        return -1.0
    if HAN.match(letter):
        return _rating_of_han(letter)
    if category[0] == "M":  # a mark belongs to the letter before it
        return 0.8 if unicodedata.category(before)[0] in "LM" and not before.isascii() else 0.1
    return 0.8 if category[0] in "LN" or letter in FULL_WIDTH_PUNCTUATION else 0.4


def _rating_of_han(letter: str) -> float:
    """Return 1 for the characters that either national standard lists as frequent ones."""
    if is_frequent(letter):
        return 1.0
    return 0.5 if _encoded(letter, "gb2312") or _encoded(letter, "big5") else 0.1


def is_frequent(letter: str) -> bool:
    """Whether either national standard lists a character among the frequent Chinese ones."""
    return bool(HAN.match(letter)) and any(
        encoded[0] <= last
        for codec, last in LAST_COMMON_HAN.items()
        if (encoded := _encoded(letter, codec))
    )


def is_likely_answer(text: str) -> bool:
    """Whether a text of one Chinese character is one: each is a letter in other codings."""
    is_numeral = len(text) == 1 and unicodedata.numeric(text, None) is not None
    return len(text) == 1 and is_frequent(text) and (is_numeral or ord(text) & LOW_OCTET != 0)


def is_typed(text: str) -> bool:
    """Whether a text is mostly letters, digits and blanks, in Latin, Chinese or Cyrillic script.

    Few octets are nearly always letters and signs in some coding: `我` in GB 18030 is `N%` in a
    packed one, and N is a keyword.
    """
    typed = sum(letter.isalnum() or letter.isspace() for letter in text)
    scripts = {script for letter in text if (script := _script_of(letter))}
    return typed > MIN_TYPED * len(text) and scripts <= TYPED_SCRIPTS


def _encoded(letter: str, codec: str) -> bytes | None:
    try:
        return letter.encode(codec)
    except UnicodeError:
        return None


def _script_of(letter: str) -> str | None:
    """Return the script of a letter, by its name in Unicode; None for ASCII and others."""
    if letter.isascii() or unicodedata.category(letter)[0] != "L":
        return None
    return unicodedata.name(letter, "?").split(" ")[0]
