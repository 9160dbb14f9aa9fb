"""The database: how it is opened, and how a transaction runs. SQLite and PostgreSQL differ here."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import Any, Final, Self, TypeAlias, TypeVar

import psycopg
from sqlalchemy import (
    URL,
    Connection,
    Engine,
    Select,
    Table,
    create_engine,
    event,
    func,
    literal,
    make_url,
    select,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import DBAPIError, InvalidatePoolError

from consent_tokens.errors import (
    CommitUncertainError,
    DatabaseBusyError,
    DatabaseUnavailableError,
    SettingError,
)
from consent_tokens.store.outage import BY_SQLITE, cause_of
from consent_tokens.store.round_trips import committing, driver_connection
from consent_tokens.store.writer_queue import WriterQueue

Result = TypeVar("Result")
Transaction: TypeAlias = Connection

MAX_TRANSACTION_ATTEMPTS: Final = 8
RETRIABLE_SQLSTATES: Final = frozenset({"40001", "40P01"})  # SQLSTATE: serialization, deadlock
# SQLSTATE classes: connection exception, authorization, no such database, insufficient resources,
# operator intervention; insufficient privilege
UNAVAILABLE_SQLSTATE_CLASSES: Final = ("08", "28", "3D", "53", "57P", "42501")
SQLITE_UNAVAILABLE: Final = tuple(BY_SQLITE)
# Every join on the path of a message is a look-up by key. Without fresh statistics the planner may
# choose to scan a table instead.
PLANNER_OPTIONS: Final = "-c enable_hashjoin=off -c enable_mergejoin=off"
SQLITE_BUSY_TIMEOUT_SECONDS: Final = 10.0  # of a writer, for another process's write lock
OWNER_ONLY: Final = 0o600
PING_AFTER_SECONDS: Final = 1.0  # that a connection was not used
RETURNED_AT: Final = "returned_at"  # in a connection's info: monotonic seconds
IS_DISTRIBUTED: Final = "is_distributed"  # in a connection's info


def is_serialization_failure(error: DBAPIError) -> bool:
    """Whether the same transaction, run again, may succeed."""
    sqlstate = getattr(error.orig, "sqlstate", None)
    sqlite_error = getattr(error.orig, "sqlite_errorname", "")
    return sqlstate in RETRIABLE_SQLSTATES or sqlite_error.startswith("SQLITE_BUSY")


def _has_lost_server(error: DBAPIError) -> bool:
    """Whether PostgreSQL did not answer: what it refuses, such as for a full disk, is undone."""
    sqlstate = getattr(error.orig, "sqlstate", None) or ""
    return error.connection_invalidated or not sqlstate or sqlstate.startswith(("08", "57P"))


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
    """A database, and the one way to run a transaction on it.

    SQLite has a single writer: `_queue` is the queue of those who want to write, of this process
    and others, instead of letting each poll the file's lock. On PostgreSQL there is none.
    """

    engine: Engine
    _queue: WriterQueue | None = None

    @classmethod
    def open(cls, url: str) -> Self:
        """Open the database at `url`.

        Raises SettingError unless it is SQLite or PostgreSQL, and DatabaseUnavailableError if the
        file of SQLite cannot be made.
        """
        try:
            parsed = make_url(url)
        except Exception as error:
            raise SettingError("CONSENT_DATABASE_URL is not a database URL") from error
        if parsed.drivername == "postgresql":
            parsed = parsed.set(drivername="postgresql+psycopg")
        if parsed.drivername == "postgresql+psycopg":
            return cls(_postgresql_engine(parsed))
        if parsed.get_backend_name() != "sqlite" or not parsed.database:
            raise SettingError("CONSENT_DATABASE_URL must be sqlite:///file or postgresql://...")
        path = Path(parsed.database)
        return cls(_sqlite_engine(path), WriterQueue(path))

    @property
    def is_sqlite(self) -> bool:
        """Whether this is the embedded database."""
        return self.engine.dialect.name == "sqlite"

    @property
    def sqlite_path(self) -> str | None:
        """Return the path of the SQLite file; None for PostgreSQL."""
        return self.engine.url.database if self.is_sqlite else None

    def run(
        self,
        work: Callable[[Transaction], Result],
        finish: Callable[[Transaction, Result], None] | None = None,
    ) -> Result:
        """Run `work` in one transaction, and again after a serialization failure or deadlock.

        `work` may therefore run more than once: it must touch nothing but its transaction. What
        `finish` then inserts is sent together with the commit: see `committing`. Raises
        DatabaseBusyError after MAX_TRANSACTION_ATTEMPTS, DatabaseUnavailableError if the database
        cannot be reached or refuses, and CommitUncertainError if the connection broke during
        `finish` or the commit.
        """
        for _ in range(MAX_TRANSACTION_ATTEMPTS):
            has_run = False
            try:
                with self._turn_to_write(), self.engine.begin() as transaction:
                    result = work(transaction)
                    has_run = True
                    if finish is not None:
                        with committing(transaction):
                            finish(transaction, result)
                return result  # noqa: TRY300 - the commit is part of the attempt
            except DBAPIError as error:
                if is_serialization_failure(error):
                    continue
                if is_unavailable(error):
                    # a server may have committed before the connection broke; SQLite has not
                    is_uncertain = has_run and not self.is_sqlite and _has_lost_server(error)
                    fault = CommitUncertainError if is_uncertain else DatabaseUnavailableError
                    raise fault(cause_of(error)) from error
                raise
        raise DatabaseBusyError

    def read(
        self, query: Callable[[Transaction], Result], *, is_one_statement: bool = False
    ) -> Result:
        """Run a read-only query. Raises DatabaseBusyError or DatabaseUnavailableError.

        With `is_one_statement`, of `store.bulk`, no transaction is begun and ended around it: that
        is a third of the round trips to PostgreSQL, and half of what SQLite takes.
        """
        options: dict[str, Any] = {"reads": True}
        if is_one_statement and not self.is_sqlite:
            options["isolation_level"] = "AUTOCOMMIT"
        try:
            # one snapshot for all statements; committed, as psycopg forgets what the server has
            # prepared when a transaction is rolled back
            with (
                self.engine.connect().execution_options(**options) as transaction,
                nullcontext() if is_one_statement else transaction.begin(),
            ):
                return query(transaction)
        except DBAPIError as error:
            if is_serialization_failure(error):
                raise DatabaseBusyError from error
            if is_unavailable(error):
                raise DatabaseUnavailableError(cause_of(error)) from error
            raise

    def truncate_wal(self) -> None:
        """Empty SQLite's write-ahead log, so that deleted data does not remain in it.

        Does nothing on PostgreSQL, which keeps dead rows until VACUUM: docs/operations.md.
        """
        if self.is_sqlite:
            with self._turn_to_write(), self.engine.connect() as connection:
                driver = connection.connection.driver_connection
                if driver is not None:
                    driver.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def close(self) -> None:
        """Close every connection."""
        self.engine.dispose()
        if self._queue is not None:
            self._queue.close()

    def _turn_to_write(self) -> AbstractContextManager[object]:
        return self._queue or nullcontext()


def is_distributed(transaction: Transaction) -> bool:
    """Whether the tables may be distributed over several servers by Citus."""
    return bool(transaction.info.get(IS_DISTRIBUTED))


def _postgresql_engine(url: URL) -> Engine:
    engine = create_engine(
        url,
        pool_size=10,
        max_overflow=20,
        hide_parameters=True,
        connect_args={"options": PLANNER_OPTIONS},
    )
    _ping_idle_connections(engine)

    @event.listens_for(engine, "connect")
    def _connected(connection: Any, record: Any) -> None:  # noqa: ANN401 - the driver's own types
        found = connection.execute("SELECT 1 FROM pg_extension WHERE extname = 'citus'").fetchone()
        connection.rollback()  # it began a transaction
        record.info[IS_DISTRIBUTED] = found is not None

    return engine


def _ping_idle_connections(engine: Engine) -> None:
    """Ask the server whether a connection still works before it is used again after a pause.

    SQLAlchemy's `pool_pre_ping` asks each time: two of fifteen round trips of a group of messages.
    """

    @event.listens_for(engine, "checkin")
    def _returned(_connection: object, record: Any) -> None:  # noqa: ANN401 - of the pool
        record.info[RETURNED_AT] = monotonic()

    @event.listens_for(engine, "checkout")
    def _taken(connection: Any, record: Any, _proxy: object) -> None:  # noqa: ANN401 - of the pool
        idle = monotonic() - record.info.get(RETURNED_AT, monotonic())
        if idle < PING_AFTER_SECONDS:
            return
        try:
            engine.dialect.do_ping(connection)
        except psycopg.Error as error:
            raise InvalidatePoolError from error  # all are opened anew: the server went away


def _sqlite_engine(path: Path) -> Engine:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch(mode=OWNER_ONLY, exist_ok=True)
    except OSError as error:
        raise DatabaseUnavailableError(f"CONSENT_DATABASE_URL: {path}: {error.strerror}") from None
    engine = create_engine(
        f"sqlite:///{path}",
        connect_args={"timeout": SQLITE_BUSY_TIMEOUT_SECONDS},
        pool_use_lifo=True,  # reuse few connections, so that their page caches stay warm
        pool_size=5,
        max_overflow=20,
        hide_parameters=True,
    )

    @event.listens_for(engine, "connect")
    def _connected(connection: Any, _record: object) -> None:  # noqa: ANN401 - the driver's own type
        connection.isolation_level = None  # BEGIN is sent below
        for pragma in (
            "journal_mode = WAL",
            "synchronous = FULL",  # accepted means on disk (promise 7)
            "wal_autocheckpoint = 4000",  # pages (16 MB): a page that changes often is copied once
            # kB: what a batch changes; a page that does not fit in is written to the log twice
            "cache_size = -8000",
            "secure_delete = ON",  # deleted data is overwritten
            "foreign_keys = ON",
            "temp_store = MEMORY",
        ):
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def _begun(connection: Connection) -> None:
        reads = connection.get_execution_options().get("reads", False)
        statement = "BEGIN" if reads else "BEGIN IMMEDIATE"
        # SQLAlchemy would look for a result of it
        with driver_connection(connection, statement) as driver:
            driver.execute(statement)

    return engine


def count_rows(transaction: Transaction, query: Select[Any], limit: int | None = None) -> int:
    """Return how many rows a query has, counted up to `limit`."""
    found = query.limit(limit).subquery()
    return transaction.execute(select(func.count()).select_from(found)).scalar_one()


def add_to_rows(
    transaction: Transaction,
    table: Table,
    columns: Sequence[str],
    rows: Sequence[Mapping[str, object]],
    **replaced: object,
) -> None:
    """Add the values of these columns to a table's rows, and replace others; or insert the rows."""
    if not rows:
        return
    dialect = sqlite if transaction.dialect.name == "sqlite" else postgresql
    statement = dialect.insert(table)
    sums = {name: table.c[name] + statement.excluded[name] for name in columns}
    transaction.execute(
        statement.on_conflict_do_update(
            index_elements=list(table.primary_key.columns), set_=sums | replaced
        ),
        rows,
    )


def insert_or_ignore(transaction: Transaction, table: Table, **values: object) -> bool:
    """Insert one row unless its key exists; return whether it was inserted.

    On PostgreSQL it waits for a concurrent transaction that inserts the same key.
    """
    dialect = sqlite if transaction.dialect.name == "sqlite" else postgresql
    statement = dialect.insert(table).values(**values).on_conflict_do_nothing()
    return transaction.execute(statement.returning(literal(1))).first() is not None
