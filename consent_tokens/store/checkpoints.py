"""Checkpoints: how far the journal was compared with the database, the latest clock time."""

from datetime import UTC, datetime
from typing import Final

from sqlalchemy import func, select, update

from consent_tokens.store.database import Transaction, insert_or_ignore
from consent_tokens.store.tables import checkpoints

JOURNAL: Final = "journal"
CLOCK: Final = "clock"
KEYS: Final = "keys"  # fingerprint of the keys that never change
REWRAPPED: Final = "rewrapped"  # id of the wrapping key under which every data key is
DISPATCHER: Final = "dispatcher"
COMPLAINT_GROUPS: Final = "complaint_groups"  # start of the first day that is not enqueued yet
ISSUER: Final = "issuer"  # that the tokens of this database name
# messages accepted before it may have links of the form before 0020; seconds
ENCRYPTED_LINKS: Final = "encrypted_links_until"
EVENT_TEXTS: Final = "event_texts"  # the day on which merchants were last compared
ADMISSION: Final = "admission"  # no value: locked by whoever decides on merchants and senders


def find(transaction: Transaction, name: str) -> str | None:
    """Return a checkpoint; None if it was never saved."""
    value: str | None = transaction.execute(
        select(checkpoints.c.value).where(checkpoints.c.name == name)
    ).scalar_one_or_none()
    return value


def save(transaction: Transaction, name: str, value: str) -> None:
    """Save a checkpoint."""
    if not insert_or_ignore(transaction, checkpoints, name=name, value=value):
        transaction.execute(
            update(checkpoints).where(checkpoints.c.name == name).values(value=value)
        )


def lock(transaction: Transaction, name: str) -> str | None:
    """Return a checkpoint, locked until the transaction ends; None if it was never saved."""
    value: str | None = transaction.execute(
        update(checkpoints)
        .where(checkpoints.c.name == name)
        .values(value=checkpoints.c.value)
        .returning(checkpoints.c.value)
    ).scalar_one_or_none()
    return value


def encrypted_links_until(transaction: Transaction) -> datetime | None:
    """Return until when messages were accepted whose links may be encrypted row keys."""
    value = find(transaction, ENCRYPTED_LINKS)
    return datetime.fromtimestamp(int(value), UTC) if value else None


def lock_admission(transaction: Transaction) -> None:
    """Let no other transaction decide on merchants, senders or signatures until this one ends.

    What one decides on - that no other merchant has such a port - must still be so when it commits.
    """
    while lock(transaction, ADMISSION) is None:
        insert_or_ignore(transaction, checkpoints, name=ADMISSION, value="")


def database_time(transaction: Transaction) -> datetime | None:
    """Return the clock of the database server; None for SQLite, which runs on ours."""
    if transaction.dialect.name == "sqlite":
        return None
    moment: datetime = transaction.execute(select(func.clock_timestamp())).scalar_one()
    return moment.astimezone(UTC)
