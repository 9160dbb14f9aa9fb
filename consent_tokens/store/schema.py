"""The schema and its versions (Alembic)."""

from pathlib import Path
from typing import Final

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy.exc import DBAPIError

from consent_tokens.errors import DatabaseUnavailableError
from consent_tokens.store.database import Database, is_unavailable
from consent_tokens.store.outage import cause_of

MIGRATIONS: Final = Path(__file__).parent / "migrations"


def upgrade(database: Database) -> None:
    """Migrate the database, empty or of an older version, to the newest version.

    Raises DatabaseUnavailableError if the database cannot be reached.
    """
    config = _config()
    try:
        with database.engine.begin() as connection:
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
    except DBAPIError as error:
        if is_unavailable(error):
            raise DatabaseUnavailableError(cause_of(error)) from error
        raise


def is_current(database: Database) -> bool:
    """Whether the database has the version that this code expects."""
    return revision(database) == ScriptDirectory.from_config(_config()).get_current_head()


def is_usable(database: Database) -> bool:
    """Whether the database has a schema that this code can use.

    A newer one can be used too: a migration removes nothing that the version before it needs.
    """
    found = revision(database)
    return found is not None and found.isdigit()


def revision(database: Database) -> str | None:
    """Return the version of the database's schema; None if it has none."""
    return database.read(
        lambda transaction: MigrationContext.configure(transaction).get_current_revision()
    )


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    return config
