"""The application context of one command."""

from collections.abc import Iterator
from contextlib import contextmanager

from consent_tokens.app_context import AppContext
from consent_tokens.services.integrity.key_set import ensure_own_database
from consent_tokens.services.integrity.purposes import ensure_purposes
from consent_tokens.store.schema import upgrade


@contextmanager
def open_context() -> Iterator[AppContext]:
    """Open the context for one command, and upgrade its database.

    Raises SettingError, KeysChangedError, PurposesChangedError.
    """
    context = AppContext.from_environment()
    try:
        upgrade(context.runtime.database)
        ensure_own_database(context.runtime)
        ensure_purposes(context.runtime)
        yield context
    finally:
        context.runtime.database.close()
