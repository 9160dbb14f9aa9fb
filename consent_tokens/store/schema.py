"""The schema and its versions, by Alembic."""

from pathlib import Path
from typing import Final

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy.exc import DBAPIError

from consent_tokens.errors import StoreUnavailableError
from consent_tokens.store.engine import Store, was_away

MIGRATIONS: Final = Path(__file__).parent / "migrations"


def upgrade(store: Store) -> None:
    """Bring the database to the newest version, from nothing or from any older one.

    Raises StoreUnavailableError if the database is away.
    """
    config = _config()
    try:
        with store.engine.begin() as connection:
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
    except DBAPIError as fault:
        if was_away(fault):
            raise StoreUnavailableError from fault
        raise


def is_current(store: Store) -> bool:
    """Whether the database is of the version that this code expects."""
    expected = ScriptDirectory.from_config(_config()).get_current_head()
    return (
        store.read(
            lambda transaction: MigrationContext.configure(transaction).get_current_revision()
        )
        == expected
    )


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    return config
