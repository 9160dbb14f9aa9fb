"""Questions about complaints."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Row, delete, insert, select, update

from consent_tokens.crypto.opaque_ids import Address
from consent_tokens.evidence.complaints import ComplaintState, Verdict, Why
from consent_tokens.store.database import Transaction
from consent_tokens.store.tables import complaints as table


@dataclass(frozen=True, slots=True, kw_only=True)
class Complaint:
    """One complaint. What the consumer wrote lies enclosed: it may hold anything."""

    address: Address  # in the recipient's home where there is a message, else in one of its own
    follow: bytes  # keyed hash of the number by which it is followed
    merchant_id: str | None
    grant_number: int | None = None
    message_number: int | None = None
    purpose: str | None = None
    sent: datetime | None = None
    why: Why
    verdict: Verdict
    state: ComplaintState
    said: bytes | None = None
    picture: bytes | None = None
    at: datetime
    changed: datetime


def add(transaction: Transaction, complaint: Complaint) -> None:
    """Keep a complaint."""
    transaction.execute(
        insert(table).values(
            home=complaint.address.home,
            number=complaint.address.number,
            follow=complaint.follow,
            merchant_id=complaint.merchant_id,
            grant_number=complaint.grant_number,
            message_number=complaint.message_number,
            purpose=complaint.purpose,
            sent_at=complaint.sent,
            reason=complaint.why,
            verdict=complaint.verdict,
            state=complaint.state,
            said=complaint.said,
            picture=complaint.picture,
            at=complaint.at,
            changed_at=complaint.changed,
        )
    )


def find(transaction: Transaction, address: Address) -> Complaint | None:
    """Return the complaint at an address; None if there is none."""
    row = transaction.execute(
        select(table).where(table.c.home == address.home, table.c.number == address.number)
    ).one_or_none()
    return _complaint(row) if row else None


def followed(transaction: Transaction, follow: bytes) -> Complaint | None:
    """Return the complaint that is followed by this number; None if there is none."""
    row = transaction.execute(select(table).where(table.c.follow == follow)).one_or_none()
    return _complaint(row) if row else None


def about(transaction: Transaction, message: Address) -> Complaint | None:
    """Return the complaint about a message; None if nobody complained: one message, one count."""
    row = transaction.execute(
        select(table).where(table.c.home == message.home, table.c.message_number == message.number)
    ).first()
    return _complaint(row) if row else None


def in_home(transaction: Transaction, home: int) -> list[Complaint]:
    """Return a recipient's complaints, the newest first."""
    rows = transaction.execute(
        select(table).where(table.c.home == home).order_by(table.c.at.desc(), table.c.number)
    )
    return [_complaint(row) for row in rows]


def of_merchant(
    transaction: Transaction, merchant_id: str, *, after: tuple[datetime, int] | None, limit: int
) -> list[Complaint]:
    """Return the complaints about a merchant, the oldest first."""
    query = select(table).where(table.c.merchant_id == merchant_id)
    if after is not None:
        at, number = after
        query = query.where((table.c.at > at) | ((table.c.at == at) & (table.c.number > number)))
    query = query.order_by(table.c.at, table.c.number).limit(limit)
    return [_complaint(row) for row in transaction.execute(query)]


def newest(transaction: Transaction, limit: int) -> list[Complaint]:
    """Return complaints, the newest first."""
    query = select(table).order_by(table.c.at.desc(), table.c.number).limit(limit)
    rows = transaction.execute(query)
    return [_complaint(row) for row in rows]


def put_state(
    transaction: Transaction, address: Address, state: ComplaintState, at: datetime
) -> bool:
    """Record where a complaint stands; whether there is one."""
    result = transaction.execute(
        update(table)
        .where(table.c.home == address.home, table.c.number == address.number)
        .values(state=state, changed_at=at)
    )
    return result.rowcount == 1


def put_more(
    transaction: Transaction, address: Address, *, said: bytes | None, picture: bytes | None
) -> None:
    """Add what the consumer has to say, where something is said."""
    values = {
        name: value for name, value in (("said", said), ("picture", picture)) if value is not None
    }
    if values:
        transaction.execute(
            update(table)
            .where(table.c.home == address.home, table.c.number == address.number)
            .values(**values)
        )


def forget_words(transaction: Transaction, home: int) -> None:
    """Forget what a recipient wrote and showed; that there was a complaint stays."""
    transaction.execute(update(table).where(table.c.home == home).values(said=None, picture=None))


def drop(transaction: Transaction, before: datetime) -> None:
    """Forget complaints that have not changed since `before`."""
    transaction.execute(delete(table).where(table.c.changed_at < before))


def _complaint(row: Row[Any]) -> Complaint:
    return Complaint(
        address=Address(row.home, row.number),
        follow=row.follow,
        merchant_id=row.merchant_id,
        grant_number=row.grant_number,
        message_number=row.message_number,
        purpose=row.purpose,
        sent=row.sent_at,
        why=Why(row.reason),
        verdict=Verdict(row.verdict),
        state=ComplaintState(row.state),
        said=row.said,
        picture=row.picture,
        at=row.at,
        changed=row.changed_at,
    )
