"""Plans: what a merchant states for a peak, what rules make of it, and plan against fact."""

from datetime import UTC, datetime, timedelta

import pytest
from msgspec.structs import replace

from consent_tokens.relay.checks import decide
from consent_tokens.relay.decision import Accepted, Decision, Reason, Refused
from consent_tokens.relay.plan import Plan
from consent_tokens.rules_source import RulesSource
from tests.number_scan import NUMBERS
from tests.service import ALWAYS, ORDERS, PROMOTIONS, WIDE, Merchant, Page, Service
from tests.unit.test_relay_decision import a_case
from tests.unit.test_rule_limits import limits, rules_of

NEEDED = "plan = { stated_hours_before = 24 }"
IN_NOVEMBER = f'{NEEDED}\nseasons = [{{ first = "11-01", last = "11-15" }}]'
AT = datetime(2021, 11, 11, 2, tzinfo=UTC)  # a time in the season
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
PLAN = Plan(
    id="plan_1", merchant_id="m_1", starts_at=AT, ends_at=AT + DAY, messages=2,
    stated_at=AT - 2 * DAY, created_at=AT - 2 * DAY,
)  # fmt: skip


def decided(*plans: Plan, at: datetime = AT) -> Decision:
    found = limits(rules_of(IN_NOVEMBER), "Asia/Shanghai", day=at.date())
    return decide(a_case(limits=found, plans=plans, now=at, not_before=at, valid_until=at + DAY))


@pytest.mark.parametrize(
    ("plans", "next_at"),
    [
        ((PLAN,), "sent"),
        ((), datetime(2021, 11, 16, 1, tzinfo=UTC)),  # the season is over, and it is 9:00
        ((replace(PLAN, accepted=2),), datetime(2021, 11, 16, 1, tzinfo=UTC)),
        ((replace(PLAN, accepted=2), replace(PLAN, id="plan_2")), "sent"),
        ((replace(PLAN, starts_at=AT + HOUR),), AT + HOUR),
        ((replace(PLAN, ends_at=AT),), datetime(2021, 11, 16, 1, tzinfo=UTC)),
        ((replace(PLAN, stated_at=AT - 23 * HOUR),), AT + HOUR),
    ],
)
def test_what_leaves_outside_a_plan_is_refused_by_the_rule(
    plans: tuple[Plan, ...], next_at: datetime | str
) -> None:
    decision = decided(*plans)
    if next_at == "sent":
        assert isinstance(decision, Accepted)
        return
    assert isinstance(decision, Refused)
    assert decision.reason is Reason.RULE_FORBIDS
    assert [rule.id for rule in decision.rules] == ["cn.r0"]
    assert decision.next_at == next_at


def test_the_day_on_which_a_text_leaves_says_whether_it_is_in_the_season() -> None:
    before = datetime(2021, 10, 31, 12, tzinfo=UTC)
    assert isinstance(decided(at=before), Accepted)
    found = limits(rules_of(IN_NOVEMBER), "Asia/Shanghai", day=before.date())
    planned = a_case(
        limits=found, now=before, not_before=before + DAY, valid_until=before + 2 * DAY
    )
    assert isinstance(decide(planned), Refused), "it leaves on 1 November"
    accepted_before = a_case(limits=found, token=None, now=AT, not_before=AT, valid_until=AT + DAY)
    assert isinstance(decide(accepted_before), Accepted), "at dispatch it has its place"


@pytest.fixture
def peak(small: Service) -> tuple[Service, Merchant, str]:
    """Return a service whose rules want plans, a merchant, and a token for many texts."""
    service = small.with_runtime(rules=RulesSource(rules_of(NEEDED))).with_context(otp=WIDE)
    merchant, consumer = service.legal_merchant(), service.consumer(NUMBERS[0])
    return (
        service,
        merchant,
        service.obtain_token(merchant, consumer, PROMOTIONS, ORDERS, max_messages=50, **ALWAYS),
    )


def stated(merchant: Merchant, begins: datetime, messages: int = 2, **more: object) -> Page:
    times = {"starts_at": begins.isoformat(), "ends_at": (begins + DAY).isoformat()}
    return merchant.post("/v1/plans", {**times, "messages": messages, **more})


def test_a_merchant_sends_within_its_plan_and_its_excess_is_refused(
    peak: tuple[Service, Merchant, str],
) -> None:
    service, merchant, token = peak
    now = service.clock.now()
    refused = merchant.send(token)
    assert refused.json["code"] == "rule_forbids"
    assert [rule["id"] for rule in refused.json["rules"]] == ["cn.r0"]
    assert refused.json.get("next_at") is None, "no plan is stated, and the rule has no season"
    created = stated(merchant, now + DAY, reference="wave")
    assert created.status_code == 201, created.text
    plan = created.json
    assert created.headers["Location"].endswith(f"/v1/plans/{plan['id']}")
    assert (plan["status"], plan["accepted"], plan["refused"]) == ("upcoming", 0, 0)
    assert merchant.send(token).json["next_at"] == (now + DAY).isoformat()
    in_advance = merchant.send(token, send_at=(now + 25 * HOUR).isoformat())
    assert in_advance.status_code == 202, in_advance.text
    service.clock.advance(DAY)
    sent = [merchant.send(token).status_code for _ in range(3)]
    assert sent == [202, 403, 403], "the first of its two was submitted a day before"
    found = merchant.get(f"/v1/plans/{plan['id']}").json
    assert (found["status"], found["accepted"], found["refused"]) == ("current", 2, 2)
    service.work()
    assert len([each for each in service.texts(NUMBERS[0]) if "你好" in each]) == 1
    service.clock.advance(2 * HOUR)
    service.work()
    assert len([each for each in service.texts(NUMBERS[0]) if "你好" in each]) == 2


def test_a_change_that_plans_more_counts_as_stated_when_it_is_made(
    peak: tuple[Service, Merchant, str],
) -> None:
    service, merchant, token = peak
    begins = service.clock.now() + DAY
    plan = stated(merchant, begins).json
    terms = {name: plan[name] for name in ("starts_at", "ends_at", "messages")}
    path = f"/v1/plans/{plan['id']}"
    service.clock.advance(DAY)
    assert merchant.post(f"{path}/change", {**terms, "messages": 1}).status_code == 200
    assert [merchant.send(token).status_code for _ in range(2)] == [202, 403], "one was planned"
    more = merchant.post(f"{path}/change", {**terms, "messages": 9}).json
    assert more["stated_at"] == service.clock.now().isoformat()
    assert merchant.send(token).status_code == 403, "stated just now"
    withdrawn = merchant.post(f"{path}/withdraw").json
    assert (withdrawn["status"], withdrawn["accepted"]) == ("withdrawn", 1)
    assert merchant.post(f"{path}/withdraw").status_code == 409
    assert merchant.post(f"{path}/change", terms).status_code == 409
    assert [each["id"] for each in merchant.get("/v1/plans?status=withdrawn").json["items"]] == [
        plan["id"]
    ]
    assert merchant.get("/v1/plans?status=current").json["items"] == []


def test_a_plan_is_only_about_what_it_names(peak: tuple[Service, Merchant, str]) -> None:
    service, merchant, token = peak
    begins = service.clock.now() + DAY
    stated(merchant, begins, purpose="marketing.events")
    events = merchant.get("/v1/plans").json["items"][0]
    service.clock.advance(DAY)
    assert merchant.send(token).status_code == 403
    other = service.legal_merchant("暮光书店")
    assert other.get(f"/v1/plans/{events['id']}").status_code == 404
    assert other.post(f"/v1/plans/{events['id']}/withdraw").status_code == 404


@pytest.mark.parametrize(
    ("terms", "field"),
    [
        ({"messages": 0}, "messages"),
        ({"messages": 1.5}, "messages"),
        ({"ends_at": "2021-11-01T00:00:00Z"}, "ends_at"),
        ({"ends_at": "2022-01-01T00:00:00Z"}, "ends_at"),
        ({"starts_at": "2031-11-11T00:00:00Z"}, "starts_at"),
        ({"starts_at": "2021-11-12T00:00:00"}, "starts_at"),
        ({"purpose": "no.such"}, "purpose"),
        ({"template": "tpl_nobody"}, "template"),
        ({"sender": "snd_nobody"}, "sender"),
        ({"days": 3}, "days"),
    ],
)
def test_a_plan_that_is_not_valid_is_refused(
    peak: tuple[Service, Merchant, str], terms: dict[str, object], field: str
) -> None:
    _, merchant, _ = peak
    valid = {"starts_at": "2021-11-12T00:00:00Z", "ends_at": "2021-11-13T00:00:00Z", "messages": 5}
    answer = merchant.post("/v1/plans", {**valid, **terms})
    assert (answer.status_code, list(answer.json["errors"])) == (422, [field])
