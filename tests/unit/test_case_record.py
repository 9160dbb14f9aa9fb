"""What is kept of a case decides as the case did, under the rules of its version."""

import random
from datetime import datetime, timedelta
from importlib.resources import files
from typing import Any

from msgspec.structs import fields, replace

from consent_tokens.consent.preferences import Preferences, quiet_hours_of
from consent_tokens.consent.quiet_periods import QuietPeriod
from consent_tokens.consent.scope import FrequencyCap
from consent_tokens.relay.case import Case, EventUse, limits_of
from consent_tokens.relay.case_record import case_of, decode_record
from consent_tokens.relay.case_recorder import MAX_PAST_SENDS, encode_case
from consent_tokens.relay.checks import checks_of, decide
from consent_tokens.relay.decision import Accepted, Decision, Reason, Refused
from consent_tokens.relay.explanation import explain
from consent_tokens.relay.plan import Plan
from consent_tokens.rules.limits import NO_LIMITS
from consent_tokens.rules.pack import RuleSet, rule_set
from tests.unit.test_relay_decision import CLAIMS, FAULTS, GOOD, GRANT, NOON, SCOPE, using

DECISIONS = 10_000
MAX_BYTES, USUAL_BYTES = 400, 100
PACKS = files("consent_tokens.rules.packs")
FILES = {each.name: each.read_text("utf-8") for each in PACKS.iterdir() if ".toml" in each.name}
PURPOSES = ("marketing.promotions", "orders.updates", "marketing.events", "no.such")
CHANGE = """
[[rules]]
id = "cn.test.change"
classes = ["marketing", "transactional"]
words."zh-CN" = "改"
words."zh-TW" = "改"
words.en = "Change"
basis = "operator"
source = "test"
article = ""
date = 2020-01-01
verified = true
since = 2020-01-01
shadow_days = 0
cap = {{ max_messages = {cap}, per_days = 30 }}
hours = {{ from = "{opens:02}:00", to = "20:00" }}
weekdays = ["mon", "tue", "wed", "thu"]
"""
OF_ALL = """
[[rules]]
id = "cn.test.of_all"
classes = ["marketing"]
words = { "zh-CN" = "改", "zh-TW" = "改", en = "Change" }
basis = "operator"
source = "test"
article = ""
date = 2020-01-01
verified = true
since = 2020-01-01
shadow_days = 0
recipient_cap = { max_messages = 1, per_days = 1 }
"""
PLANNED = OF_ALL.replace("of_all", "planned").replace(
    "recipient_cap = { max_messages = 1, per_days = 1 }", "plan = { stated_hours_before = 24 }"
)
PLAN = Plan(
    id="plan_1", merchant_id="m_1", starts_at=NOON, ends_at=NOON + timedelta(days=9), messages=9,
    stated_at=NOON, created_at=NOON,
)  # fmt: skip
# members of a case that a record says nothing of: they are looked at before it is written, or
# follow from other members
NOT_KEPT = {"text", "link_domains", "limits"}
DERIVED = {
    "claims", "purpose_class", "is_limited", "frequency_caps", "send_windows", "ends_at", "send_at",
}  # fmt: skip
KEPT = {
    "merchant_id", "is_merchant_active", "classes", "has_sender", "token", "grant", "purpose",
    "composed", "max_segments", "counted_sends", "transactional_cap", "not_before", "valid_until",
    "now", "named_purposes", "is_demonstration", "template", "event", "preferences",
    "marketing_sends", "more_windows", "text_fault", "is_held_back", "is_dropped", "plans",
}  # fmt: skip

SOMETIMES = 0.05


def changed(number: int) -> RuleSet:
    """Return the packs after so many changes, each stricter for China."""
    change = CHANGE.format(cap=4 - number, opens=9 + number) if number else ""
    if number == 1:
        change += OF_ALL
    if number == 2:
        change += PLANNED
    return rule_set({**FILES, "cn.toml": FILES["cn.toml"] + change})


def some_case(rnd: random.Random, rules: RuleSet) -> Case:
    """Return a case, in a third of them with something wrong."""
    now = NOON + timedelta(seconds=rnd.randrange(14 * 86400))
    members: dict[str, Any] = GOOD | {
        "now": now,
        "not_before": now + timedelta(hours=rnd.choice((-1, 0, 9, 30))),
        "purpose": rnd.choice(PURPOSES),
        "counted_sends": sorted(now - timedelta(hours=rnd.randrange(900)) for _ in range(4))[
            : rnd.randrange(5)
        ],
        "marketing_sends": [now - timedelta(hours=3)],
        "preferences": rnd.choice((GOOD_PREFERENCES, *(some_preferences(rnd, now),) * 2)),
        "template": rnd.choice((None, using())),
        "event": EventUse(rnd.choice(("order", "other")), rnd.randrange(3)),
        "is_demonstration": False,
        "is_held_back": rnd.random() < SOMETIMES,
        "is_dropped": rnd.random() < SOMETIMES,
        "plans": rnd.choice(((), (replace(PLAN, accepted=rnd.choice((0, 9))),))),
    }
    members["valid_until"] = members["not_before"] + timedelta(hours=rnd.choice((1, 24, 72)))
    if rnd.random() < 0.3:
        members |= FAULTS[rnd.choice([each for each in Reason if each != Reason.RULE_FORBIDS])]
    return with_rules(members, rules)


GOOD_PREFERENCES = Preferences()


def some_preferences(rnd: random.Random, now: datetime) -> Preferences:
    quiet = QuietPeriod(now + timedelta(hours=rnd.randrange(-9, 9)), now + timedelta(hours=10))
    return Preferences(
        daily_limit=rnd.choice((None, 1, 5)),
        weekly_limit=rnd.choice((None, 1)),
        quiet_hours=rnd.choice((None, quiet_hours_of(22 * 60, 7 * 60, "Asia/Shanghai"))),
        quiet_periods=rnd.choice(((), (quiet,))),
    )


def with_rules(members: dict[str, Any], rules: RuleSet) -> Case:
    limits = limits_of(
        rules, members["purpose"], members["grant"], members["now"],
        is_demonstration=members["is_demonstration"],
    )  # fmt: skip
    return Case(**members | {"limits": limits})


def without_words(decision: Decision) -> Decision:
    """Return a decision without the words of a fault, which name what a record does not keep."""
    if isinstance(decision, Refused) and decision.field_fault:
        return replace(decision, field_fault=replace(decision.field_fault, detail=None))
    return decision


def again(data: bytes, now: datetime, rules: RuleSet) -> Decision:
    return without_words(decide(case_of(decode_record(data), now, rules)))


def test_ten_thousand_decisions_are_the_same_after_three_changes_of_rules() -> None:
    rnd = random.Random(19)  # noqa: S311 - the same cases at each run
    versions = {each.version: each for each in map(changed, range(4))}
    past: list[tuple[str, datetime, bytes, Decision]] = []
    for version, rules in versions.items():
        for _ in range(DECISIONS // len(versions)):
            case = some_case(rnd, rules)
            decision = decide(case)
            data = encode_case(case, decision)
            past.append((version, case.now, data, without_words(decision)))
    assert len(past) == DECISIONS
    assert max(len(data) for _, _, data, _ in past) <= MAX_BYTES
    assert {getattr(each, "reason", None) for *_, each in past} >= set(Reason) - {Reason.HELD_BACK}
    newest, differing = list(versions.values())[-1], 0
    for number, (version, now, data, decision) in enumerate(past):
        assert again(data, now, versions[version]) == decision
        if number % 5 == 0:
            differing += again(data, now, newest) != decision
    assert differing > 100  # the changes matter: the version must be that of the decision


def test_the_result_is_kept() -> None:
    for faults in FAULTS.values():
        case = Case(**GOOD | faults)
        decision = decide(case)
        kept = decode_record(encode_case(case, decision)).result_at(NOON)
        assert isinstance(decision, Refused)
        assert kept == Refused(decision.reason, decision.next_at)


def test_every_member_of_a_case_is_kept_or_known_not_to_be() -> None:
    assert {each.name for each in fields(Case)} == KEPT | NOT_KEPT | DERIVED


def test_neither_text_nor_ids_nor_unknown_names_are_kept() -> None:
    case = Case(**GOOD | {"text": "call 13800138000", "merchant_id": "m_secret",
                          "purpose": "13800138000"})  # fmt: skip
    data = encode_case(case, decide(case))
    assert b"1380013" not in data
    assert b"m_secret" not in data


def test_a_usual_record_is_short() -> None:
    case = Case(**GOOD)
    assert len(encode_case(case, decide(case))) <= USUAL_BYTES


def test_a_decision_under_any_cap_is_repeated_from_few_of_its_sends() -> None:
    """Also what is explained of it: how much of each cap was used."""
    rnd = random.Random(20)  # noqa: S311 - the same cases at each run
    reasons: set[object] = set()
    for _ in range(400):
        limit, days = rnd.randrange(90, 1001), rnd.randrange(1, 31)
        count, planned = max(0, limit + rnd.randrange(-60, 60)), rnd.choice((0, 0, 3, 40))
        spread = timedelta(days=days * rnd.choice((0.5, 1, 1.2, 3)))
        sends = sorted(NOON - spread * rnd.random() for _ in range(count))
        sends += sorted(NOON + timedelta(hours=rnd.uniform(0.1, 90)) for _ in range(planned))
        scope = replace(SCOPE, frequency_cap=FrequencyCap(limit, timedelta(days=days)))
        preferences = Preferences(weekly_limit=rnd.choice((None, 400)))
        case = Case(**GOOD | {
            "grant": replace(GRANT, scope=scope), "token": replace(CLAIMS, scope=scope),
            "counted_sends": sends, "marketing_sends": sends, "preferences": preferences,
            "valid_until": NOON + timedelta(days=3), "limits": NO_LIMITS,
        })  # fmt: skip
        decision = decide(case)
        data = encode_case(case, decision)
        record = decode_record(data)
        kept = case_of(record, NOON)
        assert record.knows(kept)
        assert decide(kept) == decision
        assert explain(kept, checks_of(kept)) == explain(case, checks_of(case))
        assert len(record.tail.edges) <= planned + 3
        reasons.add(type(decision))
    assert reasons == {Accepted, Refused}


def test_of_many_sends_the_last_ones_and_what_a_cap_compares_with_are_kept() -> None:
    sends = [NOON - timedelta(minutes=each) for each in range(300, 0, -1)]
    planned = [NOON + timedelta(days=1)]
    case = Case(**GOOD | {"counted_sends": sends + planned})
    record = decode_record(encode_case(case, decide(case)))
    assert record.tail.left_out == 300 - MAX_PAST_SENDS
    kept = case_of(record, NOON)
    assert len(kept.counted_sends) == 301
    assert kept.counted_sends[-101:] == sends[-MAX_PAST_SENDS:] + planned
    assert decide(kept) == decide(case)
    assert record.knows(kept)
    scope = replace(SCOPE, frequency_cap=FrequencyCap(250, timedelta(days=30)))
    other = Case(**GOOD | {
        "grant": replace(GRANT, scope=scope), "token": replace(CLAIMS, scope=scope),
        "counted_sends": kept.counted_sends,
    })  # fmt: skip
    assert not record.knows(other), "it was decided by another cap"
