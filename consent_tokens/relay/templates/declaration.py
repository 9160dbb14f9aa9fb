"""Reads how variables are declared: `NAME=TYPE`, `NAME=TYPE:MAX`, or by a well-known name alone."""

from collections.abc import Iterable, Mapping
from typing import Final

from consent_tokens.relay.templates.grammar import DEFAULT_LENGTHS, MAX_LENGTHS
from consent_tokens.relay.templates.template import Variable, VariableType, pieces_of

MAX_CHOICES: Final = 20
TYPES: Final = {each.value: each for each in VariableType}
# what a variable of this name is, if nothing else is declared
WELL_KNOWN: Final[Mapping[str, VariableType]] = {
    **{each.value: each for each in VariableType if each is not VariableType.CHOICE},
    "address": VariableType.PLACE,
    "balance": VariableType.AMOUNT,
    "count": VariableType.NUMBER,
    "item": VariableType.TEXT,
    "order_number": VariableType.ORDER,
    "parcel": VariableType.ORDER,
    "pickup_code": VariableType.CODE,
    "product": VariableType.TEXT,
    "shop": VariableType.PLACE,
    "store": VariableType.PLACE,
    "total": VariableType.AMOUNT,
    "tracking": VariableType.ORDER,
    "url": VariableType.LINK,
}


def read_declaration(text: str) -> tuple[str, Variable] | None:
    """Return the variable that a text such as `shop=place:12` declares; None if it is malformed.

    Behind the type of a link is its pattern (`page=link:shop.example/orders/*`), behind that of a
    choice its values (`carrier=choice:顺丰|中通`).
    """
    name, is_declared, rest = text.partition("=")
    type_name, _, more = rest.partition(":")
    variable_type = TYPES.get(type_name)
    if not is_declared or variable_type is None:
        return None
    variable = read_variable(variable_type, more)
    return (name.strip(), variable) if variable else None


def read_variable(variable_type: VariableType, more: str) -> Variable | None:
    """Return a variable of a type; `more` is its bound, pattern or choices; None if malformed."""
    length = DEFAULT_LENGTHS[variable_type]
    if variable_type is VariableType.LINK:
        return Variable(variable_type, MAX_LENGTHS[variable_type], pattern=more)
    if variable_type is VariableType.CHOICE:
        choices = tuple(each.strip() for each in more.split("|"))
        return Variable(variable_type, max(map(len, choices)), choices=choices)
    if not more:
        return Variable(variable_type, length)
    return Variable(variable_type, int(more)) if more.isascii() and more.isdigit() else None


def with_well_known(text: str, declared: Mapping[str, Variable]) -> dict[str, Variable]:
    """Return the declared variables, and those of a template's text that are known by their name.

    A link has no pattern until one is declared.
    """
    implied = {
        name: Variable(WELL_KNOWN[name], DEFAULT_LENGTHS[WELL_KNOWN[name]])
        for name in pieces_of(text).names
        if name in WELL_KNOWN and name not in declared
    }
    return {**implied, **declared}


def undeclared(text: str, variables: Iterable[str]) -> list[str]:
    """Return the variables of a template's text that are not declared."""
    known = set(variables)
    return [name for name in pieces_of(text).names if name not in known]
