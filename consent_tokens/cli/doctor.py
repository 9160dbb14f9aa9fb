"""`doctor`: what is wrong with this installation."""

import sys
from collections.abc import Callable
from pathlib import Path

import click

from consent_tokens.app_context import AppContext, gateway_of
from consent_tokens.cli.output import as_json, print_rows
from consent_tokens.crypto.keyring import Keyring
from consent_tokens.errors import ConsentTokensError
from consent_tokens.randomness import SystemRandomSource
from consent_tokens.services.integrity.readiness import ensure_ready
from consent_tokens.settings import Settings
from consent_tokens.store import checkpoints as marks
from consent_tokens.store.database import Database
from consent_tokens.store.schema import is_current


@click.command()
@as_json
def doctor(*, as_json: bool) -> None:
    """Look for what is wrong with this installation; exit with 1 if anything is."""
    rows = [_check("settings", lambda: bool(Settings.from_environment()))]
    if rows[0]["state"] == "well":
        settings = Settings.from_environment()
        rows += [
            _check("keys", lambda: _has_keys(settings.keys_dir)),
            _check("database", lambda: is_current(Database.open(settings.database_url))),
            _check("gateway", lambda: bool(gateway_of(settings, SystemRandomSource()).name)),
        ]
        if all(row["state"] == "well" for row in rows):
            rows.append(_check("journal and clock", lambda: _is_ready(settings)))
    print_rows(rows, in_json=as_json)
    sys.exit(0 if all(row["state"] == "well" for row in rows) else 1)


def _check(what: str, question: Callable[[], bool]) -> dict[str, str]:
    try:
        is_well = question()
    except ConsentTokensError as fault:
        return {"what": what, "state": "ill", "why": str(fault) or fault.error_code}
    why = "" if is_well else "not made yet: run `consent-tokens init-db` or `serve`"
    return {"what": what, "state": "well" if is_well else "ill", "why": why}


def _has_keys(folder: Path) -> bool:
    """Whether there are keys that can be used; none are made."""
    if not any(folder.rglob("*.key")):
        return False
    return bool(Keyring.load_or_create(folder, SystemRandomSource().token_bytes))


def _is_ready(settings: Settings) -> bool:
    """Whether messages may leave. Raises what keeps them back; begins no journal."""
    world = AppContext.of(settings)
    try:
        if world.database.read(lambda transaction: marks.find(transaction, marks.JOURNAL)):
            ensure_ready(world)
    finally:
        world.database.close()
    return True
