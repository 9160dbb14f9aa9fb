"""What a reviewer is shown of a template: marks, rulings, and the longest text."""

import pytest

from consent_tokens.consent.purposes import Purpose, PurposeClass
from consent_tokens.relay.composition import Coding
from consent_tokens.relay.templates.check import Draft
from consent_tokens.relay.templates.declaration import read_declaration, with_well_known
from consent_tokens.relay.templates.marks import marks, rulings, rulings_on
from consent_tokens.relay.templates.preview import Preview, preview
from consent_tokens.relay.templates.template import OnOverflow, Template, TemplateStatus

DOMAINS = frozenset({"shop.example"})
CODES = Purpose("account.code")


def draft(text: str, *declarations: str, purpose: str = Purpose.ORDERS) -> Draft:
    declared = [read_declaration(each) for each in declarations]
    variables = with_well_known(text, dict(each for each in declared if each))
    return Draft(purpose=purpose, text=text, variables=variables)


def longest(text: str, *declarations: str, link: str | None = None) -> Preview:
    submitted = draft(text, *declarations)
    made_of = Template(
        id="tpl_1", version=1, merchant_id="mer_1", purpose=submitted.purpose, text=text,
        variables=submitted.variables, on_overflow=OnOverflow.REFUSE, event_type="order",
        texts_per_event=1, is_essential=False, status=TemplateStatus.SUBMITTED,
    )  # fmt: skip
    return preview(made_of, signature="晨光书店", link_domains=DOMAINS, opt_out_link=link)


@pytest.mark.parametrize(
    "text",
    [
        "订单{order}已发出",
        "您购买的折叠伞已发出，单号{order}，请查收",
        "您购买的折叠椅已发出，单号{order}，请查收",
        "您的订单{order}已取消，满减优惠券已退回您的账户",
        "您的订单{order}已退款{amount}元，请注意查收",
        "Your after-sale request {order} was received.",
    ],
)
def test_honest_text_has_no_mark(text: str) -> None:
    assert marks(draft(text)) == ()


@pytest.mark.parametrize(
    ("text", "mark"),
    [
        ("双11返场！全场5折，订单{order}已发出", "offer: 返场"),
        ("双11返场！全场5折，订单{order}已发出", "offer: 5折"),
        ("全場{number}折，訂單{order}已發出", "offer: 5折"),
        ("优 惠·多多，订单{order}已发出", "offer: 优惠"),
        ("优惠券已退回，再领优惠券，订单{order}已发出", "offer: 优惠券"),
        ("Big SALE, order {order} shipped", "offer: sale"),
        ("订单{order}已发出，同款只要99元", "price: 99元"),
        ("订单{order}已发出，可申请贷款", "finance: 贷款"),
        ("订单{order}已发出，加微信abc", "contact: 加微信"),
        ("订单{order}已发出，见 https://shop.example/x 。", "link: https://shop.example/x"),
        ("您的取件验证码是{code}，请领取", "code_word: 验证码"),
    ],
)
def test_words_of_offers_prices_and_links_are_marked(text: str, mark: str) -> None:
    assert mark in marks(draft(text))


def test_variable_link_is_marked() -> None:
    submitted = draft("订单已发出，见 {page} 。", "page=link:shop.example/orders/*")
    assert marks(submitted) == ("link: shop.example/orders/*",)


def test_offers_are_what_marketing_is_for() -> None:
    assert marks(draft("全场5折，{name}快来", purpose=Purpose.PROMOTIONS)) == ()


def test_code_that_is_valid_for_long_is_marked() -> None:
    for text in ("您的验证码是{code}，30分钟内有效", "您的验证码是{code}，三十分钟内有效"):
        assert [mark.split(":")[0] for mark in marks(draft(text, purpose=CODES))] == ["validity"]
    for text in ("您的验证码是{code}，10分钟内有效", "您的验证码是{code}，五分钟内有效"):
        assert marks(draft(text, purpose=CODES)) == ()


def test_rulings_on_a_borderline_text_are_found() -> None:
    on_basket = rulings_on("您購物車裡的{item}還沒有付款")
    assert [(each.id, each.purpose_class) for each in on_basket] == [
        ("abandoned_basket", PurposeClass.MARKETING)
    ]
    on_deposit = rulings_on("您的定金订单{order}需在今晚前支付尾款")
    assert [(each.id, each.purpose_class) for each in on_deposit] == [
        ("balance_due", PurposeClass.TRANSACTIONAL)
    ]
    assert rulings_on("您的订单{order}已发出") == ()
    assert len({each.id for each in rulings()}) == len(rulings())


def test_preview_has_the_longest_values_and_the_signature() -> None:
    assert longest("订单{order}已发出") == Preview(
        f"【晨光书店】订单{'8' * 32}已发出",
        Coding.UCS2,
        segments=1,
        characters_left=27,
        max_segments=1,
    )
    assert longest("您好，您的包裹已到{place}请领取", "place=place:8").text == (
        f"【晨光书店】您好，您的包裹已到{'国' * 8}请领取"
    )


def test_preview_counts_segments_as_they_are_sent() -> None:
    text = "Hi {name}, " + "your order {order} has been shipped. " + "Thank you. " * 6
    made_of = draft(text)
    template = Template(
        id="tpl_1", version=1, merchant_id="mer_1", purpose=made_of.purpose, text=text,
        variables=made_of.variables, on_overflow=OnOverflow.REFUSE, event_type="order",
        texts_per_event=1, is_essential=False, status=TemplateStatus.SUBMITTED,
    )  # fmt: skip

    shown = preview(template, signature="Shop", link_domains=DOMAINS, opt_out_link=None)

    assert (shown.coding, shown.segments, shown.max_segments) == (Coding.GSM7, 2, 3)
    assert "W" * 20 in shown.text


def test_preview_of_marketing_ends_with_how_to_opt_out() -> None:
    assert longest("新书到店，{name}快来", link="https://c.example/m/x").text.endswith(
        "拒收请回复R https://c.example/m/x"
    )
