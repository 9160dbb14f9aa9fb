"""Interprets replies: stop, stop all, help, start, yes and no, as keywords and in sentences.

Sources of the keyword tables (`inbound/lexicons`): 47 CFR 64.1200(a)(10) for the English per-se
keywords and (a)(12) for clarification messages; the keyword lists of Twilio, AWS and Telnyx
(English; AWS: ARRET, AIDE, TD); Tencent Cloud (`TD`, `T`, `N`) and Huawei Cloud (`R`) for Chinese
ports; Art. 7(3) and 21 GDPR for the statutory words in French, Spanish and German; the rest is
common usage. An operator adds keywords by a file: docs/inbound.md.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import groupby
from typing import Final

from consent_tokens.consent.inbound.folding import fold_characters, is_chinese, words_of
from consent_tokens.consent.inbound.instructions import is_instruction
from consent_tokens.consent.inbound.intents import Intent, Interpretation
from consent_tokens.consent.inbound.lexicon import (
    keyword_table,
    purposes_in_scope,
    table,
)
from consent_tokens.consent.inbound.quoting import own_text
from consent_tokens.consent.inbound.sentences import read_sentences
from consent_tokens.consent.inbound.typing_errors import is_misspelt
from consent_tokens.consent.purposes import limited_purposes

MAX_KEYWORD_LENGTH: Final = 80  # characters; a longer text is read as sentences
CODE_DIGITS: Final = range(4, 9)  # of a one-time code: asked back, because it may be meant as one
SCOPED_STOPS: Final = ("stop", "unsubscribe", "arret", "baja", "stopp", "abmelden", "退订", "拒收",
                       "停止", "td")  # fmt: skip
SCOPED_REFUSALS: Final = ("不要", "取消", "no", "keine")  # of adverts only: 取消订单 is no stop
STOPS: Final = frozenset({Intent.STOP, Intent.STOP_ALL})
MAY_BE_STOPS: Final = frozenset({Intent.UNCLEAR, Intent.REPORT, Intent.REPORT_ORDER})
LINE_KEYWORDS: Final = frozenset(SCOPED_STOPS)  # act in a line of their own above or below a text
PORT_KEYWORDS: Final = frozenset({"r", "t"})  # beside Chinese; elsewhere they sign a letter
KEYWORDS: Final = keyword_table()
MISSPELT: Final = table("any")["misspelt"]
MIN_REPEATED: Final = 2  # letters: R R R and 🛑🛑 are one keyword, T.T is not
MAX_RUN: Final = 2  # of one letter: a longer one is stressed, STOOOP
POLITE_WORDS: Final = frozenset(
    {"please", "me", "moi", "mich", "pls", "plz", "svp", "bitte", "thanks", "thx", "merci"}
)
NEVER_MISSPELT: Final = frozenset(MISSPELT["never"])


def fold(text: str) -> str:
    """Return a text for keyword look-up: folded words without anything between them."""
    folded = fold_characters(text)
    words = words_of(folded)
    if len(set(words)) == 1 and len(words) * len(words[0]) > MIN_REPEATED:
        return words[0]  # 🛑🛑🛑, stop stop
    return "".join(words) or "".join(folded.split())[:MAX_KEYWORD_LENGTH]


@dataclass(frozen=True, slots=True)
class KeywordMatcher:
    """Keywords by their folded form, each with its intent and language."""

    entries: Mapping[str, tuple[Intent, str]] = field(repr=False)

    @classmethod
    def from_table(cls, table: Mapping[str, Mapping[Intent, Iterable[str]]]) -> "KeywordMatcher":
        """Return the matcher of a table by language and intent; stop wins over other intents."""
        entries: dict[str, tuple[Intent, str]] = {}
        for intent in Intent:  # in the order of the enumeration: STOP comes first
            for language, keywords in table.items():
                for keyword in keywords.get(intent, ()):
                    entries.setdefault(fold(keyword), (intent, language))
        return cls(entries)

    def extended_with(
        self, table: Mapping[str, Mapping[Intent, Iterable[str]]]
    ) -> "KeywordMatcher":
        """Return the matcher with an operator's table, which overrides the entries of this one."""
        return KeywordMatcher({**self.entries, **KeywordMatcher.from_table(table).entries})

    def interpret(self, text: str) -> Interpretation:
        """Return the interpretation of a reply of any length, with what it quotes."""
        return self._read(own_text(text, lambda part: self._read(part).intent in STOPS))

    def _read(self, text: str) -> Interpretation:
        """Return the interpretation of what the consumer wrote."""
        if not text.strip():
            return Interpretation(Intent.OTHER)
        if len(text) <= MAX_KEYWORD_LENGTH and (read := self._read_keyword(text)):
            return read
        if _has_keyword_line(text):
            return Interpretation(Intent.STOP, "zh" if is_chinese(text) else "en")
        return read_sentences(text)

    def _read_keyword(self, text: str) -> Interpretation | None:
        """Return the interpretation of a keyword, a typed-back instruction or a code, or None."""
        folded = fold_characters(text)
        words = words_of(folded)
        key = fold(text)
        is_question = "?" in folded
        if entry := self.entries.get(key) or self.entries.get(_without_runs(key)):
            intent, language = entry
            if intent in STOPS and is_question:
                return Interpretation(Intent.UNCLEAR, language)
            return Interpretation(intent, language, leans_to_stop=intent in MAY_BE_STOPS)
        if scoped := _scoped_stop(words):
            return scoped
        language = "zh" if any(is_chinese(word) for word in words) else "en"
        if is_instruction(words):
            return Interpretation(Intent.UNCLEAR if is_question else Intent.STOP, language)
        if key.isdecimal() and len(key) in CODE_DIGITS:
            return Interpretation(Intent.UNCLEAR)
        return self._misspelt(words)

    def _misspelt(self, words: list[str]) -> Interpretation | None:
        """Return the interpretation of a misspelt keyword, perhaps with polite words, or None."""
        if _is_misread_chinese("".join(words)):
            return Interpretation(Intent.UNCLEAR, "zh", leans_to_stop=True)
        kept = [word for word in words if word not in POLITE_WORDS]
        if len(kept) != 1 or kept[0] in NEVER_MISSPELT or is_chinese(kept[0]):
            return None
        if entry := self.entries.get(kept[0]):
            return Interpretation(*entry)
        if any(is_misspelt(kept[0], keyword) for keyword in MISSPELT["acts"]):
            return Interpretation(Intent.STOP, "en")
        if any(is_misspelt(kept[0], keyword) for keyword in MISSPELT["asked"]):
            return Interpretation(Intent.UNCLEAR, "en", leans_to_stop=True)
        return None


def _has_keyword_line(text: str) -> bool:
    """Whether the first or the last line of a text is a keyword and nothing else."""
    lines = [line for line in text.splitlines() if line.strip()]
    if len(lines) < 2:  # noqa: PLR2004 - a keyword and what was written beside it
        return False
    keywords = LINE_KEYWORDS | (PORT_KEYWORDS if is_chinese(text) else frozenset())
    return any(
        len(line) <= MAX_KEYWORD_LENGTH and "?" not in fold_characters(line)
        and fold(line) in keywords
        for line in (lines[0], lines[-1])
    )  # fmt: skip


def _is_misread_chinese(text: str) -> bool:
    """Whether a text is a Chinese keyword with characters that look or sound alike: 退仃."""
    return any(
        len(text) == len(places)
        and all(letter in alike for letter, alike in zip(text, places, strict=True))
        for places in MISSPELT["chinese"]
    )


def _without_runs(key: str) -> str:
    """Return a key in which a letter that stands more than twice in a row stands once."""
    runs = [(letter, len(list(run))) for letter, run in groupby(key)]
    return "".join(letter * (1 if length > MAX_RUN else length) for letter, length in runs)


def _scoped_stop(words: list[str]) -> Interpretation | None:
    """Return a stop of some purposes only (`STOP 3`, `STOP ads`, `退订广告`), or None."""
    language = "zh" if any(is_chinese(word) for word in words) else "en"
    for stop in (*SCOPED_STOPS, *SCOPED_REFUSALS):
        named = _words_after(stop, words)
        purposes = purposes_in_scope(named) if named else frozenset()
        if purposes and (stop in SCOPED_STOPS or purposes == limited_purposes()):
            return Interpretation(Intent.STOP, language, purposes)
    return None


def _words_after(stop: str, words: list[str]) -> list[str]:
    """Return what follows a stop that words begin with, which may share a word with it: `stop3`."""
    rest = stop
    for place, word in enumerate(words):
        if word.startswith(rest):
            after = word.removeprefix(rest)
            return [*[after] * bool(after), *words[place + 1 :]]
        if not rest.startswith(word):
            return []
        rest = rest.removeprefix(word)
    return []


DEFAULT_MATCHER: Final = KeywordMatcher.from_table(KEYWORDS)

__all__ = ["DEFAULT_MATCHER", "Intent", "Interpretation", "KeywordMatcher"]
