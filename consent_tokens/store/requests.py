"""Queries on consent requests, and on the tokens that wait to be fetched."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Row, insert, select, tuple_, update

from consent_tokens.consent.purposes import Purpose
from consent_tokens.consent.request import ConsentRequest, RequestedTerms, RequestStatus
from consent_tokens.consent.scope import FrequencyCap
from consent_tokens.listing import ListFilter
from consent_tokens.row_key import RowKey
from consent_tokens.store.database import Transaction
from consent_tokens.store.listing import page, status_at
from consent_tokens.store.tables import consent_requests as table


def add(transaction: Transaction, request: ConsentRequest) -> None:
    """Insert a consent request."""
    terms = request.terms
    transaction.execute(
        insert(table).values(
            partition=request.key.partition,
            id=request.key.id,
            merchant_id=request.merchant_id,
            purposes=" ".join(sorted(terms.purposes)),
            cap_limit=terms.frequency_cap.limit,
            cap_days=terms.frequency_cap.window.days,
            opens=terms.opens,
            closes=terms.closes,
            valid_days=terms.valid_for.days,
            locale=terms.locale,
            reference=terms.reference,
            return_url=terms.return_url,
            created_at=request.created_at,
            expires_at=request.expires_at,
            status=request.status,
        )
    )


def find(transaction: Transaction, key: RowKey) -> ConsentRequest | None:
    """Return a consent request by its key; None if there is none."""
    row = transaction.execute(
        select(table).where(table.c.partition == key.partition, table.c.id == key.id)
    ).one_or_none()
    return _request(row) if row else None


def lock(transaction: Transaction, key: RowKey) -> ConsentRequest | None:
    """Return a request by its key, locked until the transaction ends; None if there is none."""
    row = transaction.execute(
        update(table)
        .where(table.c.partition == key.partition, table.c.id == key.id)
        .values(status=table.c.status)
        .returning(*table.c)
    ).one_or_none()
    return _request(row) if row else None


def record_decision(
    transaction: Transaction, request: ConsentRequest, *, token: bytes | None = None
) -> None:
    """Save the decision on a request, with the sealed token that waits to be fetched."""
    transaction.execute(
        update(table)
        .where(table.c.partition == request.key.partition, table.c.id == request.key.id)
        .values(
            status=request.status,
            decided_at=request.decided_at,
            grant_partition=request.grant_key.partition if request.grant_key else None,
            grant_id=request.grant_key.id if request.grant_key else None,
            token=token,
        )
    )


def latest_for_reference(
    transaction: Transaction, merchant_id: str, reference: str
) -> ConsentRequest | None:
    """Return a merchant's newest request with this reference; None if there is none."""
    row = transaction.execute(
        select(table)
        .where(table.c.merchant_id == merchant_id, table.c.reference == reference)
        .order_by(table.c.created_at.desc())
        .limit(1)
    ).one_or_none()
    return _request(row) if row else None


def latest_grant_for_reference(
    transaction: Transaction, merchant_id: str, reference: str
) -> RowKey | None:
    """Return the newest grant that a request with this reference led to; None if there is none."""
    row = transaction.execute(
        select(table.c.grant_partition, table.c.grant_id)
        .where(
            table.c.merchant_id == merchant_id,
            table.c.reference == reference,
            table.c.grant_id.is_not(None),
        )
        .order_by(table.c.created_at.desc())
        .limit(1)
    ).one_or_none()
    return RowKey(row.grant_partition, row.grant_id) if row else None


def latest_of_merchant(transaction: Transaction, partition: int) -> ConsentRequest | None:
    """Return the newest request of the merchant with this partition; None if there is none."""
    row = transaction.execute(
        select(table)
        .where(table.c.partition == partition)
        .order_by(table.c.created_at.desc())
        .limit(1)
    ).one_or_none()
    return _request(row) if row else None


def of_merchant(
    transaction: Transaction, merchant_id: str, wanted: ListFilter, now: datetime
) -> list[ConsentRequest]:
    """Return a page of a merchant's requests, the oldest first."""
    query = select(table).where(table.c.merchant_id == merchant_id)
    if wanted.reference is not None:
        query = query.where(table.c.reference == wanted.reference)
    if wanted.status is not None:
        query = query.where(
            status_at(
                table.c.status,
                table.c.expires_at,
                wanted.status,
                now,
                open_statuses=frozenset({RequestStatus.PENDING}),
                expired=RequestStatus.EXPIRED,
            )
        )
    return [_request(row) for row in transaction.execute(page(query, table, "created_at", wanted))]


def of_grants(transaction: Transaction, keys: Sequence[RowKey]) -> Mapping[RowKey, ConsentRequest]:
    """Return the requests to which these grants are the yes, by the grants' keys."""
    grant_key = tuple_(table.c.grant_partition, table.c.grant_id)
    rows = transaction.execute(select(table).where(grant_key.in_([tuple(key) for key in keys])))
    return {RowKey(row.grant_partition, row.grant_id): _request(row) for row in rows}


def expire_due(transaction: Transaction, now: datetime, limit: int) -> list[ConsentRequest]:
    """Record up to `limit` requests that nobody answered in time as expired; return them."""
    due = (
        select(table.c.partition, table.c.id)
        .where(table.c.status == RequestStatus.PENDING, table.c.expires_at <= now)
        .order_by(table.c.expires_at)
        .limit(limit)
    )
    keys = [tuple(row) for row in transaction.execute(due)]
    rows = transaction.execute(
        update(table)
        .where(
            tuple_(table.c.partition, table.c.id).in_(keys),
            table.c.status == RequestStatus.PENDING,
        )
        .values(status=RequestStatus.EXPIRED)
        .returning(*table.c)
    )
    return [_request(row) for row in rows]


def find_token(transaction: Transaction, key: RowKey) -> bytes | None:
    """Return the sealed token of a request; None if there is none any more."""
    return transaction.scalar(
        select(table.c.token).where(table.c.partition == key.partition, table.c.id == key.id)
    )


def delete_token_of(transaction: Transaction, grant: RowKey) -> None:
    """Delete the sealed token of a grant that has ended."""
    transaction.execute(
        update(table)
        .where(table.c.grant_partition == grant.partition, table.c.grant_id == grant.id)
        .values(token=None)
    )


def _request(row: Row[Any]) -> ConsentRequest:
    return ConsentRequest(
        key=RowKey(row.partition, row.id),
        merchant_id=row.merchant_id,
        terms=RequestedTerms(
            purposes=frozenset(Purpose(name) for name in row.purposes.split()),
            frequency_cap=FrequencyCap(row.cap_limit, timedelta(days=row.cap_days)),
            opens=row.opens,
            closes=row.closes,
            valid_for=timedelta(days=row.valid_days),
            locale=row.locale,
            reference=row.reference,
            return_url=row.return_url,
        ),
        created_at=row.created_at,
        expires_at=row.expires_at,
        status=RequestStatus(row.status),
        decided_at=row.decided_at,
        grant_key=None if row.grant_id is None else RowKey(row.grant_partition, row.grant_id),
    )
