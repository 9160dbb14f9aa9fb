"""`doctor`: check this installation."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final

import click

from consent_tokens.app_context import AppContext, probe_gateway
from consent_tokens.cli.output import as_json, print_rows
from consent_tokens.cli.setting_warnings import warnings_of
from consent_tokens.consent.purposes import PurposeClass
from consent_tokens.crypto.keyring import Keyring
from consent_tokens.errors import ConsentTokensError, DatabaseUnavailableError, KeyUnavailableError
from consent_tokens.randomness import SystemRandomSource
from consent_tokens.services.integrity.key_set import ensure_own_database
from consent_tokens.services.integrity.readiness import ensure_ready
from consent_tokens.settings import Settings
from consent_tokens.store import checkpoints, merchants
from consent_tokens.store.database import Database
from consent_tokens.store.schema import is_current

OK: Final = "ok"
WARNING: Final = "warning"  # it works, and has a consequence
FAILED: Final = "failed"
NO_KEYS: Final = "there are none yet: `consent-tokens serve` creates them"
MAX_SHOWN_NAMES: Final = 5
DEMONSTRATIONS: Final = (
    "{count} merchants are demonstrations, and send only while CONSENT_BASE_URL is a loopback "
    "address: {names}; a company that wants to send applies (`merchant apply`)"
)
NOT_CURRENT: Final = "missing or out of date: run `consent-tokens db upgrade`"


@click.command()
@as_json
def doctor(*, as_json: bool) -> None:
    """Check settings, keys, database, gateway, journal and clock; exit with 1 if one fails.

    It dials the gateway. A line with the status `warning` works, and says what follows from it.
    """
    rows = [_check("settings", Settings.from_environment)]
    if _is_ok(rows):
        settings = Settings.from_environment()
        rows += [
            _check("keys", lambda: _check_keys(settings.keys_dir)),
            _check("database", lambda: _check_database(settings.database_url)),
            _check("gateway", lambda: probe_gateway(settings, SystemRandomSource())),
        ]
        rows.append(_check("links in texts", lambda: _links(settings)))
        if _is_ok(rows):
            rows.append(_check("keys of the database", lambda: _check_own_keys(settings)))
        if _is_ok(rows):
            rows.append(_check("journal and clock", lambda: _check_readiness(settings)))
            rows += _demonstrations(settings)
        rows += [
            {"check": name, "status": WARNING, "detail": detail}
            for name, detail in warnings_of(settings)
        ]
    print_rows(rows, in_json=as_json)
    sys.exit(0 if _is_ok(rows) else 1)


def _is_ok(rows: list[dict[str, str]]) -> bool:
    return all(row["status"] != FAILED for row in rows)


def _check(name: str, run: Callable[[], object]) -> dict[str, str]:
    """Return one row: failed if the check raises an error of ours; a text that it returns."""
    try:
        detail = run()
    except ConsentTokensError as error:
        return {"check": name, "status": FAILED, "detail": str(error) or error.error_code}
    return {"check": name, "status": OK, "detail": detail if isinstance(detail, str) else ""}


def _links(settings: Settings) -> str:
    """Return the link mode of each class of purposes, as CONSENT_LINKS states it."""
    return " ".join(f"{each}={settings.service.links.of(each)}" for each in PurposeClass)


def _demonstrations(settings: Settings) -> list[dict[str, str]]:
    """Return a warning if there are demonstrations that send nothing from this base URL."""
    if settings.service.is_loopback:
        return []
    database = Database.open(settings.database_url)
    try:
        names = database.read(merchants.active_demonstrations)
    finally:
        database.close()
    shown = ", ".join(names[:MAX_SHOWN_NAMES])
    detail = DEMONSTRATIONS.format(count=len(names), names=shown)
    return [{"check": "merchants", "status": WARNING, "detail": detail}] if names else []


def _check_keys(folder: Path) -> None:
    """Load the keys; create none. Raises KeyUnavailableError."""
    if not any(folder.rglob("*.key")):
        raise KeyUnavailableError(NO_KEYS)
    Keyring.load_or_create(folder, SystemRandomSource().token_bytes)


def _check_database(url: str) -> None:
    """Raise DatabaseUnavailableError unless the database has this program's schema."""
    database = Database.open(url)
    try:
        if not is_current(database):
            raise DatabaseUnavailableError(NOT_CURRENT)
    finally:
        database.close()


def _check_own_keys(settings: Settings) -> None:
    """Raise KeysChangedError if the database knows other keys; let it learn none."""
    runtime = AppContext.from_settings(settings).runtime
    try:
        if runtime.database.read(
            lambda transaction: checkpoints.find(transaction, checkpoints.KEYS)
        ):
            ensure_own_database(runtime)
    finally:
        runtime.database.close()


def _check_readiness(settings: Settings) -> None:
    """Raise NotReadyError unless messages may leave; start no journal."""
    runtime = AppContext.from_settings(settings).runtime
    try:
        if runtime.database.read(
            lambda transaction: checkpoints.find(transaction, checkpoints.JOURNAL)
        ):
            ensure_ready(runtime)
    finally:
        runtime.database.close()
