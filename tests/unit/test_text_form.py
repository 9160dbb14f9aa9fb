"""The form of a text: second signatures and links that hide where they lead; never the words."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from consent_tokens.relay.text_form import SHORTENERS, TextFault, _check, check_form, normal_domain

NONE: frozenset[str] = frozenset()
OWN = frozenset({"shop.example.com", "t.cn"})


@pytest.mark.parametrize(
    "text",
    [
        "您的书已发出,请查收。", "满200减50,今晚8点开始!v1.2已更新。",
        "3.5折起 No.5 a.m. 12.30/天",
        "详情请看https://example.com/x?a=b@c。谢谢",
        "请访问example.com查看", "见 www.example.com/活动",
        "Dear [name], see you. It is on.",
        "时间:11.11(周三)。地点:A.B座", "50% off @ shop, only 1.5$",
        "联系 mail@example.com", "访问http://例子.中国", "https://example.com:8443/p#x",
        "到店。com", "",
    ],
)  # fmt: skip
def test_ordinary_texts_are_not_touched(text: str) -> None:
    assert check_form(text, NONE) is None


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("【工商银行】您的账户", TextFault.SIGNATURE), ("好】消息", TextFault.SIGNATURE),
        ("[ICBC] your account", TextFault.SIGNATURE), ("Hi\n [ICBC] x", TextFault.SIGNATURE),
        ("［ICBC］ x", TextFault.SIGNATURE), ("〖银行〗x", TextFault.SIGNATURE),
        ("a\u3164b", TextFault.INVISIBLE), ("a\u2800b", TextFault.INVISIBLE),
        ("见 http://bank.com@evil.example/x", TextFault.LINK_USER),
        ("见 HTTPS:\\\\a:b@evil.example", TextFault.LINK_USER),
        ("见 https://xn--80ak6aa92e.com", TextFault.LINK_HOST),
        ("见 xn--80ak6aa92e.com/x", TextFault.LINK_HOST),
        ("见 https://аpple.com", TextFault.LINK_HOST), ("见 аррle.com", TextFault.LINK_HOST),
        ("见 https://gοοgle.com/", TextFault.LINK_HOST),
        ("见 https://中a.com", TextFault.LINK_HOST),
        ("https://t.cn/A6x", TextFault.LINK_SHORTENER), ("戳t.cn/A6x", TextFault.LINK_SHORTENER),
        ("BIT.LY/abc", TextFault.LINK_SHORTENER), ("www.tinyurl.com/x", TextFault.LINK_SHORTENER),
        ("example。com/x", TextFault.LINK_DISGUISED), ("example．com", TextFault.LINK_DISGUISED),
        ("example｡com", TextFault.LINK_DISGUISED), ("example[.]com", TextFault.LINK_DISGUISED),
        ("hxxps://example.com", TextFault.LINK_DISGUISED),
        ("ｅｖｉｌ.com/x", TextFault.LINK_DISGUISED), ("ｔ.ｃｎ/x", TextFault.LINK_DISGUISED),
        ("\u2102om.com http://ⓔvil.com", TextFault.LINK_DISGUISED),
    ],
    ids=ascii,
)  # fmt: skip
def test_a_form_that_misleads_is_refused(text: str, fault: TextFault) -> None:
    assert check_form(text, NONE) is fault


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("https://shop.example.com/x", None), ("m.shop.example.com/x", None), ("t.cn/x", None),
        ("https://example.com", TextFault.LINK_DOMAIN),
        ("evil-shop.example.com", TextFault.LINK_DOMAIN),
        ("https://shop.example.com.evil.net/", TextFault.LINK_DOMAIN), ("没有链接。", None),
        ("http://例子.中国", TextFault.LINK_DOMAIN), ("bit.ly/x", TextFault.LINK_SHORTENER),
    ],
    ids=ascii,
)  # fmt: skip
def test_with_registered_domains_links_lead_only_there(text: str, fault: TextFault | None) -> None:
    assert check_form(text, OWN) is fault


@given(text=st.text())
@example("\ufdfa" * 20_000)
@example("a." * 10_000)
@example("http://" * 3_000)
@example("[" * 20_000)
@example("\n" * 20_000)
@example("书a." * 7_000)
@example("-." * 10_000)
def test_any_text_is_decided(text: str) -> None:
    assert check_form(text, NONE) is None or check_form(text, OWN) is not None


@given(
    text=st.text(st.sampled_from("a1.:/@[]()-。．｡⒈…︓：［【】書com xn\u3164\u2800\n"), max_size=40)
    | st.text()
)
def test_the_short_way_decides_as_the_long_one(text: str) -> None:
    for domains in (NONE, OWN):
        assert check_form(text, domains) == _check(text, domains)


@given(
    before=st.sampled_from(["", "见 ", "请看", "(", "go: ", "。"]),
    scheme=st.sampled_from(["", "https://", "HTTP://"]),
    host=st.sampled_from(sorted(SHORTENERS)),
    after=st.sampled_from(["/x", "/x。", "/x 谢谢"]),
)
def test_no_shortener_passes_wherever_it_stands(
    before: str, scheme: str, host: str, after: str
) -> None:
    assert check_form(f"{before}{scheme}{host}{after}", NONE) is TextFault.LINK_SHORTENER
    assert check_form(f"{before}{scheme}{host}{after}", frozenset({host})) is None


@given(text=st.text(st.characters(categories=["Lo", "Nd", "Po"], exclude_characters="【】〖〗")))
def test_text_without_a_dot_or_a_bracket_has_no_link(text: str) -> None:
    if not set(text) & set(".\uff0e\u2024\ufe52。｡:[]［］/") and text.isprintable():
        assert check_form(text, OWN) in {None, TextFault.INVISIBLE, TextFault.LINK_DISGUISED}


@pytest.mark.parametrize(
    ("text", "domain"),
    [
        ("Shop.Example.com", "shop.example.com"), ("a.cn.", "a.cn"), ("localhost", None),
        ("http://a.cn", None), ("a..cn", None), ("xn--a.cn", None), ("例子.中国", None),
        ("-a.cn", None), ("a" * 64 + ".cn", None), ("", None),
    ],
)  # fmt: skip
def test_a_domain_is_registered_in_one_form(text: str, domain: str | None) -> None:
    assert normal_domain(text) == domain
