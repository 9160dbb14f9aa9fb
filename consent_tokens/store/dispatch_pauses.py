"""Queries on pauses: what dispatchers do not send for now."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from sqlalchemy import delete, select

from consent_tokens.store.database import Transaction, insert_or_ignore
from consent_tokens.store.operation_tables import dispatch_pauses as table
from consent_tokens.store.operation_tables import workers

ALL: Final = "all"  # in place of an id


class PausedKind(StrEnum):
    """What is paused: everything, a merchant, a sender, or a dispatcher, which is drained."""

    ALL = "all"
    MERCHANT = "merchant"
    SENDER = "sender"
    WORKER = "worker"


@dataclass(frozen=True, slots=True, kw_only=True)
class Pause:
    """A pause in force."""

    kind: PausedKind
    subject_id: str  # ALL, or the id of the merchant, sender or worker
    merchant_id: str | None  # of a merchant or sender
    reason: str
    paused_by: str
    paused_at: datetime


@dataclass(frozen=True, slots=True)
class PausedSubjects:
    """The ids of what is paused."""

    merchants: frozenset[str] = frozenset()
    senders: frozenset[str] = frozenset()
    merchants_of_senders: frozenset[str] = frozenset()
    workers: frozenset[str] = frozenset()
    is_all: bool = False

    def stops(self, worker_id: str) -> bool:
        """Whether a dispatcher sends nothing at all."""
        return self.is_all or worker_id in self.workers

    def senders_of(self, merchant_id: str) -> frozenset[str]:
        """Return the paused senders, if any of them is of this merchant."""
        return self.senders if merchant_id in self.merchants_of_senders else frozenset()


def add(transaction: Transaction, pause: Pause) -> bool:
    """Insert a pause; return whether its subject was not paused before."""
    return insert_or_ignore(
        transaction,
        table,
        subject_id=pause.subject_id,
        kind=pause.kind,
        merchant_id=pause.merchant_id,
        reason=pause.reason,
        paused_by=pause.paused_by,
        paused_at=pause.paused_at,
    )


def end(transaction: Transaction, kind: PausedKind, subject_id: str) -> Pause | None:
    """Delete a pause; return it, or None if there was none."""
    found = next((each for each in list_all(transaction) if each.subject_id == subject_id), None)
    if found is None or found.kind is not kind:
        return None
    done = transaction.execute(delete(table).where(table.c.subject_id == subject_id))
    return found if done.rowcount else None


def end_of_gone_workers(transaction: Transaction) -> None:
    """Delete the pauses of dispatchers that have ended."""
    running = select(workers.c.id)
    transaction.execute(
        delete(table).where(table.c.kind == PausedKind.WORKER, table.c.subject_id.not_in(running))
    )


def list_all(transaction: Transaction) -> list[Pause]:
    """Return the pauses in force, the oldest first."""
    rows = transaction.execute(select(table).order_by(table.c.paused_at, table.c.subject_id))
    return [
        Pause(
            kind=PausedKind(row.kind),
            subject_id=row.subject_id,
            merchant_id=row.merchant_id,
            reason=row.reason,
            paused_by=row.paused_by,
            paused_at=row.paused_at,
        )
        for row in rows
    ]


_SUBJECTS: Final = select(table.c.kind, table.c.subject_id, table.c.merchant_id)


def paused_subjects(transaction: Transaction) -> PausedSubjects:
    """Return the ids of what is paused: one statement, which most often finds no row."""
    rows = transaction.execute(_SUBJECTS).all()
    if not rows:
        return PausedSubjects()
    of_kind = {
        kind: frozenset(row.subject_id for row in rows if row.kind == kind) for kind in PausedKind
    }
    return PausedSubjects(
        merchants=of_kind[PausedKind.MERCHANT],
        senders=of_kind[PausedKind.SENDER],
        merchants_of_senders=frozenset(
            row.merchant_id for row in rows if row.kind == PausedKind.SENDER
        ),
        workers=of_kind[PausedKind.WORKER],
        is_all=bool(of_kind[PausedKind.ALL]),
    )
