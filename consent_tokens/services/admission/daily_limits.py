"""How many messages of a class a merchant may have accepted in a day, as an operator decides."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from consent_tokens.consent.purposes import PurposeClass
from consent_tokens.errors import InvalidError
from consent_tokens.evidence.events import EventKind
from consent_tokens.services.admission.actors import Act, Action, Actor, record_act, require_right
from consent_tokens.services.merchant_records import get_admitted
from consent_tokens.services.runtime import Runtime
from consent_tokens.store import merchants
from consent_tokens.store.database import Transaction
from consent_tokens.store.merchants import Merchant, write_limits

MAX_DAILY_LIMIT: Final = 1_000_000_000  # messages


def check_limits(limits: Mapping[PurposeClass, int], admitted: frozenset[PurposeClass]) -> None:
    """Raise InvalidError unless limits are of admitted classes, and of a size that makes sense."""
    if limits.keys() - admitted:
        raise InvalidError({"daily_limit": ["is of a class that the merchant is not admitted for"]})
    if not all(1 <= each <= MAX_DAILY_LIMIT for each in limits.values()):
        raise InvalidError({"daily_limit": [f"must be 1 to {MAX_DAILY_LIMIT}"]})


def set_daily_limits(
    runtime: Runtime, actor: Actor, merchant_id: str, limits: Mapping[PurposeClass, int]
) -> Merchant:
    """Replace the limits of a merchant; a class without one is unlimited. Returns the merchant.

    Raises ForbiddenError, InvalidError, NotFoundError, ConflictError if it is not admitted.
    """
    require_right(actor, Action.SET_LIMITS)

    def work(transaction: Transaction) -> Merchant:
        merchant = get_admitted(transaction, merchant_id)
        check_limits(limits, merchant.classes)
        changed = replace(merchant, daily_limits=dict(limits))
        merchants.update_one(transaction, changed)
        act = Act(
            merchant=merchant,
            kind=EventKind.DAILY_LIMITS_SET,
            action=Action.SET_LIMITS,
            reason=write_limits(limits),
        )
        record_act(runtime, transaction, actor, act)
        return changed

    return runtime.database.run(work)
