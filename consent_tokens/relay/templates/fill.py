"""Makes the text of a message of a template and its values."""

import unicodedata
from collections.abc import Mapping
from functools import lru_cache
from typing import Final

from msgspec import Struct

from consent_tokens.relay.templates.grammar import ValueFault, check_value, length_of
from consent_tokens.relay.templates.links import check_link
from consent_tokens.relay.templates.template import (
    FREE_TYPES,
    OnOverflow,
    Template,
    Variable,
    VariableType,
    pieces_of,
    with_values,
)

WIDE: Final = frozenset("WF")  # East Asian widths (UAX 11): two columns
MAX_GIVEN_LENGTH: Final = 1000  # characters of a value, before it is truncated
ENDS: Final = " ·‧・'’ʻ‐-–,，、/(（"  # that a truncated value does not end with


class FilledText(Struct, frozen=True):
    """The text of a message, without signature, and the values as they stand in it."""

    text: str
    values: Mapping[str, str]


class VariableFault(Struct, frozen=True):
    """Why a template cannot be filled: a variable, and a code of what is wrong with its value."""

    variable: str
    why: str


class _Faulty(Exception):  # noqa: N818 - does not leave this module
    def __init__(self, variable: str, why: str) -> None:
        super().__init__(variable)
        self.fault = VariableFault(variable, why)


def columns_of(text: str) -> int:
    """Return how wide the letters and digits of a text are: a Chinese character is two columns."""
    if text.isascii():
        return sum(map(str.isalnum, text))
    return sum(
        2 if unicodedata.east_asian_width(letter) in WIDE else 1
        for letter in text
        if letter.isalnum()
    )


@lru_cache(maxsize=4096)  # a campaign is of one template
def fixed_columns(text: str) -> int:
    """Return how wide the letters of the fixed text of a template are."""
    return sum(map(columns_of, pieces_of(text).fixed))


def fill(
    template: Template,
    values: Mapping[str, str],
    *,
    link_domains: frozenset[str],
    event_id: str | None,
) -> FilledText | VariableFault:
    """Return the text of a template with these values, or the first fault of one.

    `link_domains` are the merchant's registered ones; `event_id`, if there is an event, is what an
    order number must be. 12 microseconds for three variables.
    """
    try:
        filled = _filled_values(template, values, link_domains, event_id)
    except _Faulty as faulty:
        return faulty.fault
    return FilledText(with_values(template.text, filled), filled)


def _filled_values(
    template: Template,
    values: Mapping[str, str],
    link_domains: frozenset[str],
    event_id: str | None,
) -> dict[str, str]:
    for name in values:
        if name not in template.variables:
            raise _Faulty(name, ValueFault.UNKNOWN)
    filled: dict[str, str] = {}
    for name in pieces_of(template.text).names:
        if name not in values:
            raise _Faulty(name, ValueFault.MISSING)
        variable = template.variables[name]
        filled[name] = value = _bounded(template, name, variable, values[name])
        if variable.type is VariableType.LINK and (
            why := check_link(value, variable.pattern, link_domains)
        ):
            raise _Faulty(name, why)
        if variable.type is VariableType.ORDER and event_id not in {None, value}:
            raise _Faulty(name, ValueFault.NOT_EVENT)
    return _balanced(template, filled)


def _bounded(template: Template, name: str, variable: Variable, given: str) -> str:
    """Return a value of the form of its type, not longer than its bound."""
    value = given.strip()
    if len(value) > MAX_GIVEN_LENGTH:
        raise _Faulty(name, ValueFault.TOO_LONG)
    if fault := check_value(value, variable):
        raise _Faulty(name, fault)
    if length_of(value, variable.type) <= variable.max_length:
        return value
    if template.on_overflow is OnOverflow.REFUSE or variable.type not in FREE_TYPES:
        raise _Faulty(name, ValueFault.TOO_LONG)
    return truncate(value, variable.max_length)


def truncate(value: str, length: int) -> str:
    """Return the beginning of a value, without splitting a letter from its accents."""
    end = length
    while end > 1 and unicodedata.category(value[end]) in {"Mn", "Mc"}:
        end -= 1
    return value[:end].rstrip(ENDS) or value[:1]


def _balanced(template: Template, filled: dict[str, str]) -> dict[str, str]:
    """Return the values if their words are not longer than the fixed text, truncated if need be."""
    free = [name for name in filled if template.variables[name].type in FREE_TYPES]
    if not free:
        return filled
    limit = fixed_columns(template.text)
    while sum(columns_of(filled[name]) for name in free) > limit:
        longest = max(free, key=lambda name: len(filled[name]))
        if template.on_overflow is OnOverflow.REFUSE or len(filled[longest]) <= 1:
            raise _Faulty(longest, ValueFault.OUTWEIGHS)
        filled[longest] = truncate(filled[longest], len(filled[longest]) - 1)
    return filled
