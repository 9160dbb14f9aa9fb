"""What a reviewer should look at in a template: marks of words, and rulings on texts like it.

Advisory: nothing here refuses a template. The words are data: `marked_words.toml`; the rulings are
public: `rulings.toml`.
"""

import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any, Final

from consent_tokens.consent.inbound.folding import fold_characters
from consent_tokens.consent.purposes import Purpose, PurposeClass
from consent_tokens.relay.decision import class_of
from consent_tokens.relay.message import MAX_CODE_VALIDITY
from consent_tokens.relay.templates.check import Draft
from consent_tokens.relay.templates.template import (
    VariableType,
    pieces_of,
    with_values,
)
from consent_tokens.relay.text_form import links_of

HERE: Final = files("consent_tokens.relay.templates")
EXCEPTIONS: Final = "exceptions"
CODE_WORD: Final = "code_word"
COUNT: Final = "5"  # stands for a number, as in `立享{number}折`
GAP: Final = "\n"  # stands for other variables and for exceptions: no word spans it
MINUTES: Final = re.compile(r"([0-9]{1,4}) ?(?:分钟|min)|([0-9]{1,3}) ?(?:小时|hour)")
CHINESE_MINUTES: Final = re.compile(
    r"(?:[二三四五六]十|十[一二三四五六七八九五])分钟|[一二两半]?小时"
)


@dataclass(frozen=True, slots=True)
class Ruling:
    """How texts of one kind are classed, and why."""

    id: str
    purpose_class: PurposeClass
    about: str
    about_zh: str
    why: str
    words: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Category:
    chinese: tuple[str, ...]
    english: re.Pattern[str]
    patterns: tuple[re.Pattern[str], ...]


def marks(draft: Draft) -> tuple[str, ...]:
    """Return what a reviewer should look at in a template, such as `offer: 优惠`.

    Templates of marketing and finance may hold offers: nothing of them is marked.
    """
    if class_of(draft.purpose) is not PurposeClass.TRANSACTIONAL:
        return ()
    folded = _folded(draft)
    found = [*_word_marks(draft, folded), *_link_marks(draft), *_validity_marks(draft, folded)]
    return tuple(dict.fromkeys(found))


def _folded(draft: Draft) -> str:
    values = {
        name: COUNT if variable.type is VariableType.NUMBER else GAP
        for name, variable in draft.variables.items()
    }
    return fold_characters(with_values(draft.text, values))


def _word_marks(draft: Draft, folded: str) -> Iterator[str]:
    table = _categories()
    for exception in table[EXCEPTIONS].patterns:
        folded = exception.sub(GAP, folded)
    compact = _compact(folded)
    for phrase in table[EXCEPTIONS].chinese:
        compact = compact.replace(phrase, GAP)
    for name, category in table.items():
        if name == EXCEPTIONS or (name == CODE_WORD and draft.purpose == Purpose.CODES):
            continue
        words = [word for word in category.chinese if word in compact]
        words += [match[0] for match in category.english.finditer(folded)]
        words += [match[0] for each in category.patterns for match in each.finditer(compact)]
        yield from (f"{name}: {word}" for word in words)


def _compact(folded: str) -> str:
    """Return a text without blanks and punctuation, but the signs of prices and decimals."""
    kept = (each for each in folded if each.isalnum() or each in f"{GAP}¥￥$€£%.")
    return "".join(kept)


def _link_marks(draft: Draft) -> Iterator[str]:
    yield from (f"link: {link}" for link in links_of(" ".join(pieces_of(draft.text).fixed)))
    for variable in draft.variables.values():
        if variable.type is VariableType.LINK:
            yield f"link: {variable.pattern}"


def _validity_marks(draft: Draft, folded: str) -> Iterator[str]:
    """Mark a one-time code that is said to be valid for longer than its message is."""
    if draft.purpose != Purpose.CODES:
        return
    most = MAX_CODE_VALIDITY.total_seconds() / 60
    for match in MINUTES.finditer(folded):
        if int(match[1] or 0) + 60 * int(match[2] or 0) > most:
            yield f"validity: {match[0]}"
    yield from (f"validity: {match[0]}" for match in CHINESE_MINUTES.finditer(folded))


@cache
def _categories() -> Mapping[str, _Category]:
    table = tomllib.loads((HERE / "marked_words.toml").read_text("utf-8"))
    return {name: _category(name, members) for name, members in table.items()}


def _category(name: str, members: Mapping[str, list[str]]) -> _Category:
    english = sorted(members.get("en", ()), key=len, reverse=True)
    expression = re.compile(
        rf"(?<![a-z0-9])(?:{'|'.join(map(re.escape, english)) or '(?!)'})(?![a-z0-9])"
    )
    patterns = tuple(re.compile(each) for each in members.get("pattern", ()))
    return _Category(
        chinese=tuple(sorted(members.get("zh", ()), key=len, reverse=True)),
        english=expression,
        patterns=(expression,) if name == EXCEPTIONS else patterns,
    )


@cache
def rulings() -> tuple[Ruling, ...]:
    """Return the public rulings on borderline texts."""
    table: Mapping[str, Any] = tomllib.loads((HERE / "rulings.toml").read_text("utf-8"))
    return tuple(
        Ruling(
            id=each["id"],
            purpose_class=PurposeClass(each["class"]),
            about=each["about"],
            about_zh=each["about_zh"],
            why=each["why"],
            words=tuple(each["words"]),
        )
        for each in table["ruling"]
    )


def rulings_on(text: str) -> tuple[Ruling, ...]:
    """Return the rulings that a template with this text may fall under."""
    folded = fold_characters(" ".join(pieces_of(text).fixed))
    return tuple(each for each in rulings() if any(word in folded for word in each.words))
