"""Senders: a carrier's port with an extension, and the signature of its texts.

A port with its extension is one merchant's, is no beginning of another's, and rests after it was
freed. A demonstration keeps these rules too, and gives way: a legal entity takes from it whatever
port it needs, so that trying the service out blocks nobody.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from consent_tokens.consent.purposes import PurposeClass
from consent_tokens.errors import InvalidError, NotFoundError
from consent_tokens.evidence.events import EventKind
from consent_tokens.relay.admission.sender_rules import (
    SignatureSource,
    check_form,
    ends_rest,
    overlap,
    plain_signature,
)
from consent_tokens.relay.composition import is_displayable
from consent_tokens.services.admission import signatures
from consent_tokens.services.admission.actors import (
    Act,
    Action,
    Actor,
    check_reason,
    record_act,
    require_right,
)
from consent_tokens.services.merchant_records import get_admitted, get_merchant
from consent_tokens.services.runtime import Runtime
from consent_tokens.store import checkpoints, merchants, senders
from consent_tokens.store.database import Transaction
from consent_tokens.store.merchants import Merchant
from consent_tokens.store.senders import Sender

SENDER_ID_PREFIX: Final = "snd_"
MAX_LENGTHS: Final = {"carrier": 60, "licence": 60, "filed_use": 200, "evidence": 200}  # characters
MAX_VALID_FOR: Final = timedelta(days=20 * 366)  # no licence is given for longer
PORT_TAKEN: Final = (
    "is another merchant's with this extension, begins with one, is the beginning of one, or was "
    "freed less than 180 days ago"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class SenderDetails:
    """What is known of a sender besides its port, extension and signature."""

    classes: frozenset[PurposeClass] | None = None  # None: all of its merchant's
    carrier: str | None = None
    licence: str | None = None
    filed_use: str | None = None
    valid_until: datetime | None = None
    source: SignatureSource = SignatureSource.COMPANY  # of the signature
    evidence: str | None = None  # such as the number of a trademark


NO_DETAILS: Final = SenderDetails()


def add_sender(  # noqa: PLR0913 - what makes a sender
    runtime: Runtime,
    merchant_id: str,
    *,
    port: str,
    extension: str,
    signature: str,
    details: SenderDetails = NO_DETAILS,
    actor: Actor | None = None,
) -> Sender:
    """Admit a sender for a merchant; without an actor, the service itself does.

    Raises ForbiddenError, InvalidError, NotFoundError.
    """
    if actor is not None:
        require_right(actor, Action.APPROVE)
    sender = new_sender(
        runtime, merchant_id, port=port, extension=extension, signature=signature, details=details
    )

    def work(transaction: Transaction) -> Sender:
        admit(runtime, transaction, actor, sender, details)
        return sender

    return runtime.database.run(work)


def new_sender(
    runtime: Runtime,
    merchant_id: str,
    *,
    port: str,
    extension: str,
    signature: str,
    details: SenderDetails,
) -> Sender:
    """Return a sender of the right form, not stored yet. Raises InvalidError."""
    signature = plain_signature(signature)
    now = runtime.clock.now()
    errors = check_form(port, extension, signature)
    for name, limit in MAX_LENGTHS.items():
        text = getattr(details, name) or ""
        if len(text) > limit or not is_displayable(text) or "\n" in text:
            errors[name] = [f"must be one line of at most {limit} characters"]
    if fault := _check_end(details.valid_until, now):
        errors["valid_until"] = [fault]
    if details.classes is not None and not details.classes:
        errors["classes"] = ["must be one or more"]
    if errors:
        raise InvalidError(errors)
    return Sender(
        id=f"{SENDER_ID_PREFIX}{runtime.random.token_bytes(8).hex()}",
        merchant_id=merchant_id,
        port=port,
        extension=extension,
        signature=signature,
        admitted_at=now,
        classes=details.classes,
        carrier=details.carrier,
        licence=details.licence,
        filed_use=details.filed_use,
        valid_until=details.valid_until and details.valid_until.astimezone(UTC),
    )


def _check_end(valid_until: datetime | None, now: datetime) -> str | None:
    """Return what is wrong with the end of a sender, in any time zone."""
    if valid_until is None or now < valid_until <= now + MAX_VALID_FOR:
        return None
    return f"must be in the future, at most {MAX_VALID_FOR.days} days from now"


def admit(
    runtime: Runtime,
    transaction: Transaction,
    actor: Actor | None,
    sender: Sender,
    details: SenderDetails,
) -> None:
    """Insert a sender, if port and signature are free. Raises as `check`, and ConflictError.

    The demonstrations' that are in its way are revoked.
    """
    merchant = get_admitted(transaction, sender.merchant_id)
    for each, owner in check(runtime, transaction, merchant, sender, details):
        if senders.revoke(transaction, each.id, runtime.clock.now()):
            record(runtime, transaction, None, owner, each, EventKind.SENDER_REVOKED)
    signatures.claim(
        runtime,
        transaction,
        merchant,
        sender.signature,
        source=details.source,
        evidence=details.evidence,
    )
    senders.add(transaction, sender)
    record(runtime, transaction, actor, merchant, sender, EventKind.SENDER_ADMITTED)


def check(
    runtime: Runtime,
    transaction: Transaction,
    merchant: Merchant,
    sender: Sender,
    details: SenderDetails,
) -> list[tuple[Sender, Merchant]]:
    """Return the senders of demonstrations, with these, that would give way to a new sender.

    Raises InvalidError if it cannot be admitted: for its end, its classes, its port or its
    signature.
    """
    if fault := _check_end(sender.valid_until, runtime.clock.now()):
        raise InvalidError({"valid_until": [fault]})
    if sender.classes is not None and not sender.classes <= merchant.classes:
        raise InvalidError({"classes": ["the merchant is not admitted for it"]})
    in_the_way = _check_port(runtime, transaction, merchant, sender)
    signatures.check(
        runtime,
        transaction,
        merchant,
        sender.signature,
        source=details.source,
        evidence=details.evidence,
    )
    return in_the_way


def _check_port(
    runtime: Runtime, transaction: Transaction, merchant: Merchant, sender: Sender
) -> list[tuple[Sender, Merchant]]:
    """Return what gives way to a sender. Raises InvalidError if its port is not free."""
    now, own = runtime.clock.now(), runtime.service.sender
    if own.isdigit() and overlap(sender.source, own):
        raise InvalidError({"port": ["is the service's own, or overlaps it"]})
    in_the_way = list(_in_the_way(transaction, sender, now))
    owners = merchants.find_many(transaction, [each.merchant_id for each in in_the_way])
    if merchant.is_demonstration and in_the_way:
        raise InvalidError({"port": [PORT_TAKEN]})
    if not all(owners[each.merchant_id].is_demonstration for each in in_the_way):
        raise InvalidError({"port": [PORT_TAKEN]})
    return [(each, owners[each.merchant_id]) for each in in_the_way]


def _in_the_way(transaction: Transaction, sender: Sender, now: datetime) -> Iterator[Sender]:
    """Yield the senders that a carrier or a late reply could take this one for."""
    for each in senders.overlapping(transaction, sender.source):
        free_at = ends_rest(each.revoked_at, each.valid_until)
        if each.merchant_id == sender.merchant_id:
            if each.source == sender.source and each.is_live_at(now):
                yield each
        elif free_at is None or now < free_at:
            yield each


def revoke_sender(runtime: Runtime, actor: Actor, sender_id: str, reason: str) -> Sender:
    """Revoke a sender at once: nothing leaves from it any more, and its port rests.

    Replies to it still reach its merchant's consents. Raises ForbiddenError, InvalidError,
    NotFoundError.
    """
    require_right(actor, Action.REVOKE)
    text = check_reason(reason)

    def work(transaction: Transaction) -> Sender:
        checkpoints.lock_admission(transaction)
        sender = senders.find(transaction, sender_id)
        if sender is None or not senders.revoke(transaction, sender_id, runtime.clock.now()):
            raise NotFoundError("no sender of that id that is not revoked")
        merchant = get_merchant(transaction, sender.merchant_id)
        signatures.release(runtime, transaction, sender)
        record(runtime, transaction, actor, merchant, sender, EventKind.SENDER_REVOKED, text)
        return sender

    return runtime.database.run(work)


def record(  # noqa: PLR0913, PLR0917 - what was done by whom to which sender of whom, and why
    runtime: Runtime,
    transaction: Transaction,
    actor: Actor | None,
    merchant: Merchant,
    sender: Sender,
    kind: EventKind,
    reason: str | None = None,
) -> None:
    """Record what was done to a sender; without an actor, the service did it itself."""
    action = Action.REVOKE if kind is EventKind.SENDER_REVOKED else Action.APPROVE
    act = Act(merchant=merchant, kind=kind, action=action, subject_id=sender.id, reason=reason)
    record_act(runtime, transaction, actor, act)
