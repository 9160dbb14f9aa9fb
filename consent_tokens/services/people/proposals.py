"""Four eyes: one operator proposes what cannot be undone, and another approves or rejects it."""

import json
from collections.abc import Callable, Mapping
from datetime import timedelta
from enum import StrEnum
from typing import Any, Final

from consent_tokens.errors import ConflictError, ForbiddenError, NotFoundError
from consent_tokens.evidence.events import EventKind
from consent_tokens.services.admission.actors import (
    Action,
    Actor,
    check_reason,
    find_actor_by_id,
    may,
)
from consent_tokens.services.people.person import record
from consent_tokens.services.runtime import Runtime
from consent_tokens.store import proposed_actions
from consent_tokens.store.database import Transaction
from consent_tokens.store.proposed_actions import Proposal, ProposalStatus

LIFETIME: Final = timedelta(days=7)
MAX_LISTED: Final = 200


class ProposedKind(StrEnum):
    """What needs two people."""

    LIFT_SUSPENSION = "lift_suspension"
    EXPORT_EVIDENCE = "export_evidence"
    HELP_CONSUMER = "help_consumer"
    WITHDRAW_KEY = "withdraw_key"


def propose(
    runtime: Runtime,
    actor: Actor,
    kind: ProposedKind,
    subject_id: str,
    reason: str,
    /,
    lifetime: timedelta = LIFETIME,
    **details: str | int | bool,
) -> Proposal:
    """Propose an action about a subject; `details` is what it needs besides.

    It expires after `lifetime`.
    Raises InvalidError without a reason, and ConflictError if the same is proposed already.
    """
    return runtime.database.run(
        lambda transaction: propose_within(
            runtime, transaction, actor, kind, subject_id, reason, lifetime, **details
        )
    )


def propose_within(  # noqa: PLR0913, PLR0917 - what is proposed by whom, and why
    runtime: Runtime,
    transaction: Transaction,
    actor: Actor,
    kind: ProposedKind,
    subject_id: str,
    reason: str,
    /,
    lifetime: timedelta = LIFETIME,
    **details: str | int | bool,
) -> Proposal:
    """Propose an action in the caller's transaction; as `propose`."""
    now = runtime.clock.now()
    proposal = Proposal(
        id=f"prp_{runtime.random.token_bytes(8).hex()}",
        kind=kind,
        subject_id=subject_id,
        details=json.dumps(details),
        reason=check_reason(reason),
        status=ProposalStatus.OPEN,
        proposed_by=actor.id,
        proposed_at=now,
        expires_at=now + lifetime,
    )
    if proposed_actions.find_open(transaction, kind, subject_id, now):
        raise ConflictError("the same is proposed already")
    proposed_actions.add(transaction, proposal)
    record(
        runtime, transaction, None, EventKind.ACTION_PROPOSED, reason=proposal.id, actor_id=actor.id
    )
    return proposal


def approve(
    runtime: Runtime,
    actor: Actor,
    proposal_id: str,
    carry_out: Callable[[Transaction, Proposal], None],
) -> Proposal:
    """Approve what somebody else proposed, and carry it out in the same transaction.

    Raises NotFoundError, ForbiddenError for whoever proposed it, ConflictError once it is decided
    or expired, and as `carry_out` does: nothing is approved then.
    """

    def work(transaction: Transaction) -> Proposal:
        proposal = _decide(runtime, transaction, actor, proposal_id, ProposalStatus.APPROVED)
        carry_out(transaction, proposal)
        return proposal

    return runtime.database.run(work)


def reject(
    runtime: Runtime,
    actor: Actor,
    proposal_id: str,
    check: Callable[[Proposal], None] | None = None,
) -> Proposal:
    """Reject a proposal; whoever proposed it may too.

    Raises NotFoundError, ConflictError, and as `check` does: nothing is rejected then.
    """

    def work(transaction: Transaction) -> Proposal:
        proposal = _decide(runtime, transaction, actor, proposal_id, ProposalStatus.REJECTED)
        if check:
            check(proposal)
        return proposal

    return runtime.database.run(work)


def require_proposer(transaction: Transaction, proposal: Proposal, right: Action) -> Actor:
    """Return who proposed something, with the role that they have now.

    Raises ConflictError if they were disabled, or have no role any more that may do it.
    """
    first = find_actor_by_id(transaction, proposal.proposed_by)
    if first is None or not may(first, right):
        raise ConflictError(f"whoever proposed it may not {right.replace('_', ' ')} any more")
    return first


def find(transaction: Transaction, proposal_id: str) -> Proposal:
    """Return a proposal. Raises NotFoundError."""
    proposal = proposed_actions.find(transaction, proposal_id)
    if proposal is None:
        raise NotFoundError("no proposal of that id")
    return proposal


def list_open(runtime: Runtime) -> list[Proposal]:
    """Return the proposals that wait for a decision, oldest first."""
    now = runtime.clock.now()
    return runtime.database.read(lambda at: proposed_actions.list_open(at, now, MAX_LISTED))


def details_of(proposal: Proposal) -> Mapping[str, Any]:
    """Return what a proposed action needs besides its subject."""
    found: Mapping[str, Any] = json.loads(proposal.details)
    return found


def _decide(
    runtime: Runtime,
    transaction: Transaction,
    actor: Actor,
    proposal_id: str,
    status: ProposalStatus,
) -> Proposal:
    proposal = find(transaction, proposal_id)
    is_approved = status is ProposalStatus.APPROVED
    if is_approved and proposal.proposed_by == actor.id:
        raise ForbiddenError("whoever proposes an action does not approve it")
    now = runtime.clock.now()
    if not proposed_actions.decide(transaction, proposal_id, status, actor.id, now):
        raise ConflictError("this proposal is decided, or has expired")
    kind = EventKind.ACTION_APPROVED if is_approved else EventKind.ACTION_REJECTED
    record(runtime, transaction, None, kind, reason=proposal.id, actor_id=actor.id)
    return proposal
