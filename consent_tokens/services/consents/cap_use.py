"""How much of the frequency caps that its customers agreed to a merchant has used."""

from dataclasses import dataclass
from typing import Final

from consent_tokens.consent.grant import GrantStatus
from consent_tokens.listing import ListFilter
from consent_tokens.services.consents.tokens import list_grants
from consent_tokens.services.runtime import Runtime

SAMPLE: Final = 200  # of a merchant's newest live consents


@dataclass(frozen=True, slots=True)
class CapUse:
    """How the newest live consents of a merchant stand."""

    consents: int  # that were looked at
    at_cap: int  # of them, those that allow no text now
    used_percent: float  # of all their texts in their periods


def read_cap_use(runtime: Runtime, merchant_id: str) -> CapUse | None:
    """Return how much of the caps is used; None if the merchant has no live consent."""
    wanted = ListFilter(limit=SAMPLE, status=GrantStatus.LIVE.value, is_newest_first=True)
    found = list_grants(runtime, merchant_id, wanted)
    allowed = sum(each.grant.scope.frequency_cap.limit for each in found)
    if not allowed:
        return None
    remaining = sum(each.remaining for each in found)
    at_cap = sum(each.remaining == 0 for each in found)
    return CapUse(len(found), at_cap, round(100 * (allowed - remaining) / allowed, 1))
