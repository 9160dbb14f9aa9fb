"""Tables of the consoles: sorted, filtered and paged by links, and exported as CSV."""

import csv
import io
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, Generic, TypeVar
from urllib.parse import urlencode

from flask import Response, request, url_for

Row = TypeVar("Row")
Value = str | int | float | datetime | None

PAGE_SIZE: Final = 50
MAX_FILTER_LENGTH: Final = 100  # characters
MAX_PAGE_DIGITS: Final = 6
CSV_FORMAT: Final = "csv"
FORMULA_STARTS: Final = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")


@dataclass(frozen=True)  # without slots, which generic dataclasses of Python 3.11 cannot have
class Column(Generic[Row]):
    """A column: `value` is what it is sorted, filtered and exported by; `label` is translated."""

    key: str
    label: str
    value: Callable[[Row], Value]
    is_number: bool = False
    is_sortable: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class TableQuery:
    """What the address of a table asks for."""

    sort: str
    is_descending: bool
    filter: str
    page: int  # from 1
    is_csv: bool
    more: Mapping[str, str] = field(default_factory=dict)  # other filters, by name

    @property
    def offset(self) -> int:
        """Return how many rows are before this page."""
        return (self.page - 1) * PAGE_SIZE


@dataclass(frozen=True, slots=True, kw_only=True)
class TableView(Generic[Row]):
    """One page of a table, for the macro `data_table`."""

    columns: Sequence[Column[Row]]
    rows: Sequence[Row]
    total: int  # rows that match, on all pages
    query: TableQuery

    @property
    def pages(self) -> int:
        """Return how many pages there are, at least one."""
        return max(1, -(-self.total // PAGE_SIZE))

    def sort_url(self, column: Column[Row]) -> str:
        """Return the address that sorts by a column, the other way round if it is sorted by it."""
        is_other_way = self.query.sort == column.key and not self.query.is_descending
        return self.url(sort=column.key, dir="desc" if is_other_way else "asc", page=None)

    def aria_sort(self, column: Column[Row]) -> str:
        """Return how a column is sorted, as ARIA says it."""
        if self.query.sort != column.key:
            return "none"
        return "descending" if self.query.is_descending else "ascending"

    def url(self, **changes: object) -> str:
        """Return the address of this table with other parameters; None leaves one out."""
        parameters = {**request.args.to_dict(), **changes}
        kept = {name: value for name, value in parameters.items() if value not in (None, "")}
        # not as arguments of url_for, which takes some as its own: endpoint, _external, _scheme
        path = url_for(request.endpoint or "", **(request.view_args or {}))
        return f"{path}?{urlencode(kept)}" if kept else path


def is_csv_asked_for() -> bool:
    """Whether the address asks for a CSV file."""
    return request.args.get("format") == CSV_FORMAT


def table_query(
    *, sort: str, columns: Sequence[Column[Any]], more: Sequence[str] = ()
) -> TableQuery:
    """Return what the address asks for; what it may not ask for is left out.

    `sort` is the column by which the table is sorted at first, with `-` in front descending; `more`
    names further parameters that a service filters by.
    """
    wanted = request.args.get("sort", "")
    sortable = {column.key for column in columns if column.is_sortable}
    is_first = wanted not in sortable
    digits = request.args.get("page", "1")[:MAX_PAGE_DIGITS]
    return TableQuery(
        sort=sort.removeprefix("-") if is_first else wanted,
        is_descending=sort.startswith("-") if is_first else request.args.get("dir") == "desc",
        filter=_filter("q").strip(),
        page=max(1, int(digits)) if digits.isascii() and digits.isdigit() else 1,
        is_csv=is_csv_asked_for(),
        more={name: _filter(name) for name in more},
    )


def _filter(name: str) -> str:
    """Return a filter of the address, without null bytes: PostgreSQL compares none."""
    return request.args.get(name, "").replace("\0", "")[:MAX_FILTER_LENGTH]


def table_of(
    rows: Iterable[Row], columns: Sequence[Column[Row]], query: TableQuery
) -> TableView[Row]:
    """Return a page of rows that are all in memory: filtered by any column, sorted by one.

    Of thousands of rows, have a service ask the database by the query, and make a TableView of what
    it returns.
    """
    kept = [row for row in rows if _matches(row, columns, query.filter)]
    by = next((column for column in columns if column.key == query.sort), columns[0])
    kept.sort(key=lambda row: _sort_key(by.value(row)), reverse=query.is_descending)
    shown = kept if query.is_csv else kept[query.offset : query.offset + PAGE_SIZE]
    return TableView(columns=columns, rows=shown, total=len(kept), query=query)


def csv_of(name: str, columns: Sequence[Column[Row]], rows: Sequence[Row]) -> Response:
    """Return rows as a CSV file, all of them, in their order."""
    query = TableQuery(sort="", is_descending=False, filter="", page=1, is_csv=True)
    return csv_response(name, TableView(columns=columns, rows=rows, total=len(rows), query=query))


def csv_response(name: str, view: TableView[Row]) -> Response:
    """Return the rows of a table as CSV (RFC 4180), in UTF-8 with the mark that Excel needs."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow([csv_cell(column.label) for column in view.columns])
    writer.writerows([csv_cell(column.value(row)) for column in view.columns] for row in view.rows)
    response = Response("\ufeff" + text.getvalue(), content_type="text/csv; charset=utf-8")
    response.headers["Content-Disposition"] = f'attachment; filename="{name}.csv"'
    return response


def csv_cell(value: Value) -> str:
    """Return a cell of a CSV file; one that a spreadsheet would take for a formula gets a `'`."""
    if value is None:
        return ""
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, int | float):
        return str(value)
    return f"'{value}" if value.startswith(FORMULA_STARTS) else value


def _matches(row: Row, columns: Sequence[Column[Row]], wanted: str) -> bool:
    folded = wanted.casefold()
    return not folded or any(folded in csv_cell(each.value(row)).casefold() for each in columns)


def _sort_key(value: Value) -> tuple[bool, float, str]:
    """Return a key by which values of one column are sorted; nothing comes last."""
    match value:
        case None:
            return True, 0.0, ""
        case datetime():
            return False, value.timestamp(), ""
        case int() | float():
            return False, float(value), ""
        case str():
            return False, 0.0, value.casefold()
