"""Folds the letters of a reply: width, case, accents, 繁 to 简, look-alike letters, signs."""

import tomllib
import unicodedata
from functools import lru_cache
from importlib.resources import files
from typing import Final

import opencc

LEXICONS: Final = files("consent_tokens.consent.inbound") / "lexicons"
SIGNS: Final = {
    "🛑": " stop ", "🚫": " stop ", "⛔": " stop ", "✋": " stop ", "🙅": " stop ",
    "📵": " stop ", "🔕": " stop ", "❌": " crossmark ", "✖": " crossmark ",
    "❎": " crossmark ", "👎": " crossmark ", "🖕": " crossmark ", "🤬": " crossmark ",
    "😡": " crossmark ", "👋": " crossmark ", "👍": " thumbsup ", "✅": " thumbsup ",
    "👌": " thumbsup ",
}  # fmt: skip
FIRST_REGIONAL, LAST_REGIONAL = 0x1F1E6, 0x1F1FF  # 🇦 to 🇿
# 🄰 🅐 🅰: capital letters in squares and circles that NFKC leaves as they are
ENCLOSED_ALPHABETS: Final = (0x1F130, 0x1F150, 0x1F170)
ALPHABET_LENGTH: Final = 26
MAX_EXPANSION: Final = 4  # letters for one: NFKC makes eighteen of U+FDFA
APOSTROPHES: Final = frozenset("'’‘`´ʼ＇")
ELIDED: Final = frozenset({"c", "d", "j", "l", "m", "n", "s", "t", "qu"})  # French: m'envoyez


def _enclosed_letters() -> dict[int, str]:
    starts = (*ENCLOSED_ALPHABETS, FIRST_REGIONAL)
    return {
        start + index: chr(ord("a") + index) for start in starts for index in range(ALPHABET_LENGTH)
    }


@lru_cache(maxsize=1)
def _simplifier() -> opencc.OpenCC:
    return opencc.OpenCC("t2s")


@lru_cache(maxsize=1)
def _confusables() -> dict[int, str]:
    table = tomllib.loads((LEXICONS / "confusables.toml").read_text("utf-8"))
    return {ord(each): latin for latin, letters in table.items() for each in letters}


ENCLOSED: Final = _enclosed_letters()


def fold_characters(text: str) -> str:
    """Return a text in NFKC, lower case, without accents and invisible characters, in 简体.

    Line breaks and punctuation stay; signs such as 🛑 become words.
    """
    if text.isascii():
        return text.lower()
    for sign, word in SIGNS.items():
        text = text.replace(sign, word)
    wide = unicodedata.normalize("NFKC", text.translate(ENCLOSED)).casefold()
    wide = wide[: MAX_EXPANSION * len(text)]
    plain = unicodedata.normalize("NFKD", _simplifier().convert(wide) if is_chinese(wide) else wide)
    return "".join(each for each in plain if unicodedata.category(each) not in {"Mn", "Cf", "Me"})


def fold_lookalikes(word: str) -> str:
    """Return a word in Latin letters if each of its letters is one or looks like one."""
    if word.isascii():
        return word
    latin = word.translate(_confusables())
    return latin if latin.isascii() else word


def fold_each_lookalike(text: str) -> str:
    """Return a text in which each letter that looks like a Latin one is that."""
    return text if text.isascii() else text.translate(_confusables())


def is_chinese(text: str) -> bool:
    """Whether there is a Chinese character."""
    return any("\u3400" <= each <= "\u9fff" for each in text)


def words_of(folded: str) -> list[str]:
    """Return the words of a folded text; each Chinese character is one."""
    words: list[str] = []
    letters: list[str] = []
    for each in f"{folded} ":
        if "\u3400" <= each <= "\u9fff" or not (each.isalnum() or each in APOSTROPHES):
            if letters:
                words += _apostrophes_resolved("".join(letters))
                letters.clear()
            if "\u3400" <= each <= "\u9fff":
                words.append(each)
        else:
            letters.append("'" if each in APOSTROPHES else each)
    return words


def _apostrophes_resolved(word: str) -> list[str]:
    """Return `don't` as one word, `m'envoyez` as two."""
    first, mark, rest = word.strip("'").partition("'")
    if mark and rest and first in ELIDED and len(rest) > 1:
        return [first, *_apostrophes_resolved(rest)]
    joined = fold_lookalikes((first + rest).replace("'", ""))
    return [joined] if joined else []
