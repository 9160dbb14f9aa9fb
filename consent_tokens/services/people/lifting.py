"""Lift the suspension of a merchant: one administrator proposes it, another approves.

It gives back what was suspended, and no more: classes that were suspended by themselves stay so.
"""

from collections.abc import Iterable
from typing import Final

from consent_tokens.consent.purposes import PurposeClass
from consent_tokens.errors import ConflictError, NotFoundError
from consent_tokens.services.admission.actors import Action, Actor, require_right
from consent_tokens.services.admission.suspension import (
    ensure_suspended,
    restore_within,
)
from consent_tokens.services.merchant_records import get_merchant
from consent_tokens.services.people import proposals
from consent_tokens.services.people.proposals import ProposedKind, details_of
from consent_tokens.services.runtime import Runtime
from consent_tokens.store import proposed_actions
from consent_tokens.store.database import Transaction
from consent_tokens.store.merchants import Merchant
from consent_tokens.store.proposed_actions import Proposal

WHOLLY: Final = ""  # in place of a class


def lift(
    runtime: Runtime, actor: Actor, merchant_id: str, reason: str, suspended: str = WHOLLY
) -> bool:
    """Propose to lift a suspension, of a class or the whole; return whether it is lifted already.

    A demonstration is restored at once: nobody checked it. Raises ForbiddenError, InvalidError,
    NotFoundError, and ConflictError if that is not suspended, or is proposed already.
    """
    return runtime.database.run(
        lambda transaction: lift_within(
            runtime, transaction, actor, get_merchant(transaction, merchant_id), reason, suspended
        )
    )


def lift_within(
    runtime: Runtime,
    transaction: Transaction,
    actor: Actor,
    merchant: Merchant,
    reason: str,
    suspended: str,
) -> bool:
    """Propose to lift a suspension in the caller's transaction; as `lift`."""
    require_right(actor, Action.RESTORE)
    classes = _classes(suspended)
    ensure_suspended(merchant, classes)
    if merchant.is_demonstration:
        restore_within(runtime, transaction, actor, merchant.id, reason, classes)
        return True
    proposals.propose_within(
        runtime,
        transaction,
        actor,
        ProposedKind.LIFT_SUSPENSION,
        _subject_id(merchant.id, suspended),
        reason,
        merchant=merchant.id,
        suspended=suspended,
    )
    return False


def approve(runtime: Runtime, actor: Actor, merchant_id: str, proposal_id: str) -> Proposal:
    """Approve what another administrator proposed, and lift the suspension of that merchant.

    Raises ForbiddenError, NotFoundError, and ConflictError as `carry_out` does.
    """
    require_right(actor, Action.RESTORE)

    def check_and_carry_out(transaction: Transaction, proposal: Proposal) -> None:
        _ensure_about(proposal, merchant_id)
        carry_out(runtime, transaction, actor, proposal)

    return proposals.approve(runtime, actor, proposal_id, check_and_carry_out)


def carry_out(runtime: Runtime, transaction: Transaction, actor: Actor, proposal: Proposal) -> None:
    """Lift the suspension that a proposal is about, for whoever proposed it and whoever approves.

    Raises ConflictError if that is not suspended any more, or if whoever proposed it may not lift
    suspensions any more.
    """
    merchant_id = str(details_of(proposal)["merchant"])
    classes = _classes(suspended_of(proposal))
    first = proposals.require_proposer(transaction, proposal, Action.RESTORE)
    for each in (first, actor):
        restored = restore_within(runtime, transaction, each, merchant_id, proposal.reason, classes)
        if not restored.needs_another:
            return
    raise ConflictError("two different people have to say so")


def reject(runtime: Runtime, actor: Actor, merchant_id: str, proposal_id: str) -> Proposal:
    """Reject a proposal about that merchant: its suspension stays.

    Raises ForbiddenError, NotFoundError, ConflictError.
    """
    require_right(actor, Action.RESTORE)
    return proposals.reject(
        runtime, actor, proposal_id, lambda proposal: _ensure_about(proposal, merchant_id)
    )


def _ensure_about(proposal: Proposal, merchant_id: str) -> None:
    is_lifting = proposal.kind == ProposedKind.LIFT_SUSPENSION
    if not is_lifting or details_of(proposal)["merchant"] != merchant_id:
        raise NotFoundError("no such proposal to lift a suspension of this merchant")


def open_proposals(runtime: Runtime, merchant: Merchant) -> list[Proposal]:
    """Return what is proposed about the suspensions of a merchant."""
    now = runtime.clock.now()
    subjects = [_subject_id(merchant.id, each) for each in (WHOLLY, *PurposeClass)]

    def query(transaction: Transaction) -> Iterable[Proposal | None]:
        kind = ProposedKind.LIFT_SUSPENSION
        return [proposed_actions.find_open(transaction, kind, each, now) for each in subjects]

    return [each for each in runtime.database.read(query) if each is not None]


def suspended_of(proposal: Proposal) -> str:
    """Return of which class a suspension is to be lifted; empty for the whole merchant."""
    return str(details_of(proposal)["suspended"])


def _classes(suspended: str) -> frozenset[PurposeClass]:
    if suspended != WHOLLY and suspended not in set(PurposeClass):
        raise NotFoundError("no such class")
    return frozenset() if suspended == WHOLLY else frozenset({PurposeClass(suspended)})


def _subject_id(merchant_id: str, suspended: str) -> str:
    return f"{merchant_id}:{suspended}" if suspended else merchant_id
