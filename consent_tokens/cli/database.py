"""`db` and `journal`: the schema, and the revocation journal."""

import click

from consent_tokens.cli.context import open_context
from consent_tokens.cli.output import as_json, print_one
from consent_tokens.services.consents.journal_replay import replay
from consent_tokens.settings import Settings
from consent_tokens.store import schema
from consent_tokens.store.database import Database


@click.group()
def db() -> None:
    """Create and upgrade the database."""


@db.command()
@as_json
def upgrade(*, as_json: bool) -> None:
    """Create the tables, or upgrade them to this program's version."""
    database = Database.open(Settings.from_environment().database_url)
    try:
        schema.upgrade(database)
        revision = schema.revision(database)
    finally:
        database.close()
    print_one({"status": "up to date", "revision": revision}, in_json=as_json)


@click.group()
def journal() -> None:
    """Apply the revocation journal."""


@journal.command("replay")
@click.option(
    "--accept",
    is_flag=True,
    help="Accept the journal as it is, or start a new one: revocations that stood only in a lost "
    "journal are lost.",
)
@as_json
def replay_journal(*, accept: bool, as_json: bool) -> None:
    """Revoke again what the revocation journal lists, after a backup was restored."""
    with open_context() as context:
        count = replay(context.runtime, accept=accept)
    print_one({"revoked": count}, in_json=as_json)
