"""`init-db`, `upgrade-db` and `keys`."""

import click

from consent_tokens.app_context import AppContext
from consent_tokens.cli.output import as_json, print_one, print_rows
from consent_tokens.crypto.keyring import Keyring
from consent_tokens.randomness import SystemRandomSource
from consent_tokens.services.consents.journal_replay import replay
from consent_tokens.settings import Settings
from consent_tokens.store.database import Database
from consent_tokens.store.schema import upgrade


@click.command("init-db")
def init_db() -> None:
    """Make the tables in a new database."""
    _upgrade()


@click.command("upgrade-db")
def upgrade_db() -> None:
    """Bring the database to the version of this program."""
    _upgrade()


@click.command("replay-revocations")
@click.option(
    "--adopt",
    is_flag=True,
    help="Take the journal as it is, or a new one: what stood only in a lost one is lost.",
)
@as_json
def replay_revocations(*, adopt: bool, as_json: bool) -> None:
    """End again what the revocation journal says has ended, after a backup was restored."""
    world = AppContext.from_environment()
    try:
        upgrade(world.database)
        count = replay(world, accept=adopt)
    finally:
        world.database.close()
    print_one({"ended": count}, in_json=as_json)


@click.group()
def keys() -> None:
    """Look at the keys of this installation."""


@keys.command("list")
@as_json
def list_keys(*, as_json: bool) -> None:
    """List signing and wrapping keys by name; the one in use is marked. No secret is shown."""
    ring = Keyring.load_or_create(
        Settings.from_environment().keys_dir, SystemRandomSource().token_bytes
    )
    signing = [
        {"kind": "signing", "kid": key.kid, "in_use": key.kid == ring.signing.kid}
        for key in ring.verifying.values()
    ]
    wrapping = [
        {"kind": "wrapping", "kid": kid.hex(), "in_use": kid == ring.wrapping.kid}
        for kid in ring.unwrapping
    ]
    print_rows([*signing, *wrapping], in_json=as_json)


def _upgrade() -> None:
    store = Database.open(Settings.from_environment().database_url)
    try:
        upgrade(store)
    finally:
        store.close()
    click.echo("the database is up to date")
