"""A consent request that is open, as far as the rules allow it now.

Rules may have become stricter since it was asked. What the page shows is what is granted.
"""

from dataclasses import replace

from consent_tokens.consent.request import ConsentRequest, RequestStatus
from consent_tokens.policies import ConsentPolicy
from consent_tokens.rules.applicable import applicable
from consent_tokens.rules.ceilings import cut_terms
from consent_tokens.rules.rule import Rule
from consent_tokens.services.runtime import Runtime
from consent_tokens.store.merchants import Merchant


def within_rules(
    runtime: Runtime, policy: ConsentPolicy, request: ConsentRequest, merchant: Merchant | None
) -> tuple[ConsentRequest, tuple[Rule, ...]]:
    """Return a request with what the rules allow of its terms, and the rules that cut them.

    The rules are those of the default region, as when it was asked. A request that was answered
    stays as it is.
    """
    if request.status is not RequestStatus.PENDING:
        return request, ()
    rules = applicable(
        runtime.rules.current(),
        request.terms.purposes,
        frozenset({policy.default_region}),
        runtime.clock.now().date(),
        is_demonstration=merchant is not None and merchant.is_demonstration,
    )
    terms, cutting = cut_terms(request.terms, rules)
    return replace(request, terms=terms), cutting
