"""Questions about invitations: who was asked by SMS, and when the same merchant may ask again."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Row, delete, insert, select, update

from consent_tokens.crypto.opaque_ids import RowKey
from consent_tokens.store.database import Transaction
from consent_tokens.store.tables import invitations as table


@dataclass(frozen=True, slots=True, kw_only=True)
class Invitation:
    """One invitation, in the home of the recipient. No answer is a no: until `again` at least."""

    key: RowKey
    merchant_id: str
    request_key: RowKey
    invited_at: datetime
    next_allowed_at: datetime  # from when on the same merchant may ask again
    is_open: bool = True


def add(transaction: Transaction, invitation: Invitation) -> None:
    """Remember an invitation."""
    transaction.execute(
        insert(table).values(
            home=invitation.key.partition,
            number=invitation.key.id,
            merchant_id=invitation.merchant_id,
            request_home=invitation.request_key.partition,
            request_number=invitation.request_key.id,
            asked_at=invitation.invited_at,
            again_at=invitation.next_allowed_at,
            is_open=int(invitation.is_open),
        )
    )


def resting_of(
    transaction: Transaction, home: int, merchants: Collection[str], now: datetime
) -> list[Invitation]:
    """Return what these merchants have asked a recipient and still must not ask again."""
    rows = transaction.execute(
        select(table)
        .where(
            table.c.home == home, table.c.merchant_id.in_(set(merchants)), table.c.again_at > now
        )
        .order_by(table.c.asked_at.desc(), table.c.number)
    )
    return [_invitation(row) for row in rows]


def find_by_request(transaction: Transaction, request: RowKey) -> Invitation | None:
    """Return the invitation by which a request was sent; None if it was not sent by us."""
    row = transaction.execute(
        select(table).where(
            table.c.request_home == request.partition, table.c.request_number == request.id
        )
    ).first()
    return _invitation(row) if row else None


def record_refusal(transaction: Transaction, invitation: Invitation, again: datetime) -> None:
    """Record a no: closed, and not to be repeated before `again`."""
    transaction.execute(
        update(table)
        .where(table.c.home == invitation.key.partition, table.c.number == invitation.key.id)
        .values(is_open=0, again_at=again)
    )


def delete_of_recipient(
    transaction: Transaction, home: int, merchant_id: str | None = None
) -> None:
    """Forget what a recipient was asked: by one merchant, who has a yes now, or by all."""
    query = delete(table).where(table.c.home == home)
    if merchant_id is not None:
        query = query.where(table.c.merchant_id == merchant_id)
    transaction.execute(query)


def delete_expired(transaction: Transaction, now: datetime) -> list[int]:
    """Forget what may be asked again; return whose it was."""
    rows = transaction.execute(delete(table).where(table.c.again_at <= now).returning(table.c.home))
    return [row.home for row in rows]


def _invitation(row: Row[Any]) -> Invitation:
    return Invitation(
        key=RowKey(row.home, row.number),
        merchant_id=row.merchant_id,
        request_key=RowKey(row.request_home, row.request_number),
        invited_at=row.asked_at,
        next_allowed_at=row.again_at,
        is_open=bool(row.is_open),
    )
