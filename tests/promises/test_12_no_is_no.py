"""Promise 12: no is no, no answer is a no, and ending takes no more than giving did."""

import re
from datetime import timedelta
from zoneinfo import ZoneInfo

import pytest

from consent_tokens.services.admission import control_groups
from consent_tokens.services.admission.suspension import suspend
from consent_tokens.services.merchants import find_source
from tests.number_scan import NUMBERS
from tests.service import ADMIN, ALWAYS, ORDERS, PROMOTIONS, REVIEWER, Consumer, Merchant, Service

MORE = {"purposes": [PROMOTIONS], **ALWAYS}
QUESTION = re.compile(r"/c/([A-Za-z0-9_-]{22})")


@pytest.fixture
def shop(service: Service) -> tuple[Merchant, Consumer, str]:
    """A merchant that may write about orders, and would like more."""
    merchant, consumer = service.merchant(), service.consumer()
    return merchant, consumer, service.obtain_token(merchant, consumer, ORDERS)


def invited(merchant: Merchant, token: str, **more: object) -> tuple[int, str]:
    answer = merchant.post("/v1/consent-requests", {**MORE, "token": token, **more})
    return answer.status_code, answer.json.get("code", "")


def test_an_invitation_arrives_and_can_be_agreed_to(
    service: Service, shop: tuple[Merchant, Consumer, str]
) -> None:
    merchant, consumer, token = shop
    assert invited(merchant, token) == (201, "")
    service.work()
    text = consumer.texts()[-1]
    for words in ("【晨光书店】", "打折和活动", "30 天最多 4 条", "有效 180 天", "不回就是不愿意"):
        assert words in text
    match = QUESTION.search(text)
    assert match
    consumer.agree(match[0], PROMOTIONS)
    assert "打折和活动" in consumer.log_in().text


@pytest.mark.parametrize("how", ["declined", "not answered"])
def test_whoever_did_not_say_yes_is_not_invited_again_for_ninety_days(
    service: Service, shop: tuple[Merchant, Consumer, str], how: str
) -> None:
    merchant, consumer, token = shop
    assert invited(merchant, token) == (201, "")
    service.work()
    if how == "declined":
        match = QUESTION.search(consumer.texts()[-1])
        assert match
        consumer.post(match[0], decision="decline")
    for days in (0, 1, 8, 80):
        service.clock.advance(timedelta(days=days))
        # another wording, another purpose, another sender: it is the same merchant
        again = invited(merchant, token, purposes=["marketing.events"], max_messages=1)
        assert again == (403, "invitation_refused")
    before = len(consumer.texts())
    service.clock.advance(timedelta(days=2))
    assert invited(merchant, token) == (201, "")
    service.work()
    assert len(consumer.texts()) == before + 1


def test_another_merchant_is_another_merchant(
    service: Service, shop: tuple[Merchant, Consumer, str]
) -> None:
    merchant, consumer, token = shop
    other = service.merchant("乙店")
    theirs = service.obtain_token(other, consumer, ORDERS)
    assert invited(merchant, token) == (201, "")
    assert invited(other, theirs) == (201, "")


def test_nobody_invites_whom_wants_no_invitations(
    service: Service, shop: tuple[Merchant, Consumer, str]
) -> None:
    merchant, consumer, token = shop
    consumer.log_in()
    wishes = consumer.get("/my/wishes").text
    consumer.post("/my", wishes, action="invitations", invitations="none")
    refused = invited(merchant, token)
    assert refused == (403, "invitation_refused")
    # and the merchant cannot tell why: a no of before is answered the same
    service.clock.advance(timedelta(minutes=1))
    consumer.agree(merchant.ask(PROMOTIONS, **ALWAYS)["path"], PROMOTIONS)  # who comes, may


def test_an_invitation_that_waits_does_not_leave_once_nobody_shall_invite(
    service: Service, shop: tuple[Merchant, Consumer, str]
) -> None:
    merchant, consumer, token = shop
    service.clock.advance(timedelta(hours=10))  # late in the evening: it waits for the morning
    consumer.log_in()
    assert invited(merchant, token) == (201, "")
    service.work()
    before = len(consumer.texts())
    wishes = consumer.get("/my/wishes").text
    consumer.post("/my", wishes, action="invitations", invitations="none")
    service.clock.advance(timedelta(hours=14))
    service.work()
    assert len(consumer.texts()) == before


def test_the_same_customer_is_not_asked_again_by_reference(service: Service) -> None:
    merchant, consumer = service.merchant(), service.consumer()
    asked = merchant.ask(PROMOTIONS, reference="customer-8812")
    consumer.post(asked["path"], decision="decline")
    again = merchant.post(
        "/v1/consent-requests", {"purposes": ["marketing.surveys"], "reference": "customer-8812"}
    )
    assert (again.status_code, again.json["code"]) == (403, "invitation_refused")
    assert again.json["next_at"].startswith("2022-02-09")
    merchant.ask(PROMOTIONS, reference="customer-8813")
    merchant.ask(PROMOTIONS)
    service.clock.advance(timedelta(days=90))
    merchant.ask(PROMOTIONS, reference="customer-8812")


def test_a_question_that_nobody_answered_counts_as_a_no(service: Service) -> None:
    merchant = service.merchant()
    merchant.ask(PROMOTIONS, reference="customer-1")
    merchant.ask(PROMOTIONS, reference="customer-1")  # still open: the same page loaded twice
    service.clock.advance(timedelta(days=8))
    again = merchant.post(
        "/v1/consent-requests", {"purposes": [PROMOTIONS], "reference": "customer-1"}
    )
    assert again.json["code"] == "invitation_refused"


def test_a_token_of_another_merchant_invites_nobody(
    service: Service, shop: tuple[Merchant, Consumer, str]
) -> None:
    _, consumer, token = shop
    other = service.merchant("乙店")
    assert invited(other, token) == (422, "invalid")
    assert invited(other, "x") == (422, "invalid")
    service.work()
    assert "乙店" not in "".join(consumer.texts())


def test_a_consumer_can_always_come_and_agree_by_themselves(
    service: Service, shop: tuple[Merchant, Consumer, str]
) -> None:
    """By texting START, whatever was answered before."""
    merchant, consumer, token = shop
    assert invited(merchant, token) == (201, "")
    service.work()
    match = QUESTION.search(consumer.texts()[-1])
    assert match
    consumer.post(match[0], decision="decline")
    service.reply(NUMBERS[0], "106900011", "退订")
    service.reply(NUMBERS[0], "106900011", "订阅")
    match = QUESTION.search(consumer.texts()[-1])
    assert match, consumer.texts()
    consumer.agree(match[0], ORDERS)
    assert "您的订单" in consumer.log_in().text


def test_ending_takes_no_more_steps_than_giving_did(service: Service) -> None:
    """Giving: tick, number, yes, code, yes. Ending, from a text: the link, and one button."""
    merchant, consumer = service.merchant(), service.consumer()
    question = consumer.get(merchant.ask()["path"]).text
    giving = 2 * question.count('value="grant"') + question.count('type="checkbox"') + 2
    token = service.obtain_token(merchant, consumer)
    merchant.send(token)
    service.work()
    link = re.search(r"/m/\S+", consumer.texts()[-1])
    assert link
    page = consumer.get(link[0]).text
    ending = 1 + page.count('value="revoke"')
    assert ending == 2
    assert ending <= giving


def wait_over_night(service: Service) -> None:
    """What is accepted now waits for the morning, so that something can change before it leaves."""
    service.clock.advance(timedelta(hours=10))


def test_an_invitation_that_waits_does_not_leave_while_the_consent_is_paused(
    service: Service, shop: tuple[Merchant, Consumer, str]
) -> None:
    merchant, consumer, token = shop
    wait_over_night(service)
    consumer.log_in()
    assert invited(merchant, token) == (201, "")
    service.work()
    before = len(consumer.texts())
    page = consumer.get("/my").text
    grant = re.search(r'name="grant" value="([^"]+)"', page)
    assert grant
    consumer.post("/my", page, action="pause", grant=grant[1])
    service.clock.advance(timedelta(hours=14))
    service.work()
    assert len(consumer.texts()) == before
    again = invited(merchant, token, purposes=["marketing.events"])
    assert again == (403, "invitation_refused")


def test_a_suspended_merchant_sends_no_invitation_that_waits(
    service: Service, shop: tuple[Merchant, Consumer, str]
) -> None:
    merchant, consumer, token = shop
    wait_over_night(service)
    assert invited(merchant, token) == (201, "")
    service.work()
    before = len(consumer.texts())
    suspend(service.runtime, ADMIN, merchant.id, None)
    service.clock.advance(timedelta(hours=14))
    service.work()
    assert len(consumer.texts()) == before


def test_an_invitation_waits_for_the_end_of_quiet_hours(
    service: Service, shop: tuple[Merchant, Consumer, str]
) -> None:
    merchant, consumer, token = shop
    consumer.log_in()
    noon = service.clock.now().astimezone(ZoneInfo("Asia/Shanghai")).hour * 60
    wishes = consumer.get("/my/wishes").text
    form = {"from": str(noon), "to": str(noon + 120)}
    consumer.post("/my", wishes, action="rest", **form)
    assert invited(merchant, token) == (201, "")
    service.work()
    before = len(consumer.texts())
    service.clock.advance(timedelta(hours=1))
    service.work()
    assert len(consumer.texts()) == before
    service.clock.advance(timedelta(hours=1, minutes=1))
    service.work()
    assert len(consumer.texts()) == before + 1


def test_an_invitation_takes_its_place_in_the_cap(service: Service) -> None:
    """One text in thirty days was agreed to, and it has been sent."""
    merchant, consumer = service.merchant(), service.consumer()
    asked = merchant.ask(PROMOTIONS, max_messages=1, per_days=30, **ALWAYS)
    consumer.agree(asked["path"], PROMOTIONS)
    token = merchant.post(f"/v1/consent-requests/{asked['id']}/token").json["token"]
    assert merchant.send(token, PROMOTIONS, "one").status_code == 202
    service.work()
    before = len(consumer.texts())
    assert invited(merchant, token, purposes=["marketing.events"]) == (201, "")
    service.work()
    assert len(consumer.texts()) == before


# --- control groups -------------------------------------------------------------------------------


def two_of_one_owner(service: Service) -> tuple[Consumer, list[tuple[Merchant, str]]]:
    """Return a consumer of two merchants, not joined yet, each with its token for orders."""
    consumer, shops = service.consumer(), [service.merchant("甲店"), service.merchant("乙店")]
    return consumer, [(each, service.obtain_token(each, consumer, ORDERS)) for each in shops]


def joined(service: Service, one: Merchant, other: Merchant) -> None:
    control_groups.join(service.runtime, REVIEWER, one.id, other.id, reason="one owner")


@pytest.mark.parametrize("first", ["the no", "the joining"])
@pytest.mark.parametrize("how", ["declined", "not answered", "stopped"])
def test_a_no_to_one_of_a_control_group_bars_them_all(
    service: Service, how: str, first: str
) -> None:
    consumer, ((asker, token), (sister, theirs)) = two_of_one_owner(service)
    if first == "the joining":
        joined(service, asker, sister)
    if how == "stopped":
        service.reply(consumer.number, service_source(service, asker), "R")
    else:
        assert invited(asker, token) == (201, "")
        service.work()
    if how == "declined":
        match = QUESTION.search(consumer.texts()[-1])
        assert match
        consumer.post(match[0], decision="decline")
    if first == "the no":
        joined(service, asker, sister)
    service.clock.advance(timedelta(days=80))
    answer = sister.post("/v1/consent-requests", {**MORE, "token": theirs})
    assert (answer.status_code, answer.json["code"]) == (403, "invitation_refused")
    assert "next_at" not in answer.json, "it would tell of another merchant's consumer"
    assert sister.send(theirs, ORDERS).status_code == 202, "its own consent stays"
    service.clock.advance(timedelta(days=11))
    assert invited(sister, theirs) == (201, "")


def service_source(service: Service, merchant: Merchant) -> str:
    """Return the number that a merchant's texts come from."""
    source = find_source(service.runtime, merchant.id)
    assert source
    return source


@pytest.mark.parametrize("how", ["stopped", "declined"])
def test_an_invitation_that_waits_does_not_leave_after_a_no_to_a_sister(
    service: Service, how: str
) -> None:
    """The merchant reads the same as of a consumer who wants no invitations."""
    consumer, ((asker, token), (sister, theirs)) = two_of_one_owner(service)
    link = ""
    if how == "declined":
        assert invited(asker, token) == (201, "")
        service.work()
        match = QUESTION.search(consumer.texts()[-1])
        assert match
        link = match[0]
    wait_over_night(service)
    assert invited(sister, theirs) == (201, "")
    joined(service, asker, sister)
    if link:
        consumer.post(link, decision="decline")
    else:
        service.reply(consumer.number, service_source(service, asker), "R")
    service.work()
    before = len(consumer.texts())
    service.clock.advance(timedelta(hours=14))
    service.work()
    assert len(consumer.texts()) == before


def test_an_invitation_that_waits_does_not_leave_once_a_stopped_sister_is_joined(
    small: Service,
) -> None:
    consumer, ((asker, _), (sister, theirs)) = two_of_one_owner(small)
    small.reply(consumer.number, service_source(small, asker), "R")
    small.clock.advance(timedelta(days=1))
    wait_over_night(small)
    assert invited(sister, theirs) == (201, "")
    joined(small, asker, sister)
    small.work()
    before = len(consumer.texts())
    small.clock.advance(timedelta(hours=14))
    small.work()
    assert len(consumer.texts()) == before


def test_a_reference_of_a_consumer_who_stopped_a_sister_is_barred_too(service: Service) -> None:
    consumer = service.consumer()
    one, sister = service.merchant("甲店"), service.merchant("乙店")
    service.obtain_token(one, consumer, ORDERS)
    service.obtain_token(sister, consumer, ORDERS, reference="c-1")
    joined(service, one, sister)
    service.reply(consumer.number, service_source(service, one), "R")
    answer = sister.post("/v1/consent-requests", {**MORE, "reference": "c-1"})
    assert (answer.status_code, answer.json["code"]) == (403, "invitation_refused")
    assert "next_at" not in answer.json
    assert sister.ask(PROMOTIONS, reference="c-2")["status"] == "pending", "nobody knows c-2"


def test_groups_that_are_joined_become_one(service: Service) -> None:
    shops = [service.merchant(name) for name in ("甲店", "乙店", "丙店", "丁店")]
    consumer = service.consumer()
    tokens = [service.obtain_token(each, consumer, ORDERS) for each in shops]
    joined(service, shops[0], shops[1])
    joined(service, shops[2], shops[3])
    assert invited(shops[0], tokens[0]) == (201, "")
    assert invited(shops[3], tokens[3]) == (201, ""), "another group"
    joined(service, shops[1], shops[2])
    assert invited(shops[2], tokens[2]) == (403, "invitation_refused")
