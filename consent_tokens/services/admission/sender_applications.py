"""Senders that merchants apply for; an operator admits or refuses them."""

from dataclasses import replace

from consent_tokens.errors import ConflictError, ForbiddenError, NotFoundError, TooManyOpenError
from consent_tokens.evidence.events import EventKind
from consent_tokens.relay.admission.sender_rules import SignatureSource
from consent_tokens.services.admission import senders as admission
from consent_tokens.services.admission.actors import (
    Act,
    Action,
    Actor,
    check_reason,
    record_act,
    require_right,
)
from consent_tokens.services.admission.senders import SenderDetails
from consent_tokens.services.merchant_records import get_merchant, record_event
from consent_tokens.services.runtime import Runtime
from consent_tokens.store import checkpoints, merchants, sender_applications
from consent_tokens.store.database import Transaction
from consent_tokens.store.merchants import is_active
from consent_tokens.store.sender_applications import (
    SenderApplication,
    SenderApplicationStatus,
)
from consent_tokens.store.senders import Sender

MAX_UNDECIDED = 50  # applications of one merchant that await a decision


def submit(
    runtime: Runtime,
    transaction: Transaction,
    merchant_id: str,
    sender: Sender,
    details: SenderDetails,
    *,
    actor_id: str | None = None,
) -> SenderApplication:
    """Store what a merchant applies for: no sender yet. `actor_id` is who did, if a person did.

    Raises ForbiddenError if the merchant is suspended, TooManyOpenError if it has too many that
    await a decision, and InvalidError if the sender could not be admitted now.
    """
    merchant = merchants.find(transaction, merchant_id)
    if merchant is not None and merchant.is_sandbox:
        raise ForbiddenError("a test key has a sender already")
    if merchant is None or not is_active(merchant, runtime.service):
        raise ForbiddenError("the platform does not let this merchant apply at present")
    before = sender_applications.of_merchant(transaction, merchant_id)
    waiting = [each for each in before if each.status is SenderApplicationStatus.SUBMITTED]
    if len(waiting) >= MAX_UNDECIDED:
        raise TooManyOpenError(f"{MAX_UNDECIDED} senders await a decision")
    admission.check(runtime, transaction, merchant, sender, details)
    application = SenderApplication(
        sender=sender,
        source=details.source,
        evidence=details.evidence,
        status=SenderApplicationStatus.SUBMITTED,
    )
    sender_applications.add(transaction, application)
    kind = EventKind.SENDER_APPLIED
    record_event(runtime, transaction, merchant, kind, sender.id, actor_id)
    return application


def approve(runtime: Runtime, actor: Actor, application_id: str) -> Sender:
    """Admit a sender that a merchant applied for, under the same id.

    Raises ForbiddenError, InvalidError if its port or signature is not free, NotFoundError, and
    ConflictError if it was decided already.
    """
    require_right(actor, Action.APPROVE)

    def work(transaction: Transaction) -> Sender:
        checkpoints.lock_admission(transaction)
        found = _undecided(transaction, application_id)
        now = runtime.clock.now()
        sender_applications.decide(
            transaction, application_id, SenderApplicationStatus.ADMITTED, now
        )
        sender = replace(found.sender, admitted_at=now)
        details = SenderDetails(source=SignatureSource(found.source), evidence=found.evidence)
        admission.admit(runtime, transaction, actor, sender, details)
        return sender

    return runtime.database.run(work)


def refuse(runtime: Runtime, actor: Actor, application_id: str, reason: str) -> None:
    """Refuse a sender that a merchant applied for. Raises as `approve`."""
    require_right(actor, Action.REFUSE)
    text = check_reason(reason)

    def work(transaction: Transaction) -> None:
        checkpoints.lock_admission(transaction)
        found = _undecided(transaction, application_id)
        now = runtime.clock.now()
        status = SenderApplicationStatus.REFUSED
        sender_applications.decide(transaction, application_id, status, now, text)
        merchant = get_merchant(transaction, found.sender.merchant_id)
        act = Act(
            merchant=merchant,
            kind=EventKind.SENDER_REFUSED,
            action=Action.REFUSE,
            subject_id=application_id,
            reason=text,
        )
        record_act(runtime, transaction, actor, act)

    runtime.database.run(work)


def list_submitted(runtime: Runtime, merchant_id: str | None = None) -> list[SenderApplication]:
    """Return what nobody decided yet, of a merchant or of all, oldest first."""
    found = runtime.database.read(sender_applications.list_submitted)
    return [each for each in found if merchant_id in {None, each.sender.merchant_id}]


def _undecided(transaction: Transaction, application_id: str) -> SenderApplication:
    found = sender_applications.find(transaction, application_id)
    if found is None:
        raise NotFoundError("no application of that id")
    if found.status is not SenderApplicationStatus.SUBMITTED:
        raise ConflictError(f"the application is {found.status}")
    return found
