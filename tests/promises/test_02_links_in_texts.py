"""The operator chooses the links in texts; the keyword to opt out stands in each limited text."""

from dataclasses import replace

import pytest

from consent_tokens.policies import LinkModes
from consent_tokens.relay.composition import UCS2_WHOLE
from consent_tokens.rules_source import RulesSource
from consent_tokens.settings import parse_link_modes
from tests.service import BASE, ORDERS, PROMOTIONS, WIDE, Service
from tests.unit.test_rule_limits import rules_of

KEYWORD = " 拒收请回复R"


@pytest.mark.parametrize(
    ("setting", "ending"),
    [
        ("marketing=none", KEYWORD),
        ("marketing=constant finance=none", f"{KEYWORD} {BASE}/my"),
    ],
)
def test_an_advert_ends_with_the_keyword_and_the_link_of_the_setting(
    service: Service, setting: str, ending: str
) -> None:
    """Its segments are counted with that ending, to the letter."""
    set_links(service, setting)
    merchant, consumer = service.merchant(), service.consumer()
    token = service.obtain_token(merchant, consumer, PROMOTIONS, ORDERS)
    free = UCS2_WHOLE // 2 - len(f"【晨光书店】{ending}")
    for length, segments in ((free, 1), (free + 1, 2)):
        sent = merchant.send(token, PROMOTIONS, "好" * length)
        assert (sent.status_code, sent.json["segments"]) == (202, segments)
        service.work()
        assert consumer.texts()[-1] == f"【晨光书店】{'好' * length}{ending}"
    merchant.send(token, ORDERS, "已发出")
    service.work()
    assert consumer.texts()[-1] == "【晨光书店】已发出"


def test_transactional_texts_may_have_a_link_too(service: Service) -> None:
    set_links(service, "transactional=per_message")
    merchant, consumer = service.merchant(), service.consumer()
    merchant.send(service.obtain_token(merchant, consumer, ORDERS), ORDERS, "已发出")
    service.work()
    assert f"已发出{KEYWORD} {BASE}/m/" in consumer.texts()[-1]


@pytest.mark.parametrize(
    ("setting", "rule", "ending"),
    [
        ("marketing=per_message", "none", KEYWORD),
        ("marketing=per_message", "constant", f"{KEYWORD} {BASE}/my"),
        ("marketing=constant", "none", KEYWORD),
        ("marketing=none", "constant", KEYWORD),
    ],
)
def test_of_setting_and_rule_the_stricter_holds(
    small: Service, setting: str, rule: str, ending: str
) -> None:
    """Also for what was accepted before the rule, and for invitations."""
    set_links(small, setting)
    merchant, consumer = small.legal_merchant(), small.consumer()
    token = small.obtain_token(merchant, consumer, PROMOTIONS, max_messages=9)
    assert merchant.send(token, PROMOTIONS, "早上好").status_code == 202
    stricter = RulesSource(rules_of(f'links = "{rule}"'))
    merchant.service = service = small.with_runtime(rules=stricter).with_context(otp=WIDE)
    free = UCS2_WHOLE // 2 - len(f"【晨光书店】{ending}")
    sent = merchant.send(token, PROMOTIONS, "好" * free)
    assert (sent.status_code, sent.json["segments"]) == (202, 1)
    merchant.ask("marketing.events", token=token)
    service.work()
    texts = consumer.texts()[-3:]
    assert sum(each.endswith(ending) for each in texts) == 3
    assert not any("/m/" in each for each in texts)


def test_classes_that_are_not_named_keep_their_links() -> None:
    assert parse_link_modes("", "CONSENT_LINKS") == LinkModes()
    assert parse_link_modes("marketing=none", "CONSENT_LINKS").of("finance") == "per_message"


def set_links(service: Service, setting: str) -> None:
    modes = parse_link_modes(setting, "CONSENT_LINKS")
    object.__setattr__(service.runtime, "service", replace(service.runtime.service, links=modes))
