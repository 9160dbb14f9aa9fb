"""Questions about one-time codes, and the limits on how often one is sent or missed."""

import struct
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Row, delete, insert, select, update

from consent_tokens.consent.one_time_code import Challenge
from consent_tokens.store.database import Transaction, insert_or_ignore
from consent_tokens.store.tables import challenges, limits


def add(transaction: Transaction, challenge: Challenge) -> None:
    """Keep a new challenge."""
    transaction.execute(
        insert(challenges).values(
            id=challenge.id,
            about=challenge.intent,
            digest=challenge.code_hash,
            box=challenge.sealed_number,
            limit_key=challenge.failures_key,
            sent_at=challenge.sent_at,
            tries=challenge.attempts,
            used=int(challenge.is_used),
        )
    )


def lock(transaction: Transaction, challenge_id: bytes) -> Challenge | None:
    """Return a challenge, held until the transaction ends; None if there is none."""
    row = transaction.execute(
        update(challenges)
        .where(challenges.c.id == challenge_id)
        .values(tries=challenges.c.tries)
        .returning(*challenges.c)
    ).one_or_none()
    return _challenge(row) if row else None


def save_attempt(transaction: Transaction, challenge: Challenge) -> None:
    """Record one more try."""
    transaction.execute(
        update(challenges)
        .where(challenges.c.id == challenge.id)
        .values(tries=challenge.attempts, used=int(challenge.is_used))
    )


def delete_before(transaction: Transaction, sent_before: datetime) -> None:
    """Forget challenges that are over."""
    transaction.execute(delete(challenges).where(challenges.c.sent_at < sent_before))


def lock_hits(transaction: Transaction, limit_key: bytes) -> list[datetime]:
    """Return what counts against a limit, ascending; held until the transaction ends."""
    insert_or_ignore(
        transaction, limits, id=limit_key, hits=b"", idle_at=datetime.fromtimestamp(0, UTC)
    )
    row = transaction.execute(
        update(limits)
        .where(limits.c.id == limit_key)
        .values(hits=limits.c.hits)
        .returning(limits.c.hits)
    ).one()
    return _unpacked(row.hits)


def read_hits(transaction: Transaction, limit_key: bytes) -> list[datetime]:
    """Return what counts against a limit, ascending, without holding it."""
    packed = transaction.scalar(select(limits.c.hits).where(limits.c.id == limit_key))
    return _unpacked(packed or b"")


def save_hits(
    transaction: Transaction, limit_key: bytes, hits: Sequence[datetime], longest: timedelta
) -> None:
    """Keep what counts against a limit whose longest window is `longest`."""
    seconds = [int(hit.timestamp()) for hit in hits]
    transaction.execute(
        update(limits)
        .where(limits.c.id == limit_key)
        .values(hits=struct.pack(f">{len(seconds)}I", *seconds), idle_at=hits[-1] + longest)
    )


def delete_idle_limits(transaction: Transaction, now: datetime) -> None:
    """Forget limits that nothing counts against any more."""
    transaction.execute(delete(limits).where(limits.c.idle_at <= now))


def _unpacked(packed: bytes) -> list[datetime]:
    return [datetime.fromtimestamp(seconds, UTC) for (seconds,) in struct.iter_unpack(">I", packed)]


def _challenge(row: Row[Any]) -> Challenge:
    return Challenge(
        id=row.id,
        intent=row.about,
        code_hash=row.digest,
        sealed_number=row.box,
        failures_key=row.limit_key,
        sent_at=row.sent_at,
        attempts=row.tries,
        is_used=bool(row.used),
    )
