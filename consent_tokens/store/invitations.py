"""Queries on invitations: who was invited by SMS, and when the merchant may invite again."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Row, delete, insert, select, update

from consent_tokens.row_key import RowKey
from consent_tokens.store.database import Transaction
from consent_tokens.store.tables import invitations as table


@dataclass(frozen=True, slots=True, kw_only=True)
class Invitation:
    """One invitation, in the recipient's partition. One without an answer counts as declined."""

    key: RowKey
    merchant_id: str
    request_key: RowKey
    invited_at: datetime
    next_allowed_at: datetime  # when the same merchant may invite again
    is_open: bool = True


def add(transaction: Transaction, invitation: Invitation) -> None:
    """Insert an invitation."""
    transaction.execute(
        insert(table).values(
            partition=invitation.key.partition,
            id=invitation.key.id,
            merchant_id=invitation.merchant_id,
            request_partition=invitation.request_key.partition,
            request_id=invitation.request_key.id,
            invited_at=invitation.invited_at,
            next_allowed_at=invitation.next_allowed_at,
            is_open=int(invitation.is_open),
        )
    )


def resting_of(
    transaction: Transaction, partition: int, merchants: Collection[str], now: datetime
) -> list[Invitation]:
    """Return the invitations of these merchants to a recipient that still bar another one."""
    rows = transaction.execute(
        select(table)
        .where(
            table.c.partition == partition,
            table.c.merchant_id.in_(set(merchants)),
            table.c.next_allowed_at > now,
        )
        .order_by(table.c.invited_at.desc(), table.c.id)
    )
    return [_invitation(row) for row in rows]


def find(transaction: Transaction, key: RowKey) -> Invitation | None:
    """Return an invitation by its key; None if there is none."""
    row = transaction.execute(
        select(table).where(table.c.partition == key.partition, table.c.id == key.id)
    ).one_or_none()
    return _invitation(row) if row else None


def find_by_request(transaction: Transaction, request: RowKey) -> Invitation | None:
    """Return the invitation that carries a consent request; None if it was not sent by SMS."""
    row = transaction.execute(
        select(table).where(
            table.c.request_partition == request.partition, table.c.request_id == request.id
        )
    ).first()
    return _invitation(row) if row else None


def update_bar(transaction: Transaction, invitation: Invitation) -> None:
    """Save whether an invitation is open, and from when on the merchant may invite again."""
    transaction.execute(
        update(table)
        .where(table.c.partition == invitation.key.partition, table.c.id == invitation.key.id)
        .values(is_open=int(invitation.is_open), next_allowed_at=invitation.next_allowed_at)
    )


def record_refusal(
    transaction: Transaction, invitation: Invitation, next_allowed_at: datetime
) -> None:
    """Close a declined invitation; the next is allowed at `next_allowed_at`."""
    transaction.execute(
        update(table)
        .where(table.c.partition == invitation.key.partition, table.c.id == invitation.key.id)
        .values(is_open=0, next_allowed_at=next_allowed_at)
    )


def delete_accepted(transaction: Transaction, partition: int, request: RowKey) -> None:
    """Delete the invitation of a request that a recipient said yes to: it bars no other."""
    transaction.execute(
        delete(table).where(
            table.c.partition == partition,
            table.c.request_partition == request.partition,
            table.c.request_id == request.id,
        )
    )


def delete_of_recipient(transaction: Transaction, partition: int) -> None:
    """Delete the invitations to a recipient."""
    transaction.execute(delete(table).where(table.c.partition == partition))


def _invitation(row: Row[Any]) -> Invitation:
    return Invitation(
        key=RowKey(row.partition, row.id),
        merchant_id=row.merchant_id,
        request_key=RowKey(row.request_partition, row.request_id),
        invited_at=row.invited_at,
        next_allowed_at=row.next_allowed_at,
        is_open=bool(row.is_open),
    )
