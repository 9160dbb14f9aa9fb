"""Approve a proposal with the service that carries out its kind."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

from consent_tokens.errors import ConflictError, NotFoundError
from consent_tokens.services.admission.actors import Actor
from consent_tokens.services.people import lifting
from consent_tokens.services.people.proposals import ProposedKind
from consent_tokens.services.runtime import Runtime
from consent_tokens.store import proposed_actions
from consent_tokens.store.proposed_actions import Proposal

APPROVALS: Final[Mapping[str, Callable[[Runtime, Actor, str], Proposal]]] = MappingProxyType(
    {ProposedKind.LIFT_SUSPENSION: lifting.approve}
)


def approve_and_carry_out(runtime: Runtime, actor: Actor, proposal_id: str) -> Proposal:
    """Approve what somebody else proposed, and carry it out.

    Raises NotFoundError, ForbiddenError for whoever proposed it, and ConflictError if it is decided
    or expired, cannot be done any more, or is of a kind that no service carries out.
    """
    found = runtime.database.read(lambda at: proposed_actions.find(at, proposal_id))
    if found is None:
        raise NotFoundError("no proposal of that id")
    if found.kind not in APPROVALS:
        raise ConflictError("no service carries out proposals of this kind")
    return APPROVALS[found.kind](runtime, actor, proposal_id)
