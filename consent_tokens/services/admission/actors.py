"""Actors: the people who decide on merchants, senders and templates, and what each may do."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from consent_tokens.errors import ForbiddenError, InvalidError
from consent_tokens.evidence.events import EventKind
from consent_tokens.relay.composition import is_displayable
from consent_tokens.services.merchant_records import record_event
from consent_tokens.services.runtime import Runtime
from consent_tokens.store import operators, reviews
from consent_tokens.store.database import Transaction
from consent_tokens.store.merchants import Merchant
from consent_tokens.store.operators import Role
from consent_tokens.store.reviews import Review

OS_USER_PREFIX: Final = "os:"
MAX_ID_LENGTH: Final = 40  # characters, of an actor
MAX_REASON_LENGTH: Final = 400  # characters
PEOPLE_FOR_TWO: Final = 2


@dataclass(frozen=True, slots=True)
class Actor:
    """Who decides: an operator (`opr_...`), or a user of the operating system (`os:...`)."""

    id: str
    role: Role


class Action(StrEnum):
    """What an actor does; the values stand in reviews."""

    APPROVE = "approve"
    RETURN = "return"
    REFUSE = "refuse"
    REFUSE_AS_ABUSE = "refuse_as_abuse"  # of a template: its text may not come back
    SUSPEND = "suspend"
    RESTORE = "restore"
    REVOKE = "revoke"
    RECATEGORISE = "recategorise"
    HOLD = "hold"
    RELEASE = "release"
    DROP = "drop"  # what pacing holds back
    WITHDRAW = "withdraw"
    UPHOLD_DISPUTE = "uphold_dispute"  # of complaints that texts are adverts
    DISMISS_DISPUTE = "dismiss_dispute"
    UPHOLD_APPEAL = "uphold_appeal"  # of a merchant, against another purpose of its template
    DISMISS_APPEAL = "dismiss_appeal"
    SET_LIMITS = "set_limits"
    SET_IDENTITY = "set_identity"
    JOIN = "join"
    REJECT = "reject"
    NOTE = "note"  # about a merchant, for other reviewers
    HELP_CONSUMER = "help_consumer"  # who reads out a support code
    EXPORT_EVIDENCE = "export_evidence"  # propose it, and download it once it is approved
    APPROVE_EXPORT = "approve_export"
    PAUSE = "pause"  # what dispatchers send
    RESUME = "resume"
    ROTATE_KEY = "rotate_key"
    WITHDRAW_KEY = "withdraw_key"  # propose it, and approve what another proposed
    REPLAY = "replay"  # webhook events that could not be delivered
    ADD_OPERATOR = "add_operator"
    DISABLE_OPERATOR = "disable_operator"


_REVIEWERS: Final = frozenset({Role.ADMIN, Role.REVIEWER})
_ADMINS: Final = frozenset({Role.ADMIN})
_OF_ADMINS: Final = frozenset(
    {
        Action.SUSPEND,
        Action.ROTATE_KEY,
        Action.WITHDRAW_KEY,
        Action.PAUSE,
        Action.RESUME,
        Action.RESTORE,
        Action.APPROVE_EXPORT,
        Action.SET_IDENTITY,
        Action.ADD_OPERATOR,
        Action.DISABLE_OPERATOR,
    }
)
ACTION_ROLES: Final[Mapping[Action, frozenset[Role]]] = MappingProxyType(
    {action: _ADMINS if action in _OF_ADMINS else _REVIEWERS for action in Action}
)


def may(actor: Actor, action: Action) -> bool:
    """Whether the actor's role may do this."""
    return actor.role in ACTION_ROLES[action]


def require_right(actor: Actor, action: Action) -> None:
    """Raise ForbiddenError unless the actor's role may do this."""
    if not may(actor, action):
        raise ForbiddenError(f"the role {actor.role} may not {action.replace('_', ' ')}")


def find_actor(runtime: Runtime, *, by: str | None, os_user: str) -> Actor:
    """Return the operator named `by`; without a name, the user of the operating system.

    Whoever runs commands on the machine of the service has its keys: that user counts as one admin.
    Raises ForbiddenError if no operator that is not disabled has that name.
    """
    if by is None:
        return Actor(f"{OS_USER_PREFIX}{os_user}"[:MAX_ID_LENGTH], Role.ADMIN)
    account = runtime.database.read(lambda transaction: operators.find_by_name(transaction, by))
    if account is None or account.disabled_at is not None:
        raise ForbiddenError("no operator of that name")
    return Actor(account.id, account.role)


def find_actor_by_id(transaction: Transaction, actor_id: str) -> Actor | None:
    """Return the actor of an id with the role of now; None if the operator is disabled.

    A user of the operating system counts as one admin, as for `find_actor`.
    """
    if actor_id.startswith(OS_USER_PREFIX):
        return Actor(actor_id, Role.ADMIN)
    account = operators.find(transaction, actor_id)
    if account is None or account.disabled_at is not None:
        return None
    return Actor(account.id, account.role)


@dataclass(frozen=True, slots=True, kw_only=True)
class Act:
    """What an actor did about a merchant.

    `subject_id` is the sender or template that it is about, else it is about the merchant; `reason`
    is what the actor wrote, which stands in the review only.
    """

    merchant: Merchant
    kind: EventKind
    action: Action
    subject_id: str | None = None
    reason: str | None = None


def record_act(runtime: Runtime, transaction: Transaction, actor: Actor | None, act: Act) -> None:
    """Record what was done: an event in the merchant's partition, and who decided as a review.

    Without an actor the service did it itself, and there is no review.
    """
    actor_id = actor.id if actor else None
    record_event(runtime, transaction, act.merchant, act.kind, act.subject_id, actor_id)
    if actor is not None:
        subject_id = act.subject_id or act.merchant.id
        add_review(runtime, transaction, actor, act.action, subject_id, act.reason)


def add_review(
    runtime: Runtime,
    transaction: Transaction,
    actor: Actor,
    action: Action,
    subject_id: str,
    reason: str | None,
) -> None:
    """Add a review: what an actor decided about a merchant, sender, template or operator."""
    review = Review(
        id=_new_review_id(runtime, transaction, subject_id),
        subject_id=subject_id,
        action=action,
        operator_id=actor.id,
        at=runtime.clock.now(),
        reason=reason,
    )
    reviews.add(transaction, review)


def _new_review_id(runtime: Runtime, transaction: Transaction, subject_id: str) -> str:
    """Return the id of a new review: behind those of the same subject, at the same second too."""
    count = reviews.count_of(transaction, subject_id)
    return f"rev_{count:08x}{runtime.random.token_bytes(8).hex()}"


def approvers(
    transaction: Transaction, subject_id: str, action: Action, *, since: Action | None = None
) -> frozenset[str]:
    """Return the ids of the actors who did `action` on a subject, after the last `since` if given.

    Operators who have been disabled meanwhile do not count.
    """
    found = reviews.of_subject(transaction, subject_id)
    last = max((place for place, each in enumerate(found) if each.action == since), default=-1)
    ids = frozenset(each.operator_id for each in found[last + 1 :] if each.action == action)
    return ids - operators.disabled_of(transaction, ids)


def check_reason(reason: str | None) -> str:
    """Return what an actor wrote, which a decision against somebody needs. Raises InvalidError."""
    text = (reason or "").strip()
    if not text or len(text) > MAX_REASON_LENGTH or not is_displayable(text):
        raise InvalidError({"reason": [f"must be 1 to {MAX_REASON_LENGTH} characters"]})
    return text
