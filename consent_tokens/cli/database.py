"""`db` and `journal`: the schema, and the revocation journal."""

import click

from consent_tokens.cli.context import open_context
from consent_tokens.cli.output import as_json, print_one
from consent_tokens.evidence.journal import EntryKind
from consent_tokens.services.integrity.journal_outbox import compact_journal
from consent_tokens.services.journal_replay import replay
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
    """Replay and shorten the revocation journal."""


@journal.command("replay")
@click.option(
    "--accept",
    is_flag=True,
    help="Accept the journal as it is, or start a new one: what stood only in a lost journal is "
    "lost.",
)
@as_json
def replay_journal(*, accept: bool, as_json: bool) -> None:
    """Do again what the revocation journal lists, after a backup was restored.

    Prints how many entries of each kind changed the database, and how many wait for a number that
    the backup does not know.
    """
    with open_context() as context:
        result = replay(context.runtime, accept=accept)
    counts = {kind.value: result.applied.get(kind, 0) for kind in EntryKind}
    print_one({**counts, "waiting": result.waiting}, in_json=as_json)


@journal.command("compact")
@as_json
def compact(*, as_json: bool) -> None:
    """Delete the entries that are older than CONSENT_BACKUP_RETENTION_DAYS; dispatchers do, too."""
    with open_context() as context:
        freed = compact_journal(context.runtime, context.consent.retention.backups)
    print_one({"freed_bytes": freed}, in_json=as_json)
