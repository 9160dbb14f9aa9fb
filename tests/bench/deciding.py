"""How long a decision takes with the rules of a region, and without any: pure, in one thread."""

from collections.abc import Callable
from datetime import timedelta
from timeit import timeit
from typing import Any, Final

from consent_tokens.relay.case import Case, limits_of
from consent_tokens.relay.checks import decide
from consent_tokens.relay.composition import compose, with_signature_and_opt_out
from consent_tokens.relay.plan import Plan
from consent_tokens.rules.limits import NO_LIMITS, Limits
from consent_tokens.rules_source import packaged_rules
from tests.bench.measures import Report
from tests.unit.test_relay_decision import GOOD, GRANT, NOON

TURNS: Final = 300  # the fastest of each counts: the machine does other things beside them
DECISIONS: Final = 100  # in a turn
PURPOSE: Final = "marketing.promotions"
PLAN: Final = Plan(
    id="plan_1", merchant_id="m_1", starts_at=NOON, ends_at=NOON + timedelta(days=1),
    messages=5000, accepted=1000, stated_at=NOON - timedelta(days=9), created_at=NOON,
)  # fmt: skip
# in a season, when most rules bind, with one text sent before
MEMBERS: Final[dict[str, Any]] = GOOD | {
    "counted_sends": [NOON - timedelta(days=9)],
    "plans": (PLAN,),
}
TEXT: Final = "双十一满200减50，仅此一天，欢迎到店选购"
GROUP: Final = "one decision, composing its text included"


def measure_decisions(report: Report) -> None:
    """Measure the decision on a text without rules, with those of mainland China, and of demos."""
    rules = packaged_rules()
    variants: dict[str, Callable[[], Limits]] = {
        "without rules": lambda: NO_LIMITS,
        "rules of mainland China": lambda: limits_of(
            rules, PURPOSE, GRANT, NOON, is_demonstration=False
        ),
        "rules of demonstrations": lambda: limits_of(
            rules, PURPOSE, GRANT, NOON, is_demonstration=True
        ),
    }
    fastest = dict.fromkeys(variants, float("inf"))
    for _ in range(TURNS):
        for name, limits in variants.items():
            seconds = timeit(lambda limits=limits: _decide(limits), number=DECISIONS) / DECISIONS  # type: ignore[misc]  # mypy knows no default of a lambda
            fastest[name] = min(fastest[name], seconds)
    without, *others = fastest
    for name, seconds in fastest.items():
        report.add(GROUP, name, seconds * 1e6, " µs")
    for name in others:
        ratio = fastest[name] / fastest[without]
        report.add_ratio(GROUP, name, "of without rules", ratio, 1.1, is_upper=True)


def _decide(limits: Callable[[], Limits]) -> object:
    text = with_signature_and_opt_out(
        TEXT, signature="晨光书店", language="zh-CN", link=None, is_limited=True
    )
    return decide(Case(**MEMBERS | {"composed": compose(text), "limits": limits()}))
