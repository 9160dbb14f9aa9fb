"""Reads a campaign file line by line: CSV as spreadsheets save it, or NDJSON."""

import csv
import re
from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from hashlib import sha256
from io import TextIOWrapper
from types import MappingProxyType
from typing import IO, Any, Final
from zoneinfo import ZoneInfo

from msgspec import Struct
from msgspec.json import decode as decode_json
from msgspec.json import encode as encode_json

from consent_tokens.localization import N_
from consent_tokens.services.campaigns.faults import CampaignFileError, Fault
from consent_tokens.services.campaigns.file_encoding import Source, find_encoding
from consent_tokens.services.campaigns.file_times import with_offset

FIELDS: Final = (
    "token", "purpose", "text", "template", "reference", "send_at", "valid_for_minutes",
    "event.type", "event.id", "event.step",
)  # fmt: skip
VARIABLES: Final = "variables."  # the beginning of columns for the variables of a template
REQUIRED_FIELDS: Final = frozenset({"token", "purpose", "text"})
SEPARATORS: Final = (",", ";", "\t", "|", "，", "；")
MAX_RECORD_LINES: Final = 100  # of one text with line breaks in it
WHOLE = re.compile(
    r"([0-9]{1,9})(?:\.0+)?"
)  # spreadsheets write 60.0; the service refuses longer ones
TOKEN = re.compile(r"\beyJ[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]{86}")
WRONG_HEADER: Final = N_(
    "The first line must name token, purpose and text. With %(separator)s between them it names "
    "%(names)s; missing: %(missing)s."
)
OPEN_AT_END: Final = "unexpected end of data"  # as the module csv says it
UNCLOSED: Final = Fault(N_("a quote that is opened in this line is not closed"))
STRAY: Final = Fault(N_("a column other than token holds a token: is a quote missing?"))
MORE_CELLS: Final = N_(
    "it has %(cells)s cells, the first line names %(columns)s: put quotes around the text"
)
NOT_JSON: Final = Fault(N_("not JSON"))
NOT_OBJECT: Final = Fault(N_("not an object"))
EMPTY: Final = N_("It is empty, or its first line is.")
TWICE: Final = N_("Two columns are named %(name)s.")
BLANKS: Final = "\ufeff\u200b\u00a0\u3000 \t\r\n'"
NDJSON: Final = (".ndjson", ".jsonl")
NONE_SUPPLIED: Final[Mapping[str, str]] = MappingProxyType({})
LINE_KEY_BYTES: Final = 16
CHUNK_BYTES: Final = 1 << 20


class Line(Struct, frozen=True):
    """One line of the file: a message, or why it cannot be read as one."""

    number: int
    body: Mapping[str, Any]
    error: Fault | None = None

    @property
    def key(self) -> bytes:
        """Return a digest of the message: it stays when the line moves or is encoded anew."""
        body = encode_json(self.body, order="sorted")
        return sha256(body).digest()[:LINE_KEY_BYTES]


@dataclass(frozen=True, slots=True)
class CampaignFile:
    """A file whose encoding and columns have been found, so that all of it can be read."""

    source: Source
    encoding: str
    separator: str | None  # None for NDJSON
    columns: Mapping[str, int]  # place by name
    width: int  # how many columns the first line names
    ignored: Sequence[str]  # columns that are none of a message
    timezone: ZoneInfo  # of a `send_at` without one
    supplied: Mapping[str, str]  # members that every line has, beside its columns

    @classmethod
    def open(
        cls,
        source: Source,
        timezone: ZoneInfo,
        encoding: str | None = None,
        supplied: Mapping[str, str] = NONE_SUPPLIED,
    ) -> "CampaignFile":
        """Find encoding, separator and columns. Raises InvalidError."""
        encoding = find_encoding(source, encoding)
        with _open_text(source, encoding) as file:
            header = _first_line(file)
        if source.name.lower().endswith(NDJSON) or header.lstrip("\ufeff \t").startswith("{"):
            return cls(source, encoding, None, {}, 0, (), timezone, supplied)
        separator, names = _find_separator(header, supplied)
        duplicates = {name for name in names if _is_field(name) and names.count(name) > 1}
        if duplicates:
            raise CampaignFileError(TWICE, name=min(duplicates))
        columns = {name: index for index, name in enumerate(names) if _is_field(name)}
        ignored = [name for name in names if name and not _is_field(name)]
        return cls(source, encoding, separator, columns, len(names), ignored, timezone, supplied)

    def lines(self) -> Iterator[Line]:
        """Yield the messages of the file, and what cannot be read as one."""
        with _open_text(self.source, self.encoding) as file:
            yield from self._rows(file) if self.separator else self._objects(file)

    def count_lines(self) -> int:
        """Return about how many messages the file holds: for a progress bar."""
        header = 0 if self.separator is None else 1
        with self.source.open("rb") as file:
            chunks = iter(lambda: file.read(CHUNK_BYTES), b"")
            return max(1, sum(chunk.count(b"\n") for chunk in chunks) - header)

    def _rows(self, file: IO[str]) -> Iterator[Line]:
        records = _Records(file, self.separator or ",")
        for number, row, error in records:
            if error:
                yield Line(number, {}, error)
            elif number != records.header_line and any(cell.strip() for cell in row):
                yield self._line(number, row)

    def _line(self, number: int, row: Sequence[str]) -> Line:
        body: dict[str, Any] = {
            name: row[index].strip() if name != "text" else row[index]
            for name, index in self.columns.items()
            if index < len(row) and row[index].strip()
        }
        if any(cell.strip() for cell in row[self.width :]):
            return Line(number, {}, Fault(MORE_CELLS, {"cells": len(row), "columns": self.width}))
        if any(TOKEN.search(text) for name, text in body.items() if name != "token"):
            return Line(number, {}, STRAY)
        if match := WHOLE.fullmatch(body.get("valid_for_minutes", "")):
            body["valid_for_minutes"] = int(match[1])
        if "send_at" in body:
            body["send_at"] = with_offset(body["send_at"], self.timezone)
        return Line(number, {**self.supplied, **_nested(body)})

    def _objects(self, file: IO[str]) -> Iterator[Line]:
        for line in _read_json(file):
            yield line if line.error else Line(line.number, {**self.supplied, **line.body})


class _Records:
    """The records of a CSV file. A quote that is not closed spoils its own line alone."""

    def __init__(self, file: IO[str], separator: str) -> None:
        self._lines = enumerate(file, start=1)
        self._pushed: list[tuple[int, str]] = []  # lines to read again, the last first
        self._separator = separator
        self.header_line = 0

    def __iter__(self) -> Iterator[tuple[int, list[str], Fault | None]]:
        """Yield line number, cells and, instead of them, what is wrong."""
        for number, line in iter(self._next, None):
            if not self.header_line:
                if line.strip("\ufeff\r\n").lower().startswith("sep="):
                    continue
                self.header_line = number
            yield (number, *self._record(number, line))

    def _next(self) -> tuple[int, str] | None:
        return self._pushed.pop() if self._pushed else next(self._lines, None)

    def _record(self, number: int, line: str) -> tuple[list[str], Fault | None]:
        if '"' not in line:
            return line.rstrip("\r\n").split(self._separator), None
        taken = [(number, line)]
        text = line
        try:
            while (row := self._parse(text)) is None:
                following = self._next() if len(taken) < MAX_RECORD_LINES else None
                if following is None:
                    break
                taken.append(following)
                text += following[1]
        except csv.Error:  # more lines would not mend it
            row = None
        if row is None:
            self._pushed.extend(reversed(taken[1:]))
            return [], UNCLOSED
        return row, None

    def _parse(self, text: str) -> list[str] | None:
        """Return the cells of a record; None if a quote is open at its end.

        Raises csv.Error if one is closed amiss.
        """
        try:
            rows = list(
                csv.reader([text], delimiter=self._separator, strict=True, skipinitialspace=True)
            )
        except csv.Error as error:
            if str(error) == OPEN_AT_END:
                return None
            raise
        return rows[0] if rows else []


def _first_line(file: IO[str]) -> str:
    """Return the line that names the columns: after Excel's `sep=;`, if it is there."""
    line = file.readline()
    if line.strip("\ufeff\r\n").lower().startswith("sep="):
        line = file.readline()
    return line


def _open_text(source: Source, encoding: str) -> IO[str]:
    return TextIOWrapper(source.open("rb"), encoding=encoding, newline="")


def _find_separator(header: str, supplied: Mapping[str, str]) -> tuple[str, list[str]]:
    """Return the separator with which the first line names the columns, and their names."""
    if not header.strip():
        raise CampaignFileError(EMPTY)
    for separator in SEPARATORS:
        names = _names(header, separator)
        if not _missing({*names, *supplied}):
            return separator, names
    seen = max(SEPARATORS, key=lambda each: (header.count(each), each == ","))
    names = _names(header, seen)
    raise CampaignFileError(
        WRONG_HEADER,
        separator=f"“{seen}”" if seen != "\t" else "TAB",
        names=repr(", ".join(name[:40] for name in names[:10])),
        missing=", ".join(sorted(_missing({*names, *supplied}))),
    )


def _missing(names: AbstractSet[str]) -> AbstractSet[str]:
    """Return the required columns that are not named; a template stands for the text."""
    return REQUIRED_FIELDS - names - ({"text"} if "template" in names else set())


def _is_field(name: str) -> bool:
    return name in FIELDS or (name.startswith(VARIABLES) and name != VARIABLES)


def _nested(cells: Mapping[str, Any]) -> dict[str, Any]:
    """Return the members of a message: cells such as `event.id` belong into an object."""
    body: dict[str, Any] = {}
    for name, value in cells.items():
        outer, _, inner = name.partition(".")
        if inner:
            body.setdefault(outer, {})[inner] = value
        else:
            body[name] = value
    return body


def _names(header: str, separator: str) -> list[str]:
    try:
        row = next(
            csv.reader([header.lstrip("\ufeff")], delimiter=separator, skipinitialspace=True), []
        )
    except csv.Error:
        return []
    return [re.sub(r"[\s-]+", "_", name.strip(BLANKS).lower()) for name in row]


def _read_json(file: IO[str]) -> Iterator[Line]:
    for number, line in enumerate(file, start=1):
        if not line.strip("\ufeff\r\n\t "):
            continue
        try:
            body = decode_json(line.lstrip("\ufeff"))
        except (ValueError, RecursionError):
            yield Line(number, {}, NOT_JSON)
            continue
        if isinstance(body, dict):
            yield Line(number, body)
        else:
            yield Line(number, {}, NOT_OBJECT)
