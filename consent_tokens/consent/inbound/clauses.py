"""Splits a text into clauses and tells its languages by script and known words."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from consent_tokens.consent.inbound.folding import fold_characters, is_chinese, words_of
from consent_tokens.consent.inbound.lexicon import LANGUAGES, Unit, lexicon

ENDS: Final = frozenset(".!?;,:\n\r…()[]【】—–/\\|~。！？，、；：（）¿¡*")
LATIN_LANGUAGES: Final = tuple(each for each in LANGUAGES if each != "zh")
MAX_WORDS_FOR_LANGUAGE: Final = 60
MAX_CLAUSES: Final = 80  # read at the beginning of a text, and again at its end
MAX_CLAUSE_PART: Final = 60  # words read at the beginning of a clause, and again at its end


@dataclass(frozen=True, slots=True)
class Clause:
    """A part of a text between two marks of punctuation, as words."""

    words: tuple[str, ...]
    is_question: bool
    is_line: bool  # the first or the last line of the text, by itself
    names: frozenset[str] = frozenset()  # words that began with a capital letter


def clauses_of(text: str) -> list[Clause]:
    """Return the clauses of a text, in order."""
    lines = [line for line in fold_characters(text).splitlines() if line.strip()]
    names = _names_of(text)
    found: list[Clause] = []
    for index, line in enumerate(lines):
        of_line = _clauses_of_line(line)
        if len(of_line) == 1 and len(lines) > 1 and index in {0, len(lines) - 1}:
            of_line = [replace(of_line[0], is_line=True)]
        found += [replace(each, names=names.intersection(each.words)) for each in of_line]
    if len(found) > 2 * MAX_CLAUSES:
        return found[:MAX_CLAUSES] + found[-MAX_CLAUSES:]
    return found


def _bounded(words: list[str]) -> tuple[str, ...]:
    """Return the words, or of very many the first and the last."""
    if len(words) <= 2 * MAX_CLAUSE_PART:
        return tuple(words)
    return tuple(words[:MAX_CLAUSE_PART] + words[-MAX_CLAUSE_PART:])


def _names_of(text: str) -> frozenset[str]:
    """Return the words that begin with one capital letter, in lower case."""
    capitalised = [word.strip(".,!?;:") for word in text.split()[:MAX_WORDS_FOR_LANGUAGE]]
    return frozenset(
        folded
        for word in capitalised
        if word[:1].isupper() and not word[1:2].isupper()
        for folded in words_of(fold_characters(word))
    )


def _clauses_of_line(line: str) -> list[Clause]:
    found: list[Clause] = []
    start = 0
    for index, letter in enumerate(f"{line}\n"):
        if letter not in ENDS:
            continue
        words = _bounded(words_of(line[start:index]))
        if words:
            found.append(Clause(words, is_question=letter in "?？", is_line=False))
        start = index + 1
    return found


def languages_of(words: Sequence[str]) -> tuple[str, ...]:
    """Return the languages in which most of the words are known."""
    if any(is_chinese(word) for word in words):
        return ("zh",)
    head = words[:MAX_WORDS_FOR_LANGUAGE]
    known = {each: _known(lexicon(each).units(head)) for each in LATIN_LANGUAGES}
    most = max(known.values())
    if most == 0:
        return ()
    return tuple(each for each in LATIN_LANGUAGES if known[each] == most)


def _known(units: Sequence[Unit]) -> int:
    return sum(len(unit.words) for unit in units if unit.classes)
