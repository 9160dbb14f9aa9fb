"""Lists of thousands of rows, which the database filters, sorts and pages."""

from collections.abc import Callable, Sequence
from typing import Any, Final, TypeVar

from flask import Response

from consent_tokens.services.admission.merchant_file import MAX_EXPORTED, Search
from consent_tokens.web.consoles.pages import page
from consent_tokens.web.consoles.tables import (
    PAGE_SIZE,
    Column,
    TableQuery,
    TableView,
    csv_response,
)

Row = TypeVar("Row")
# names of parameters of the address, by member of Search
MEMBERS: Final = {"status": "status", "class": "purpose_class", "group": "group",
                  "purpose": "purpose", "carrier": "carrier"}  # fmt: skip


def search_of(query: TableQuery) -> Search:
    """Return what a table asks for as a service takes it: for a CSV file, all rows."""
    more = {MEMBERS[name]: value for name, value in query.more.items()}
    return Search(
        sort=query.sort,
        is_descending=query.is_descending,
        offset=0 if query.is_csv else query.offset,
        limit=MAX_EXPORTED if query.is_csv else PAGE_SIZE,
        text=query.filter,
        **more,
    )


def list_page(
    template: str,
    name: str,
    columns: Sequence[Column[Row]],
    query: TableQuery,
    find: Callable[[Search], tuple[list[Row], int]],
    **members: Any,  # noqa: ANN401 - what the template shows
) -> Response:
    """Return a page of a list, as the template shows its `view`, or all rows as a CSV file."""
    rows, total = find(search_of(query))
    view = TableView(columns=columns, rows=rows, total=total, query=query)
    return csv_response(name, view) if query.is_csv else page(template, view=view, **members)
