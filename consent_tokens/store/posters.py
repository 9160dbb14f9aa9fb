"""Queries on posters."""

from dataclasses import fields
from datetime import date, datetime
from typing import Any

from msgspec.json import decode, encode
from sqlalchemy import Row, func, insert, select, update

from consent_tokens.consent.poster import Poster
from consent_tokens.consent.purposes import Purpose
from consent_tokens.consent.request import AskedTerms
from consent_tokens.row_key import RowKey
from consent_tokens.store.database import Transaction
from consent_tokens.store.tables import posters as table


def add(transaction: Transaction, poster: Poster) -> None:
    """Insert a poster."""
    transaction.execute(
        insert(table).values(
            partition=poster.key.partition,
            id=poster.key.id,
            merchant_id=poster.merchant_id,
            name=poster.name,
            terms=_write_terms(poster.terms),
            created_at=poster.created_at,
            created_by=poster.created_by,
            **_changing(poster),
        )
    )


def find(transaction: Transaction, key: RowKey) -> Poster | None:
    """Return a poster; None if there is none."""
    row = transaction.execute(
        select(table).where(table.c.partition == key.partition, table.c.id == key.id)
    ).one_or_none()
    return _poster(row) if row else None


def lock(transaction: Transaction, key: RowKey) -> Poster | None:
    """Return a poster, locked until the transaction ends; None if there is none."""
    query = select(table).where(table.c.partition == key.partition, table.c.id == key.id)
    row = transaction.execute(query.with_for_update()).one_or_none()
    return _poster(row) if row else None


def save(transaction: Transaction, poster: Poster) -> None:
    """Save until when a poster is open, and how often it was scanned; it is locked."""
    transaction.execute(
        update(table)
        .where(table.c.partition == poster.key.partition, table.c.id == poster.key.id)
        .values(**_changing(poster))
    )


def count_open(transaction: Transaction, merchant_id: str, now: datetime) -> int:
    """Return how many posters of a merchant are open."""
    return transaction.execute(
        select(func.count())
        .select_from(table)
        .where(table.c.merchant_id == merchant_id, table.c.expires_at > now)
    ).scalar_one()


def of_merchant(
    transaction: Transaction, merchant_id: str, now: datetime, limit: int
) -> list[Poster]:
    """Return posters of a merchant: those that are open first, then the newest."""
    rows = transaction.execute(
        select(table)
        .where(table.c.merchant_id == merchant_id)
        .order_by((table.c.expires_at > now).desc(), table.c.created_at.desc(), table.c.id)
        .limit(limit)
    )
    return [_poster(row) for row in rows]


def _write_terms(terms: AskedTerms) -> str:
    members = {each.name: getattr(terms, each.name) for each in fields(terms)}
    return encode(members | {"purposes": sorted(map(str, terms.purposes))}).decode()


def _read_terms(text: str) -> AskedTerms:
    members: dict[str, Any] = decode(text)
    purposes = frozenset(Purpose(each) for each in members["purposes"])
    return AskedTerms(**members | {"purposes": purposes})


def _changing(poster: Poster) -> dict[str, int | datetime]:
    return {
        "expires_at": poster.expires_at,
        "opened": poster.opened,
        "opened_on": poster.opened_on.toordinal(),
        "opened_today": poster.opened_today,
    }


def _poster(row: Row[Any]) -> Poster:
    return Poster(
        key=RowKey(row.partition, row.id),
        merchant_id=row.merchant_id,
        name=row.name,
        terms=_read_terms(row.terms),
        created_at=row.created_at,
        created_by=row.created_by,
        expires_at=row.expires_at,
        opened=row.opened,
        opened_on=date.fromordinal(row.opened_on),
        opened_today=row.opened_today,
    )
