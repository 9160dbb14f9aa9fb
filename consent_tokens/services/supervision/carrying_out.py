"""Decide about a proposal with the service that carries out its kind."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, TypeAlias

from consent_tokens.errors import ConflictError
from consent_tokens.services.admission.actors import Action, Actor, may, require_right
from consent_tokens.services.people import lifting, proposals
from consent_tokens.services.people.proposals import ProposedKind
from consent_tokens.services.runtime import Runtime
from consent_tokens.services.supervision import evidence_export, keys, support
from consent_tokens.store.database import Transaction
from consent_tokens.store.proposed_actions import Proposal

CarryOut: TypeAlias = Callable[[Runtime, Transaction, Actor, Proposal], None]


@dataclass(frozen=True, slots=True)
class Handling:
    """How a kind of proposal is carried out, and what whoever approves or rejects it may do."""

    right: Action
    carry_out: CarryOut  # in the transaction of the approval
    before: Callable[[Runtime, Proposal], None] | None = None  # raises what stands in the way
    after: Callable[[Runtime, Proposal], None] | None = None  # what no transaction holds: files


HANDLINGS: Final[Mapping[str, Handling]] = MappingProxyType(
    {
        ProposedKind.LIFT_SUSPENSION: Handling(Action.RESTORE, lifting.carry_out),
        ProposedKind.EXPORT_EVIDENCE: Handling(
            Action.APPROVE_EXPORT, evidence_export.ensure_exportable
        ),
        ProposedKind.HELP_CONSUMER: Handling(Action.HELP_CONSUMER, support.ensure_valid),
        ProposedKind.WITHDRAW_KEY: Handling(
            Action.WITHDRAW_KEY, keys.carry_out, keys.ensure_withdrawable, keys.delete_file
        ),
    }
)


def approve_and_carry_out(runtime: Runtime, actor: Actor, proposal_id: str) -> Proposal:
    """Approve what somebody else proposed, and carry it out.

    Raises NotFoundError, ForbiddenError for whoever proposed it, and ConflictError if it is decided
    or expired, cannot be done any more, or is of a kind that no service carries out.
    """
    proposal = _find(runtime, proposal_id)
    handling = _handling(proposal)
    require_right(actor, handling.right)
    if handling.before:
        handling.before(runtime, proposal)
    approved = proposals.approve(
        runtime,
        actor,
        proposal_id,
        lambda transaction, found: handling.carry_out(runtime, transaction, actor, found),
    )
    if handling.after:
        handling.after(runtime, approved)
    return approved


def reject(runtime: Runtime, actor: Actor, proposal_id: str) -> Proposal:
    """Reject a proposal, or withdraw one's own. Raises as `approve_and_carry_out`."""
    proposal = _find(runtime, proposal_id)
    if not may_reject(actor, proposal):
        require_right(actor, _handling(proposal).right)
    return proposals.reject(runtime, actor, proposal_id)


def may_reject(actor: Actor, proposal: Proposal) -> bool:
    """Whether somebody may reject a proposal, or withdraw it: it is their own."""
    if proposal.proposed_by == actor.id:
        return True
    return proposal.kind in HANDLINGS and may(actor, HANDLINGS[proposal.kind].right)


def _find(runtime: Runtime, proposal_id: str) -> Proposal:
    return runtime.database.read(lambda at: proposals.find(at, proposal_id))


def _handling(proposal: Proposal) -> Handling:
    if proposal.kind not in HANDLINGS:
        raise ConflictError("no service carries out proposals of this kind")
    return HANDLINGS[proposal.kind]
