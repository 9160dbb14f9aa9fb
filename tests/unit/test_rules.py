"""Rules as data: what the packs say, and how a wrong one is refused."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from consent_tokens.cli import main
from consent_tokens.clock import ManualClock
from consent_tokens.consent.purposes import Purpose
from consent_tokens.consent.request import AskedTerms, RequestedTerms
from consent_tokens.consent.scope import FrequencyCap
from consent_tokens.errors import RulesInvalidError
from consent_tokens.folder_watch import CHECK_SECONDS
from consent_tokens.policies import RateLimit
from consent_tokens.relay.frequency_cap import next_allowed_at
from consent_tokens.rules.applicable import Rules, applicable
from consent_tokens.rules.ceilings import cut_terms, excesses, is_more, with_defaults
from consent_tokens.rules.pack import parse_pack
from consent_tokens.rules.rule import RuleMode
from consent_tokens.rules_source import RulesSource, packaged_rules
from tests.service import PROMOTIONS, Service

PACKAGED = packaged_rules()
TODAY = date(2026, 11, 27)
PACK = """
id = "cn"
name = { "zh-CN" = "一", "zh-TW" = "一", en = "one" }
regions = ["CN", "*"]
[[rules]]
id = "cn.a"
classes = ["marketing"]
words = { "zh-CN" = "一", "zh-TW" = "一", en = "one" }
basis = "operator"
source = "its own choice"
article = ""
date = 2026-11-01
verified = true
since = 2026-11-20
cap = { max_messages = 1, per_days = 1 }
"""


def asked(*purposes: str, **more: Any) -> list[tuple[str, str]]:  # noqa: ANN401 - fields of AskedTerms
    """Return which members of a request are refused by which rules, in a region."""
    region = str(more.pop("region", "CN"))
    terms = AskedTerms(
        purposes=frozenset(map(Purpose, purposes)),
        locale="en",
        **more,
    )
    rules = applicable(PACKAGED, terms.purposes, frozenset({region}), TODAY)
    return [(each.field, each.rule.id) for each in excesses(with_defaults(terms, rules), rules)]


CASES = [  # region, purpose, what is asked, the field and the rule that refuses it
    ("CN", "marketing.promotions", {}, None),
    ("CN", "marketing.events", {"max_messages": 9}, ("max_messages", "cn.marketing.cap_per_month")),
    ("CN", "marketing.promotions", {"max_messages": 8}, None),
    ("CN", "marketing.promotions", {"opens": "07:59"}, ("from", "cn.marketing.hours")),
    ("CN", "marketing.promotions", {"opens": "08:00", "closes": "21:00"}, None),
    ("CN", "marketing.promotions", {"closes": "21:01"}, ("to", "cn.marketing.hours")),
    ("CN", "marketing.promotions", {"valid_days": 366}, ("expires_in_days", "cn.limits.expiry")),
    ("CN", "finance.credit", {"opens": "08:00"}, ("from", "cn.finance.hours")),
    ("CN", "finance.credit", {"max_messages": 3}, ("max_messages", "cn.finance.cap_per_month")),
    ("CN", "orders.updates", {"max_messages": 1000, "per_days": 1, "opens": "00:00"}, None),
    ("CN", "orders.updates", {"valid_days": 366}, ("expires_in_days", "cn.limits.expiry")),
    ("KR", "marketing.promotions", {"closes": "21:01"}, ("to", "cn.marketing.hours")),
    ("IN", "marketing.promotions", {"opens": "08:59"}, ("from", "in.marketing.hours")),
    ("IN", "marketing.promotions", {"opens": "09:00", "closes": "21:00"}, None),
    ("DE", "marketing.promotions", {"closes": "20:01"}, ("to", "eu.marketing.hours")),
    ("US", "marketing.promotions", {"closes": "20:01"}, ("to", "us.marketing.hours")),
    ("PR", "finance.loans", {"closes": "20:01"}, ("to", "us.marketing.hours")),
    ("TR", "marketing.promotions", {"opens": "08:59"}, ("from", "tr.marketing.hours")),
]  # fmt: skip


@pytest.mark.parametrize(("region", "purpose", "more", "refused"), CASES)
def test_what_may_be_asked_in_each_jurisdiction(
    region: str, purpose: str, more: dict[str, Any], refused: tuple[str, str] | None
) -> None:
    assert asked(purpose, region=region, **more) == ([refused] if refused else [])


def test_each_rule_names_its_source_and_only_read_ones_refuse() -> None:
    rules = [rule for pack in PACKAGED.packs.values() for rule in pack.rules]
    assert {"cn", "in", "eu", "us", "tr", "demo"} == PACKAGED.packs.keys()
    for rule in rules:
        assert rule.source
        assert rule.verified or rule.mode_on(TODAY) is RuleMode.ADVISORY
    advisory = {rule.id for rule in rules if rule.mode_on(TODAY) is RuleMode.ADVISORY}
    assert advisory == {
        "cn.records.retention", "in.marketing.hours_later", "tr.texts.links",
        "us.marketing.hours_of_calls",
    }  # fmt: skip


def test_a_demonstration_may_ask_for_more_wherever_the_number_is() -> None:
    rules = applicable(
        PACKAGED, [Purpose.PROMOTIONS], frozenset({"DE"}), TODAY, is_demonstration=True
    )
    wide = AskedTerms(
        purposes=frozenset({Purpose.PROMOTIONS}), max_messages=1000, per_days=1,
        opens="00:00", closes="24:00", valid_days=1825, locale="en",
    )  # fmt: skip
    assert excesses(with_defaults(wide, rules), rules) == []


def test_a_number_of_several_regions_is_bound_by_all_of_them() -> None:
    of_both = applicable(PACKAGED, [Purpose.PROMOTIONS], frozenset({"CN", "FR"}), TODAY)
    assert {"cn.marketing.hours", "eu.marketing.hours", "eu.marketing.days_in_france"} <= {
        rule.id for rule in of_both.rules
    }


def test_a_new_rule_refuses_nothing_for_a_week() -> None:
    (rule,) = parse_pack("cn.toml", PACK).rules
    assert rule.mode_on(date(2026, 11, 26)) is RuleMode.SHADOW
    assert rule.mode_on(date(2026, 11, 27)) is RuleMode.ENFORCED
    at_once = parse_pack("cn.toml", PACK + "shadow_days = 0\n")
    assert at_once.rules[0].mode_on(date(2026, 11, 20)) is RuleMode.ENFORCED


@pytest.mark.parametrize(
    ("find", "put", "said"),
    [
        ('id = "cn.a"', 'id = "cn.a"\nhours_from = 9', "cn.toml: rule 'cn.a': .*`hours_from`"),
        ("max_messages = 1,", 'max_messages = "1",', r"rule 'cn.a': .*`\$.cap.max_messages`"),
        ("max_messages = 1,", "max_messages = 0,", r"rule 'cn.a': .*`\$.cap.max_messages`"),
        ('"zh-TW" = "一", en = "one" }\nbasis', 'en = "one" }\nbasis', "rule 'cn.a': `words` must"),
        ('source = "its own choice"', 'source = " "', "rule 'cn.a': `verified` needs a `source`"),
        ("cap = { max_messages = 1, per_days = 1 }", "", "rule 'cn.a': it limits nothing"),
        ('classes = ["marketing"]', 'classes = ["adverts"]', r"rule 'cn.a': .*`\$.classes"),
        ('"CN", "*"', '"CN", "China"', "cn.toml: `regions`: 'China' is no region"),
        ('id = "cn.a"', 'id = "eu.a"', "rule 'eu.a': `id` must begin with cn."),
        ("since = 2026-11-20", "since = 2026-11-20\nshadow_days = 900", "shadow_days"),
        ("since = 2026-11-20", 'since = 2026-11-20\nholidays = ["02-30"]', "`holidays`: '02-30'"),
        ('id = "cn"', 'id = "cn"\nregion = "CN"', "cn.toml: .*`region`"),
        ('id = "cn"', "id =", "cn.toml: no TOML"),
    ],
)  # fmt: skip
def test_an_error_names_file_rule_and_member(find: str, put: str, said: str) -> None:
    assert find in PACK
    with pytest.raises(RulesInvalidError, match=said):
        parse_pack("cn.toml", PACK.replace(find, put, 1))


@given(
    asked=st.tuples(st.integers(1, 40), st.integers(1, 60)),
    allowed=st.tuples(st.integers(1, 40), st.integers(1, 60)),
)
def test_a_cap_that_is_more_could_never_be_kept(
    asked: tuple[int, int], allowed: tuple[int, int]
) -> None:
    """Sent as early as the allowed cap lets them, the texts of one period fit unless it is more."""
    cap, most = (RateLimit(limit, timedelta(days=days)) for limit, days in (asked, allowed))
    periods = max(1, most.window // cap.window)
    start, sends = ManualClock().now(), list[datetime]()
    at = start
    for _ in range(cap.limit * periods):
        at = next_allowed_at(most, sends, at)
        sends.append(at)
    fits = at < start + cap.window * periods
    assert is_more(cap, most) is not fits


def of(*limits: str) -> Rules:
    """Return the rules of a pack with these limits, for marketing."""
    head, rule = PACK.split("[[rules]]")
    rule = rule.replace("since = 2026-11-20", "since = 2026-11-20\nshadow_days = 0")
    rules = "".join(
        "[[rules]]"
        + rule.replace("cn.a", f"cn.r{number}").replace(
            "cap = { max_messages = 1, per_days = 1 }", limit
        )
        for number, limit in enumerate(limits)
    )
    return Rules(parse_pack("cn.toml", head + rules).rules)


LIMITS = st.one_of(
    st.builds("cap = {{ max_messages = {}, per_days = {} }}".format,
              st.integers(1, 9), st.integers(1, 40)),
    st.builds('hours = {{ from = "{:02}:00", to = "{:02}:00" }}'.format,
              st.integers(0, 12), st.integers(13, 23)),
    st.builds("expires_in_days = {}".format, st.integers(1, 400)),
)  # fmt: skip


@given(
    limits=st.lists(LIMITS, min_size=1, max_size=4),
    most=st.integers(1, 50),
    days=st.integers(1, 60),
    opens=st.integers(8, 12),
    valid=st.integers(1, 800),
)
def test_cut_terms_are_within_the_rules_and_what_was_asked(
    limits: list[str], most: int, days: int, opens: int, valid: int
) -> None:
    terms = RequestedTerms(
        purposes=frozenset({Purpose.PROMOTIONS}),
        frequency_cap=FrequencyCap(most, timedelta(days=days)),
        opens=f"{opens:02}:00",
        closes="22:00",
        valid_for=timedelta(days=valid),
        locale="en",
    )
    rules = of(*limits)
    cut, cutting = cut_terms(terms, rules)
    assert excesses(cut, rules) == []
    assert {each.id for each in cutting} == {each.rule.id for each in excesses(terms, rules)}
    assert cut.valid_for <= terms.valid_for
    assert terms.opens <= cut.opens < cut.closes <= terms.closes
    cap, before = cut.frequency_cap, terms.frequency_cap
    assert cap.limit <= before.limit
    assert cap.window >= before.window


DEMO = PACK.replace('"cn', '"demo').replace('regions = ["CN", "*"]', "regions = []")


def folder_of(path: Path, text: str = PACK) -> Path:
    (path / "cn.toml").write_text(text)
    (path / "demo.toml").write_text(DEMO)
    return path


def test_changed_files_are_read_and_invalid_ones_keep_the_rules_before(tmp_path: Path) -> None:
    clock = ManualClock()
    source = RulesSource.open(folder_of(tmp_path), clock)
    first = source.current().version
    folder_of(tmp_path, PACK.replace("max_messages = 1,", "max_messages = 2,"))
    assert source.current().version == first, "looks once in a few seconds"
    clock.advance(timedelta(seconds=CHECK_SECONDS))
    second = source.current().version
    assert second != first
    folder_of(tmp_path, PACK.replace("max_messages = 1,", "max_messages = 0,"))
    clock.advance(timedelta(seconds=CHECK_SECONDS))
    assert source.current().version == second
    assert "rule 'cn.a'" in source.fault
    folder_of(tmp_path, PACK)
    clock.advance(timedelta(seconds=CHECK_SECONDS))
    assert source.current().version == first
    assert source.fault == ""


def test_many_threads_read_one_version_or_the_other_while_files_change(tmp_path: Path) -> None:
    clock = ManualClock()
    source = RulesSource.open(folder_of(tmp_path), clock)
    versions = {source.rule_set.version}
    with ThreadPoolExecutor(4) as threads:
        for limit in (2, 0, 3, 0, 4):  # every other one is not valid
            new = tmp_path / "new"
            new.write_text(PACK.replace("max_messages = 1,", f"max_messages = {limit},"))
            new.replace(tmp_path / "cn.toml")
            clock.advance(timedelta(seconds=CHECK_SECONDS))
            read = {each.version for each in threads.map(lambda _: source.current(), range(200))}
            versions.add(source.current().version)
            assert read <= versions
    assert len(versions) == 4
    assert source.fault == ""


@pytest.mark.parametrize("left", ["cn.toml", "demo.toml"])
def test_nothing_starts_without_valid_rules(tmp_path: Path, left: str) -> None:
    (folder_of(tmp_path) / left).unlink()
    with pytest.raises(RulesInvalidError, match="there must be a pack"):
        RulesSource.open(tmp_path, ManualClock())


def test_an_invalid_change_leaves_the_service_ready_and_warns(
    service: Service, tmp_path: Path
) -> None:
    source = RulesSource.open(folder_of(tmp_path), service.clock)
    service = service.with_runtime(rules=source)
    folder_of(tmp_path, "id = ")
    invalid = 'consent_rules_reloads_total{outcome="invalid"}'
    before = service.metric(invalid)
    service.clock.advance(timedelta(seconds=CHECK_SECONDS))
    ready = service.app.test_client().get("/readyz")
    assert ready.status_code == 200
    assert ready.json["warnings"] == ["rules_invalid"]
    assert service.metric(invalid) == before + 1


def test_a_request_above_the_rules_is_refused_and_says_by_which(service: Service) -> None:
    service = service.with_runtime(rules=RulesSource(PACKAGED))
    merchant = service.merchant()
    demonstration = {"purposes": [PROMOTIONS], "max_messages": 1000, "per_days": 1}
    assert merchant.post("/v1/consent-requests", demonstration).status_code == 201
    merchant = service.legal_merchant()
    wide = {"purposes": [PROMOTIONS], "max_messages": 9, "from": "07:00", "locale": "en"}
    refused = merchant.post("/v1/consent-requests", wide)
    assert (refused.status_code, refused.json["code"]) == (422, "rule_forbids")
    assert refused.json["errors"] == {
        "max_messages": ["cn.marketing.cap_per_month"],
        "from": ["cn.marketing.hours"],
    }
    assert [rule["words"] for rule in refused.json["rules"]] == [
        "At most 8 marketing texts in 30 days.",
        "Marketing and finance texts leave from 08:00 to 21:00 only.",
    ]
    credit = merchant.ask("finance.credit")
    shown = service.consumer().get(f"{credit['path']}?lang=en").text
    assert "at most 2" in shown.lower()
    late = merchant.post("/v1/consent-requests", {"purposes": ["finance.credit"], "from": "20:30"})
    assert late.json["errors"] == {"to": ["Must be later than `from`."]}


def test_the_commands_show_and_check_packs(tmp_path: Path) -> None:
    run = CliRunner().invoke
    shown = run(main, ["rules", "show", "--pack", "us", "--json"])
    assert '"us.marketing.hours"' in shown.output
    assert run(main, ["rules", "check", str(folder_of(tmp_path) / "cn.toml")]).exit_code == 0
    environment = {
        "CONSENT_DATABASE_URL": f"sqlite:///{tmp_path}/consent.db",
        "CONSENT_KEYS_DIR": str(tmp_path / "keys"),
        "CONSENT_RULES_DIR": str(folder_of(tmp_path)),
    }
    tried = run(main, ["rules", "dry-run", "--json"], env=environment)
    assert '"id": "cn.a", "mode": ' in tried.output
    source = RulesSource.open(tmp_path, clock := ManualClock())
    before = (tmp_path / "cn.toml").stat().st_ctime_ns
    loaded = run(main, ["rules", "reload", "--json"], env=environment)
    assert f'"version": "{source.rule_set.version}"' in loaded.output
    assert (tmp_path / "cn.toml").stat().st_ctime_ns > before
    folder_of(tmp_path, PACK.replace("max_messages", "messages"))
    refused = run(main, ["rules", "reload"], env=environment)
    assert (refused.exit_code, "unknown field `messages`" in refused.output) == (1, True)
    clock.advance(timedelta(seconds=CHECK_SECONDS))
    assert source.current().version in loaded.output, "the rules before stay"
    fixed = run(main, ["rules", "reload"], env={**environment, "CONSENT_RULES_DIR": ""})
    assert fixed.exit_code == 1
    wrong = run(main, ["rules", "check", str(tmp_path / "cn.toml")])
    assert wrong.exit_code == 1
    assert "cn.toml: rule 'cn.a': Object contains unknown field `messages`" in wrong.output


@pytest.mark.parametrize(
    ("language", "words", "status"),
    [
        ("en", "Marketing and finance texts leave from 08:00 to 21:00 only.", "In force."),
        ("zh-CN", "营销和金融短信只在 08:00 至 21:00 发送。", "已生效。"),
        ("zh-TW", "行銷和金融簡訊只在 08:00 至 21:00 傳送。", "已生效。"),
    ],
)
def test_the_rules_are_published_with_their_sources(
    small: Service, language: str, words: str, status: str
) -> None:
    packaged = small.with_runtime(rules=RulesSource(PACKAGED))
    shown = packaged.app.test_client().get(f"/rules?lang={language}").text
    for text in (words, status, "Huawei Cloud, Message and SMS FAQ", PACKAGED.version):
        assert text in shown
    assert 'id="demo.limits.expiry"' in shown
    public = replace(packaged.runtime.service, base_url="https://sms.example")
    elsewhere = packaged.with_runtime(service=public).app.test_client()
    assert "demo.limits" not in elsewhere.get("/rules", base_url="https://sms.example").text
