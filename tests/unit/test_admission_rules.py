"""Registration numbers, twins, ports and signatures: what is refused, and what must not be."""

from typing import Any

import pytest

from consent_tokens.relay.admission.registration import check_registration, normal_registration
from consent_tokens.relay.admission.sender_rules import SignatureSource, check_form, check_signature
from consent_tokens.relay.admission.twins import (
    Profile,
    Signal,
    normal_contacts,
    normal_names,
    normal_person,
    shared_signals,
)


@pytest.mark.parametrize(
    "code",
    ["91330100799655058B", "9144030071526726XG", "91110000802100433B", "91440300708461136T"],
)
def test_the_codes_of_companies_that_exist_are_taken(code: str) -> None:
    assert check_registration(code, "CN") is None
    for place, each in enumerate(code):
        other = "1" if each == "0" else "0"
        mistyped = code[:place] + other + code[place + 1 :]
        assert check_registration(mistyped, "CN") is not None


@pytest.mark.parametrize(
    "code",
    ["", "91330100799655058", "91330100799655058BB", "9133010079965505I8", "ABCDEFGHJKLMNPQRTU"],
)
def test_what_is_no_code_of_china_is_refused(code: str) -> None:
    assert check_registration(code, "CN") is not None


def test_a_code_is_read_in_full_width_lower_case_and_groups() -> None:
    assert normal_registration(" ９１３３０１００ 799655058b ", "CN") == "91330100799655058B"


@pytest.mark.parametrize(
    ("number", "is_taken"),
    [
        ("HRB 12345", True),
        ("SC123456", True),
        ("B-17041-A", True),
        ("no digits", False),
        ("1", False),
    ],
)
def test_of_other_countries_the_form_is_checked(number: str, *, is_taken: bool) -> None:
    normal = normal_registration(number, "DE")
    assert (check_registration(normal, "DE") is None) is is_taken


def profile(
    merchant_id: str = "a",
    **members: Any,  # noqa: ANN401 - fields of Profile
) -> Profile:
    return Profile(**{"merchant_id": merchant_id, "names": normal_names(["甲"]), **members})


@pytest.mark.parametrize(
    ("one", "other", "signal"),
    [
        ("晨光书店", "晨 光 書 店", Signal.NAME),
        ("Dawn Books", "ＤＡＷＮ　ＢＯＯＫＳ", Signal.NAME),
        ("Dawn Books", "Dаwn Bооks", Signal.NAME),  # Cyrillic а and о
        ("晨光书店", "晨光书店官方旗舰店", Signal.NAME_PART),
        ("晨光书店", "海港茶馆", None),
        ("三江", "三江平原粮食", None),  # two characters are too common
    ],
)
def test_names_that_look_the_same_are_shown(one: str, other: str, signal: Signal | None) -> None:
    found = shared_signals(
        profile("a", names=normal_names([one])), profile("b", names=normal_names([other]))
    )
    assert found == ((signal,) if signal else ())


def test_what_two_firms_of_one_owner_share_is_found() -> None:
    one = profile(
        "a", registration="91330100799655058B", legal_person=normal_person("王 小明"),
        contacts=normal_contacts("电话 010-8888 6666, Shop@Example.com"),
        domains=frozenset({"shop.example"}),
    )  # fmt: skip
    other = profile(
        "b", names=normal_names(["乙"]), registration="91330100799655058B",
        legal_person=normal_person("王小明"), contacts=normal_contacts("+86 10 8888-6666"),
        domains=frozenset({"m.shop.example"}),
    )  # fmt: skip
    assert shared_signals(one, other) == (
        Signal.REGISTRATION, Signal.LEGAL_PERSON, Signal.CONTACT, Signal.DOMAIN,
    )  # fmt: skip
    stranger = profile("c", names=normal_names(["丙"]), domains=frozenset({"another-shop.example"}))
    assert shared_signals(one, stranger) == ()


COMPANY, TRADEMARK = SignatureSource.COMPANY, SignatureSource.TRADEMARK


@pytest.mark.parametrize(
    "signature",
    ["双11返场五折", "全场包邮", "618大促", "Super SALE", "www.shop.example", "领红包", "100元"],
)
def test_an_offer_is_no_signature(signature: str) -> None:
    assert check_signature(signature, source=COMPANY, evidence=None, names=["晨光书店"])


@pytest.mark.parametrize(
    ("signature", "source", "evidence", "names"),
    [
        ("晨光书店", COMPANY, None, ["晨光书店"]),
        ("三只松鼠", COMPANY, None, ["晨光书店"]),  # a numeral that is a character
        ("58同城", COMPANY, None, ["58同城", "北京五八信息技术有限公司"]),
        ("特价优选", COMPANY, None, ["上海特价优选科技有限公司"]),
        ("7-11", TRADEMARK, "G1234567", ["Seven"]),
        ("Wholesale Coffee", COMPANY, None, ["Beans Ltd"]),  # "sale" is no word of it
        ("Dawn", SignatureSource.SITE, "dawn.example", ["Dawn Books"]),
    ],
)
def test_a_name_is_a_signature_also_one_that_reads_like_an_offer(
    signature: str, source: SignatureSource, evidence: str | None, names: list[str | None]
) -> None:
    assert check_signature(signature, source=source, evidence=evidence, names=names) is None


@pytest.mark.parametrize("source", [TRADEMARK, SignatureSource.APPLICATION, SignatureSource.SITE])
def test_a_source_is_taken_with_evidence_only(source: SignatureSource) -> None:
    assert check_signature("晨光", source=source, evidence=None, names=["晨光书店"])
    assert check_signature("晨光", source=source, evidence="12345678", names=[]) is None


@pytest.mark.parametrize(
    ("port", "extension", "signature", "field"),
    [
        ("10", "", "店", "port"), ("1069٣", "", "店", "port"), ("1069", "x", "店", "extension"),
        ("1069", "1", "", "signature"), ("1069", "1", "店】【铺", "signature"),
        ("1069", "1", "二十一个字的签名太长了不能用作签名啊啊啊啊啊", "signature"),
        ("1069", "1", "——", "signature"),
    ],
)  # fmt: skip
def test_a_sender_of_another_form_is_refused(
    port: str, extension: str, signature: str, field: str
) -> None:
    assert list(check_form(port, extension, signature)) == [field]
