"""Templates: what is wrong with a submitted one, and what text is made of an approved one."""

from collections.abc import Sequence

import pytest

from consent_tokens.relay.templates.check import Draft, check_template
from consent_tokens.relay.templates.declaration import read_declaration, with_well_known
from consent_tokens.relay.templates.fill import FilledText, VariableFault, fill
from consent_tokens.relay.templates.fingerprint import fingerprint, skeleton
from consent_tokens.relay.templates.template import (
    OnOverflow,
    Template,
    TemplateStatus,
    Variable,
    counted_names,
)

DOMAINS = frozenset({"shop.example"})
ORDERS = "orders.updates"


def variables(text: str, *declarations: str) -> dict[str, Variable]:
    declared = [read_declaration(each) for each in declarations]
    assert all(declared)
    return with_well_known(text, dict(each for each in declared if each))


def faults_of(text: str, *declarations: str, purpose: str = ORDERS) -> list[str]:
    draft = Draft(purpose=purpose, text=text, variables=variables(text, *declarations))
    return [fault.code for fault in check_template(draft, DOMAINS)]


def template(text: str, *declarations: str, overflow: str = "refuse") -> Template:
    return Template(
        id="tpl_1", version=1, merchant_id="mer_1", purpose=ORDERS, text=text,
        variables=variables(text, *declarations), on_overflow=OnOverflow(overflow),
        event_type="order", texts_per_event=1, is_essential=False, status=TemplateStatus.APPROVED,
    )  # fmt: skip


def filled(
    made_of: Template, event_id: str | None = None, **values: str
) -> FilledText | VariableFault:
    return fill(made_of, values, link_domains=DOMAINS, event_id=event_id)


@pytest.mark.parametrize(
    ("text", "declarations"),
    [
        ("订单{order}已发出", ()),
        ("尊敬的{name}，您的订单{order}已发出，预计{date}送达", ()),
        ("您的包裹已到{place}，取件码{code}，请及时领取", ()),
        ("Hi {name}, your order {order} has shipped.", ()),
        ("将于{date} {time}上门维修，请留人", ()),
        ("您的订单{order}已退款{amount}元", ()),
        ("Order {order}: NT${amount} was paid back.", ()),
        ("您的订单{order}由{carrier}承运，已发出", ("carrier=choice:顺丰速运|中通快递",)),
        ("订单{order}已发出，详见 {page} 。", ("page=link:shop.example/orders/*",)),
        ("本店营业时间调整为9点至18点，不便之处敬请谅解", ()),
        ("您购买的{item}已退回，满减优惠券已退回您的账户", ()),
    ],
)
def test_honest_template_has_no_fault(text: str, declarations: Sequence[str]) -> None:
    assert faults_of(text, *declarations) == []


@pytest.mark.parametrize(
    ("text", "declarations", "fault"),
    [
        ("{name}您好，您的订单已发出", (), "variable_first"),
        (" {name}您好，您的订单已发出", (), "variable_first"),
        ("您的订单已发出，单号{order}", (), "variable_last"),
        ("您好{name}{item}已发出，请您查收", (), "variables_adjacent"),
        ("您好{name} {item}已发出，请您查收", (), "variables_adjacent"),
        ("您好{name}，{item}已发出，请您查收", (), "variables_adjacent"),
        ("您好{name}·{item}已发出，请您查收", (), "variables_adjacent"),
        ("您的订单{order}，单号{order}，已发出", (), "variable_twice"),
        ("订单{a}有{b}和{c}和{d}和{e}和{f}，共六件商品", tuple(f"{x}=number" for x in "abcdef"),
         "too_many_variables"),
        ("您好{item}。", (), "too_little_fixed_text"),
        ("您好，{name}买的{item}在{place}。", (), "too_little_fixed_text"),
        ("。。。，，，{order}！！！！！", (), "too_little_fixed_text"),
        ("您的退款{amount}已到账", (), "amount_without_currency"),
        ("您的订单{thing}已发出", (), "undeclared"),
        ("您的订单已发出", ("thing=text",), "not_in_text"),
        ("您的订单{订单}已发出", (), "variable_name"),
        ("您的订单{order已发出", (), "stray_brace"),
        ("您的订单{item}已经从仓库发出", ("item=text:21",), "max_length"),
        ("您的订单{order}和{parcel}已发出", (), "several_orders"),
        ("您的订单{order}已发出\u200b", (), "invisible_characters"),
        ("【银行】您的订单{order}已发出", (), "signature_in_text"),
        ("您的订单{order}已发出 https://evil.test/x", (), "link_domain_not_registered"),
        ("您的订单{order}已发出 https://bit.ly/x", (), "link_shortener"),
        ("您的订单{order}已发出 https://shop.example/go?url=evil", (), "link_redirects"),
        ("您的订单{order}已发出 {page} 。", ("page=link:evil.test/*",),
         "link_domain_not_registered"),
        ("您的订单{order}已发出 {page} 。", ("page=link",), "link_pattern_malformed"),
        ("您的订单由{by}承运，已发出", ("by=choice:五折t.cn|中通",), "link_not_allowed"),
        ("", (), "length"),
        ("长" * 501, (), "length"),
    ],
)  # fmt: skip
def test_faulty_template_is_refused(text: str, declarations: Sequence[str], fault: str) -> None:
    assert fault in faults_of(text, *declarations)


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("您的验证码是{code}，十分钟内有效", None),
        ("Your code is {code}. Do not share it.", None),
        ("您的验证码已发出，请查收", "one_code_only"),
        ("尊敬的{name}，您的验证码是{code}，请勿告诉他人", "one_code_only"),
        ("您的验证码是{order}，请勿告诉他人", "one_code_only"),
        ("您的验证码是{code}，见 https://shop.example/login ，勿告诉他人", "link_not_allowed"),
        ("您的验证码是{code}，见 shop.example/login ，勿告诉他人", "link_not_allowed"),
    ],
)
def test_one_time_code_has_one_variable_and_no_link(text: str, fault: str | None) -> None:
    assert faults_of(text, purpose="account.code") == ([fault] if fault else [])


def test_values_stand_in_the_text() -> None:
    made_of = template("尊敬的{name}，您的订单{order}已发出，预计{date}送达")

    assert filled(made_of, "8812", name="O'Connor ", order="8812", date="11月27日") == FilledText(
        "尊敬的O'Connor，您的订单8812已发出，预计11月27日送达",
        {"name": "O'Connor", "order": "8812", "date": "11月27日"},
    )


@pytest.mark.parametrize(
    ("values", "fault"),
    [
        ({"order": "8812"}, VariableFault("name", "missing")),
        ({"order": "8812", "name": "张伟", "x": "1"}, VariableFault("x", "unknown_variable")),
        ({"order": "8812", "name": " "}, VariableFault("name", "empty")),
        ({"order": "8813", "name": "张伟"}, VariableFault("order", "not_the_event_id")),
        ({"order": "8812", "name": "全场5折戳链接"}, VariableFault("name", "not_of_its_type")),
        ({"order": "8812", "name": "长" * 21}, VariableFault("name", "too_long")),
        ({"order": "8812", "name": "a" * 1001}, VariableFault("name", "too_long")),
        ({"order": "8812", "name": "双十一全场五折戳主页领红包"},
         VariableFault("name", "longer_than_fixed_text")),
    ],
)  # fmt: skip
def test_faulty_value_is_named(values: dict[str, str], fault: VariableFault) -> None:
    assert filled(template("尊敬的{name}，您的订单{order}已发出"), "8812", **values) == fault


def test_long_value_is_truncated_where_the_template_says_so() -> None:
    made_of = template(
        "您购买的{item}已经从仓库发出，请留意查收", "item=text:10", overflow="truncate"
    )

    made = filled(made_of, item="自动折叠雨伞、黑色、加大号")
    assert isinstance(made, FilledText)
    assert made.values == {"item": "自动折叠雨伞、黑色"}  # not with the comma at the end
    assert filled(made_of, item="自动折叠雨伞加大号黑色，五折") == FilledText(
        "您购买的自动折叠雨伞加大号黑已经从仓库发出，请留意查收", {"item": "自动折叠雨伞加大号黑"}
    )


def test_form_of_a_long_value_is_checked_before_it_is_truncated() -> None:
    made_of = template(
        "您购买的{item}已经从仓库发出，请留意查收", "item=text:4", overflow="truncate"
    )

    assert filled(made_of, item="折叠雨伞 t.cn/x") == VariableFault("item", "link_not_allowed")


def test_words_are_truncated_to_the_length_of_the_fixed_text() -> None:
    made_of = template("您好{name}，订单已发出", overflow="truncate")

    made = filled(made_of, name="双十一全场五折戳主页领红包")
    assert isinstance(made, FilledText)
    assert made.text == "您好双十一全场五折，订单已发出"  # seven letters each


def test_order_numbers_codes_and_dates_are_never_truncated() -> None:
    made_of = template("您的订单{order}已发出", "order=order:6", overflow="truncate")

    assert filled(made_of, order="1234567") == VariableFault("order", "too_long")


def test_link_is_checked_against_its_pattern() -> None:
    made_of = template("订单已发出，详见 {page} 。", "page=link:shop.example/orders/*")

    good = filled(made_of, page="https://shop.example/orders/1")
    assert isinstance(good, FilledText)
    bad = filled(made_of, page="https://shop.example/coupons/1")
    assert bad == VariableFault("page", "link_path_not_reviewed")


def test_changed_punctuation_script_or_letters_are_the_same_text() -> None:
    known = fingerprint("您的订单{order}已发出，请点击 SHOP 领取红包！")

    for other in (
        "您的订单{order}已发出请点击shop领取红包",
        "您的訂單{order}已發出，請點擊 SHOP 領取紅包！",
        "您的订单{number}已发出。。请点击【ＳＨＯＰ】领取红包~",
        "您的 订单 {a}{b} 已发出，请点击 ЅНОР 领取红包",  # Cyrillic letters
        "您的订单已发出，请点击 SH0P 领取红包",
    ):
        assert fingerprint(other) == known, other
    assert fingerprint("您的订单{order}已取消") != known


def test_values_that_look_alike_have_the_same_skeleton() -> None:
    assert skeleton("全场·五折") == skeleton("全場 五折！") == skeleton("全场五折")
    assert skeleton("张伟") != skeleton("张玮")


def test_values_of_words_codes_and_orders_are_counted() -> None:
    made_of = template("尊敬的{name}，您的订单{order}已发出，预计{date}送达{place}门口")

    assert counted_names(made_of) == ("name", "order", "place")
