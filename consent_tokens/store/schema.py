"""The schema and its versions, by Alembic."""

from pathlib import Path
from typing import Final

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy.exc import DBAPIError

from consent_tokens.errors import DatabaseUnavailableError
from consent_tokens.store.database import Database, is_unavailable

MIGRATIONS: Final = Path(__file__).parent / "migrations"


def upgrade(store: Database) -> None:
    """Bring the database to the newest version, from nothing or from any older one.

    Raises StoreUnavailableError if the database is away.
    """
    config = _config()
    try:
        with store.engine.begin() as connection:
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
    except DBAPIError as error:
        if is_unavailable(error):
            raise DatabaseUnavailableError from error
        raise


def is_current(store: Database) -> bool:
    """Whether the database is of the version that this code expects."""
    return revision(store) == ScriptDirectory.from_config(_config()).get_current_head()


def is_usable(store: Database) -> bool:
    """Whether this code works with the database.

    It does with its own version, with the one before (what needs the new tables is left out), and
    with the one after: a migration takes away nothing that the version before it needs.
    """
    found = revision(store)
    return found is not None and found.isdigit()


def revision(store: Database) -> str | None:
    """Return the version of the database; None if it has no tables of ours."""
    return store.read(
        lambda transaction: MigrationContext.configure(transaction).get_current_revision()
    )


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    return config
