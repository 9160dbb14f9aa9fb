"""Explanations name what each check compared, in the order in which the relay asks."""

from datetime import timedelta

import pytest

from consent_tokens.relay.checks import CHECKS, decide
from consent_tokens.relay.decision import Reason, Refused
from consent_tokens.relay.explanation import EXPLAINED, Outcome, explain
from tests.unit.test_relay_decision import FAULTS, NOON, a_case
from tests.unit.test_rule_limits import limits, rules_of


def test_each_check_is_explained() -> None:
    assert set(EXPLAINED) == set(CHECKS)


@pytest.mark.parametrize("reason", list(Reason))
def test_the_step_that_refuses_says_so_and_none_after_it_is_reached(reason: Reason) -> None:
    case = a_case(**FAULTS[reason])
    steps = explain(case, CHECKS)
    assert [step.check for step in steps] == [EXPLAINED[check][0] for check in CHECKS]
    place = next(n for n, step in enumerate(steps) if step.reason)
    refusal = decide(case)
    assert isinstance(refusal, Refused)
    assert steps[place].reason is refusal.reason is reason
    assert [each.outcome for each in steps] == [
        *[Outcome.PASSED] * place,
        Outcome.REFUSED,
        *[Outcome.NOT_REACHED] * (len(steps) - place - 1),
    ]
    assert all(bool(each.compared) is (each.outcome is not Outcome.NOT_REACHED) for each in steps)
    assert all(each.source for each in steps)


def test_figures_are_those_that_were_compared() -> None:
    case = a_case(
        counted_sends=[NOON - timedelta(days=40), NOON - timedelta(days=2)],
        limits=limits(
            rules_of("cap = { max_messages = 9, per_days = 30 }", 'holidays = ["12-25"]',
                     'hours = { from = "13:00", to = "20:00" }'), "Asia/Shanghai"),
    )  # fmt: skip
    steps = {step.check: step for step in explain(case, CHECKS)}
    assert steps["text"].compared == {"form": "no fault", "segments": "1 of at most 8"}
    later = (NOON + timedelta(hours=1)).isoformat()
    assert steps["rules"].compared == {
        "agreed_send_at": NOON.isoformat(), "send_at": later, "cn.r0": "1 of 9 in 30 days",
        "cn.r2": "13:00-20:00 Asia/Shanghai", "cn.r1": "open",
    }  # fmt: skip
    assert {rule.id for rule in steps["rules"].rules} == {"cn.r0", "cn.r1", "cn.r2"}
    assert steps["caps"].compared == {"send_at": later, "cap_1": "1 of 4 in 30 days"}
    assert steps["hours"].compared["hours"] == "09:00-21:00 Asia/Shanghai"
