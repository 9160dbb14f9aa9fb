"""Queries on the workers that run."""

from dataclasses import asdict, dataclass, fields
from datetime import datetime
from enum import StrEnum
from typing import Final

from sqlalchemy import delete, insert, select, update

from consent_tokens.store.database import Transaction
from consent_tokens.store.operation_tables import workers as table


class WorkerKind(StrEnum):
    """What a worker does; each dispatcher has one of the others beside it."""

    DISPATCHER = "dispatcher"
    WEBHOOKS = "webhooks"
    TEMPLATES = "templates"
    PACING = "pacing"
    ROLLUPS = "rollups"
    CAMPAIGNS = "campaigns"


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerState:
    """What a worker tells of itself: its last error, and of a dispatcher its gateway."""

    error: str | None = None
    error_at: datetime | None = None
    gateway: str | None = None
    sessions: int | None = None  # bound
    max_sessions: int | None = None  # configured
    gateway_fault: str | None = None  # why not all of them are bound
    segments_per_minute: int | None = None  # that the gateway accepted
    in_flight: int | None = None  # messages


@dataclass(frozen=True, slots=True, kw_only=True)
class Worker:
    """A worker, and when it last wrote its row."""

    id: str
    kind: WorkerKind
    host: str
    process_id: int
    started_at: datetime
    seen_at: datetime
    state: WorkerState


STATE_COLUMNS: Final = tuple(each.name for each in fields(WorkerState))


def save(transaction: Transaction, worker: Worker) -> None:
    """Write the row of a worker."""
    values = asdict(worker.state) | {"seen_at": worker.seen_at}
    is_known = transaction.execute(update(table).where(table.c.id == worker.id).values(**values))
    if not is_known.rowcount:
        transaction.execute(
            insert(table).values(
                id=worker.id,
                kind=worker.kind,
                host=worker.host,
                process_id=worker.process_id,
                started_at=worker.started_at,
                **values,
            )
        )


def remove(transaction: Transaction, worker_id: str) -> None:
    """Delete the row of a worker that ends."""
    transaction.execute(delete(table).where(table.c.id == worker_id))


def remove_unseen(transaction: Transaction, before: datetime) -> None:
    """Delete the rows that were last written before a time: of workers that were killed."""
    transaction.execute(delete(table).where(table.c.seen_at < before))


def find(transaction: Transaction, worker_id: str) -> Worker | None:
    """Return a worker; None if there is none."""
    return next((each for each in list_all(transaction) if each.id == worker_id), None)


def list_all(transaction: Transaction) -> list[Worker]:
    """Return the workers, by host, process and kind."""
    rows = transaction.execute(
        select(table).order_by(table.c.host, table.c.process_id, table.c.kind, table.c.id)
    )
    return [
        Worker(
            id=row.id,
            kind=WorkerKind(row.kind),
            host=row.host,
            process_id=row.process_id,
            started_at=row.started_at,
            seen_at=row.seen_at,
            state=WorkerState(**{name: getattr(row, name) for name in STATE_COLUMNS}),
        )
        for row in rows
    ]
