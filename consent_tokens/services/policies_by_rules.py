"""Policies as the settings have them, or as the rules want them where that is stricter.

Bars of invitations, and rows that are kept, have no region: the strictest rule of all packs counts.
"""

from dataclasses import replace
from datetime import date
from typing import TypeVar

from consent_tokens.policies import ConsentPolicy, RelayPolicy, RetentionPolicy
from consent_tokens.rules.pack import RuleSet
from consent_tokens.services.runtime import Runtime

PolicyT = TypeVar("PolicyT", ConsentPolicy, RelayPolicy)


def with_rules(runtime: Runtime, policy: PolicyT) -> PolicyT:
    """Return a policy whose cool-down and retention are as settings and rules want them."""
    rules, day = runtime.rules.current(), runtime.clock.now().date()
    rest = max(policy.invitation_cooldown, rules.invitation_rest(day))
    policy = replace(policy, invitation_cooldown=rest)
    if isinstance(policy, ConsentPolicy):
        policy = replace(policy, retention=_retention(rules, policy.retention, day))
    return policy


def _retention(rules: RuleSet, policy: RetentionPolicy, day: date) -> RetentionPolicy:
    """Return for how long data is kept: texts as short, records and proof as long as is wanted."""
    wanted = rules.retention(day)
    records = max([policy.records, *wanted.records])
    return replace(
        policy,
        texts=min([policy.texts, *wanted.texts]),
        records=records,
        proof=max([policy.proof, records, *wanted.proof]),
    )
