"""Queries on the fingerprints that stay after a recipient was erased: a verdict each, no key."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final, NamedTuple

from sqlalchemy import select

from consent_tokens.evidence.complaints import Verdict
from consent_tokens.store.bulk import insert_rows
from consent_tokens.store.database import Transaction
from consent_tokens.store.tables import erased_texts as table

BATCH_SIZE: Final = 1000  # rows of one statement


class ErasedText(NamedTuple):
    """A keyed hash of number, sender and text, the day it was sent, and what the records said."""

    fingerprint: bytes
    sent_on: datetime  # midnight, UTC
    verdict: Verdict


def add(transaction: Transaction, erased: Sequence[ErasedText]) -> None:
    """Insert erased texts; of several with the same fingerprint and day the first stays."""
    rows = [(each.fingerprint, int(each.sent_on.timestamp()), each.verdict) for each in erased]
    for begin in range(0, len(rows), BATCH_SIZE):
        insert_rows(
            transaction,
            "erased_texts",
            ErasedText._fields,
            rows[begin : begin + BATCH_SIZE],
            or_ignore=True,
        )


def find(
    transaction: Transaction, fingerprint: bytes, *, since: datetime, until: datetime
) -> list[ErasedText]:
    """Return the texts with this fingerprint that were sent between two days."""
    rows = transaction.execute(
        select(table).where(
            table.c.fingerprint == fingerprint, table.c.sent_on >= since, table.c.sent_on <= until
        )
    )
    return [ErasedText(row.fingerprint, row.sent_on, Verdict(row.verdict)) for row in rows]
