"""The grammar of variables: each evasion that it stops, each honest value that it must take."""

import pytest

from consent_tokens.relay.templates.declaration import read_declaration
from consent_tokens.relay.templates.grammar import ValueFault, check_value
from consent_tokens.relay.templates.links import check_link, check_pattern
from consent_tokens.relay.templates.template import Variable

DOMAINS = frozenset({"shop.example"})


def of_type(name: str) -> Variable:
    """Return a variable of a type with the default bound."""
    declared = read_declaration(f"x={name}")
    assert declared
    return declared[1]


HONEST = {
    "name": (
        "O'Connor", "O’Connor", "阿卜杜热西提·买买提明", "张伟", "歐陽娜娜", "José-María", "Renée",
        "Nguyễn Văn A", "สมชาย", "प्रिया शर्मा", "محمد", "Ｊｏｈｎ", "佐々木",
    ),
    "code": ("1234", "123456", "A1B2C3", "12-3-4567", "G-123456"),
    "order": ("8812", "20261127000123", "114-3941689-8772232", "SO-2026-00012", "SF1234567890123"),
    "date": (
        "2026-11-27", "2026/11/27", "11月27日", "2026年11月27日", "11月27日(周五)", "11月27号",
        "27 Nov 2026", "November 27, 2026", "Nov 27", "27.11.2026", "明天",
    ),
    "time": ("09:30", "9点半", "9点30分", "上午9点", "14:00-16:00", "9:30 AM",
             "9:00至12:00", "24:00"),
    "amount": ("12.50", "1,234.00", "99", "0.01"),
    "number": ("3", "120"),
    "place": (
        "人民路菜鸟驿站3号柜", "3号楼2单元1203室", "B1层12号柜", "St. John's Rd 12", "Room 3/F",
        "望京店（南门）",
    ),
    "text": ("折叠伞", "折叠椅", "iPhone 15 Pro", "满减优惠券"),
}  # fmt: skip
# an advert in a variable (the first evasion), and what makes one of it
EVASIONS = {
    "name": (
        "全场5折戳链接", "全场５折", "全场⑤折", "全场❺折", "五折50%", "领券t.cn", "戳shop.com",
        "shop。com", "http://x", "【双11】", "¥50", "微信abc123", "折\u200b扣", "a\n全场五折",
        "\u3164",
        "\u2800", "-", "'", "A" + "\u0301" * 5, "五折!", "五折！", "🎁五折", "x@y",
    ),
    "code": ("123", "五折ok", "12 34", "t.cn", "1-2-3-4-5-6", "１２３４", "", "SA/LE"),
    "order": ("SALE", "满100减50", "a/1", "1.2", "8812 五折", "１２", "-1"),
    "date": ("11.11", "双11", "2026-13-01", "2026-12-32", "13月1日", "11月27日五折",
             "2026-11/27"),
    "time": ("9", "25:00", "9:75", "双十一", "9:00五折", "9:00 t.cn"),
    "amount": ("五折", "50%", "¥50", "1.234.5", "1e5", "-5", "5折", "１２"),
    "number": ("1.5", "50%", "1234567", "三", "５"),
    "place": (
        "全场5折t.cn/x", "加微信13800138000", "138-0013-8000", "138 0013 8000",
        "一三八〇〇一三八〇〇〇",
        "壹叁捌零零壹叁捌零零零", "１３８００１３８０００", "❶❸❽⓿⓿❶❸❽", "【双11】", "〖x〗",
        "戳shop.com",
        "shop。com", "50%off", "满减！", "x@y", "¥50", "\u3164", "店\u200b铺",
    ),
    "text": ("满100减50！", "http://a.b", "bit.ly/x", "Q1234567", "[店]"),
}  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "value"), [(kind, value) for kind, values in HONEST.items() for value in values]
)
def test_honest_value_is_taken(kind: str, value: str) -> None:
    assert check_value(value, of_type(kind)) is None


@pytest.mark.parametrize(
    ("kind", "value"), [(kind, value) for kind, values in EVASIONS.items() for value in values]
)
def test_evasion_is_refused(kind: str, value: str) -> None:
    assert check_value(value, of_type(kind)) is not None


def test_choice_takes_the_reviewed_values_only() -> None:
    carrier = of_type("choice:顺丰速运|中通快递")

    assert check_value("中通快递", carrier) is None
    assert check_value("全场五折", carrier) is ValueFault.CHOICE


PATTERN = "shop.example/orders/*"


@pytest.mark.parametrize(
    ("link", "fault"),
    [
        ("https://shop.example/orders/Ab-3_x", None),
        ("http://shop.example/orders/8812", "link_not_https"),
        ("https://shop.example/coupons/8812", "link_path_not_reviewed"),
        ("https://shop.example/orders/8812/coupons", "link_path_not_reviewed"),
        ("https://shop.example/orders/8812?url=a", "link_path_not_reviewed"),
        ("https://shop.example/orders/..%2fcoupons", "link_path_not_reviewed"),
        ("https://shop.example/orders/" + "a" * 41, "link_path_not_reviewed"),
        ("https://m.shop.example/orders/8812", "link_path_not_reviewed"),
        ("https://user@shop.example/orders/1", "link_host_misleading"),
        ("https://shop.example:443/orders/1", "link_host_misleading"),
        ("https://shop.example@evil.test/orders/1", "link_host_misleading"),
        ("https://xn--shp-5ma.example/orders/1", "link_host_misleading"),
        ("https://shоp.example/orders/1", "link_host_misleading"),  # a Cyrillic о
        ("https://evil.test/orders/1", "link_domain_not_registered"),
        ("https://shop.example.evil.test/orders/1", "link_domain_not_registered"),
        ("https://bit.ly/orders/1", "link_shortener"),
    ],
)
def test_link_is_of_a_reviewed_path_on_a_registered_domain(link: str, fault: str | None) -> None:
    assert check_link(link, PATTERN, DOMAINS) == fault


def test_link_of_a_pattern_without_host_is_on_any_registered_domain() -> None:
    assert check_link("https://m.shop.example/orders/1", "/orders/*", DOMAINS) is None
    assert check_link("https://evil.test/orders/1", "/orders/*", DOMAINS) is not None
    assert check_link("https://shop.example/orders/1", "/orders/*", frozenset()) is not None


@pytest.mark.parametrize(
    ("pattern", "fault"),
    [
        ("shop.example/orders/*", None),
        ("shop.example/order.html?id=*", None),
        ("/orders/*", None),
        ("/*", "link_pattern_too_wide"),
        ("shop.example", "link_pattern_malformed"),
        ("shop.example/*/*.x*y", "link_pattern_malformed"),
        ("shop.example/../*", "link_pattern_malformed"),
        ("https://shop.example/orders/*", "link_pattern_malformed"),
        ("shop.example/go?url=*", "link_redirects"),
        ("shop.example/go?a=1&Redirect_URI=*", "link_redirects"),
        ("evil.test/orders/*", "link_domain_not_registered"),
        ("bit.ly/*", "link_shortener"),
        ("SHOP.example/orders/*", "link_host_misleading"),
    ],
)
def test_pattern_names_a_path_on_a_registered_domain(pattern: str, fault: str | None) -> None:
    assert check_pattern(pattern, DOMAINS) == fault
