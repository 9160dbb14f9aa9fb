"""Plans: what a merchant states for a peak, what rules make of it, and plan against fact."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import pytest
from msgspec.structs import replace

from consent_tokens.clock import SystemClock
from consent_tokens.errors import RulesInvalidError
from consent_tokens.relay.checks import decide
from consent_tokens.relay.decision import Accepted, Decision, Reason, Refused
from consent_tokens.relay.plan import Plan
from consent_tokens.rules_source import RulesSource
from consent_tokens.services.admission.senders import add_sender
from consent_tokens.services.rules_dry_run import dry_run
from consent_tokens.services.submission.message_request import MessageRequest
from tests.api.test_codes import statements
from tests.number_scan import NUMBERS, WRITTEN
from tests.receivers import receiver as a_receiver
from tests.service import ALWAYS, ORDERS, PORT, PROMOTIONS, REVIEWER, WIDE, Merchant, Page, Service
from tests.stories.test_template_commands import answer, run
from tests.stories.test_webhooks import deliver_due, delivered
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


def counted_in(*plans: Plan, at: datetime = AT) -> str | None:
    found = limits(rules_of(IN_NOVEMBER), "Asia/Shanghai", day=at.date())
    case = a_case(limits=found, plans=plans, now=at, not_before=at, valid_until=at + DAY)
    return case.plan.id if case.plan else None


def test_a_text_counts_in_a_plan_that_was_stated_in_time() -> None:
    used_up = replace(PLAN, accepted=2)
    late = replace(PLAN, id="plan_2", messages=1_000_000, stated_at=AT)
    in_time = replace(late, stated_at=AT - DAY)
    assert counted_in(late, PLAN) == "plan_1", "no text may leave by the other"
    assert counted_in(late, used_up) == "plan_1", "so it is its excess that is refused"
    assert counted_in(used_up, in_time) == "plan_2"
    assert counted_in(late) == "plan_2"
    assert counted_in(replace(PLAN, ends_at=AT)) is None
    out_of_season = datetime(2021, 12, 1, 2, tzinfo=UTC)
    always = {"starts_at": out_of_season, "ends_at": out_of_season + DAY}
    plans = [replace(each, **always, stated_at=out_of_season) for each in (late, PLAN)]
    assert counted_in(*plans, at=out_of_season) == "plan_2", "no rule wants notice of it"


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


def test_a_campaign_by_a_second_sender_leaves_by_the_plan_of_that_sender(
    peak: tuple[Service, Merchant, str],
) -> None:
    service, merchant, token = peak
    service.clock.advance(HOUR)  # the first admitted is the one for all other texts
    second = add_sender(
        service.runtime, merchant.id, port=PORT, extension="77", signature="晨光", actor=REVIEWER
    )
    stated(merchant, service.clock.now() + DAY, sender=second.id)
    service.clock.advance(DAY)
    lines = [
        MessageRequest(token=token, purpose=PROMOTIONS, text="你好", sender_id=each)
        for each in (None, second.id)
    ]
    results = service.context.submitter.try_out(merchant.id, lines)
    assert [isinstance(each.decision, Accepted) for each in results] == [False, True]


def test_plans_are_listed_in_pages_by_how_they_stand(small: Service) -> None:
    merchant, begins = small.legal_merchant(), small.clock.now()
    assert stated(small.legal_merchant("暮光书店"), begins).status_code == 201
    waves = ("over", "current", "withdrawn", "upcoming", "upcoming")  # what becomes of each
    ids = [
        stated(merchant, begins + days * DAY, reference=f"wave {days % 2}").json["id"]
        for days in range(len(waves))
    ]
    assert merchant.post(f"/v1/plans/{ids[2]}/withdraw").status_code == 200
    small.clock.advance(DAY)  # the first ends at this second, and the next begins
    with statements(small) as executed:
        page = merchant.get("/v1/plans?limit=1").json
    assert all("LIMIT" in each for each in executed if "FROM plans" in each)
    assert any("FROM plans" in each for each in executed)
    found = [each["id"] for each in page["items"]]
    while page["next"]:
        page = merchant.get(f"/v1/plans?limit=1&cursor={page['next']}").json
        found += [each["id"] for each in page["items"]]
    assert sorted(found) == sorted(ids)
    for status in ("over", "current", "withdrawn", "upcoming"):
        listed = merchant.get(f"/v1/plans?status={status}").json["items"]
        assert {(each["id"], each["status"]) for each in listed} == {
            (each, status) for each, wave in zip(ids, waves, strict=True) if wave == status
        }
    odd = merchant.get("/v1/plans?reference=wave%201").json["items"]
    assert {each["id"] for each in odd} == {ids[1], ids[3]}


def test_a_text_takes_as_many_statements_however_many_plans_its_merchant_has(
    peak: tuple[Service, Merchant, str],
) -> None:
    service, merchant, token = peak
    begins = service.clock.now() + DAY
    plans = [stated(merchant, begins).json["id"] for _ in range(3)]
    service.clock.advance(DAY)

    def about_plans() -> int:
        with statements(service) as executed:
            merchant.send(token)
        return sum("FROM plans" in each for each in executed)

    assert about_plans() == 2, "to find them, and to lock them"
    for plan in plans:
        assert merchant.post(f"/v1/plans/{plan}/withdraw").status_code == 200
    assert about_plans() == 0, "it has no plans any more"


@pytest.mark.both_databases
def test_of_those_who_state_plans_at_once_nobody_gets_more_than_the_most(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("consent_tokens.services.plans.MAX_OPEN", 2)
    merchant, begins = service.legal_merchant(), service.clock.now()

    def state(_number: int) -> int:
        client = Merchant(service, merchant.id, merchant.api_key)
        return stated(client, begins).status_code

    with ThreadPoolExecutor(4) as pool:
        answers = sorted(pool.map(state, range(12)))
    assert answers == [201] * 2 + [409] * 10


INVALID: Final[list[tuple[dict[str, object], str]]] = [
    ({"messages": 0}, "messages"),
    ({"messages": 1.5}, "messages"),
    ({"ends_at": "2021-11-01T00:00:00Z"}, "ends_at"),
    ({"ends_at": "2021-11-12T00:00:00Z"}, "ends_at"),
    ({"ends_at": "2022-01-01T00:00:00Z"}, "ends_at"),
    ({"starts_at": "2031-11-11T00:00:00Z"}, "starts_at"),
    ({"starts_at": "2021-11-12T00:00:00"}, "starts_at"),
    ({"purpose": "no.such"}, "purpose"),
    ({"template": "tpl_nobody"}, "template"),
    ({"sender": "snd_nobody"}, "sender"),
    ({"days": 3}, "days"),
]


def test_a_plan_that_is_not_valid_is_refused(small: Service) -> None:
    merchant = small.legal_merchant()
    valid = {"starts_at": "2021-11-12T00:00:00Z", "ends_at": "2021-11-13T00:00:00Z", "messages": 5}
    for terms, field in INVALID:
        refused = merchant.post("/v1/plans", {**valid, **terms})
        assert (refused.status_code, list(refused.json["errors"])) == (422, [field])


@pytest.mark.both_databases
def test_many_who_race_for_the_last_messages_of_a_plan_get_no_more(service: Service) -> None:
    service = service.with_context(otp=WIDE).with_runtime(rules=RulesSource(rules_of(NEEDED)))
    merchant = service.legal_merchant()
    tokens = [
        service.obtain_token(
            merchant, service.consumer(number), PROMOTIONS, max_messages=9, **ALWAYS
        )
        for number in NUMBERS[:3]
    ]
    plan = stated(merchant, service.clock.now() + DAY, messages=5).json
    service.clock.advance(DAY)
    apps = [service.with_context() for _ in range(2)]  # each has a submitter of its own

    def send(number: int) -> int:
        client = Merchant(apps[number % 2], merchant.id, merchant.api_key)
        return client.send(tokens[number % 3]).status_code

    with ThreadPoolExecutor(4) as pool:
        answers = sorted(pool.map(send, range(12)))
    assert answers == [202] * 5 + [403] * 7
    found = merchant.get(f"/v1/plans/{plan['id']}").json
    assert (found["accepted"], found["refused"]) == (5, 7)


def test_a_merchant_is_notified_once_that_its_plan_is_used_up(
    peak: tuple[Service, Merchant, str],
) -> None:
    service, merchant, token = peak
    with a_receiver() as receiver:
        body = {"url": receiver.url, "events": ["merchant.measure"]}
        assert merchant.post("/v1/webhooks", body).status_code == 201
        plan = stated(merchant, service.clock.now() + DAY, messages=1).json
        service.clock.advance(DAY)
        assert [merchant.send(token).status_code for _ in range(3)] == [202, 403, 403]
        deliver_due(service)
        told = [data for _, data in delivered(receiver)]
    assert told == [
        {"measure": "plan_used_up", "subject": plan["id"], "version": None, "people": None,
         "stops": None, "messages": 1},
    ]  # fmt: skip


def test_rules_that_are_tried_count_what_left_outside_of_plans(
    peak: tuple[Service, Merchant, str],
) -> None:
    service, merchant, token = peak
    free = service.with_runtime(
        rules=RulesSource(rules_of("cap = { max_messages = 50, per_days = 30 }"))
    )
    merchant.service = free
    assert merchant.send(token).status_code == 202
    free.work()
    assert stated(merchant, service.clock.now() + DAY, messages=9).status_code == 201
    service.clock.advance(DAY)
    assert merchant.send(token).status_code == 202
    found = merchant.get("/v1/plans").json["items"][0]
    assert found["accepted"] == 1, "plan against fact is known without a rule"
    free.work()
    tried = dry_run(service.runtime, rules_of(NEEDED))
    assert (tried.messages, tried.stopped) == (2, {"cn.r0": 1})


def test_an_operator_sees_plans_against_what_was_accepted(tmp_path: Path) -> None:
    assert run(tmp_path, "plan", "list").stdout == "none\n"
    WRITTEN.append(tmp_path)
    service = Service.start(
        f"sqlite:///{tmp_path}/consent.db", tmp_path / "keys", clock=SystemClock()
    )
    merchant = service.legal_merchant()
    later = answer(tmp_path, "plan", "peaks")[1]
    last = datetime.fromisoformat(f"{later['last']}T00:00:00+00:00")
    for days, messages in ((-1, 3), (0, 4), (9, 5)):  # of the last one nothing is in the season
        assert stated(merchant, last + days * DAY, messages).status_code == 201
    service.close()
    listed = answer(tmp_path, "plan", "list", "--merchant", merchant.id)
    assert [(each["planned"], each["status"], each["of"]) for each in listed] == [
        (each, "upcoming", "all") for each in (3, 4, 5)
    ]
    assert answer(tmp_path, "plan", "peaks")[1] == later | {
        "busiest_day": last.date().isoformat(), "planned_that_day": 4, "planned": 7, "accepted": 0,
    }  # fmt: skip
    assert last.isoformat() in run(tmp_path, "plan", "list").stdout
    assert run(tmp_path, "plan", "list", "--merchant", "mer_nobody").stdout == "none\n"


PEAKS = """
[[peaks]]
id = "cn.peak"
name = { "zh-CN" = "双11", "zh-TW" = "雙11", en = "Double 11" }
words = { "zh-CN" = "一", "zh-TW" = "一", en = "Orders leave first." }
season = { first = "11-01", last = "11-15" }
messages_per_day = 2000000
"""


def test_the_platform_publishes_what_it_plans_for_a_peak(small: Service) -> None:
    rules = rules_of(IN_NOVEMBER, more=PEAKS)
    client = small.with_runtime(rules=RulesSource(rules)).app.test_client()
    shown = client.get("/rules?lang=en").text
    for words in ("Double 11", "November 1, 2021", "Orders leave first.", "at most 2,000,000"):
        assert words in shown
    assert shown.count("<li>one") == 1, "the rule of the season stands there once more"
    small.clock.advance(10 * DAY)
    assert "November 15, 2022" in client.get("/rules?lang=en").text


@pytest.mark.parametrize(
    ("faulty", "fault"),
    [
        (PEAKS + PEAKS, "`id` is there twice"),
        (PEAKS.replace("cn.peak", "eu.peak"), "`id` must begin with cn."),
        (PEAKS.replace('en = "Double 11"', 'de = "Double 11"'), "`name` must be in"),
        (PEAKS.replace("= 2000000", "= 0"), ">= 1"),
        (PEAKS.replace("11-15", "11-31"), "`last` is no day"),
    ],
)
def test_a_peak_that_is_not_valid_is_named(faulty: str, fault: str) -> None:
    with pytest.raises(RulesInvalidError, match=fault):
        rules_of(IN_NOVEMBER, more=faulty)


@pytest.mark.parametrize(
    ("limit", "fault"),
    [
        (f"{NEEDED}\nforbidden = true", "`plan` must be all"),
        (f'{NEEDED}\npurposes = ["no.such"]', "is no purpose"),
        ("plan = { stated_hours_before = -1 }", ">= 0"),
    ],
)
def test_a_rule_about_plans_that_is_not_valid_is_named(limit: str, fault: str) -> None:
    with pytest.raises(RulesInvalidError, match=fault):
        rules_of(limit)
