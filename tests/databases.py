"""Databases of tests: what is costly and the same for all of them is done once in a process."""

import tempfile
from functools import cache
from pathlib import Path
from typing import Any

from alembic.script import ScriptDirectory
from sqlalchemy import event

from consent_tokens.store import schema
from consent_tokens.store.database import Database
from tests.compiled import STATEMENTS


def open_database(url: str) -> Database:
    """Open a database whose statements are compiled once for all tests of this process."""
    database = Database.open(url)
    engine = database.engine
    engine.update_execution_options(compiled_cache=STATEMENTS[engine.dialect.name])
    if database.is_sqlite:
        event.listen(engine, "connect", _write_without_waiting)
    return database


def _write_without_waiting(connection: Any, _record: object) -> None:  # noqa: ANN401 - the driver's own type
    """Leave it to the system when the disk is written: nobody cuts the power."""
    connection.execute("PRAGMA synchronous = OFF")


def upgrade(database: Database) -> None:
    """Bring a database to the newest version, as `schema.upgrade` does, but quicker.

    An empty SQLite file becomes a copy of one that the migrations made; what has that version
    already stays as it is; anything else is migrated.
    """
    path = database.sqlite_path
    if path and not Path(path).stat().st_size:
        Path(path).write_bytes(_migrated_file())
    elif schema.revision(database) != _newest():
        schema.upgrade(database)


@cache
def _migrated_file() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "consent.db")
        database = Database.open(f"sqlite:///{path}")
        schema.upgrade(database)
        database.close()
        return path.read_bytes()


@cache
def _newest() -> str | None:
    return ScriptDirectory(str(schema.MIGRATIONS)).get_current_head()
