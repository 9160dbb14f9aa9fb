"""Queries on one-time code challenges, and on the hits of rate limits."""

import struct
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Row, insert, select, update

from consent_tokens.consent.one_time_code import Challenge
from consent_tokens.store.database import Transaction, insert_or_ignore
from consent_tokens.store.tables import challenges, rate_limits


def add(transaction: Transaction, challenge: Challenge) -> None:
    """Insert a challenge."""
    transaction.execute(
        insert(challenges).values(
            id=challenge.id,
            intent=challenge.intent,
            code_hash=challenge.code_hash,
            sealed_number=challenge.sealed_number,
            failures_key=challenge.failures_key,
            sent_at=challenge.sent_at,
            attempts=challenge.attempts,
            is_used=int(challenge.is_used),
        )
    )


def lock(transaction: Transaction, challenge_id: bytes) -> Challenge | None:
    """Return a challenge, locked until the transaction ends; None if there is none."""
    row = transaction.execute(
        update(challenges)
        .where(challenges.c.id == challenge_id)
        .values(attempts=challenges.c.attempts)
        .returning(*challenges.c)
    ).one_or_none()
    return _challenge(row) if row else None


def find(transaction: Transaction, challenge_id: bytes) -> Challenge | None:
    """Return a challenge, without a lock; None if there is none."""
    found = select(*challenges.c).where(challenges.c.id == challenge_id)
    row = transaction.execute(found).one_or_none()
    return _challenge(row) if row else None


def save_attempt(transaction: Transaction, challenge: Challenge) -> None:
    """Save the attempts of a challenge, and whether it was used."""
    transaction.execute(
        update(challenges)
        .where(challenges.c.id == challenge.id)
        .values(attempts=challenge.attempts, is_used=int(challenge.is_used))
    )


def lock_hits(transaction: Transaction, limit_key: bytes) -> list[datetime]:
    """Return the hits of a limit, ascending; its row is locked until the transaction ends."""
    insert_or_ignore(
        transaction, rate_limits, id=limit_key, hits=b"", idle_at=datetime.fromtimestamp(0, UTC)
    )
    row = transaction.execute(
        update(rate_limits)
        .where(rate_limits.c.id == limit_key)
        .values(hits=rate_limits.c.hits)
        .returning(rate_limits.c.hits)
    ).one()
    return _unpacked(row.hits)


def read_hits(transaction: Transaction, limit_key: bytes) -> list[datetime]:
    """Return the hits of a limit, ascending, without a lock."""
    packed = transaction.scalar(select(rate_limits.c.hits).where(rate_limits.c.id == limit_key))
    return _unpacked(packed or b"")


def save_hits(
    transaction: Transaction, limit_key: bytes, hits: Sequence[datetime], longest_window: timedelta
) -> None:
    """Save the hits of a limit, ascending. Past `longest_window` after the last it is idle."""
    seconds = [int(hit.timestamp()) for hit in hits]
    transaction.execute(
        update(rate_limits)
        .where(rate_limits.c.id == limit_key)
        .values(hits=struct.pack(f">{len(seconds)}I", *seconds), idle_at=hits[-1] + longest_window)
    )


def _unpacked(packed: bytes) -> list[datetime]:
    return [datetime.fromtimestamp(seconds, UTC) for (seconds,) in struct.iter_unpack(">I", packed)]


def _challenge(row: Row[Any]) -> Challenge:
    return Challenge(
        id=row.id,
        intent=row.intent,
        code_hash=row.code_hash,
        sealed_number=row.sealed_number,
        failures_key=row.failures_key,
        sent_at=row.sent_at,
        attempts=row.attempts,
        is_used=bool(row.is_used),
    )
