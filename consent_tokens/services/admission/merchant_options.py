"""What operators set for a merchant: its identity, share of the throughput, and link domains."""

from collections.abc import Mapping, Sequence
from typing import Final

from consent_tokens.errors import InvalidError
from consent_tokens.evidence.events import EventKind
from consent_tokens.relay.text_form import normal_domain
from consent_tokens.services.admission.actors import (
    MAX_REASON_LENGTH,
    Act,
    Action,
    Actor,
    record_act,
    require_right,
)
from consent_tokens.services.admission.control_groups import propose_twins
from consent_tokens.services.merchant_records import get_merchant
from consent_tokens.services.merchants import set_identity
from consent_tokens.services.runtime import Runtime
from consent_tokens.store import link_domains, merchants
from consent_tokens.store.database import Transaction
from consent_tokens.store.merchants import Merchant, MerchantIdentity

MAX_WEIGHT: Final = 100
MAX_LINK_DOMAINS: Final = 100  # of a merchant


def change_identity(
    runtime: Runtime, actor: Actor, merchant_id: str, changes: Mapping[str, str | None]
) -> MerchantIdentity:
    """Save who a merchant is, as `set_identity`, and look for merchants that share it.

    Raises ForbiddenError, InvalidError, NotFoundError.
    """
    require_right(actor, Action.SET_IDENTITY)
    saved = set_identity(runtime, merchant_id, changes, actor.id)
    runtime.database.run(lambda transaction: propose_twins(runtime, transaction, merchant_id))
    return saved


def set_weight(runtime: Runtime, actor: Actor, merchant_id: str, weight: int) -> None:
    """Set a merchant's share of the throughput, 1 to 100.

    Raises ForbiddenError, InvalidError, NotFoundError.
    """
    require_right(actor, Action.SET_LIMITS)
    if not 1 <= weight <= MAX_WEIGHT:
        raise InvalidError({"weight": [f"must be 1 to {MAX_WEIGHT}"]})

    def work(transaction: Transaction) -> None:
        merchant = get_merchant(transaction, merchant_id)
        merchants.set_weight(transaction, merchant_id, weight)
        _record(runtime, transaction, actor, merchant, EventKind.WEIGHT_SET, str(weight))

    runtime.database.run(work)


def set_link_domains(
    runtime: Runtime, actor: Actor, merchant_id: str, domains: Sequence[str]
) -> list[str]:
    """Set the domains that a merchant's texts may link to, and return them; with none: any.

    Raises ForbiddenError, InvalidError, NotFoundError.
    """
    require_right(actor, Action.SET_LIMITS)
    found = {domain: normal_domain(domain) for domain in domains}
    if wrong := [domain for domain, normal in found.items() if normal is None]:
        raise InvalidError({"domains": [f"not a domain: {domain}" for domain in wrong]})
    if len(domains) > MAX_LINK_DOMAINS:
        raise InvalidError({"domains": [f"at most {MAX_LINK_DOMAINS}"]})
    normal = sorted({domain for domain in found.values() if domain})

    def work(transaction: Transaction) -> None:
        merchant = get_merchant(transaction, merchant_id)
        link_domains.replace_all(transaction, merchant_id, normal)
        words = " ".join(normal)[:MAX_REASON_LENGTH]
        _record(runtime, transaction, actor, merchant, EventKind.LINK_DOMAINS_SET, words)

    runtime.database.run(work)
    return normal


def _record(
    runtime: Runtime,
    transaction: Transaction,
    actor: Actor,
    merchant: Merchant,
    kind: EventKind,
    reason: str,
) -> None:
    act = Act(merchant=merchant, kind=kind, action=Action.SET_LIMITS, reason=reason or None)
    record_act(runtime, transaction, actor, act)
