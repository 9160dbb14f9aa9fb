"""A merchant by its id, and the events that are recorded about it."""

from consent_tokens.errors import ConflictError, NotFoundError
from consent_tokens.evidence.events import Event, EventKind
from consent_tokens.services.runtime import Runtime
from consent_tokens.store import checkpoints, merchants
from consent_tokens.store.database import Transaction
from consent_tokens.store.merchants import ADMITTED_STATUSES, Merchant


def get_merchant(transaction: Transaction, merchant_id: str) -> Merchant:
    """Return a merchant of any status. Raises NotFoundError."""
    merchant = merchants.find(transaction, merchant_id)
    if merchant is None:
        raise NotFoundError("no merchant of that id")
    return merchant


def read_merchant(runtime: Runtime, merchant_id: str) -> Merchant:
    """Return what `get_merchant` does, in a transaction of its own."""
    return runtime.database.read(lambda transaction: get_merchant(transaction, merchant_id))


def get_admitted(transaction: Transaction, merchant_id: str) -> Merchant:
    """Return a merchant that was admitted, also a suspended one, under the lock of admission.

    Raises NotFoundError, ConflictError.
    """
    checkpoints.lock_admission(transaction)
    merchant = get_merchant(transaction, merchant_id)
    if merchant.status not in ADMITTED_STATUSES:
        raise ConflictError("the merchant is not admitted")
    return merchant


def record_event(
    runtime: Runtime,
    transaction: Transaction,
    merchant: Merchant,
    kind: EventKind,
    subject_id: str | None = None,
    actor_id: str | None = None,
) -> None:
    """Record an event in a merchant's partition.

    `subject_id` is the API key, sender or template that it is about, if it is about one; `actor_id`
    is who decided, if somebody did.
    """
    event = Event(
        partition=merchant.partition,
        at=runtime.clock.now(),
        kind=kind,
        merchant_id=merchant.id,
        reason=subject_id,
        actor=actor_id,
    )
    runtime.record(transaction, event)
