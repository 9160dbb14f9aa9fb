"""One database, one way to run a transaction. What SQLite and PostgreSQL differ in is here."""

import re
import sqlite3
import threading
from collections import namedtuple
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any, Final, Self, TypeAlias, TypeVar

import psycopg
from msgspec import json
from sqlalchemy import Connection, Engine, Table, create_engine, event, literal, make_url
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import DBAPIError

from consent_tokens.errors import (
    CommitUncertainError,
    DatabaseBusyError,
    DatabaseUnavailableError,
    SettingError,
)

Result = TypeVar("Result")
Transaction: TypeAlias = Connection

MAX_TRANSACTION_ATTEMPTS: Final = 8
RETRIABLE_SQLSTATES: Final = frozenset({"40001", "40P01"})  # SQLSTATE: serialization, deadlock
UNAVAILABLE_SQLSTATE_CLASSES: Final = (
    "08",
    "53",
    "57P",
)  # SQLSTATE classes: connection, resources, operator intervention
SQLITE_UNAVAILABLE: Final = ("SQLITE_FULL", "SQLITE_IOERR", "SQLITE_CANTOPEN", "SQLITE_READONLY")
# every join on the way of a message is a look-up by key; without statistics that is hard to see
PLANNER_OPTIONS: Final = "-c enable_hashjoin=off -c enable_mergejoin=off"
BUSY_SECONDS: Final = 10.0  # how long one SQLite writer waits for another process
OWNER_ONLY: Final = 0o600


def is_serialization_failure(error: DBAPIError) -> bool:
    """Whether the same deed, run again, may well succeed. Any other fault is a fault."""
    sqlstate = getattr(error.orig, "sqlstate", None)
    sqlite_error = getattr(error.orig, "sqlite_errorname", "")
    return sqlstate in RETRIABLE_SQLSTATES or sqlite_error.startswith("SQLITE_BUSY")


def is_unavailable(error: DBAPIError) -> bool:
    """Whether the database could not be reached or could not write, so that nothing was done."""
    sqlstate = getattr(error.orig, "sqlstate", None) or ""
    sqlite_error = getattr(error.orig, "sqlite_errorname", "")
    return (
        error.connection_invalidated
        or sqlstate.startswith(UNAVAILABLE_SQLSTATE_CLASSES)
        or sqlite_error.startswith(SQLITE_UNAVAILABLE)
        or (
            type(error.orig).__name__ in {"OperationalError", "ConnectionTimeout"}
            and not sqlstate
            and not sqlite_error
        )
    )


@dataclass(frozen=True, slots=True)
class Database:
    """A database, and the promise that a deed is done wholly or not at all.

    SQLite has one writer: `_writer` lets the threads of this process queue for it in order,
    instead of each polling the file's lock. On PostgreSQL it is open to all.
    """

    engine: Engine
    _writer: AbstractContextManager[Any] = field(default_factory=nullcontext)

    @classmethod
    def open(cls, url: str) -> Self:
        """Open the database that `url` names. Raises SettingError if it names none that we know."""
        try:
            parsed = make_url(url)
        except Exception as error:
            raise SettingError("CONSENT_DATABASE_URL is no database URL") from error
        if parsed.drivername == "postgresql":
            parsed = parsed.set(drivername="postgresql+psycopg")
        if parsed.drivername == "postgresql+psycopg":
            return cls(
                create_engine(
                    parsed,
                    pool_size=10,
                    max_overflow=20,
                    pool_pre_ping=True,
                    hide_parameters=True,
                    connect_args={"options": PLANNER_OPTIONS},
                )
            )
        if parsed.get_backend_name() != "sqlite" or not parsed.database:
            raise SettingError("CONSENT_DATABASE_URL must be sqlite:///file or postgresql://...")
        return cls(_sqlite_engine(Path(parsed.database)), threading.Lock())

    @property
    def is_sqlite(self) -> bool:
        """Whether this is the embedded store."""
        return self.engine.dialect.name == "sqlite"

    @property
    def sqlite_path(self) -> str | None:
        """Return the path of the embedded database's file; None for PostgreSQL and in memory."""
        return self.engine.url.database if self.is_sqlite else None

    def run(self, work: Callable[[Transaction], Result]) -> Result:
        """Run `deed` in one transaction, and again if the database could not serialise it.

        A deed may therefore run more than once: it touches nothing but its transaction. Raises
        StoreBusyError after eight tries, StoreUnavailableError if the database is away, and
        StoreUncertainError if it went away at the very moment of the commit.
        """
        for _ in range(MAX_TRANSACTION_ATTEMPTS):
            is_done = False
            try:
                with self._writer, self.engine.begin() as transaction:
                    result = work(transaction)
                    is_done = True
                return result  # noqa: TRY300 - the commit is part of what is tried
            except DBAPIError as error:
                if is_serialization_failure(error):
                    continue
                if is_unavailable(error):
                    # a server that goes away while it commits may have done so; a file tells
                    is_uncertain = is_done and not self.is_sqlite
                    raise (
                        CommitUncertainError if is_uncertain else DatabaseUnavailableError
                    ) from error
                raise
        raise DatabaseBusyError

    def read(self, query: Callable[[Transaction], Result]) -> Result:
        """Answer a question that changes nothing. Raises as `run` does."""
        try:
            with self.engine.connect().execution_options(reads=True) as transaction:
                transaction.begin()  # all that it asks, of one state of things
                return query(transaction)
        except DBAPIError as error:
            if is_serialization_failure(error):
                raise DatabaseBusyError from error
            if is_unavailable(error):
                raise DatabaseUnavailableError from error
            raise

    def truncate_wal(self) -> None:
        """Leave nothing of what was deleted in the journal: empty SQLite's, as far as readers let.

        PostgreSQL keeps dead rows until VACUUM, and its log for a while: docs/operations.md.
        """
        if self.is_sqlite:
            with self._writer, self.engine.connect() as connection:
                driver = connection.connection.driver_connection
                if driver is not None:
                    driver.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def close(self) -> None:
        """Close every connection."""
        self.engine.dispose()


def _sqlite_engine(path: Path) -> Engine:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch(mode=OWNER_ONLY, exist_ok=True)
    engine = create_engine(
        f"sqlite:///{path}",
        connect_args={"timeout": BUSY_SECONDS},
        pool_use_lifo=True,  # few connections, whose page caches are warm, rather than many
        pool_size=5,
        max_overflow=20,
        hide_parameters=True,
    )

    @event.listens_for(engine, "connect")
    def _connected(connection: Any, _record: object) -> None:  # noqa: ANN401 - the driver's
        connection.isolation_level = None  # we say BEGIN ourselves, below
        for pragma in (
            "journal_mode = WAL",
            "synchronous = FULL",  # accepted means on disk (promise 7)
            "wal_autocheckpoint = 4000",  # pages, 16 MB: what is written again meanwhile goes once
            "secure_delete = ON",  # deleted means overwritten
            "foreign_keys = ON",
            "temp_store = MEMORY",
        ):
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def _begun(connection: Connection) -> None:
        reads = connection.get_execution_options().get("reads", False)
        connection.exec_driver_sql("BEGIN" if reads else "BEGIN IMMEDIATE")

    return engine


# --- Many rows with one statement ---------------------------------------------------------------
# On the way of a message a batch costs one statement a table, of the kinds that Citus takes:
# multi-row INSERT ... VALUES, and UPDATE ... FROM a list of the rows that are wanted.


def insert_rows(
    transaction: Transaction,
    table: str,
    columns: Sequence[str],
    rows: Sequence[tuple[Any, ...]],
    *,
    or_ignore: bool = False,
) -> None:
    """Add rows with one statement. Values are as the driver takes them: moments as seconds.

    With `or_ignore`, rows whose key is taken are left out.

    SQLite runs the statement once a row, which costs it nothing: a long one, in a length that it
    has not seen, it would have to read first. PostgreSQL gets them all at once: columns that are
    null in every row are left out, and a value that is the same in every row is handed over once.
    """
    if not rows:
        return
    conflict = " ON CONFLICT DO NOTHING" if or_ignore else ""
    # names come from this package's own tables, never from outside
    if transaction.dialect.name == "sqlite":
        marks = ", ".join("?" * len(columns))
        statement = f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({marks}){conflict}"  # noqa: S608 - see above
        with _driver_connection(transaction, statement) as connection:
            connection.executemany(statement, rows)
        return
    names: list[str] = []
    values: list[Any] = []
    first: list[tuple[int, int]] = []  # of each column: its placeholder, and the step to the next
    for name, column in zip(columns, zip(*rows, strict=True), strict=True):
        is_alike = column.count(column[0]) == len(column)
        if is_alike and column[0] is None:
            continue
        names.append(name)
        first.append((len(values) + 1, 0 if is_alike else 1))
        values.extend(column[:1] if is_alike else column)
    marks = _numbered(len(rows), tuple(first))
    statement = f"INSERT INTO {table} ({', '.join(names)}) VALUES {marks}{conflict}"  # noqa: S608 - see above
    _execute_raw(transaction, statement, values)


@lru_cache(maxsize=64)
def _numbered(rows: int, first: tuple[tuple[int, int], ...]) -> str:
    """Return PostgreSQL's numbered placeholders for so many rows."""
    return ", ".join(
        f"({', '.join(f'${begin + step * row}' for begin, step in first)})" for row in range(rows)
    )


def _execute_raw(transaction: Transaction, statement: str, values: Sequence[Any]) -> None:
    """Execute a statement that has PostgreSQL's own placeholders.

    psycopg would look for its own in the text of thousands of them, which takes longer than the
    statement.
    """
    with (
        _driver_connection(transaction, statement) as connection,
        psycopg.RawCursor(connection) as cursor,
    ):
        cursor.execute(statement.encode(), values)


def _fetch_rows(transaction: Transaction, statement: str, values: Mapping[str, Any]) -> list[Any]:
    """Execute a statement in the driver's own words; return its rows, if it returns any.

    What SQLAlchemy does to find out about the columns of a result takes longer than most statements
    on the way of a message. A row is a named tuple.
    """
    with _driver_connection(transaction, statement) as connection:
        cursor = connection.execute(statement, values)
        if cursor.description is None:
            return []
        row = _row(tuple(column[0] for column in cursor.description))
        return list(map(row, cursor.fetchall()))


@lru_cache(maxsize=256)
def _row(names: tuple[str, ...]) -> Callable[[Iterable[Any]], Any]:
    """Return what makes a named tuple of the columns of a row."""
    row: Any = namedtuple("row", names)  # type: ignore[misc]  # noqa: PYI024 - named by the result
    make: Callable[[Iterable[Any]], Any] = row._make
    return make


@contextmanager
def _driver_connection(transaction: Transaction, statement: str) -> Iterator[Any]:
    """Lend the driver's own connection; its faults are SQLAlchemy's, as everywhere."""
    connection = transaction.connection.driver_connection
    try:
        yield connection
    except (psycopg.Error, sqlite3.Error) as error:
        dialect: Any = transaction.dialect  # its types know neither driver
        is_gone = dialect.is_disconnect(error, connection, None)
        if is_gone:
            transaction.invalidate(error)
        raise DBAPIError.instance(
            statement, (), error, type(error), hide_parameters=True,
            connection_invalidated=is_gone, dialect=dialect,
        ) from error  # fmt: skip


def insert_or_ignore(transaction: Transaction, table: Table, **values: object) -> bool:
    """Add one row unless its key is taken; whether it was added.

    On PostgreSQL it waits for a rival transaction that is adding the same key.
    """
    dialect = sqlite if transaction.dialect.name == "sqlite" else postgresql
    statement = dialect.insert(table).values(**values).on_conflict_do_nothing()
    return transaction.execute(statement.returning(literal(1))).first() is not None


@dataclass(frozen=True, slots=True)
class RowSet:
    """A list of rows to join with, as a FROM item named `asked`.

    `columns` maps each name to its PostgreSQL type. SQLite reads the rows from one JSON text, but
    gets values that are the same in all of them once.
    """

    columns: Mapping[str, str]
    rows: Sequence[Sequence[int | str | None]]

    def run(self, transaction: Transaction, statement: str, **values: object) -> Sequence[Any]:
        """Execute a statement that holds `{asked}`, and return its rows, if it returns any."""
        if not self.rows:
            return []
        by_name = dict(zip(self.columns, zip(*self.rows, strict=True), strict=True))
        if transaction.dialect.name == "sqlite":
            clause, asked = self._from_json(by_name)
            text = statement.format(asked=clause)
        else:
            clause, asked = self._from_arrays(by_name)
            text = _for_psycopg(statement.format(asked=clause))
        return _fetch_rows(transaction, text, asked | values)

    def _from_json(self, by_name: Mapping[str, Sequence[Any]]) -> tuple[str, dict[str, Any]]:
        """Return SQLite's FROM item and its parameters."""
        alike = {
            name: column[0]
            for name, column in by_name.items()
            if column.count(column[0]) == len(column)
        }
        others = [name for name in by_name if name not in alike]
        listed = [f":alike_{name} AS {name}" for name in alike]
        listed += [
            f"json_extract(value, '$[{place}]') AS {name}" for place, name in enumerate(others)
        ]
        rows = list(zip(*(by_name[name] for name in others), strict=True)) or [()] * len(self.rows)
        values = {f"alike_{name}": value for name, value in alike.items()}
        clause = f"(SELECT {', '.join(listed)} FROM json_each(:asked)) AS asked"  # noqa: S608 - our names
        return clause, {"asked": json.encode(rows).decode(), **values}

    def _from_arrays(self, by_name: Mapping[str, Sequence[Any]]) -> tuple[str, dict[str, Any]]:
        """Return PostgreSQL's FROM item and its parameters."""
        kinds = self.columns
        arrays = ", ".join(f"CAST(:asked_{name} AS {kinds[name]}[])" for name in by_name)
        values = {
            f"asked_{name}": _array(kinds[name], list(column)) for name, column in by_name.items()
        }
        return f"unnest({arrays}) AS asked({', '.join(by_name)})", values

    def lock_rows(
        self, transaction: Transaction, table: str, columns: Sequence[str]
    ) -> Sequence[Any]:
        """Return the rows of `table` whose key is asked, held until the transaction ends.

        Locks by updating: PostgreSQL and Citus both take that. SQLite has one writer,
        who holds everything already; there it is enough to read, and nothing is written again.
        """
        key = " AND ".join(f"{table}.{name} = asked.{name}" for name in self.columns)
        named = ", ".join(f"{table}.{name} AS {name}" for name in columns)
        # names come from this package's own tables, never from outside
        if transaction.dialect.name == "sqlite":
            return self.run(transaction, f"SELECT {named} FROM {{asked}} JOIN {table} ON {key}")  # noqa: S608 - see above
        other = next(name for name in columns if name not in self.columns)  # Citus: not the key
        update = f"UPDATE {table} SET {other} = {table}.{other} FROM {{asked}}"  # noqa: S608 - see above
        return self.run(transaction, f"{update} WHERE {key} RETURNING {named}")


def _array(kind: str, column: list[Any]) -> list[Any] | str:
    """Return a column as PostgreSQL takes it: whole numbers as its own text, which is quicker."""
    if kind != "bigint":
        return column
    texts = ("NULL" if value is None else str(value) for value in column)
    return f"{{{','.join(map(str, column) if None not in column else texts)}}}"


@lru_cache(maxsize=64)
def _for_psycopg(statement: str) -> str:
    """Return a statement with `:name` as psycopg writes it."""
    return re.sub(r":(\w+)", r"%(\1)s", statement)


ROW_KEY_COLUMNS: Final = {"partition": "bigint", "id": "bigint"}
