"""Lists of senders: for operators, and as carriers ask for it."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from typing import Final

from consent_tokens.errors import NotFoundError
from consent_tokens.relay.pacing import Pacing
from consent_tokens.relay.templates.fingerprint import skeleton
from consent_tokens.services.merchant_records import get_merchant
from consent_tokens.services.runtime import Runtime
from consent_tokens.store import console_lists, merchants, pacings, reviews, senders, signatures
from consent_tokens.store.console_lists import NO_CARRIER, Search
from consent_tokens.store.database import Transaction
from consent_tokens.store.merchants import Merchant
from consent_tokens.store.reviews import Review
from consent_tokens.store.senders import Sender

__all__ = [
    "CARRIER_COLUMNS",
    "NO_CARRIER",
    "ListedSender",
    "Search",
    "SenderStatus",
    "carrier_rows",
    "end_of_day",
    "find_senders",
    "list_carriers",
    "list_senders",
    "read_sender",
    "status_of",
]

CARRIER_COLUMNS: Final = (
    "port", "extension", "signature", "source", "evidence", "merchant", "legal_name",
    "registration", "classes", "carrier", "licence", "filed_use", "valid_until", "admitted_at",
)  # fmt: skip
MAX_REVIEWS: Final = 100
FORMULA_STARTS: Final = ("=", "+", "-", "@", "\t", "\r")  # that a spreadsheet would compute


class SenderStatus(StrEnum):
    """The status of an admitted sender."""

    ADMITTED = "admitted"
    EXPIRED = "expired"
    REVOKED = "revoked"


def status_of(sender: Sender, now: datetime) -> SenderStatus:
    """Return the status of a sender."""
    if sender.revoked_at is not None:
        return SenderStatus.REVOKED
    return SenderStatus.ADMITTED if sender.is_live_at(now) else SenderStatus.EXPIRED


def end_of_day(day: date) -> datetime:
    """Return when a day of UTC is over; of the last day that there is, its last moment."""
    if day == date.max:
        return datetime.combine(day, time.max, UTC)
    return datetime.combine(day, time(), UTC) + timedelta(days=1)


def list_senders(runtime: Runtime, merchant_id: str | None = None) -> list[Sender]:
    """Return the senders of a merchant, or all, in order of admission, with revoked ones."""
    if merchant_id is None:
        return runtime.database.read(senders.list_all)
    return runtime.database.read(lambda at: senders.of_merchant(at, merchant_id))


@dataclass(frozen=True, slots=True)
class ListedSender:
    """A sender in the operator's list."""

    sender: Sender
    status: SenderStatus
    merchant_name: str


def find_senders(runtime: Runtime, wanted: Search) -> tuple[list[ListedSender], int]:
    """Return a page of the senders of all merchants, and how many match."""
    now = runtime.clock.now()

    def query(transaction: Transaction) -> tuple[list[ListedSender], int]:
        found, total = console_lists.find_senders(transaction, wanted, now)
        owners = merchants.find_many(transaction, [each.merchant_id for each in found])
        listed = [
            ListedSender(each, status_of(each, now), owners[each.merchant_id].name)
            for each in found
        ]
        return listed, total

    return runtime.database.read(query)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadSender:
    """What an operator is shown of a sender."""

    sender: Sender
    status: SenderStatus
    merchant: Merchant
    reviews: list[Review]  # the newest first
    pacing: Pacing | None  # of its free texts, on the last day that had some


def read_sender(runtime: Runtime, sender_id: str) -> ReadSender:
    """Return what an operator is shown of a sender. Raises NotFoundError."""
    now = runtime.clock.now()

    def query(transaction: Transaction) -> ReadSender:
        found = senders.find(transaction, sender_id)
        if found is None:
            raise NotFoundError("no sender of that id")
        return ReadSender(
            sender=found,
            status=status_of(found, now),
            merchant=get_merchant(transaction, found.merchant_id),
            reviews=reviews.newest_of(transaction, [sender_id], MAX_REVIEWS),
            pacing=max(
                pacings.of_subjects(transaction, [sender_id]),
                key=lambda each: each.version,
                default=None,
            ),
        )

    return runtime.database.read(query)


def list_carriers(runtime: Runtime) -> list[str]:
    """Return the carriers that senders name, in order."""
    return runtime.database.read(console_lists.carriers)


def carrier_rows(runtime: Runtime, carrier: str | None = None) -> list[tuple[str, ...]]:
    """Return the rows, under CARRIER_COLUMNS, of the senders in use; of one carrier if given."""
    now = runtime.clock.now()

    def query(transaction: Transaction) -> Iterator[tuple[str, ...]]:
        named = {each.id: each for each in merchants.list_all(transaction)}
        owned = signatures.list_all(transaction)
        for each in senders.list_all(transaction):
            if not each.is_live_at(now) or (carrier is not None and each.carrier != carrier):
                continue
            merchant, signature = named[each.merchant_id], owned.get(skeleton(each.signature))
            classes = merchant.classes if each.classes is None else each.classes
            yield (
                each.port,
                each.extension,
                each.signature,
                signature.source if signature else "",
                (signature.evidence if signature else None) or "",
                merchant.name,
                merchant.identity.legal_name or "",
                merchant.identity.registration or "",
                " ".join(sorted(classes)),
                each.carrier or "",
                each.licence or "",
                each.filed_use or "",
                each.valid_until.date().isoformat() if each.valid_until else "",
                each.admitted_at.date().isoformat(),
            )

    rows = runtime.database.read(lambda transaction: list(query(transaction)))
    return [tuple(map(_plain, row)) for row in rows]


def _plain(text: str) -> str:
    """Return a text that a spreadsheet shows, and does not compute."""
    return f"'{text}" if text.startswith(FORMULA_STARTS) else text
