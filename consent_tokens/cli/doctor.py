"""`doctor`: what is wrong with this installation."""

import sys
from collections.abc import Callable
from pathlib import Path

import click

from consent_tokens.app_context import World, gateway_of
from consent_tokens.cli.output import as_json, show
from consent_tokens.crypto.keyring import Keyring
from consent_tokens.errors import ConsentTokensError
from consent_tokens.randomness import SystemChance
from consent_tokens.services.integrity.readiness import trust
from consent_tokens.settings import Settings
from consent_tokens.store import checkpoints as marks
from consent_tokens.store.database import Store
from consent_tokens.store.schema import is_current


@click.command()
@as_json
def doctor(*, as_json: bool) -> None:
    """Look for what is wrong with this installation; exit with 1 if anything is."""
    rows = [_looked("settings", lambda: bool(Settings.from_environment()))]
    if rows[0]["state"] == "well":
        settings = Settings.from_environment()
        rows += [
            _looked("keys", lambda: _has_keys(settings.keys_dir)),
            _looked("database", lambda: is_current(Store.at(settings.database_url))),
            _looked("gateway", lambda: bool(gateway_of(settings, SystemChance()).name)),
        ]
        if all(row["state"] == "well" for row in rows):
            rows.append(_looked("journal and clock", lambda: _may_relay(settings)))
    show(rows, in_json=as_json)
    sys.exit(0 if all(row["state"] == "well" for row in rows) else 1)


def _looked(what: str, question: Callable[[], bool]) -> dict[str, str]:
    try:
        is_well = question()
    except ConsentTokensError as fault:
        return {"what": what, "state": "ill", "why": str(fault) or fault.code}
    why = "" if is_well else "not made yet: run `consent-tokens init-db` or `serve`"
    return {"what": what, "state": "well" if is_well else "ill", "why": why}


def _has_keys(folder: Path) -> bool:
    """Whether there are keys that can be used; none are made."""
    if not any(folder.rglob("*.key")):
        return False
    return bool(Keyring.in_folder(folder, SystemChance().draw))


def _may_relay(settings: Settings) -> bool:
    """Whether messages may leave. Raises what keeps them back; begins no journal."""
    world = World.of(settings)
    try:
        if world.store.read(lambda transaction: marks.find(transaction, marks.JOURNAL)):
            trust(world)
    finally:
        world.store.close()
    return True
