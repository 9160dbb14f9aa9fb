"""Queries on what the consoles keep for a short time: sessions, links, challenges and waits."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import Row, delete, insert, select, update

from consent_tokens.store.console_tables import (
    console_challenges,
    console_links,
    console_sessions,
    sign_in_waits,
)
from consent_tokens.store.database import Transaction, insert_or_ignore

WAIT_RETENTION: Final = timedelta(days=1)  # after the last failure


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsoleSession:
    """One sign-in of a person in one browser."""

    id: bytes  # SHA-256 of what the cookie holds
    public_id: str
    person_id: str
    begun_at: datetime
    seen_at: datetime
    verified_at: datetime  # when a second factor was proved last
    factor: str
    client: str


@dataclass(frozen=True, slots=True)
class Link:
    """A link that signs in one person, or lets them set a password."""

    person_id: str
    kind: str


def add(transaction: Transaction, session: ConsoleSession) -> None:
    """Insert a session."""
    transaction.execute(
        insert(console_sessions).values(
            id=session.id,
            public_id=session.public_id,
            person_id=session.person_id,
            begun_at=session.begun_at,
            seen_at=session.seen_at,
            verified_at=session.verified_at,
            factor=session.factor,
            client=session.client,
        )
    )


def find(
    transaction: Transaction, session_id: bytes, *, begun_after: datetime, seen_after: datetime
) -> ConsoleSession | None:
    """Return a session that began and was last used after these times; None if there is none."""
    row = transaction.execute(
        select(console_sessions).where(
            console_sessions.c.id == session_id,
            console_sessions.c.begun_at > begun_after,
            console_sessions.c.seen_at > seen_after,
        )
    ).one_or_none()
    return _session(row) if row else None


def touch(transaction: Transaction, session_id: bytes, at: datetime) -> None:
    """Record that a session was used."""
    transaction.execute(
        update(console_sessions).where(console_sessions.c.id == session_id).values(seen_at=at)
    )


def verify(transaction: Transaction, session_id: bytes, at: datetime) -> None:
    """Record that a second factor was proved in a session."""
    transaction.execute(
        update(console_sessions).where(console_sessions.c.id == session_id).values(verified_at=at)
    )


def of_person(
    transaction: Transaction, person_id: str, *, begun_after: datetime, seen_after: datetime
) -> list[ConsoleSession]:
    """Return the live sessions of a person, the one that was used last first."""
    rows = transaction.execute(
        select(console_sessions)
        .where(
            console_sessions.c.person_id == person_id,
            console_sessions.c.begun_at > begun_after,
            console_sessions.c.seen_at > seen_after,
        )
        .order_by(console_sessions.c.seen_at.desc(), console_sessions.c.public_id)
    )
    return [_session(row) for row in rows]


def end(transaction: Transaction, session_id: bytes) -> bool:
    """Delete a session; return whether there was one."""
    result = transaction.execute(
        delete(console_sessions).where(console_sessions.c.id == session_id)
    )
    return result.rowcount == 1


def end_one(transaction: Transaction, person_id: str, public_id: str) -> bool:
    """Delete a session of a person; return whether there was one."""
    result = transaction.execute(
        delete(console_sessions).where(
            console_sessions.c.public_id == public_id, console_sessions.c.person_id == person_id
        )
    )
    return result.rowcount == 1


def end_all(transaction: Transaction, person_id: str, *, but: bytes = b"") -> int:
    """Delete the sessions of a person, but for one; return how many there were."""
    result = transaction.execute(
        delete(console_sessions).where(
            console_sessions.c.person_id == person_id, console_sessions.c.id != but
        )
    )
    return result.rowcount


def add_link(transaction: Transaction, link_id: bytes, link: Link, expires_at: datetime) -> None:
    """Store a link in place of earlier ones of that kind to the same person."""
    transaction.execute(
        delete(console_links).where(
            console_links.c.person_id == link.person_id, console_links.c.kind == link.kind
        )
    )
    transaction.execute(
        insert(console_links).values(
            id=link_id, person_id=link.person_id, kind=link.kind, expires_at=expires_at
        )
    )


def find_link(transaction: Transaction, link_id: bytes, now: datetime) -> Link | None:
    """Return a link that has not expired; None if there is none."""
    row = transaction.execute(
        select(console_links).where(console_links.c.id == link_id, console_links.c.expires_at > now)
    ).one_or_none()
    return Link(row.person_id, row.kind) if row else None


def delete_link(transaction: Transaction, link_id: bytes) -> bool:
    """Delete a link; return whether there was one."""
    result = transaction.execute(delete(console_links).where(console_links.c.id == link_id))
    return result.rowcount == 1


def delete_links(transaction: Transaction, person_id: str) -> None:
    """Delete the links of a person."""
    transaction.execute(delete(console_links).where(console_links.c.person_id == person_id))


def use_challenge(transaction: Transaction, challenge_id: bytes, expires_at: datetime) -> bool:
    """Store that a challenge was answered; return False if it was before."""
    return insert_or_ignore(transaction, console_challenges, id=challenge_id, expires_at=expires_at)


def count_attempt(
    transaction: Transaction,
    wait_id: bytes,
    now: datetime,
    wait_after: Callable[[int], timedelta],
) -> datetime | None:
    """Count an attempt as failed until it succeeds; return when the next one may be if it may not.

    `wait_after` is how long to wait after so many failures. The row stays locked until the
    transaction ends, so that attempts at the same time wait for each other.
    """
    insert_or_ignore(transaction, sign_in_waits, id=wait_id, failures=0, failed_at=now, next_at=now)
    row = transaction.execute(
        update(sign_in_waits)
        .where(sign_in_waits.c.id == wait_id)
        .values(failures=sign_in_waits.c.failures)
        .returning(sign_in_waits.c.failures, sign_in_waits.c.failed_at, sign_in_waits.c.next_at)
    ).one()
    if row.next_at > now:
        next_at: datetime = row.next_at
        return next_at
    failures = row.failures + 1 if row.failed_at > now - WAIT_RETENTION else 1
    transaction.execute(
        update(sign_in_waits)
        .where(sign_in_waits.c.id == wait_id)
        .values(failures=failures, failed_at=now, next_at=now + wait_after(failures))
    )
    return None


def take_back_attempt(transaction: Transaction, wait_id: bytes) -> None:
    """Count one attempt less, which was counted as failed and succeeded."""
    transaction.execute(
        update(sign_in_waits)
        .where(sign_in_waits.c.id == wait_id, sign_in_waits.c.failures > 0)
        .values(failures=sign_in_waits.c.failures - 1, next_at=sign_in_waits.c.failed_at)
    )


def forget_failures(transaction: Transaction, wait_id: bytes) -> None:
    """Delete what was counted, after a success."""
    transaction.execute(delete(sign_in_waits).where(sign_in_waits.c.id == wait_id))


def delete_expired(transaction: Transaction, now: datetime, *, seen_before: datetime) -> None:
    """Delete sessions, links, challenges and waits that are past their time."""
    transaction.execute(delete(console_sessions).where(console_sessions.c.seen_at < seen_before))
    transaction.execute(delete(console_links).where(console_links.c.expires_at <= now))
    transaction.execute(delete(console_challenges).where(console_challenges.c.expires_at <= now))
    transaction.execute(
        delete(sign_in_waits).where(sign_in_waits.c.failed_at < now - WAIT_RETENTION)
    )


def _session(row: Row[Any]) -> ConsoleSession:
    return ConsoleSession(
        id=row.id,
        public_id=row.public_id,
        person_id=row.person_id,
        begun_at=row.begun_at,
        seen_at=row.seen_at,
        verified_at=row.verified_at,
        factor=row.factor,
        client=row.client,
    )
