"""Lexicons: keywords, and the classes of words of one language, read from `lexicons/*.toml`."""

import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

from consent_tokens.consent.inbound.folding import LEXICONS, fold_characters, words_of
from consent_tokens.consent.inbound.intents import Intent
from consent_tokens.consent.purposes import Purpose, limited_purposes

LANGUAGES: Final = ("en", "zh", "fr", "es", "de")
MAX_STEM: Final = 20
MIN_STEM: Final = 3  # letters before a `*`
KEYWORD_INTENTS: Final = (
    Intent.STOP, Intent.STOP_ALL, Intent.HELP, Intent.START, Intent.YES, Intent.NO,
    Intent.REPORT, Intent.REPORT_ORDER,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Unit:
    """A word or phrase of a clause, with its classes; without any it is unknown."""

    words: tuple[str, ...]
    classes: frozenset[str]


@dataclass(frozen=True, slots=True)
class Lexicon:
    """The phrases of one language by their words, and its stems (`desabonn*`)."""

    phrases: Mapping[tuple[str, ...], frozenset[str]]
    stems: Mapping[str, frozenset[str]]
    longest: int  # words of the longest phrase

    @classmethod
    def from_terms(cls, terms: Mapping[str, Iterable[str]]) -> "Lexicon":
        """Return the lexicon of a table by class; a phrase may have several classes."""
        phrases: dict[tuple[str, ...], frozenset[str]] = {}
        stems: dict[str, frozenset[str]] = {}
        for name, listed in terms.items():
            for term in listed:
                if term.endswith("*"):
                    stem = fold_characters(term[:-1])
                    stems[stem] = stems.get(stem, frozenset()) | {name}
                else:
                    words = tuple(words_of(fold_characters(term)))
                    phrases[words] = phrases.get(words, frozenset()) | {name}
        return cls(phrases, stems, max(map(len, phrases), default=1))

    def units(self, words: Sequence[str]) -> list[Unit]:
        """Return the words as units; of the phrases that begin at a word the longest counts."""
        found: list[Unit] = []
        start = 0
        while start < len(words):
            unit = self._unit_at(words, start)
            found.append(unit)
            start += len(unit.words)
        return found

    def _unit_at(self, words: Sequence[str], start: int) -> Unit:
        for length in range(min(self.longest, len(words) - start), 0, -1):
            candidate = tuple(words[start : start + length])
            if classes := self.phrases.get(candidate):
                return Unit(candidate, classes)
        word = words[start]
        for length in range(min(len(word), MAX_STEM), MIN_STEM - 1, -1):
            if classes := self.stems.get(word[:length]):
                return Unit((word,), classes)
        return Unit((word,), frozenset())


@cache
def table(language: str) -> Mapping[str, Any]:
    """Return the tables of a language's file."""
    return tomllib.loads((LEXICONS / f"{language}.toml").read_text("utf-8"))


@cache
def lexicon(language: str) -> Lexicon:
    """Return the lexicon of a language."""
    return Lexicon.from_terms(table(language)["terms"])


def keyword_table() -> dict[str, dict[Intent, tuple[str, ...]]]:
    """Return the keywords by language and intent; the international ones are with English."""
    names = {each.value: each for each in KEYWORD_INTENTS} | {"doubt": Intent.UNCLEAR}
    return {
        language: {
            names[name]: tuple(
                keyword for part in parts for keyword in table(part)["keywords"].get(name, ())
            )
            for name in names
        }
        for language, parts in {
            "en": ("any", "en"),
            **{each: (each,) for each in LANGUAGES[1:]},
        }.items()
    }


@cache
def _scope_words() -> dict[str, str]:
    """Return the words that name a scope in any language, folded, with the scope's name."""
    return {
        "".join(words_of(fold_characters(word))): name
        for language in LANGUAGES
        for name, words in table(language)["scopes"].items()
        for word in words
    }


def purposes_in_scope(words: Sequence[str]) -> frozenset[Purpose]:
    """Return the purposes that folded words after a stop name; none if they name none.

    They are the numbers of purposes (`STOP 3`, `STOP 1, 12`), or a word for one purpose or for
    everything that is limited (`STOP ads`).
    """
    if all(word.isdecimal() for word in words):
        numbered = {str(each.keyword_number): each for each in Purpose}
        known = [numbered[word] for word in words if word in numbered]
        return frozenset(known) if len(known) == len(words) else frozenset()
    name = _scope_words().get("".join(words))
    if name is None:
        return frozenset()
    return limited_purposes() if name == "limited" else frozenset({Purpose(name)})
