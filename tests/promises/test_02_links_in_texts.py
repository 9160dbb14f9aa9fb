"""The operator chooses the links in texts; the keyword to opt out stands in each limited text."""

from dataclasses import replace

import pytest

from consent_tokens.policies import LinkModes
from consent_tokens.relay.composition import UCS2_WHOLE
from consent_tokens.settings import parse_link_modes
from tests.service import BASE, ORDERS, PROMOTIONS, Service

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


def test_classes_that_are_not_named_keep_their_links() -> None:
    assert parse_link_modes("", "CONSENT_LINKS") == LinkModes()
    assert parse_link_modes("marketing=none", "CONSENT_LINKS").of("finance") == "per_message"


def set_links(service: Service, setting: str) -> None:
    modes = parse_link_modes(setting, "CONSENT_LINKS")
    object.__setattr__(service.runtime, "service", replace(service.runtime.service, links=modes))
