"""Statements sent to PostgreSQL together: the next before the result of the one before is there."""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, TypeAlias, TypeVar

import psycopg
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

Result = TypeVar("Result")

# what was asked of the database: called after the block of `one_round_trip`, it returns the result
Asked: TypeAlias = Callable[[], Result]


@contextmanager
def one_round_trip(transaction: Connection) -> Iterator[None]:
    """Send the statements of this block without waiting for their results, and wait at its end.

    They are executed one after the other, each as if it were sent alone, and those behind one that
    fails are not. Only for statements of `store.bulk`: SQLAlchemy looks for a result at once, and
    how many rows an insert wrote is not known yet. SQLite is in this process: there it does
    nothing.
    """
    with driver_connection(transaction) as connection:
        if not isinstance(connection, psycopg.Connection):
            yield
            return
        with connection.pipeline() as pipeline:
            try:
                yield
            except BaseException:
                with suppress(psycopg.Error):  # of what was sent behind the one that failed
                    pipeline.sync()
                raise


@contextmanager
def committing(transaction: Connection) -> Iterator[None]:
    """Send the statements of this block as `one_round_trip` does, and the commit behind them.

    If one of them fails, the commit is not executed: PostgreSQL passes over what follows.
    """
    with driver_connection(transaction) as connection:
        if not isinstance(connection, psycopg.Connection):
            yield  # SQLite commits when the transaction ends
            return
        with one_round_trip(transaction):
            yield
            commit = connection.execute("COMMIT", prepare=False)
        if commit.statusmessage != "COMMIT":
            raise psycopg.errors.InFailedSqlTransaction("the transaction was not committed")


@contextmanager
def driver_connection(transaction: Connection, statement: str = "") -> Iterator[Any]:
    """Lend the driver's connection; its errors become SQLAlchemy's, as `Database.run` expects."""
    connection = transaction.connection.driver_connection
    try:
        yield connection
    except (psycopg.Error, sqlite3.Error) as error:
        dialect: Any = transaction.dialect  # its type knows neither driver
        is_disconnected = dialect.is_disconnect(error, connection, None)
        if is_disconnected:
            transaction.invalidate(error)
        raise DBAPIError.instance(
            statement, (), error, type(error), hide_parameters=True,
            connection_invalidated=is_disconnected, dialect=dialect,
        ) from error  # fmt: skip
