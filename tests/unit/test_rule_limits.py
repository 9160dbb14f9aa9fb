"""What rules make of the sending of a message: hours, days, caps, and the chain of a refusal."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from sqlalchemy import text as sql

from consent_tokens.consent.purposes import PurposeClass
from consent_tokens.consent.scope import SendWindow
from consent_tokens.consent.timezones import parse_timezones
from consent_tokens.errors import RulesInvalidError
from consent_tokens.relay.case import EventUse, TemplateUse
from consent_tokens.relay.checks import decide
from consent_tokens.relay.decision import Accepted, Deferred, Reason, Refused
from consent_tokens.rules.limits import Limits, limits_for
from consent_tokens.rules.pack import RuleSet, rule_set
from consent_tokens.rules_source import RulesSource, packaged_rules
from consent_tokens.services.policies_by_rules import with_rules
from consent_tokens.services.rules_dry_run import dry_run
from consent_tokens.store.messages import MAX_TIME_IN_OUTBOX
from tests.number_scan import NUMBERS
from tests.service import ALWAYS, DEMO_RULES, PROMOTIONS, WIDE, Service
from tests.unit.test_relay_decision import TEMPLATE, a_case

PACKAGED = packaged_rules()
RULE = """
[[rules]]
id = "cn.{name}"
classes = ["marketing"]
words = {{ "zh-CN" = "一", "zh-TW" = "一", en = "one" }}
basis = "operator"
source = "its own choice"
article = ""
date = 2021-11-01
verified = true
since = 2021-11-08
{limit}
"""


def rules_of(*limits: str, shadow: bool = False, more: str = "") -> RuleSet:
    """Return a rule set whose pack for everywhere has rules with these limits."""
    head = 'id = "cn"\nname = { "zh-CN" = "一", "zh-TW" = "一", en = "one" }\nregions = ["*"]\n'
    mode = "" if shadow else "shadow_days = 0\n"
    rules = [RULE.format(name=f"r{n}", limit=mode + limit) for n, limit in enumerate(limits)]
    return rule_set({"cn.toml": head + "".join(rules) + more, "demo.toml": DEMO_RULES})


def limits(
    rules: RuleSet, zones: str, *, purpose: str = PROMOTIONS, day: date = date(2026, 11, 27)
) -> Limits:
    first, *also = parse_timezones(zones)
    window = SendWindow(0, 1440, first, tuple(also))
    purpose_class = PurposeClass.MARKETING if "marketing" in purpose else PurposeClass.TRANSACTIONAL
    return limits_for(rules, purpose, purpose_class, window, day, is_demonstration=False)


def leaves(rules: Limits, at: datetime) -> datetime:
    """Return when a text leaves that is ready at a time."""
    for _ in range(100):
        before = at
        for _, window in rules.windows:
            at = window.next_open(at)
        at = rules.next_day(at)
        if at == before:
            return at
    raise AssertionError("never")


@pytest.mark.parametrize(
    ("zones", "ready", "sent"),
    [
        # the clocks of Paris go back on Sunday 2026-10-25: until Monday 09:00 it is an hour more
        ("Europe/Paris", "2026-10-24T20:00+02:00", "2026-10-26T09:00+01:00"),
        ("Europe/Paris", "2027-03-27T20:00+01:00", "2027-03-30T09:00+02:00"),  # and Easter Monday
        ("Europe/Paris", "2026-11-11T10:00+01:00", "2026-11-12T09:00+01:00"),  # 11 November
        ("Europe/Berlin", "2026-11-11T10:00+01:00", "2026-11-11T10:00+01:00"),  # not in Germany
        ("Europe/Berlin", "2026-12-24T21:00+01:00", "2026-12-28T09:00+01:00"),  # 25, 26, Sunday
        ("Asia/Kolkata", "2026-11-27T21:00+05:30", "2026-11-28T09:00+05:30"),  # a half-hour zone
        ("Asia/Kolkata", "2026-11-27T08:59+05:30", "2026-11-27T09:00+05:30"),
        ("America/New_York America/Los_Angeles", "2026-11-27T09:00-05:00",
         "2026-11-27T09:00-08:00"),  # open in both only
        ("America/New_York", "2026-10-31T20:00-04:00", "2026-11-01T09:00-05:00"),  # clocks back
        ("Asia/Shanghai", "2026-11-29T21:00+08:00", "2026-11-30T08:00+08:00"),
        ("Asia/Seoul", "2026-11-29T21:00+09:00", "2026-11-30T08:00+09:00"),  # no pack of its own
        ("Europe/Istanbul", "2026-11-29T20:00+03:00", "2026-11-30T09:00+03:00"),
    ],
)  # fmt: skip
def test_when_marketing_leaves_in_each_jurisdiction(zones: str, ready: str, sent: str) -> None:
    at = datetime.fromisoformat(ready).astimezone(UTC)
    assert leaves(limits(PACKAGED, zones), at) == datetime.fromisoformat(sent)


def test_transactional_texts_leave_at_any_hour() -> None:
    assert not limits(PACKAGED, "Europe/Paris", purpose="orders.updates").windows


def test_a_rule_refuses_with_its_id_and_a_new_one_does_not_yet() -> None:
    forbid = rules_of("forbidden = true")
    window = SendWindow(0, 1440, ZoneInfo("Asia/Shanghai"))
    day = date(2021, 11, 11)

    def decided(rules: RuleSet, on: date) -> object:
        found = limits_for(
            rules, PROMOTIONS, PurposeClass.MARKETING, window, on, is_demonstration=False
        )
        return decide(a_case(limits=found))

    refused = decided(forbid, day)
    assert isinstance(refused, Refused)
    assert refused.reason is Reason.RULE_FORBIDS
    assert [rule.id for rule in refused.rules] == ["cn.r0"]
    shadow = rules_of("forbidden = true", shadow=True)
    assert isinstance(decided(shadow, day), Accepted)
    assert isinstance(decided(shadow, day + timedelta(days=4)), Refused)


CAPS = st.builds(
    "cap = {{ max_messages = {}, per_days = {} }}".format, st.integers(1, 5), st.integers(1, 9)
)
HOURS = st.builds(
    'hours = {{ from = "{:02}:00", to = "{:02}:30" }}'.format,
    st.integers(0, 12),
    st.integers(12, 23),
)
LIMITS = st.one_of(
    CAPS,
    HOURS,
    st.builds('holidays = ["11-{:02}"]'.format, st.integers(1, 30)),
    st.just('weekdays = ["mon", "wed", "thu"]'),
    st.just("forbidden = true"),
    st.builds(
        "recipient_cap = {{ max_messages = {}, per_days = {} }}\n"
        'seasons = [{{ first = "11-10", last = "11-{}" }}]'.format,
        st.integers(1, 3),
        st.integers(1, 7),
        st.integers(10, 14),
    ),
)


@given(
    rules=st.lists(LIMITS, min_size=1, max_size=3),
    added=LIMITS,
    sends=st.lists(st.integers(0, 15 * 24), max_size=5),
    hour=st.integers(0, 48),
)
def test_a_further_rule_never_allows_more(
    rules: list[str], added: str, sends: list[int], hour: int
) -> None:
    now = datetime(2021, 11, 11, 4, tzinfo=UTC) + timedelta(hours=hour)
    counted = sorted(now - timedelta(hours=each) for each in sends)

    def send_at(*texts: str) -> datetime | None:
        found = limits(rules_of(*texts), "Asia/Shanghai", day=now.date())
        valid = now + timedelta(days=1)
        decision = decide(a_case(limits=found, counted_sends=counted, marketing_sends=counted,
                               now=now, not_before=now, valid_until=valid))  # fmt: skip
        return None if isinstance(decision, Refused) else decision.send_at

    before, after = send_at(*rules), send_at(*rules, added)
    assert after is None or (before is not None and after >= before)


def test_a_stricter_rule_cuts_a_live_token_when_it_is_sent(service: Service) -> None:
    merchant, consumer = service.legal_merchant(), service.consumer()
    token = service.obtain_token(merchant, consumer, max_messages=10)
    assert merchant.send(token).status_code == 202
    service = service.with_runtime(
        rules=RulesSource(rules_of("cap = { max_messages = 1, per_days = 2 }"))
    )
    merchant.service = consumer.service = service
    service.work()
    count = len(consumer.texts())
    refused = merchant.send(token)
    assert (refused.status_code, refused.json["code"]) == (403, "rule_forbids")
    assert [rule["id"] for rule in refused.json["rules"]] == ["cn.r0"]
    service.clock.advance(timedelta(days=2))
    again = merchant.send(token)
    assert again.status_code == 202, again.text
    version = service.runtime.rules.current().version
    with service.runtime.database.engine.connect() as connection:
        kept = connection.execute(
            sql("SELECT reason, rules FROM events WHERE message_id IS NULL AND rules IS NOT NULL")
        )
        assert [tuple(row) for row in kept] == [("rule_forbids", f"{version} cn.r0")]
    assert refused.json["next_at"] <= service.clock.now().isoformat()
    stricter = rules_of('hours = { from = "00:00", to = "00:30" }')
    service = service.with_runtime(rules=RulesSource(stricter))
    merchant.service = consumer.service = service
    service.work()
    assert len(consumer.texts()) == count, "accepted before, and not sent outside the new hours"
    assert merchant.get(f"/v1/messages/{again.json['id']}").json["status"] == "deferred"
    late = merchant.send(token, valid_for_minutes=60)
    assert late.json["code"] == "rule_forbids"


def test_a_dry_run_counts_what_each_rule_would_have_stopped(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("consent_tokens.services.rules_dry_run.PAGE_SIZE", 3)
    merchant = service.legal_merchant()
    first, second = (
        service.obtain_token(merchant, service.consumer(number), max_messages=10)
        for number in NUMBERS[:2]
    )
    for token in (first, second, second):
        assert merchant.send(token).status_code == 202
        service.work()
    tried = rules_of(
        "cap = { max_messages = 1, per_days = 1 }",
        'holidays = ["11-11"]',
        'hours = { from = "08:00", to = "21:00" }',
        shadow=True,
    )
    found = dry_run(service.runtime, tried)
    assert found.messages == 3
    assert found.stopped == {"cn.r0": 1, "cn.r1": 3}
    service.clock.advance(timedelta(days=8))
    assert dry_run(service.runtime, tried).messages == 0


def test_a_rule_in_shadow_is_reported_and_refuses_nothing(service: Service) -> None:
    new = rules_of('holidays = ["11-11"]', shadow=True)
    service = service.with_runtime(rules=RulesSource(new))
    merchant, consumer = service.legal_merchant(), service.consumer()
    counted = 'consent_rules_shadow_total{rule="cn.r0"}'
    before = service.metric(counted)
    assert merchant.send(service.obtain_token(merchant, consumer)).status_code == 202
    assert service.metric(counted) == before + 1


def test_a_message_that_a_new_rule_forbids_is_refused_at_dispatch(service: Service) -> None:
    merchant, consumer = service.legal_merchant(), service.consumer()
    token = service.obtain_token(merchant, consumer)
    sent = merchant.send(token)
    forbid = rules_of("forbidden = true")
    service = service.with_runtime(rules=RulesSource(forbid))
    merchant.service = service
    service.work()
    message = merchant.get(f"/v1/messages/{sent.json['id']}").json
    assert (message["status"], message["reason"]) == ("refused", "rule_forbids")
    assert [(rule["id"], rule["words"]) for rule in message["rules"]] == [("cn.r0", "one")]
    with service.runtime.database.engine.connect() as connection:
        kept = connection.execute(
            sql("SELECT rules FROM events WHERE kind = 'message_refused' AND rules IS NOT NULL")
        )
        assert [row.rules for row in kept] == [f"{forbid.version} cn.r0"]


CAP_OF_ALL = "recipient_cap = { max_messages = 2, per_days = 1 }"
IN_NOVEMBER = 'seasons = [{ first = "11-01", last = "11-15" }]'


@pytest.mark.parametrize(
    ("seasons", "day", "binds"),
    [
        ('{ first = "11-01", last = "11-15" }', date(2026, 11, 1), True),
        ('{ first = "11-01", last = "11-15" }', date(2027, 11, 15), True),
        ('{ first = "11-01", last = "11-15" }', date(2026, 11, 16), False),
        ('{ first = "2027-01-23", last = "2027-02-20" }', date(2027, 2, 20), True),
        ('{ first = "2027-01-23", last = "2027-02-20" }', date(2028, 2, 1), False),
        ('{ first = "01-01", last = "01-02" }, { first = "12-30", last = "12-31" }',
         date(2026, 12, 31), True),
    ],
)  # fmt: skip
def test_a_rule_binds_in_its_season(seasons: str, day: date, binds: bool) -> None:
    rules = rules_of(f"{CAP_OF_ALL}\nseasons = [{seasons}]")
    assert bool(limits(rules, "Asia/Shanghai", day=day).recipient_caps) is binds


@pytest.mark.parametrize(
    ("wrong", "fault"),
    [
        ('seasons = [{ first = "11-31", last = "12-01" }]', "`first` is no day"),
        ('seasons = [{ first = "11-02", last = "11-01" }]', "must not be before"),
        ('seasons = [{ first = "11-02", last = "2027-11-09" }]', "both have a year"),
        ('classes = ["transactional"]', "counts marketing and finance only"),
    ],
)
def test_a_wrong_season_is_named(wrong: str, fault: str) -> None:
    text = RULE.format(name="r", limit=f"shadow_days = 0\n{CAP_OF_ALL}\n{wrong}")
    if "classes" in wrong:
        text = text.replace('classes = ["marketing"]\n', "", 1)
    head = 'id = "cn"\nname = { "zh-CN" = "一", "zh-TW" = "一", en = "one" }\nregions = ["*"]\n'
    with pytest.raises(RulesInvalidError, match=fault):
        rule_set({"cn.toml": head + text, "demo.toml": DEMO_RULES})


def test_in_a_season_all_merchants_together_keep_the_limit_of_a_person(small: Service) -> None:
    service = small.with_context(otp=WIDE)
    consumer = service.consumer()
    tokens = {}
    for name in ("甲书店", "乙茶铺", "丙鞋店"):
        merchant = service.legal_merchant(name)
        tokens[name] = merchant, service.obtain_token(merchant, consumer, max_messages=10)
    service = service.with_runtime(rules=RulesSource(rules_of(f"{CAP_OF_ALL}\n{IN_NOVEMBER}")))
    for merchant, _ in tokens.values():
        merchant.service = service
    consumer.service, consumer.browser = service, service.app.test_client()
    sent = [merchant.send(token) for merchant, token in tokens.values()]
    assert [each.status_code for each in sent] == [202, 202, 403]
    assert [rule["id"] for rule in sent[2].json["rules"]] == ["cn.r0"]
    assert sent[2].json["next_at"] == "2021-11-12T16:00:00+00:00", "the day tells no more"
    service.work()
    consumer.log_in()
    shown = consumer.get("/my/wishes?lang=en").text
    assert "the rules of the platform limit all shops together" in shown
    service.clock.advance(timedelta(hours=12))
    merchant, token = tokens["甲书店"]
    assert merchant.send(token, "marketing.promotions").status_code == 403
    service.clock.advance(timedelta(days=5))
    assert [merchant.send(token).status_code for _ in range(3)] == [202, 202, 202], "out of season"


def test_an_open_request_is_cut_to_stricter_rules_and_granted_as_it_is_shown(
    small: Service,
) -> None:
    merchant, consumer = small.legal_merchant(), small.consumer()
    asked = merchant.ask(PROMOTIONS, max_messages=10, expires_in_days=300, **ALWAYS)
    assert "You are asked for less" not in consumer.get(f"{asked['path']}?lang=en").text
    consumer.post(asked["path"], purposes=[PROMOTIONS], phone=consumer.number, decision="grant")
    stricter = rules_of(
        "cap = { max_messages = 3, per_days = 30 }", 'hours = { from = "10:00", to = "20:00" }'
    )
    service = small.with_runtime(rules=RulesSource(stricter))
    browser = service.app.test_client()
    merchant.service = consumer.service = service
    consumer.browser = browser
    shown = consumer.get(f"{asked['path']}?lang=en").text
    assert "You are asked for less, because of these rules" in shown
    assert "at most 3" in shown.lower()
    consumer.agree(asked["path"], PROMOTIONS)
    granted = merchant.get(f"/v1/consent-requests/{asked['id']}").json
    scope = granted["scope"]
    assert (granted["status"], scope["max_messages"]) == ("granted", 3)
    assert (scope["from"], scope["to"]) == ("10:00", "20:00")
    other = merchant.ask(PROMOTIONS, max_messages=1, **{"from": "11:00", "to": "12:00"})
    none = service.with_runtime(rules=RulesSource(rules_of("forbidden = true")))
    closed = none.consumer(NUMBERS[1]).get(f"{other['path']}?lang=en").text
    assert "The rules of the platform do not allow it any more." in closed


def test_free_marketing_needs_a_template_where_a_rule_says_so(small: Service) -> None:
    merchant, consumer = small.legal_merchant(), small.consumer()
    token = small.obtain_token(merchant, consumer, max_messages=9)
    waiting = merchant.send(token)
    assert waiting.status_code == 202
    merchant.service = service = small.with_runtime(
        rules=RulesSource(rules_of("needs_template = true"))
    )
    refused = merchant.send(token)
    assert refused.json["code"] == "template_required"
    service.work()
    left = merchant.get(f"/v1/messages/{waiting.json['id']}").json
    assert (left["status"], left["reason"]) == ("refused", "template_required")
    made = service.template(
        merchant, PROMOTIONS, "新书{title}到店", variables={"title": {"type": "name"}}
    )
    named = {"template": made["id"], "variables": {"title": "海"}}
    draft = {"token": token, "purpose": PROMOTIONS, **named}
    assert merchant.post("/v1/messages", draft).status_code == 202


@pytest.mark.parametrize(("is_essential", "hour"), [(False, 23), (True, 16)])
def test_essential_texts_leave_at_night(is_essential: bool, hour: int) -> None:
    """16:00 UTC is midnight in Shanghai."""
    at = datetime(2021, 11, 11, 16, tzinfo=UTC)
    template = replace(TEMPLATE, is_essential=is_essential, purpose="orders.updates")
    night = RULE.format(name="night", limit='hours = { from = "07:00", to = "22:00" }')
    text = night.replace('["marketing"]', '["transactional"]').replace("2021-11-08", "2021-11-01")
    head = 'id = "cn"\nname = { "zh-CN" = "一", "zh-TW" = "一", en = "one" }\nregions = ["*"]\n'
    rules = rule_set({"cn.toml": head + text + "shadow_days = 0\n", "demo.toml": DEMO_RULES})
    decision = decide(
        a_case(
            purpose="orders.updates",
            template=TemplateUse(template),
            event=EventUse("order", 0),
            limits=limits(rules, "Asia/Shanghai", purpose="orders.updates", day=at.date()),
            now=at,
            not_before=at,
            valid_until=at + timedelta(days=1),
        )
    )
    assert isinstance(decision, Accepted | Deferred)
    assert decision.send_at.hour == hour


def test_invitations_rest_as_long_as_the_rules_want_if_that_is_longer(small: Service) -> None:
    service = small.with_runtime(
        rules=RulesSource(rules_of("invitation_rest_days = 120"))
    ).with_context(otp=WIDE)
    merchant, consumer = service.legal_merchant(), service.consumer()
    token = service.obtain_token(merchant, consumer, PROMOTIONS)
    asked = merchant.ask("marketing.events", token=token)
    consumer.post(asked["path"], decision="decline")
    for days, status in ((95, 403), (20, 403), (10, 201)):
        service.clock.advance(timedelta(days=days))
        service.work()
        again = merchant.post(
            "/v1/consent-requests", {"purposes": ["marketing.events"], "token": token}
        )
        assert again.status_code == status, again.text
    privacy = service.app.test_client().get("/privacy?lang=en").text
    assert "120 days" in privacy


@pytest.mark.parametrize(
    ("rule", "texts", "records", "proof"),
    [
        ("texts_at_most_days = 3", 3, 185, 1096),
        ("texts_at_most_days = 300, records_at_least_days = 90", 30, 185, 1096),
        ("records_at_least_days = 1200", 30, 1200, 1200),
        ("proof_at_least_days = 2000", 30, 185, 2000),
    ],
)
def test_of_the_retention_of_settings_and_rules_the_stricter_holds(
    small: Service, rule: str, texts: int, records: int, proof: int
) -> None:
    rules = RulesSource(rules_of(f"retention = {{ {rule} }}"))
    service = small.with_runtime(rules=rules)
    kept = with_rules(service.runtime, service.context.consent).retention
    assert [each.days for each in (kept.texts, kept.records, kept.proof)] == [texts, records, proof]
    in_shadow = small.with_runtime(rules=RulesSource(rules_of(
        f"retention = {{ {rule} }}", shadow=True
    )))  # fmt: skip
    policy = small.context.consent
    assert with_rules(in_shadow.runtime, policy) == policy


def test_the_notice_states_the_retention_of_the_rules_and_texts_are_deleted_by_it(
    small: Service,
) -> None:
    rules = RulesSource(
        rules_of("retention = { texts_at_most_days = 3, proof_at_least_days = 2000 }")
    )
    service = small.with_runtime(rules=rules).with_context(otp=WIDE)
    merchant, consumer = service.legal_merchant(), service.consumer()
    asked = merchant.ask(PROMOTIONS, **ALWAYS)
    assert "kept for 3 days" in consumer.get(f"{asked['path']}?lang=en").text
    consumer.agree(asked["path"], PROMOTIONS)
    assert merchant.send(merchant.token(asked)).status_code == 202
    service.work()
    assert "2000" in service.app.test_client().get("/privacy?lang=en").text
    for days, left in ((2, 1), (2, 0)):
        service.clock.advance(timedelta(days=days))
        service.maintain()
        with service.runtime.database.engine.connect() as connection:
            found = connection.execute(sql("SELECT count(*) FROM messages WHERE text IS NOT NULL"))
            assert found.scalar_one() == left


@pytest.mark.parametrize(
    ("limit", "fault"),
    [
        ("retention = {}", "it must have a period"),
        ("retention = { texts_at_most_days = 366 }", "<= 365"),
        ('links = "per_message"', "`links` must be none or constant"),
        ('links = "some"', "Invalid enum value"),
    ],
)
def test_a_rule_about_links_or_retention_that_is_not_valid_is_named(limit: str, fault: str) -> None:
    with pytest.raises(RulesInvalidError, match=fault):
        rules_of(limit)


def test_a_rule_about_plans_is_known_of_every_day_on_which_a_message_may_leave() -> None:
    # submitted as far ahead as may be, and put off for as long as it is valid
    season = date(2026, 11, 1)
    submitted = season - MAX_TIME_IN_OUTBOX
    rules = rules_of(f"plan = {{ stated_hours_before = 24 }}\n{IN_NOVEMBER}")
    found = limits(rules, "Asia/Shanghai", day=submitted)
    assert [each.id for each in found.plans_on(season)] == ["cn.r0"]
