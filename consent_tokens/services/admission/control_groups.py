"""Control groups: merchants under one control, as a reviewer decided; twins are proposed.

A consumer's no to one of them bars them all from inviting (promise 12).
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from consent_tokens.errors import InvalidError, NotFoundError
from consent_tokens.evidence.events import EventKind
from consent_tokens.relay.admission.api_access import Network
from consent_tokens.relay.admission.registration import normal_registration
from consent_tokens.relay.admission.twins import (
    Profile,
    host_of,
    normal_contacts,
    normal_names,
    normal_person,
    shared_signals,
    telling_networks,
)
from consent_tokens.services.admission.actors import (
    Act,
    Action,
    Actor,
    check_reason,
    record_act,
    require_right,
)
from consent_tokens.services.admission.template_decisions import withdraw_twins
from consent_tokens.services.runtime import Runtime
from consent_tokens.store import (
    api_keys,
    applications,
    checkpoints,
    control_groups,
    link_domains,
    merchants,
)
from consent_tokens.store.applications import Application
from consent_tokens.store.control_groups import Proposal, ProposalStatus
from consent_tokens.store.database import Transaction
from consent_tokens.store.merchants import Merchant


@dataclass(frozen=True, slots=True)
class ListedProposal:
    """A proposal, with the names of its two merchants."""

    proposal: Proposal
    name: str
    other_name: str


def propose_twins(runtime: Runtime, transaction: Transaction, merchant_id: str) -> list[Proposal]:
    """Compare a merchant with all others, and propose those that it shares something with.

    Those of its own control group are left out. A demonstration is not compared: it is nobody.
    """
    compared = {
        each.id: each for each in merchants.list_all(transaction) if not each.is_demonstration
    }
    own = compared.get(merchant_id)
    if own is None:
        return []
    told = _Told(
        applications.list_all(transaction),
        link_domains.of_merchants(transaction, list(compared)),
        api_keys.networks_of_merchants(transaction),
    )
    profile = _profile(own, told)
    now, proposed = runtime.clock.now(), []
    for other in compared.values():
        is_known = own.control_group is not None and other.control_group == own.control_group
        if other.id == own.id or is_known:
            continue
        if signals := shared_signals(profile, _profile(other, told)):
            smaller, greater = sorted((own.id, other.id))
            proposal = Proposal(
                merchant_id=smaller, other_id=greater, signals=signals, proposed_at=now
            )
            control_groups.propose(transaction, proposal)
            proposed.append(proposal)
    return proposed


class _Told(NamedTuple):
    """What merchants have told besides their identity, by merchant id."""

    applied: Mapping[str, Application]
    domains: Mapping[str, frozenset[str]]
    networks: Mapping[str, frozenset[Network]]  # of API keys


def _profile(merchant: Merchant, told: _Told) -> Profile:
    identity, application = merchant.identity, told.applied.get(merchant.id)
    country = application.country if application else ""
    site = host_of(identity.website)
    registration = identity.registration
    return Profile(
        merchant_id=merchant.id,
        names=normal_names([merchant.name, identity.legal_name]),
        registration=normal_registration(registration, country) if registration else None,
        legal_person=normal_person(application.legal_person if application else None),
        contacts=normal_contacts(identity.contact),
        domains=told.domains.get(merchant.id, frozenset()) | ({site} if site else set()),
        networks=telling_networks(told.networks.get(merchant.id, ())),
    )


def list_proposals(runtime: Runtime, merchant_id: str | None = None) -> list[ListedProposal]:
    """Return the proposals that nobody decided yet; of a merchant all of them."""

    def query(transaction: Transaction) -> list[ListedProposal]:
        found = (
            control_groups.list_open(transaction)
            if merchant_id is None
            else control_groups.of_merchant(transaction, merchant_id)
        )
        ids = [each for pair in found for each in (pair.merchant_id, pair.other_id)]
        names = {each.id: each.name for each in merchants.find_many(transaction, ids).values()}
        return [
            ListedProposal(each, names.get(each.merchant_id, ""), names.get(each.other_id, ""))
            for each in found
        ]

    return runtime.database.read(query)


def join(runtime: Runtime, actor: Actor, one: str, other: str, *, reason: str) -> str:
    """Put two merchants, and all that were joined with them, into one control group; return its id.

    What one of them may not submit again, the others may not use either: it is withdrawn.

    Raises ForbiddenError, InvalidError, NotFoundError.
    """
    require_right(actor, Action.JOIN)
    reason = check_reason(reason)

    def work(transaction: Transaction) -> str:
        pair = _pair(transaction, one, other)
        groups = [each.control_group for each in pair if each.control_group]
        group = groups[0] if groups else f"grp_{runtime.random.token_bytes(8).hex()}"
        joined = {
            member for each in pair for member in control_groups.members(transaction, each.id)
        }
        control_groups.set_group(transaction, sorted(joined), group)
        _decide(runtime, transaction, actor, pair, ProposalStatus.JOINED, reason)
        others = joined - {each.id for each in pair}
        changed = merchants.find_many(transaction, sorted(others)).values()
        _record(runtime, transaction, actor, changed, ProposalStatus.JOINED, reason)
        withdraw_twins(runtime, transaction, actor, one)
        return group

    return runtime.database.run(work)


def reject(runtime: Runtime, actor: Actor, one: str, other: str, *, reason: str) -> None:
    """Record that two merchants are not under one control, as far as a reviewer knows.

    A proposal comes back if they share more later. Raises ForbiddenError, InvalidError,
    NotFoundError.
    """
    require_right(actor, Action.REJECT)
    reason = check_reason(reason)

    def work(transaction: Transaction) -> None:
        pair = _pair(transaction, one, other)
        if pair[0].control_group and pair[0].control_group == pair[1].control_group:
            raise InvalidError({"other": ["is in the same control group already"]})
        _decide(runtime, transaction, actor, pair, ProposalStatus.REJECTED, reason)

    runtime.database.run(work)


def _pair(transaction: Transaction, one: str, other: str) -> tuple[Merchant, Merchant]:
    """Return two merchants in the order of their ids, under the lock of admission."""
    checkpoints.lock_admission(transaction)
    if one == other:
        raise InvalidError({"other": ["must be another merchant"]})
    found = merchants.find_many(transaction, [one, other])
    if len(found) != len({one, other}):
        raise NotFoundError("no merchant of that id")
    smaller, greater = sorted(found)
    return found[smaller], found[greater]


def _decide(
    runtime: Runtime,
    transaction: Transaction,
    actor: Actor,
    pair: tuple[Merchant, Merchant],
    status: ProposalStatus,
    reason: str,
) -> None:
    one, other = pair
    now = runtime.clock.now()
    known = control_groups.find(transaction, one.id, other.id)
    decided = Proposal(
        merchant_id=one.id,
        other_id=other.id,
        signals=known.signals if known else (),
        proposed_at=known.proposed_at if known else now,
        status=status,
        decided_at=now,
        decided_by=actor.id,
    )
    control_groups.decide(transaction, decided)
    _record(runtime, transaction, actor, pair, status, reason)


def _record(
    runtime: Runtime,
    transaction: Transaction,
    actor: Actor,
    concerned: Iterable[Merchant],
    status: ProposalStatus,
    reason: str,
) -> None:
    is_joined = status is ProposalStatus.JOINED
    for each in concerned:
        act = Act(
            merchant=each,
            kind=EventKind.GROUP_JOINED if is_joined else EventKind.GROUP_REJECTED,
            action=Action.JOIN if is_joined else Action.REJECT,
            reason=reason,
        )
        record_act(runtime, transaction, actor, act)
