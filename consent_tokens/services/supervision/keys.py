"""Keys as operators see them: rotate one, and withdraw one by two people.

A withdrawal cannot be undone, and what only that key opens is lost. So one administrator proposes
it and another approves, in the console or by command.
"""

from collections.abc import Sequence
from typing import Final

from consent_tokens.crypto.key_files import KeyKind
from consent_tokens.errors import ConflictError, KeyUnavailableError, NotFoundError
from consent_tokens.evidence.events import EventKind
from consent_tokens.services.admission.actors import Action, Actor, require_right
from consent_tokens.services.integrity import key_rotation
from consent_tokens.services.integrity.key_rotation import (
    KeyState,
    KeyStatus,
    can_change_keys,
    list_states,
)
from consent_tokens.services.people import proposals
from consent_tokens.services.people.person import record
from consent_tokens.services.people.proposals import ProposedKind
from consent_tokens.services.runtime import Runtime
from consent_tokens.store import proposed_actions
from consent_tokens.store.database import Transaction
from consent_tokens.store.proposed_actions import Proposal

__all__ = ["KeyKind", "KeyState", "KeyStatus", "can_change_keys", "list_states"]

MAX_COUNTED: Final = 10_000  # of what needs one key, in the console


def read_key(runtime: Runtime, kid: str) -> KeyState:
    """Return one key with what needs it, counted up to MAX_COUNTED + 1. Raises NotFoundError."""
    state = _exact(list_states(runtime), kid)
    return key_rotation.with_need(runtime, state, MAX_COUNTED + 1)


def rotate_key(runtime: Runtime, actor: Actor, kind: KeyKind, *, at_once: bool) -> KeyState:
    """Create the next key of a kind. Raises ForbiddenError, KeyUnavailableError."""
    require_right(actor, Action.ROTATE_KEY)

    def on_record(transaction: Transaction, state: KeyState) -> None:
        _record(runtime, transaction, actor, EventKind.KEY_CREATED, state)

    return key_rotation.rotate(runtime, kind, by=actor.id, at_once=at_once, on_record=on_record)


def propose_withdrawal(runtime: Runtime, actor: Actor, kid: str, reason: str) -> Proposal:
    """Propose to withdraw a key that is not in use.

    Raises ForbiddenError, InvalidError without a reason, NotFoundError, and ConflictError if it may
    not be withdrawn, was withdrawn, or is proposed already.
    """
    require_right(actor, Action.WITHDRAW_KEY)
    state = key_rotation.find_withdrawable(runtime, kid, MAX_COUNTED + 1)
    if state.status is KeyStatus.WITHDRAWN:
        raise ConflictError("the key was withdrawn before")
    kind = ProposedKind.WITHDRAW_KEY
    return proposals.propose(runtime, actor, kind, state.kid, reason, key=state.kind.value)


def find_proposal(runtime: Runtime, kid: str) -> Proposal | None:
    """Return the open proposal to withdraw a key; None if there is none."""
    now = runtime.clock.now()
    return runtime.database.read(
        lambda at: proposed_actions.find_open(at, ProposedKind.WITHDRAW_KEY, kid, now)
    )


def ensure_withdrawable(runtime: Runtime, proposal: Proposal) -> None:
    """Raise what stands in the way of a proposed withdrawal, before anything is recorded.

    Raises NotFoundError, ConflictError, and KeyUnavailableError where this process may not delete
    the file: a key that is withdrawn and still there would make the service unready.
    """
    state = key_rotation.find_withdrawable(runtime, proposal.subject_id, MAX_COUNTED + 1)
    if state.path is not None and not can_change_keys(runtime):
        raise KeyUnavailableError("this process may not delete keys: use `keys withdraw`")


def carry_out(runtime: Runtime, transaction: Transaction, actor: Actor, proposal: Proposal) -> None:
    """Record the withdrawal that another administrator proposed.

    Raises ConflictError if the key is in use, or if whoever proposed it may not do so any more.
    """
    proposals.require_proposer(transaction, proposal, Action.WITHDRAW_KEY)
    state = _exact(key_rotation.states_within(runtime, transaction), proposal.subject_id)
    key_rotation.check_not_in_use(state)
    key_rotation.record_withdrawal(runtime, transaction, state, by=actor.id)
    _record(runtime, transaction, actor, EventKind.KEY_WITHDRAWN, state)


def delete_file(runtime: Runtime, proposal: Proposal) -> None:
    """Delete the file of a key whose withdrawal is recorded. Raises KeyUnavailableError.

    If it is interrupted, `keys withdraw` does the rest.
    """
    state = _exact(list_states(runtime), proposal.subject_id)
    if state.status is KeyStatus.WITHDRAWN:
        key_rotation.delete_withdrawn(state)


def _exact(states: Sequence[KeyState], kid: str) -> KeyState:
    found = next((each for each in states if each.kid == kid), None)
    if found is None:
        raise NotFoundError("no key of that id")
    return found


def _record(
    runtime: Runtime, transaction: Transaction, actor: Actor, kind: EventKind, state: KeyState
) -> None:
    reason = f"{state.kind}:{state.kid}"
    record(runtime, transaction, None, kind, reason=reason, actor_id=actor.id)
