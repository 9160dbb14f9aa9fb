"""The catalogue of purposes as data: `purposes.toml`, and an operator's file in the same form.

A purpose's id, number and class are part of tokens and texts, so they never change; its words may.
"""

import tomllib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum
from importlib.resources import files
from typing import Annotated, Any, Final

from msgspec import Meta, Struct, ValidationError, convert, field

from consent_tokens.localization import LANGUAGES

MAX_PURPOSES: Final = 200  # of the catalogue
# of these come the built-in purposes, and those that later versions add
RESERVED_PREFIXES: Final = frozenset({"marketing", "finance", "orders", "service", "account"})
MIN_OWN_NUMBER: Final = 100  # keyword numbers below are those of built-in purposes
MAX_NUMBER: Final = 999  # a reply of four digits is taken for a one-time code

PurposeId = Annotated[
    str, Meta(pattern=r"^[a-z][a-z0-9]*(-[a-z0-9]+)*\.[a-z][a-z0-9]*(-[a-z0-9]+)*$", max_length=40)
]


class PurposeClass(StrEnum):
    """What kind of message a purpose is for; senders, templates and limits go by it."""

    MARKETING = "marketing"
    FINANCE = "finance"
    TRANSACTIONAL = "transactional"

    @property
    def is_limited(self) -> bool:
        """Whether frequency cap, send window, quiet periods and opt-out bind it."""
        return self is not PurposeClass.TRANSACTIONAL


class PurposeWords(Struct, frozen=True, forbid_unknown_fields=True):
    """What a purpose is called in one language, what it covers, and the words of an example."""

    name: Annotated[str, Meta(min_length=1, max_length=40)]
    description: Annotated[str, Meta(min_length=1, max_length=120)]
    example: Annotated[str, Meta(min_length=1, max_length=80)]

    def __post_init__(self) -> None:
        """Raise ValueError for a text of several lines, or with blanks around it."""
        for name in self.__struct_fields__:
            text = getattr(self, name)
            if not text.isprintable() or text != text.strip():
                raise ValueError(f"`{name}` must be one line without blanks around it")


class PurposeDefinition(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One entry of the catalogue. `number` is what follows STOP; `words` are by language."""

    id: PurposeId
    purpose_class: PurposeClass = field(name="class")
    number: Annotated[int, Meta(ge=1, le=MAX_NUMBER)]
    needs_own_admission: bool = False  # being admitted for its class is not enough
    words: Mapping[str, PurposeWords]

    def __post_init__(self) -> None:
        """Raise ValueError unless there are words in each language, and in no other."""
        if missing := [each for each in LANGUAGES if each not in self.words]:
            raise ValueError(f"`words.{missing[0]}` is missing")
        if unknown := sorted(set(self.words) - set(LANGUAGES)):
            raise ValueError(f"`words.{unknown[0]}` is in no language of the service")


def parse_catalogue(text: str) -> tuple[PurposeDefinition, ...]:
    """Return the entries of a TOML text, in its order.

    Raises ValueError naming the purpose, by its id or its place, and the member at fault.
    """
    document = tomllib.loads(text)
    tables = document.pop("purpose", None)
    if document:
        raise ValueError(f"`{next(iter(document))}` is no member: each purpose is a [[purpose]]")
    if not isinstance(tables, list) or not tables:
        raise ValueError("there is no [[purpose]]")
    found = tuple(_definition(table, place) for place, table in enumerate(tables, 1))
    _check_unique(found)
    return found


def extend(
    built_in: Sequence[PurposeDefinition], own: Sequence[PurposeDefinition]
) -> tuple[PurposeDefinition, ...]:
    """Return the catalogue with an operator's entries behind the built-in ones of their class.

    Raises ValueError naming the purpose and member that are, or may become, those of a built-in.
    """
    for each in own:
        if each.id.partition(".")[0] in RESERVED_PREFIXES:
            raise ValueError(f"{each.id}: `id` begins as a built-in purpose does; choose another")
        if each.number < MIN_OWN_NUMBER:
            raise ValueError(f"{each.id}: `number` must be from {MIN_OWN_NUMBER} to {MAX_NUMBER}")
    order = list(PurposeClass)
    catalogue = sorted((*built_in, *own), key=lambda each: order.index(each.purpose_class))
    if len(catalogue) > MAX_PURPOSES:
        raise ValueError(f"there are more than {MAX_PURPOSES} purposes")
    return tuple(catalogue)


def built_in_definitions() -> tuple[PurposeDefinition, ...]:
    """Return the entries that come with the service."""
    return parse_catalogue((files("consent_tokens.consent") / "purposes.toml").read_text("utf-8"))


def changes(
    known: Iterable[tuple[str, int, str]], catalogue: Iterable[PurposeDefinition]
) -> list[str]:
    """Return in words what a catalogue lacks or says otherwise of purposes that were in use.

    `known` are their ids, numbers and classes as they were first seen.
    """
    found = {each.id: each for each in catalogue}
    taken = {each.number: each.id for each in catalogue}
    faults = []
    for purpose_id, number, purpose_class in known:
        entry = found.get(purpose_id)
        if entry is None:
            faults.append(f"{purpose_id} is missing")
        elif entry.number != number:
            faults.append(f"{purpose_id}: `number` was {number}, not {entry.number}")
        elif entry.purpose_class != purpose_class:
            faults.append(f"{purpose_id}: `class` was {purpose_class}, not {entry.purpose_class}")
        if taken.get(number, purpose_id) != purpose_id:
            faults.append(f"{taken[number]}: `number` {number} was that of {purpose_id}")
    return faults


def _definition(table: Any, place: int) -> PurposeDefinition:  # noqa: ANN401 - TOML
    name = table.get("id") if isinstance(table, dict) else None
    try:
        return convert(table, PurposeDefinition)
    except ValidationError as error:
        where = name if isinstance(name, str) and name else f"purpose {place}"
        raise ValueError(f"{where}: {_in_words(error)}") from error


def _in_words(error: ValidationError) -> str:
    """Return what msgspec found, with the member first: `$.words.en.name` is `words.en.name`."""
    why, _, path = str(error).partition(" - at `$.")
    return f"`{path.rstrip('`')}`: {why}" if path else why


def _check_unique(found: Sequence[PurposeDefinition]) -> None:
    for member in ("id", "number"):
        counts = Counter(getattr(each, member) for each in found)
        for each in found:
            if counts[getattr(each, member)] > 1:
                raise ValueError(f"{each.id}: `{member}` {getattr(each, member)} is there twice")
