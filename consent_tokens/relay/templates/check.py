"""What is wrong with a submitted template: with such a fault nobody needs to review it."""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from consent_tokens.consent.purposes import Purpose
from consent_tokens.relay.composition import is_displayable
from consent_tokens.relay.templates.declaration import MAX_CHOICES, undeclared
from consent_tokens.relay.templates.fill import columns_of, fixed_columns
from consent_tokens.relay.templates.grammar import MAX_LENGTHS, check_value
from consent_tokens.relay.templates.links import check_pattern, has_redirect
from consent_tokens.relay.templates.template import (
    FREE_TYPES,
    MAX_TEXT_LENGTH,
    MAX_VARIABLES,
    VARIABLE_NAME,
    Variable,
    VariableType,
    pieces_of,
)
from consent_tokens.relay.text_form import check_form, links_of

MIN_FIXED_COLUMNS: Final = 8  # four Chinese characters
# how wide the letters of a value usually are, at least: what the fixed text must weigh up
USUAL_COLUMNS: Final[Mapping[VariableType, int]] = {
    VariableType.NAME: 6,
    VariableType.PLACE: 16,
    VariableType.TEXT: 12,
}
# between two variables of these types a blank is enough: their values cannot be read as one
CLOSED_TYPES: Final = frozenset(VariableType) - FREE_TYPES - {VariableType.LINK}
CURRENCY: Final = r"[¥￥$€£₹₩元圆圓块塊円]|RMB|CNY|USD|TWD|HKD|EUR|GBP|JPY|NT\$|HK\$|人民币"
CURRENCY_BEFORE: Final = re.compile(rf"(?:{CURRENCY})\s*$", re.IGNORECASE)
CURRENCY_BEHIND: Final = re.compile(rf"^\s*(?:{CURRENCY})", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class TemplateFault:
    """A fault of a submitted template: the field, a code, and what it is about."""

    field: str  # text, variables or purpose
    code: str
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """A template as it is submitted."""

    purpose: str
    text: str
    variables: Mapping[str, Variable]


def check_template(draft: Draft, link_domains: frozenset[str]) -> list[TemplateFault]:
    """Return the faults of a template; `link_domains` are the merchant's registered ones."""
    if fault := _check_text(draft):
        return [fault]
    if faults := list(_check_names(draft)):
        return faults
    faults = [fault for check in CHECKS for fault in check(draft)]
    faults += _check_links(draft, link_domains)
    return faults


def _check_text(draft: Draft) -> TemplateFault | None:
    text = draft.text
    if not text.strip() or len(text) > MAX_TEXT_LENGTH:
        return TemplateFault("text", "length", f"1 to {MAX_TEXT_LENGTH} characters")
    if not is_displayable(text):
        return TemplateFault("text", "invisible_characters")
    if any(each in piece for piece in pieces_of(text).fixed for each in "{}"):
        return TemplateFault("text", "stray_brace")
    return None


def _check_names(draft: Draft) -> Iterator[TemplateFault]:
    names = pieces_of(draft.text).names
    for name in names:
        if not VARIABLE_NAME.fullmatch(name):
            yield TemplateFault("text", "variable_name", name)
    for name in dict.fromkeys(names):
        if names.count(name) > 1:
            yield TemplateFault("text", "variable_twice", name)
    for name in undeclared(draft.text, draft.variables):
        yield TemplateFault("variables", "undeclared", name)
    for name in draft.variables:
        if name not in names:
            yield TemplateFault("variables", "not_in_text", name)


def _check_declarations(draft: Draft) -> Iterator[TemplateFault]:
    for name, variable in draft.variables.items():
        if not 1 <= variable.max_length <= MAX_LENGTHS[variable.type]:
            detail = f"{name}: at most {MAX_LENGTHS[variable.type]} characters"
            yield TemplateFault("variables", "max_length", detail)
        if variable.type is VariableType.CHOICE:
            yield from _check_choices(name, variable)
    types = [each.type for each in draft.variables.values()]
    if types.count(VariableType.ORDER) > 1:
        yield TemplateFault("variables", "several_orders")


def _check_choices(name: str, variable: Variable) -> Iterator[TemplateFault]:
    as_text = Variable(VariableType.TEXT, variable.max_length)
    if not 1 <= len(variable.choices) <= MAX_CHOICES:
        yield TemplateFault("variables", "choices", f"{name}: 1 to {MAX_CHOICES}")
    for choice in variable.choices:
        if why := check_value(choice, as_text):
            yield TemplateFault("variables", why, f"{name}: {choice}")


def _check_structure(draft: Draft) -> Iterator[TemplateFault]:
    fixed, names = pieces_of(draft.text)
    if not names:
        return
    if len(names) > MAX_VARIABLES:
        yield TemplateFault("text", "too_many_variables", f"at most {MAX_VARIABLES}")
    if not fixed[0].strip():
        yield TemplateFault("text", "variable_first", names[0])
    if not fixed[-1].strip():
        yield TemplateFault("text", "variable_last", names[-1])
    for one, piece, other in zip(names, fixed[1:], names[1:], strict=False):
        if not _separates(piece, draft.variables[one], draft.variables[other]):
            yield TemplateFault("text", "variables_adjacent", f"{one}, {other}")


def _separates(piece: str, one: Variable, other: Variable) -> bool:
    """Whether the fixed text between two variables keeps their values from reading as one."""
    if columns_of(piece):
        return True
    return bool(piece) and {one.type, other.type} <= CLOSED_TYPES


def _check_weight(draft: Draft) -> Iterator[TemplateFault]:
    """Check that fixed text is at least half, as far as can be seen before there are values.

    A value of a closed type holds no words, and counts as one column. `fill` compares the words of
    each message.
    """
    usual = sum(_usual_columns(each) for each in draft.variables.values())
    needed = max(MIN_FIXED_COLUMNS, usual)
    found = fixed_columns(draft.text)
    if found < needed:
        yield TemplateFault("text", "too_little_fixed_text", f"{found} of {needed} columns")


def _usual_columns(variable: Variable) -> int:
    return min(USUAL_COLUMNS.get(variable.type, 1), 2 * variable.max_length)


def _check_amounts(draft: Draft) -> Iterator[TemplateFault]:
    fixed, names = pieces_of(draft.text)
    for place, name in enumerate(names):
        if draft.variables[name].type is not VariableType.AMOUNT:
            continue
        if not CURRENCY_BEFORE.search(fixed[place]) and not CURRENCY_BEHIND.search(
            fixed[place + 1]
        ):
            yield TemplateFault("text", "amount_without_currency", name)


def _check_codes(draft: Draft) -> Iterator[TemplateFault]:
    """Check a template of one-time codes: one variable, the code, and no link."""
    if draft.purpose != Purpose.CODES:
        return
    if [each.type for each in draft.variables.values()] != [VariableType.CODE]:
        yield TemplateFault("variables", "one_code_only")
    if links_of("".join(pieces_of(draft.text).fixed)):
        yield TemplateFault("text", "link_not_allowed")


CHECKS: Final[tuple[Callable[[Draft], Iterator[TemplateFault]], ...]] = (
    _check_declarations,
    _check_structure,
    _check_weight,
    _check_amounts,
    _check_codes,
)


def _check_links(draft: Draft, link_domains: frozenset[str]) -> Iterator[TemplateFault]:
    shown = " ".join(pieces_of(draft.text).fixed)
    if fault := check_form(shown, link_domains):
        yield TemplateFault("text", fault.value)
    elif any(has_redirect(link.partition("?")[2]) for link in links_of(shown)):
        yield TemplateFault("text", "link_redirects")
    for name, variable in draft.variables.items():
        if variable.type is VariableType.LINK and (
            why := check_pattern(variable.pattern, link_domains)
        ):
            yield TemplateFault("variables", why, name)
