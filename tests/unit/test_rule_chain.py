"""A refusal names the rules that led to it, in the order in which they were met."""

from datetime import timedelta

import pytest
from msgspec.structs import replace

from consent_tokens.consent.scope import FrequencyCap
from consent_tokens.relay.checks import decide
from consent_tokens.relay.decision import Reason, Refused
from tests.unit.test_relay_decision import GRANT, NOON, SCOPE, a_case
from tests.unit.test_rule_limits import limits, rules_of

# Thursday 2021-11-11, noon: closed by hours until Friday, by weekday until Monday, by holiday then
MORNING = 'hours = { from = "09:00", to = "11:00" }'
NO_FRIDAY = 'weekdays = ["mon", "tue", "wed", "thu", "sat", "sun"]'
NO_WEEKEND = 'weekdays = ["mon", "tue", "wed", "thu", "fri"]'
HOLIDAY = 'holidays = ["2021-11-15"]'
UNUSED = 'hours = { from = "00:00", to = "23:00" }'
NARROW = SCOPE.with_end(NOON + timedelta(days=2))


@pytest.mark.parametrize(
    ("rules", "changes", "reason", "chain"),
    [
        ([UNUSED, MORNING], {"valid_until": NOON + timedelta(hours=12)}, Reason.RULE_FORBIDS,
         ["cn.r1"]),
        ([HOLIDAY, NO_WEEKEND, UNUSED, NO_FRIDAY, MORNING], {}, Reason.RULE_FORBIDS,
         ["cn.r4", "cn.r3", "cn.r1", "cn.r0"]),
        (["forbidden = true", MORNING], {}, Reason.RULE_FORBIDS, ["cn.r0"]),
        (["cap = { max_messages = 1, per_days = 1 }", UNUSED],
         {"counted_sends": [NOON - timedelta(hours=1)]}, Reason.RULE_FORBIDS, ["cn.r0"]),
        # the rules move it beyond the end of the consent, or to where a cap has no room
        ([NO_FRIDAY, NO_WEEKEND, MORNING],
         {"valid_until": NOON + timedelta(days=7), "token": None,
          "grant": replace(GRANT, scope=NARROW)},
         Reason.TOKEN_EXPIRED, ["cn.r2", "cn.r0", "cn.r1"]),
        ([MORNING],
         {"valid_until": NOON + timedelta(days=7), "counted_sends": [NOON + timedelta(days=2)] * 4},
         Reason.CAP_REACHED, []),  # without the rule too
        # what refuses without the rules as well is not their doing
        ([MORNING], {"is_merchant_active": False}, Reason.MERCHANT_SUSPENDED, []),
        ([MORNING], {"not_before": NOON + timedelta(hours=10),
                     "valid_until": NOON + timedelta(hours=11)}, Reason.OUTSIDE_HOURS, []),
    ],
)  # fmt: skip
def test_the_chain(
    rules: list[str], changes: dict[str, object], reason: Reason, chain: list[str]
) -> None:
    found = limits(rules_of(*rules), "Asia/Shanghai")
    decision = decide(a_case(limits=found, **changes))
    assert isinstance(decision, Refused)
    assert (decision.reason, [rule.id for rule in decision.rules]) == (reason, chain)


def test_a_cap_that_only_the_rules_reach_names_them() -> None:
    """At noon it fits; a rule moves it to a day on which another text is planned."""
    daily = FrequencyCap(1, timedelta(days=1))
    case = a_case(
        limits=limits(rules_of(MORNING), "Asia/Shanghai"),
        token=None,
        grant=replace(GRANT, scope=replace(SCOPE, frequency_cap=daily)),
        counted_sends=[NOON + timedelta(days=1, hours=1)],
        valid_until=NOON + timedelta(days=7),
    )
    decision = decide(case)
    assert isinstance(decision, Refused)
    assert decision.reason is Reason.CAP_REACHED
    assert [rule.id for rule in decision.rules] == ["cn.r0"]
