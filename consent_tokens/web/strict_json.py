"""JSON of requests, read strictly (RFC 8259, and the restrictions of I-JSON, RFC 7493, 2).

Python's reader takes the last of two members of one name, halves of surrogate pairs, NaN, and
numbers without bounds. Two readers of such a text can understand two things, so it is refused as a
whole, and the error says where. docs/decisions/, number 28.
"""

import json
import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from consent_tokens.errors import MalformedJsonError

MAX_DEPTH: Final = 16  # of arrays and objects inside each other; requests need three
MAX_VALUES: Final = 50_000  # a batch of 1000 messages has 14,000
MAX_INTEGER: Final = 2**53 - 1  # what a double holds exactly (RFC 7493, 2.2)
MAX_INTEGER_DIGITS: Final = 16
MAX_NAME_LENGTH: Final = 100  # characters of a member's name that an answer repeats
HALF_PAIR: Final = re.compile("[\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class _Fault:
    """What stands in a parsed text in the place of something that is not allowed, and why."""

    why: str


def parse(body: bytes) -> Any:  # noqa: ANN401 - any JSON value
    """Return the value of a JSON text in UTF-8, without a byte order mark.

    Raises MalformedJsonError, with the byte offset or the JSON pointer (RFC 6901) of the fault.
    """
    try:
        text = body.decode()
    except UnicodeDecodeError as error:
        raise MalformedJsonError("It is not UTF-8.", offset=error.start) from None
    try:
        value = _DECODER.decode(text)
    except json.JSONDecodeError as error:
        offset = len(text[: error.pos].encode())
        raise MalformedJsonError("It is not JSON.", offset=offset) from None
    except RecursionError:
        raise MalformedJsonError("It is nested too deeply.", offset=0) from None
    if found := _Search().find(value, depth=0):
        raise MalformedJsonError(found.why, pointer=pointer(found.path))
    return value


def pointer(path: Sequence[str | int]) -> str:
    """Return the JSON pointer (RFC 6901) of a path; it ends before a name that is too long."""
    parts: list[str] = []
    for part in map(str, path):
        if len(part) > MAX_NAME_LENGTH:
            break
        parts.append("/" + part.replace("~", "~0").replace("/", "~1"))
    return "".join(parts)


def count_quotes(text: bytes) -> int:
    """Return how many quotation marks of a JSON text begin or end a string."""
    return text.count(b'"') - text.replace(b"\\\\", b"").count(b'\\"')


# --- Hooks of the decoder: they leave a fault in the place of what is not allowed -----------------


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any] | _Fault:
    members = dict(pairs)
    if len(members) == len(pairs):
        return members
    return _Fault("A member occurs twice in this object.")


def _integer(digits: str) -> int | _Fault:
    if len(digits) <= MAX_INTEGER_DIGITS + 1 and abs(value := int(digits)) <= MAX_INTEGER:
        return value
    return _Fault("An integer is out of range.")


def _number(text: str) -> float | _Fault:
    value = float(text)
    return value if math.isfinite(value) else _Fault("A number is out of range.")


def _constant(_name: str) -> _Fault:
    return _Fault("NaN and Infinity are not JSON.")


_DECODER: Final = json.JSONDecoder(
    object_pairs_hook=_object, parse_int=_integer, parse_float=_number, parse_constant=_constant
)


@dataclass(frozen=True, slots=True)
class _Found:
    """A fault, and the path to it."""

    why: str
    path: tuple[str | int, ...] = ()


@dataclass(slots=True)
class _Search:
    """A search for the first fault in a parsed text."""

    values: int = 0

    def find(self, value: object, *, depth: int) -> _Found | None:
        """Return the first fault in a value, if there is one."""
        self.values += 1
        if isinstance(value, str):
            return (
                None if is_unicode(value) else _Found("Half of a surrogate pair is no character.")
            )
        if isinstance(value, _Fault):
            return _Found(value.why)
        if not isinstance(value, dict | list):
            return None
        if depth == MAX_DEPTH:
            return _Found("It is nested too deeply.")
        if self.values + len(value) > MAX_VALUES:
            return _Found("It has too many values.")
        return self._find_inside(_items(value), depth + 1)

    def _find_inside(self, items: Iterator[tuple[str | int, Any]], depth: int) -> _Found | None:
        for name, inner in items:
            if isinstance(name, str) and not is_unicode(name):
                return _Found("Half of a surrogate pair is no character.")
            if found := self.find(inner, depth=depth):
                return _Found(found.why, (name, *found.path))
        return None


def _items(value: dict[str, Any] | list[Any]) -> Iterator[tuple[str | int, Any]]:
    return iter(value.items()) if isinstance(value, dict) else enumerate(value)


def is_unicode(text: str) -> bool:
    """Whether a text has no halves of surrogate pairs."""
    return text.isascii() or HALF_PAIR.search(text) is None
