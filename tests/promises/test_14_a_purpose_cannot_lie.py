"""Promise 14: a purpose cannot lie. What leaves was admitted: merchant, sender, class, template."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from itertools import combinations
from typing import Any

import pytest
from sqlalchemy import text

from consent_tokens.consent.purposes import PurposeClass
from consent_tokens.relay.templates.template import TemplateStatus, Variable, VariableType
from tests.admissions import (
    ORDER_VARIABLES,
    add_template,
    set_classes,
    set_sender,
    set_template,
)
from tests.number_scan import NUMBERS
from tests.service import ORDERS, PROMOTIONS, Merchant, Page, Service

MARKETING, FINANCE, TRANSACTIONAL = PurposeClass
ADVERT = "双11返场！全场5折"
UNTIL_NIGHT = timedelta(hours=15)  # from noon, where the clock of these tests stands
VALUES = {"order": "DD2021111100017", "day": "11月12日"}
ORDER = {"type": "order", "id": VALUES["order"]}


def order_text(merchant: Merchant, token: str, template: str, **changes: Any) -> Page:  # noqa: ANN401 - members of a message
    """Send what a template of orders makes of an order."""
    body = {"token": token, "purpose": ORDERS, "template": template, "variables": VALUES}
    return merchant.post("/v1/messages", {**body, "event": ORDER, **changes})


def code_of(answer: Page) -> str | None:
    assert answer.json is not None, answer.text
    code: str | None = answer.json.get("code")
    return code


def status_of(merchant: Merchant, answer: Page) -> tuple[str, str | None]:
    """Return what the API says of a message that was accepted: its status and reason."""
    assert answer.status_code == 202, answer.text
    told = merchant.get(f"/v1/messages/{answer.json['id']}").json
    return told["status"], told["reason"]


# --- the story ------------------------------------------------------------------------------------
def test_an_advert_under_an_order_does_not_leave(service: Service) -> None:
    """As text, and through each variable of an approved template; also at night."""
    merchant, consumer = service.legal_merchant(), service.consumer()
    token = service.obtain_token(merchant, consumer, ORDERS)
    template = add_template(service, merchant)
    before = consumer.texts()
    for _ in range(2):
        refused = merchant.send(token, ORDERS, ADVERT)
        assert (refused.status_code, code_of(refused)) == (422, "template_required")
        for name in VALUES:
            refused = order_text(merchant, token, template, variables={**VALUES, name: ADVERT})
            assert (refused.status_code, code_of(refused)) == (422, "template_rejected")
            assert refused.json["errors"] == {f"variables.{name}": ["not_of_its_type"]}
        service.clock.advance(UNTIL_NIGHT)
    service.work()
    assert consumer.texts() == before
    assert order_text(merchant, token, template).status_code == 202
    service.work()
    assert consumer.texts()[-1] == "【晨光书店】您的订单DD2021111100017已发出，预计11月12日送达"


def test_a_free_variable_takes_no_price_link_number_or_signature(service: Service) -> None:
    """Letters remain: what they say is counted, reported and reviewed."""
    merchant, consumer = service.legal_merchant(), service.consumer()
    token = service.obtain_token(merchant, consumer, ORDERS)
    template = add_template(
        service, merchant, text="您好，{name}，您的订单{order}将在{day}由快递员送达，请留意",
        variables={**ORDER_VARIABLES, "name": Variable(VariableType.NAME, 20)},
    )  # fmt: skip
    for advert in (
        "全场5折",
        "shop.example/sale",
        "致电4008008000",
        "【双11】",
        "满200减50",
        "领券👉",
    ):
        values = {**VALUES, "name": advert}
        refused = order_text(merchant, token, template, variables=values)
        assert code_of(refused) == "template_rejected", advert
        assert list(refused.json["errors"]) == ["variables.name"]
    for name in ("阿卜杜热西提·买买提明", "O'Connor"):
        values = {**VALUES, "name": name, "order": f"A{len(name)}"}
        event = {"type": "order", "id": values["order"]}
        sent = order_text(merchant, token, template, variables=values, event=event)
        assert sent.status_code == 202, sent.text


def test_the_demonstration_tries_without_templates(service: Service) -> None:
    """On a loopback address, where nobody else is: free text of every class."""
    merchant, consumer = service.merchant(), service.consumer()
    token = service.obtain_token(merchant, consumer, PROMOTIONS, ORDERS)
    assert merchant.send(token, ORDERS, "订单已发出").status_code == 202
    template = add_template(service, merchant)
    assert order_text(merchant, token, template, event=None).status_code == 422  # no null member
    body = {"token": token, "purpose": ORDERS, "template": template, "variables": VALUES}
    assert merchant.post("/v1/messages", body).status_code == 202


# --- class by sender by template by purpose -------------------------------------------------------
def test_class_by_sender_by_template_by_purpose(service: Service) -> None:
    """tests/unit/test_admission_decision.py has every combination; these go through the API."""
    merchant, consumer = service.legal_merchant(), service.consumer()
    token = service.obtain_token(merchant, consumer, PROMOTIONS, ORDERS, max_messages=100)
    approved = add_template(service, merchant, texts_per_event=5)
    withdrawn = add_template(service, merchant, status=TemplateStatus.WITHDRAWN)
    sets = [
        set(each) for size in (0, 1, 2) for each in combinations([MARKETING, TRANSACTIONAL], size)
    ]
    for merchant_classes in sets:
        set_classes(service, merchant, merchant_classes)
        for sender_classes in sets:
            set_sender(service, merchant, classes=" ".join(sorted(sender_classes)))
            answers = {
                "advert": merchant.send(token, PROMOTIONS, "x"),
                "order as text": merchant.send(token, ORDERS, "x"),
                "order": order_text(merchant, token, approved),
                "withdrawn": order_text(merchant, token, withdrawn),
            }
            for what, answer in answers.items():
                wanted = MARKETING if what == "advert" else TRANSACTIONAL
                expected = {"order as text": "template_required", "withdrawn": "template_rejected"}
                code = expected.get(what)
                if wanted not in merchant_classes:
                    code = "class_not_admitted"
                if wanted not in sender_classes:
                    code = "sender_not_admitted"
                assert code_of(answer) == code, (merchant_classes, sender_classes, what)


def test_a_template_is_its_merchants_and_of_its_purpose(service: Service) -> None:
    merchant, other = service.legal_merchant(), service.legal_merchant(name="另一家")
    token = service.obtain_token(merchant, service.consumer(), PROMOTIONS, ORDERS)
    theirs, mine = add_template(service, other), add_template(service, merchant)
    for template in (theirs, "tpl_0000000000000000", "x"):
        refused = order_text(merchant, token, template)
        assert code_of(refused) == "template_rejected"
        assert refused.json["errors"] == {"template": ["unknown_template"]}
    refused = order_text(merchant, token, mine, purpose=PROMOTIONS)
    assert code_of(refused) == "template_rejected"
    assert refused.json["detail"] == (
        "The template is for orders.updates, the message for marketing.promotions."
    )
    assert code_of(order_text(merchant, token, mine, purpose="orders.deliveries")) == (
        "purpose_not_granted"
    )


@pytest.mark.parametrize("status", [each for each in TemplateStatus if each != "approved"])
def test_only_an_approved_template_makes_texts(small: Service, status: TemplateStatus) -> None:
    merchant = small.legal_merchant()
    token = small.obtain_token(merchant, small.consumer(), ORDERS)
    template = add_template(small, merchant, status=status)
    expected = "held_back" if status is TemplateStatus.HELD else "template_rejected"
    assert code_of(order_text(merchant, token, template)) == expected
    set_template(small, template, TemplateStatus.APPROVED)
    assert code_of(order_text(merchant, token, template)) is None


# --- events ---------------------------------------------------------------------------------------
def test_an_order_has_as_many_texts_as_were_approved(service: Service) -> None:
    merchant = service.legal_merchant()
    token = service.obtain_token(merchant, service.consumer(), ORDERS)
    once, twice = (
        add_template(service, merchant),
        add_template(service, merchant, texts_per_event=2),
    )
    body = {"token": token, "purpose": ORDERS, "template": once, "variables": VALUES}
    assert code_of(merchant.post("/v1/messages", body)) == "event_required"
    booking = {"type": "booking", "id": ORDER["id"]}
    wrong = order_text(merchant, token, once, event=booking)
    assert (code_of(wrong), list(wrong.json["errors"])) == ("event_required", ["event.type"])
    another = order_text(merchant, token, once, event={"type": "order", "id": "DD1"})
    assert another.json["errors"] == {"variables.order": ["not_the_event_id"]}

    assert code_of(order_text(merchant, token, once)) is None
    assert code_of(order_text(merchant, token, once)) == "event_used"
    step = {**ORDER, "step": "again"}  # a step makes no other event of it
    assert code_of(order_text(merchant, token, once, event=step)) == "event_used"
    codes = [code_of(order_text(merchant, token, twice)) for _ in range(3)]
    assert codes == [None, None, "event_used"]  # each template counts for itself
    values = {**VALUES, "order": "DD2"}
    next_order = {"variables": values, "event": {"type": "order", "id": "DD2"}}
    assert code_of(order_text(merchant, token, once, **next_order)) is None


def test_the_texts_of_one_batch_count_for_each_other(service: Service) -> None:
    merchant = service.legal_merchant()
    token = service.obtain_token(merchant, service.consumer(), ORDERS)
    template = add_template(service, merchant, texts_per_event=2)
    body = {"token": token, "purpose": ORDERS, "template": template, "variables": VALUES}
    batch = {"messages": [{**body, "event": ORDER}] * 4}
    results = merchant.post("/v1/messages/batch", batch).json["results"]
    assert [each["status"] for each in results] == ["accepted"] * 2 + ["refused"] * 2
    assert results[-1]["problem"]["code"] == "event_used"


def test_what_was_refused_after_all_leaves_its_place_free(service: Service) -> None:
    merchant = service.legal_merchant()
    token = service.obtain_token(merchant, service.consumer(), ORDERS)
    template = add_template(service, merchant)
    accepted = order_text(merchant, token, template)
    set_template(service, template, TemplateStatus.WITHDRAWN)
    service.work()
    assert status_of(merchant, accepted) == ("refused", "template_rejected")
    set_template(service, template, TemplateStatus.APPROVED)
    assert code_of(order_text(merchant, token, template)) is None
    assert code_of(order_text(merchant, token, template)) == "event_used"


def test_two_consumers_have_events_of_their_own(service: Service) -> None:
    merchant = service.legal_merchant()
    template = add_template(service, merchant)
    for number in NUMBERS[:2]:
        token = service.obtain_token(merchant, service.consumer(number), ORDERS)
        assert code_of(order_text(merchant, token, template)) is None


def test_many_race_for_the_last_text_of_an_order(service: Service) -> None:
    merchant = service.legal_merchant()
    token = service.obtain_token(merchant, service.consumer(), ORDERS)
    template = add_template(service, merchant, texts_per_event=3)

    def attempt(place: int) -> str | None:
        if place % 2:
            return code_of(order_text(merchant, token, template))
        body = {"token": token, "purpose": ORDERS, "template": template, "variables": VALUES}
        batch = merchant.post("/v1/messages/batch", {"messages": [{**body, "event": ORDER}]})
        result = batch.json["results"][0]
        return result["problem"]["code"] if result["status"] == "refused" else None

    with ThreadPoolExecutor(8) as pool:
        codes = list(pool.map(attempt, range(16)))
    assert codes.count(None) == 3
    assert codes.count("event_used") == 13


def test_an_essential_template_needs_no_event(service: Service) -> None:
    merchant = service.legal_merchant()
    token = service.obtain_token(merchant, service.consumer(), ORDERS)
    recall = add_template(
        service, merchant, text="请勿食用批次{batch}，退货请到任一门店", is_essential=True,
        variables={"batch": Variable(VariableType.CODE, 8)}, event_type=None,
    )  # fmt: skip
    body = {"token": token, "purpose": ORDERS, "template": recall, "variables": {"batch": "A1234"}}
    for _ in range(2):
        assert merchant.post("/v1/messages", body).status_code == 202


# --- what changes between acceptance and dispatch -------------------------------------------------
def withdraw(service: Service, _: Merchant, template: str) -> None:
    set_template(service, template, TemplateStatus.WITHDRAWN)


def suspend_class(service: Service, merchant: Merchant, _: str) -> None:
    set_classes(service, merchant, [TRANSACTIONAL], suspended=[TRANSACTIONAL])


def take_class_away(service: Service, merchant: Merchant, _: str) -> None:
    set_classes(service, merchant, [MARKETING, FINANCE])


def revoke_sender(service: Service, merchant: Merchant, _: str) -> None:
    set_sender(service, merchant, revoked_at=service.clock.now())


def narrow_sender(service: Service, merchant: Merchant, _: str) -> None:
    set_sender(service, merchant, classes="marketing")


def let_sender_end(service: Service, merchant: Merchant, _: str) -> None:
    set_sender(service, merchant, valid_until=service.clock.now())


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (withdraw, "template_rejected"),
        (suspend_class, "class_not_admitted"),
        (take_class_away, "class_not_admitted"),
        (revoke_sender, "sender_not_admitted"),
        (narrow_sender, "sender_not_admitted"),
        (let_sender_end, "sender_not_admitted"),
    ],
)
def test_what_is_no_longer_admitted_does_not_leave(
    service: Service, change: Callable[[Service, Merchant, str], None], reason: str
) -> None:
    merchant, consumer = service.legal_merchant(), service.consumer()
    token = service.obtain_token(merchant, consumer, ORDERS)
    template = add_template(service, merchant)
    accepted = order_text(merchant, token, template)
    before = consumer.texts()
    change(service, merchant, template)
    service.work()
    assert status_of(merchant, accepted) == ("refused", reason)
    assert consumer.texts() == before


def test_a_held_template_keeps_its_texts_back(service: Service) -> None:
    """They wait while it is held and they are valid; once released, they leave."""
    merchant, consumer = service.legal_merchant(), service.consumer()
    token = service.obtain_token(merchant, consumer, ORDERS)
    template = add_template(service, merchant, texts_per_event=2)
    day, hour = (
        order_text(merchant, token, template, valid_for_minutes=minutes) for minutes in (1440, 60)
    )
    before = len(consumer.texts())
    set_template(service, template, TemplateStatus.HELD)
    service.work()
    assert [status_of(merchant, each) for each in (day, hour)] == [("deferred", "held_back")] * 2
    for _ in range(30):
        service.clock.advance(timedelta(minutes=2))
        service.work()
    assert status_of(merchant, day) == ("deferred", "held_back")
    assert status_of(merchant, hour) == ("refused", "held_back")
    assert len(consumer.texts()) == before
    set_template(service, template, TemplateStatus.APPROVED)
    service.clock.advance(timedelta(minutes=5))
    service.work()
    assert status_of(merchant, day) == ("delivered", None)
    assert len(consumer.texts()) == before + 1


def test_an_invitation_is_marketing(small: Service) -> None:
    merchant = small.legal_merchant()
    token = small.obtain_token(merchant, small.consumer(), ORDERS)
    set_classes(small, merchant, [TRANSACTIONAL])
    asked = {"purposes": ["orders.deliveries"], "token": token}
    assert code_of(merchant.post("/v1/consent-requests", asked)) == "forbidden"
    set_classes(small, merchant, [MARKETING, TRANSACTIONAL])
    assert merchant.post("/v1/consent-requests", asked).status_code == 201


# --- codes ----------------------------------------------------------------------------------------
def test_a_code_is_valid_for_ten_minutes_at_most(service: Service) -> None:
    merchant, consumer = service.legal_merchant(), service.consumer()
    token = service.obtain_token(merchant, consumer, "account.code")
    template = add_template(
        service, merchant, "account.code", text="您的验证码是{code}，请勿告诉他人",
        variables={"code": Variable(VariableType.CODE, 6)}, event_type="code",
    )  # fmt: skip
    for minutes, expected in ((1440, 10), (10, 10), (5, 5)):
        code = {
            "variables": {"code": f"48{minutes:04}"}, "valid_for_minutes": minutes,
            "event": {"type": "code", "id": str(minutes)},
        }  # fmt: skip
        sent = order_text(merchant, token, template, purpose="account.code", **code)
        assert sent.status_code == 202, sent.text
        told = merchant.get(f"/v1/messages/{sent.json['id']}").json
        validity = datetime.fromisoformat(told["valid_until"]) - service.clock.now()
        assert validity == timedelta(minutes=expected)
    before = len(consumer.texts())
    service.clock.advance(timedelta(minutes=11))
    service.work()
    assert len(consumer.texts()) == before


# --- evidence -------------------------------------------------------------------------------------
def test_each_refusal_is_recorded(small: Service) -> None:
    merchant, consumer = small.legal_merchant(), small.consumer()
    token = small.obtain_token(merchant, consumer, ORDERS)
    template = add_template(small, merchant)
    merchant.send(token, ORDERS, ADVERT)
    order_text(merchant, token, template, variables={})
    order_text(merchant, token, template)
    order_text(merchant, token, template)
    with small.runtime.database.engine.connect() as connection:
        refusals = text("SELECT reason FROM events WHERE kind = 'message_refused' ORDER BY reason")
        recorded = connection.execute(refusals).scalars().all()
    assert recorded == ["event_used", "template_rejected", "template_required"]
