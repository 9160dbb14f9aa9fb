"""Help a consumer who reads out a support code: one operator asks, a second one agrees.

The one who asked then sees, once, what the consumer sees on `/my`. Nobody types a number, and a
proposal knows the consumer by the hash of the code only.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from consent_tokens.crypto.encoding import decode, encode
from consent_tokens.errors import ConflictError, InvalidError, NotFoundError
from consent_tokens.evidence.events import EventKind
from consent_tokens.policies import RateLimit
from consent_tokens.services.admission.actors import Action, Actor, require_right
from consent_tokens.services.consents.views import (
    ConsentDetail,
    ConsentSummary,
    find_consent,
    list_consents,
)
from consent_tokens.services.consumer_sessions import support_code_hash
from consent_tokens.services.people import proposals
from consent_tokens.services.people.person import record
from consent_tokens.services.people.proposals import ProposedKind
from consent_tokens.services.rate_limits import acquire_now
from consent_tokens.services.runtime import Runtime
from consent_tokens.store import proposed_actions, sessions
from consent_tokens.store.database import Transaction
from consent_tokens.store.proposed_actions import Proposal

CODES_PER_HOUR: Final = RateLimit(20, timedelta(hours=1))  # that one operator may enter
MAX_DETAILED: Final = 20  # consents of which the refusals are shown


@dataclass(frozen=True, slots=True)
class HelpedConsumer:
    """What an operator sees of a consumer who asked for help: what `/my` shows them."""

    consents: Sequence[ConsentSummary]
    details: Sequence[ConsentDetail]  # of the newest ones: messages and refusals


def ask_to_help(runtime: Runtime, actor: Actor, code: str, reason: str) -> Proposal:
    """Ask a second operator to agree that this actor sees the consents of who read out a code.

    The proposal expires with the code. Raises ForbiddenError, InvalidError of `code` if it is
    wrong, used or expired, ConflictError if somebody entered it already, and TooManyRequestsError
    above CODES_PER_HOUR.
    """
    require_right(actor, Action.HELP_CONSUMER)
    acquire_now(runtime, "support_codes_entered", actor.id, CODES_PER_HOUR)
    now = runtime.clock.now()
    code_hash = support_code_hash(runtime, code)
    until = runtime.database.read(lambda at: sessions.support_code_end(at, code_hash, now))
    if until is None:
        raise InvalidError({"code": ["wrong"]})
    return proposals.propose(
        runtime,
        actor,
        ProposedKind.HELP_CONSUMER,
        encode(code_hash),
        reason,
        lifetime=until - now,
    )


def ensure_valid(
    runtime: Runtime, transaction: Transaction, _actor: Actor, proposal: Proposal
) -> None:
    """Carry out the agreement of the second operator: the code still works, else ConflictError."""
    code_hash = decode(proposal.subject_id)
    if sessions.support_code_end(transaction, code_hash, runtime.clock.now()) is None:
        raise ConflictError("the support code has expired")


def find_request(runtime: Runtime, actor: Actor, proposal_id: str) -> Proposal:
    """Return what this actor asked for with a support code. Raises NotFoundError."""
    found = runtime.database.read(lambda at: proposed_actions.find(at, proposal_id))
    is_own = found is not None and found.proposed_by == actor.id
    if found is None or not is_own or found.kind != ProposedKind.HELP_CONSUMER:
        raise NotFoundError("no request of that id")
    return found


def requests_of_others(runtime: Runtime, actor: Actor) -> list[Proposal]:
    """Return the requests to help a consumer that wait for somebody like this actor."""
    return [
        each
        for each in proposals.list_open(runtime)
        if each.kind == ProposedKind.HELP_CONSUMER and each.proposed_by != actor.id
    ]


def help_consumer(runtime: Runtime, actor: Actor, proposal_id: str) -> HelpedConsumer:
    """Return what `/my` shows to whoever read out the code, which works once; it is recorded.

    Raises ForbiddenError, NotFoundError, and ConflictError if no second operator agreed, or the
    code was used or has expired.
    """
    require_right(actor, Action.HELP_CONSUMER)
    found = find_request(runtime, actor, proposal_id)
    if not found.is_approved:
        raise ConflictError("a second operator has to agree first")
    now = runtime.clock.now()

    def work(transaction: Transaction) -> int:
        partition = sessions.use_support_code(transaction, decode(found.subject_id), now)
        if partition is None:
            raise ConflictError("the support code was used, or has expired")
        record(runtime, transaction, None, EventKind.CONSUMER_HELPED, actor_id=actor.id)
        return partition

    partition = runtime.database.run(work)
    consents = list_consents(runtime, partition)
    details = [find_consent(runtime, partition, each.grant_id) for each in consents[:MAX_DETAILED]]
    return HelpedConsumer(consents, details)
