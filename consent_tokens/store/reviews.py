"""Queries on reviews: who decided what. Rows are added, never changed."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Row, func, insert, select

from consent_tokens.store.admission_tables import reviews
from consent_tokens.store.database import Transaction


@dataclass(frozen=True, slots=True, kw_only=True)
class Review:
    """One decision of one operator; `subject_id` is a merchant, a sender, a template's version."""

    id: str
    subject_id: str
    action: str
    operator_id: str
    at: datetime
    reason: str | None = None


def add(transaction: Transaction, review: Review) -> None:
    """Insert a review."""
    transaction.execute(
        insert(reviews).values(
            id=review.id,
            subject_id=review.subject_id,
            action=review.action,
            operator_id=review.operator_id,
            at=review.at,
            reason=review.reason,
        )
    )


def count_of(transaction: Transaction, subject_id: str) -> int:
    """Return how many reviews of a subject there are."""
    return transaction.execute(
        select(func.count()).select_from(reviews).where(reviews.c.subject_id == subject_id)
    ).scalar_one()


def of_subject(transaction: Transaction, subject_id: str) -> list[Review]:
    """Return the reviews of a subject, oldest first: their ids count up."""
    rows = transaction.execute(
        select(reviews).where(reviews.c.subject_id == subject_id).order_by(reviews.c.id)
    )
    return [_review(row) for row in rows]


def of_subjects(
    transaction: Transaction,
    subject_ids: Collection[str],
    actions: Collection[str],
    since: datetime,
) -> list[Review]:
    """Return the reviews of these subjects since a time with one of these actions, oldest first."""
    rows = transaction.execute(
        select(reviews)
        .where(
            reviews.c.subject_id.in_(set(subject_ids)),
            reviews.c.action.in_(set(actions)),
            reviews.c.at >= since,
        )
        .order_by(reviews.c.at, reviews.c.id)
    )
    return [_review(row) for row in rows]


def newest_of(transaction: Transaction, subject_ids: Collection[str], limit: int) -> list[Review]:
    """Return up to `limit` reviews of any of these subjects, the newest first."""
    rows = transaction.execute(
        select(reviews)
        .where(reviews.c.subject_id.in_(set(subject_ids)))
        .order_by(reviews.c.at.desc(), reviews.c.id.desc())
        .limit(limit)
    )
    return [_review(row) for row in rows]


def _review(row: Row[Any]) -> Review:
    return Review(
        id=row.id,
        subject_id=row.subject_id,
        action=row.action,
        operator_id=row.operator_id,
        at=row.at,
        reason=row.reason,
    )
