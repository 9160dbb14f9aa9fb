"""Queries on senders: port, extension and signature, and what each is admitted for."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Row, func, insert, literal, select, update

from consent_tokens.consent.purposes import PurposeClass
from consent_tokens.store.admission_tables import senders
from consent_tokens.store.database import Transaction
from consent_tokens.store.purpose_classes import read_classes, write_classes

PLAIN_COLUMNS: Final = (  # stored as they are
    "id", "merchant_id", "port", "extension", "signature", "carrier", "licence", "filed_use",
    "valid_until",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Sender:
    """A sender of a merchant; `source` is the number that the phone shows."""

    id: str
    merchant_id: str
    port: str
    extension: str
    signature: str
    admitted_at: datetime
    classes: frozenset[PurposeClass] | None = None  # None: all of its merchant's
    carrier: str | None = None
    licence: str | None = None  # that the carrier filed the port under
    filed_use: str | None = None  # what the carrier was told it is for
    valid_until: datetime | None = None
    revoked_at: datetime | None = None

    @property
    def source(self) -> str:
        """Return port and extension together."""
        return self.port + self.extension

    def is_live_at(self, now: datetime) -> bool:
        """Whether it is neither revoked nor past its end."""
        return self.revoked_at is None and (self.valid_until is None or now < self.valid_until)

    def is_usable(self, purpose_class: PurposeClass, now: datetime) -> bool:
        """Whether a text of a class may leave from it, as far as the sender is concerned."""
        return self.is_live_at(now) and (self.classes is None or purpose_class in self.classes)


def first_usable(
    admitted: Iterable[Sender], purpose_class: PurposeClass, now: datetime
) -> Sender | None:
    """Return the first sender from which a text of a class may leave; None if there is none."""
    return next((each for each in admitted if each.is_usable(purpose_class, now)), None)


def latest_owners(found: Sequence[Sender], now: datetime) -> list[Sender]:
    """Return senders without those whose port and extension a later one has.

    Where none of the same source is live, the one that was revoked last is the owner.
    """
    by_source: dict[str, list[Sender]] = defaultdict(list)
    for each in found:
        by_source[each.source].append(each)
    owners: list[Sender] = []
    for same in by_source.values():
        live = [each for each in same if each.is_live_at(now)]
        owners += live or [max(same, key=_ended_at)]
    return owners


def _ended_at(sender: Sender) -> datetime:
    return sender.revoked_at or sender.valid_until or sender.admitted_at


def add(transaction: Transaction, sender: Sender) -> None:
    """Insert a sender."""
    transaction.execute(
        insert(senders).values(**columns_of(sender), admitted_at=sender.admitted_at)
    )


def of_merchant(transaction: Transaction, merchant_id: str) -> list[Sender]:
    """Return a merchant's senders, in order of admission, also those that are revoked."""
    rows = transaction.execute(
        select(senders)
        .where(senders.c.merchant_id == merchant_id)
        .order_by(senders.c.admitted_at, senders.c.id)
    )
    return [from_row(row) for row in rows]


def find(transaction: Transaction, sender_id: str) -> Sender | None:
    """Return a sender, revoked or not; None if there is none."""
    return find_many(transaction, [sender_id]).get(sender_id)


def find_many(transaction: Transaction, ids: Sequence[str]) -> dict[str, Sender]:
    """Return senders by their ids; unknown ids are left out."""
    rows = transaction.execute(select(senders).where(senders.c.id.in_(set(ids))))
    return {row.id: from_row(row) for row in rows}


def with_source(transaction: Transaction, source: str) -> list[Sender]:
    """Return every sender whose port and extension make up `source`, revoked ones too."""
    rows = transaction.execute(
        select(senders).where((senders.c.port + senders.c.extension) == source)
    )
    return [from_row(row) for row in rows]


def under(transaction: Transaction, address: str) -> list[Sender]:
    """Return every sender whose port is the beginning of `address`, revoked ones too."""
    is_under = func.substr(literal(address), 1, func.length(senders.c.port)) == senders.c.port
    rows = transaction.execute(select(senders).where(is_under).order_by(senders.c.id))
    return [from_row(row) for row in rows]


def overlapping(transaction: Transaction, source: str) -> list[Sender]:
    """Return every sender whose source begins with `source`, or is the beginning of it."""
    own = senders.c.port + senders.c.extension
    given = literal(source)
    is_beginning = func.substr(given, 1, func.length(own)) == own
    begins_with = func.substr(own, 1, func.length(given)) == given
    rows = transaction.execute(
        select(senders).where(is_beginning | begins_with).order_by(senders.c.id)
    )
    return [from_row(row) for row in rows]


def list_all(transaction: Transaction) -> list[Sender]:
    """Return all senders, in order of admission, also those that are revoked."""
    rows = transaction.execute(select(senders).order_by(senders.c.admitted_at, senders.c.id))
    return [from_row(row) for row in rows]


def revoke(transaction: Transaction, sender_id: str, at: datetime) -> bool:
    """Revoke a sender; return whether there was one that was not revoked."""
    result = transaction.execute(
        update(senders)
        .where(senders.c.id == sender_id, senders.c.revoked_at.is_(None))
        .values(revoked_at=at)
    )
    return result.rowcount == 1


def columns_of(sender: Sender) -> dict[str, Any]:
    """Return what is stored of a sender, and of an application for one, by column."""
    classes = None if sender.classes is None else write_classes(sender.classes)
    return {name: getattr(sender, name) for name in PLAIN_COLUMNS} | {"classes": classes}


def members_of(row: Row[Any]) -> dict[str, Any]:
    """Return the members of a sender that `columns_of` stored."""
    classes = None if row.classes is None else read_classes(row.classes)
    return {name: getattr(row, name) for name in PLAIN_COLUMNS} | {"classes": classes}


def from_row(row: Row[Any]) -> Sender:
    """Return the sender in a row of `senders`."""
    return Sender(**members_of(row), admitted_at=row.admitted_at, revoked_at=row.revoked_at)
