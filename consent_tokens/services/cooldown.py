"""How long invitations rest after a no: as the settings say, or longer by the rules."""

from dataclasses import replace
from typing import TypeVar

from consent_tokens.policies import ConsentPolicy, RelayPolicy
from consent_tokens.services.runtime import Runtime

PolicyT = TypeVar("PolicyT", ConsentPolicy, RelayPolicy)


def with_rest_of_rules(runtime: Runtime, policy: PolicyT) -> PolicyT:
    """Return a policy whose cool-down is as long as the settings and the rules want.

    What bars an invitation is kept without a region: the longest of all packs counts.
    """
    rest = runtime.rules.current().invitation_rest(runtime.clock.now().date())
    if rest <= policy.invitation_cooldown:
        return policy
    return replace(policy, invitation_cooldown=rest)
