"""Decide about a proposal with the service that carries out its kind."""

from typing import Final

from consent_tokens.errors import ConflictError, NotFoundError
from consent_tokens.services.admission.actors import Actor
from consent_tokens.services.people import lifting
from consent_tokens.services.people.proposals import ProposedKind, details_of
from consent_tokens.services.runtime import Runtime
from consent_tokens.store import proposed_actions
from consent_tokens.store.proposed_actions import Proposal

CARRIED_OUT: Final = frozenset({ProposedKind.LIFT_SUSPENSION})  # by a service


def approve_and_carry_out(runtime: Runtime, actor: Actor, proposal_id: str) -> Proposal:
    """Approve what somebody else proposed, and carry it out.

    Raises NotFoundError, ForbiddenError for whoever proposed it, and ConflictError if it is decided
    or expired, cannot be done any more, or is of a kind that no service carries out.
    """
    return lifting.approve(runtime, actor, _merchant_of(runtime, proposal_id), proposal_id)


def reject(runtime: Runtime, actor: Actor, proposal_id: str) -> Proposal:
    """Reject a proposal, or withdraw one's own. Raises as `approve_and_carry_out`."""
    return lifting.reject(runtime, actor, _merchant_of(runtime, proposal_id), proposal_id)


def _merchant_of(runtime: Runtime, proposal_id: str) -> str:
    """Return the merchant whose suspension a proposal is about."""
    found = runtime.database.read(lambda at: proposed_actions.find(at, proposal_id))
    if found is None:
        raise NotFoundError("no proposal of that id")
    if found.kind not in CARRIED_OUT:
        raise ConflictError("no service carries out proposals of this kind")
    return str(details_of(found)["merchant"])
