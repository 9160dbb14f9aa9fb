"""Values: a template, its variables, and the pieces of its text."""

import re
from collections.abc import Mapping
from enum import StrEnum
from functools import lru_cache
from typing import Final, NamedTuple

from msgspec import Struct

MAX_TEXT_LENGTH: Final = 500  # characters
MAX_VARIABLES: Final = 5
MAX_TEXTS_PER_EVENT: Final = 5
PLACEHOLDER: Final = re.compile(r"\{([^{}]*)\}")
VARIABLE_NAME: Final = re.compile(r"[a-z][a-z0-9_]{0,29}")


class TemplateStatus(StrEnum):
    """The status of a version of a template. Only texts of an approved one leave."""

    SUBMITTED = "submitted"
    APPROVED = "approved"
    REFUSED = "refused"
    HELD = "held"  # until somebody has looked at it
    WITHDRAWN = "withdrawn"  # for good; its fixed text cannot be submitted again


class OnOverflow(StrEnum):
    """What becomes of a text with a value that is too long."""

    TRUNCATE = "truncate"
    REFUSE = "refuse"


class VariableType(StrEnum):
    """What kind of value a variable takes; `grammar` has the rules."""

    NAME = "name"
    CODE = "code"
    ORDER = "order"
    DATE = "date"
    TIME = "time"
    AMOUNT = "amount"
    NUMBER = "number"
    PLACE = "place"
    TEXT = "text"
    LINK = "link"
    CHOICE = "choice"


# types whose values are words that nobody has reviewed
FREE_TYPES: Final = frozenset({VariableType.NAME, VariableType.PLACE, VariableType.TEXT})
# types of which a value that is repeated in many texts is suspicious
COUNTED_TYPES: Final = FREE_TYPES | {VariableType.CODE, VariableType.ORDER}


class Variable(Struct, frozen=True):
    """A variable: its type, the most characters of a value, and what the type needs."""

    type: VariableType
    max_length: int
    pattern: str = ""  # of a link: host and path, with * for one part of the path
    choices: tuple[str, ...] = ()  # of a choice: the values that it can take


class Template(Struct, frozen=True, kw_only=True):
    """One version of a template. `event_type` is the kind of event that each text needs."""

    id: str
    version: int
    merchant_id: str
    purpose: str
    text: str
    variables: Mapping[str, Variable]
    on_overflow: OnOverflow
    event_type: str | None
    texts_per_event: int
    is_essential: bool
    status: TemplateStatus


class Pieces(NamedTuple):
    """The text of a template, split: `fixed` has one more member than `names`."""

    fixed: tuple[str, ...]
    names: tuple[str, ...]


@lru_cache(maxsize=4096)  # a campaign is of one template
def pieces_of(text: str) -> Pieces:
    """Return the fixed pieces and the names of the variables of a template's text, in order."""
    parts = PLACEHOLDER.split(text)
    return Pieces(tuple(parts[0::2]), tuple(parts[1::2]))


def with_values(text: str, values: Mapping[str, str]) -> str:
    """Return a template's text with a value in the place of each variable."""
    fixed, names = pieces_of(text)
    parts = [fixed[0]]
    for name, piece in zip(names, fixed[1:], strict=True):
        parts += (values[name], piece)
    return "".join(parts)


def counted_names(template: Template) -> tuple[str, ...]:
    """Return the variables whose values are counted, in the order of the text."""
    return tuple(
        name
        for name in pieces_of(template.text).names
        if template.variables[name].type in COUNTED_TYPES
    )
