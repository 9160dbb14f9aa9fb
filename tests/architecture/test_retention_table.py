"""The table of retention in the docs is the one that the code deletes by."""

from tests.architecture.retention_table import PAGE, TABLE, table


def test_the_table_of_retention_in_the_docs_is_the_code() -> None:
    written = TABLE.findall(PAGE.read_text("utf-8"))
    assert written == [table()], "run: python -m tests.architecture.retention_table"
