"""Promise 12: "stop this merchant" stops the merchant, however many grants it has."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from threading import Barrier, Thread
from typing import Self

import pytest

from consent_tokens.clock import SystemClock
from consent_tokens.services.consents.amendments import pause_merchant
from consent_tokens.services.consents.revocation import revoke_merchant
from consent_tokens.services.journal_replay import replay
from tests.fixtures import dispatch_round
from tests.number_scan import NUMBERS
from tests.service import (
    ALWAYS,
    GRANT,
    LINK,
    ORDERS,
    PROMOTIONS,
    Page,
    Service,
    SignedIn,
    found,
)

EVENTS, SURVEYS = "marketing.events", "marketing.surveys"
ARTICLE = re.compile(r"<article.*?</article>", re.DOTALL)


@dataclass
class Shop(SignedIn):
    """A merchant with two grants of one consumer, for promotions and for orders."""

    orders: str = ""  # the token for them; `token` is for promotions

    @classmethod
    def with_both(cls, service: Service) -> Self:
        shop = cls.with_consent(service, PROMOTIONS)
        shop.orders = shop.agree(ORDERS)
        return shop

    def agree(self, *purposes: str, **more: object) -> str:
        """Have the consumer agree once more; return the token."""
        return self.service.obtain_token(self.merchant, self.consumer, *purposes, **more)

    def codes(self) -> list[str]:
        """Send under both grants; return the reasons of the refusals, or the statuses."""
        answers = [
            self.merchant.send(self.token, PROMOTIONS),
            self.merchant.send(self.orders, ORDERS),
        ]
        return [str(each.json.get("code") or each.json["status"]) for each in answers]

    def link(self) -> str:
        """Send an offer; return the path of the link in it."""
        assert self.merchant.send(self.token).status_code == 202
        self.service.work()
        return f"/m/{found(LINK, self.consumer.texts()[-1])}"

    def statuses(self) -> list[str]:
        return [each["status"] for each in self.merchant.get("/v1/grants").json["items"]]

    def partition(self) -> int:
        grants = self.merchant.get("/v1/grants").json["items"]
        key = self.service.runtime.ids.grant.decode(grants[0]["id"])
        assert key
        return key.partition


@pytest.fixture
def shop(service: Service) -> Shop:
    return Shop.with_both(service)


def stop_by_link(shop: Shop) -> str:
    link = shop.link()
    shop.consumer.post(link, action="revoke")
    return shop.consumer.get(link).text


def stop_on_my(shop: Shop) -> str:
    page = shop.consumer.log_in().text
    (card,) = [each for each in ARTICLE.findall(page) if "晨光书店" in each]
    assert card.count('value="revoke"') == 1, "one button for the merchant"
    shop.consumer.post("/my", page, action="revoke", grant=found(GRANT, card))
    return shop.consumer.get("/my").text


def stop_by_keyword(shop: Shop) -> str:
    shop.service.reply(NUMBERS[0], "106900011", "退订")
    return shop.consumer.log_in().text


STOPS = [stop_by_link, stop_on_my, stop_by_keyword]


@pytest.mark.parametrize("stop", STOPS)
def test_a_stop_ends_every_grant_of_the_merchant_and_of_no_other(
    shop: Shop, stop: Callable[[Shop], str]
) -> None:
    other = shop.service.merchant("乙店")
    theirs = shop.service.obtain_token(other, shop.consumer)
    answer = stop(shop)
    assert shop.codes() == ["consent_revoked", "consent_revoked"]
    assert shop.statuses() == ["revoked", "revoked"]
    assert other.send(theirs).status_code == 202
    for ended in ("打折和活动", "您的订单"):
        assert ended in answer, "the answer names what ended"


@pytest.mark.parametrize("stop", STOPS)
def test_every_grant_that_a_stop_ended_is_in_the_journal(
    shop: Shop, stop: Callable[[Shop], str]
) -> None:
    stop(shop)
    assert len(set(shop.service.runtime.revocation_journal.read())) == 2


def test_the_page_of_the_link_says_what_else_the_merchant_may_send(shop: Shop) -> None:
    page = shop.consumer.get(shop.link()).text
    assert "打折和活动" in page
    assert "您的订单" in page
    assert 'value="revoke"' in page


def test_the_page_of_an_old_link_does_not_say_stopped_while_another_grant_lives(
    shop: Shop,
) -> None:
    link = shop.link()
    shop.merchant.post("/v1/tokens/revoke", {"token": shop.token})
    assert shop.codes() == ["consent_revoked", "queued"]
    page = shop.consumer.get(link).text
    assert 'value="revoke"' in page, "it can still be stopped from here"
    shop.consumer.post(link, action="revoke")
    assert shop.codes() == ["consent_revoked", "consent_revoked"]


def test_a_merchants_own_revocation_ends_that_grant_only(shop: Shop) -> None:
    shop.merchant.post("/v1/tokens/revoke", {"token": shop.orders})
    assert shop.codes() == ["queued", "consent_revoked"]


def test_one_of_several_consents_can_be_ended_alone(shop: Shop) -> None:
    shop.consumer.log_in()
    (grant,) = [
        each["id"]
        for each in shop.merchant.get("/v1/grants").json["items"]
        if each["scope"]["purposes"] == [PROMOTIONS]
    ]
    page = shop.consumer.get(f"/my/consents/{grant}").text
    shop.consumer.post("/my", page, action="revoke_one", grant=grant)
    assert shop.codes() == ["consent_revoked", "queued"]


def test_my_page_shows_one_card_for_a_merchant_with_its_consents_inside(shop: Shop) -> None:
    page = shop.consumer.log_in().text
    (card,) = ARTICLE.findall(page)
    assert card.count("<h2>") == 1
    assert "打折和活动" in card
    assert "您的订单" in card
    for action in ("revoke", "pause"):
        assert card.count(f'value="{action}"') == 1


# --- Pause --------------------------------------------------------------------------------------


def paused_by_link(shop: Shop) -> None:
    shop.consumer.post(shop.link(), action="pause")


def paused_on_my(shop: Shop) -> None:
    page = shop.consumer.log_in().text
    shop.consumer.post("/my", page, action="pause", grant=found(GRANT, page))


@pytest.mark.parametrize("paused", [paused_by_link, paused_on_my])
def test_a_pause_is_for_the_merchant_and_so_is_its_end(
    shop: Shop, paused: Callable[[Shop], None]
) -> None:
    paused(shop)
    assert shop.codes() == ["consent_paused", "consent_paused"]
    page = shop.consumer.log_in().text
    assert page.count('value="resume"') == 1
    shop.consumer.post("/my", page, action="resume", grant=found(GRANT, page))
    assert shop.codes() == ["queued", "queued"]


def test_a_pause_from_a_link_shortens_no_longer_pause(shop: Shop) -> None:
    link = shop.link()
    paused_on_my(shop)  # without an end
    shop.consumer.post(link, action="pause")  # for 30 days
    shop.service.clock.advance(timedelta(days=31))
    shop.service.work()
    assert shop.codes() == ["consent_paused", "consent_paused"]


# --- A second yes -------------------------------------------------------------------------------


def test_a_second_yes_for_the_same_purpose_replaces_the_first(shop: Shop) -> None:
    before = shop.token
    shop.token = shop.agree(PROMOTIONS, max_messages=1)
    assert shop.merchant.send(before).json["code"] == "consent_revoked"
    assert shop.codes() == ["queued", "queued"]
    assert shop.codes()[0] == "cap_reached"
    assert sorted(shop.statuses()) == ["live", "live", "revoked"]


def test_the_answer_to_a_second_yes_says_what_it_replaces_and_what_stays(shop: Shop) -> None:
    asked = shop.merchant.ask(PROMOTIONS, **ALWAYS)
    shop.consumer.post(
        asked["path"], purposes=[PROMOTIONS], phone=shop.consumer.number, decision="grant"
    )
    notice = shop.consumer.get(asked["path"]).text
    assert "以这次为准" in notice
    answer: Page = shop.consumer.post(asked["path"], code=shop.consumer.code(), decision="grant")
    assert answer.status_code == 303
    done = shop.consumer.get(asked["path"]).text
    replaced = re.search(r'class="replaced">(.*?)</p>', done, re.DOTALL)
    kept = re.search(r'class="kept">(.*?)</p>', done, re.DOTALL)
    assert replaced
    assert kept
    assert "打折和活动" in replaced[1]
    assert "您的订单" in kept[1]


def test_the_question_tells_a_signed_in_consumer_what_they_agreed_to_already(shop: Shop) -> None:
    asked = shop.merchant.ask(PROMOTIONS, **ALWAYS)["path"]
    assert "您的订单" not in shop.service.consumer().get(asked).text
    shop.consumer.log_in()
    assert "您的订单" in shop.consumer.get(asked).text


def test_a_second_yes_takes_its_purposes_out_of_a_wider_consent(service: Service) -> None:
    shop = Shop.with_both(service)
    wide = shop.agree(EVENTS, SURVEYS)
    narrow = shop.agree(EVENTS)
    assert shop.merchant.send(wide, EVENTS).json["code"] == "purpose_not_granted"
    assert shop.merchant.send(wide, SURVEYS).status_code == 202
    assert shop.merchant.send(narrow, EVENTS).status_code == 202
    covered = [
        purpose
        for each in shop.merchant.get("/v1/grants").json["items"]
        if each["status"] == "live"
        for purpose in each["scope"]["purposes"]
    ]
    assert sorted(covered) == sorted({*covered}), "no purpose is covered twice"


def test_a_second_yes_does_not_end_a_pause_of_the_first(shop: Shop) -> None:
    paused_on_my(shop)
    added = shop.agree(EVENTS)
    assert shop.codes() == ["consent_paused", "consent_paused"]
    assert shop.merchant.send(added, EVENTS).status_code == 202


def test_a_restored_backup_does_not_bring_a_replaced_consent_back(shop: Shop) -> None:
    shop.agree(PROMOTIONS)
    assert len(list(shop.service.runtime.revocation_journal.read())) == 1
    replay(shop.service.runtime)
    assert sorted(shop.statuses()) == ["live", "live", "revoked"]


# --- The cool-down ------------------------------------------------------------------------------


def invited(shop: Shop, token: str, **more: object) -> str:
    body = {"purposes": [SURVEYS], **ALWAYS, "token": token, **more}
    answer = shop.merchant.post("/v1/consent-requests", body)
    return str(answer.json.get("code") or answer.json["status"])


@pytest.mark.parametrize("stop", STOPS)
def test_a_stop_begins_the_cooldown_and_a_yes_to_something_else_does_not_end_it(
    shop: Shop, stop: Callable[[Shop], str]
) -> None:
    stop(shop)
    fresh = shop.agree(ORDERS)  # they come by themselves
    assert invited(shop, fresh) == "invitation_refused"
    shop.service.clock.advance(timedelta(days=89))
    assert invited(shop, fresh) == "invitation_refused"
    shop.service.work()  # retention runs, too
    shop.service.clock.advance(timedelta(days=1, minutes=1))
    assert invited(shop, fresh) == "pending"


def test_a_stop_closes_the_question_for_its_reference(service: Service) -> None:
    shop = Shop.with_both(service)
    asked = shop.merchant.ask(EVENTS, reference="customer-1", **ALWAYS)
    shop.consumer.agree(asked["path"], EVENTS)
    stop_on_my(shop)
    again = shop.merchant.post(
        "/v1/consent-requests", {"purposes": [EVENTS], "reference": "customer-1"}
    )
    assert (again.status_code, again.json["code"]) == (403, "invitation_refused")
    shop.merchant.ask(EVENTS, reference="customer-2")
    shop.service.clock.advance(timedelta(days=91))
    shop.merchant.ask(EVENTS, reference="customer-1")


def test_a_merchants_own_revocation_and_an_expiry_begin_no_cooldown(shop: Shop) -> None:
    shop.merchant.post("/v1/tokens/revoke", {"token": shop.token})
    assert invited(shop, shop.orders) == "pending"


def test_a_stop_declines_an_open_invitation(shop: Shop) -> None:
    asked = shop.merchant.ask(SURVEYS, token=shop.orders, **ALWAYS)
    shop.service.work()
    stop_on_my(shop)
    assert shop.merchant.get(f"/v1/consent-requests/{asked['id']}").json["status"] == "declined"


# --- Races --------------------------------------------------------------------------------------


def at_once(*acts: Callable[[], object]) -> list[BaseException]:
    """Do all at the same time; return what they raised."""
    barrier, raised = Barrier(len(acts)), list[BaseException]()

    def run(act: Callable[[], object]) -> None:
        barrier.wait()
        try:
            act()
        except BaseException as error:  # noqa: BLE001 - the test looks at it
            raised.append(error)

    threads = [Thread(target=run, args=[act]) for act in acts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return raised


def stop(shop: Shop, partition: int) -> object:
    runtime, policy = shop.service.runtime, shop.service.context.consent
    return revoke_merchant(runtime, policy, partition, shop.merchant.id)


@pytest.mark.parametrize("attempt", range(4))
def test_two_tabs_stop_and_a_third_pauses_at_once(shop: Shop, attempt: int) -> None:
    partition = shop.partition()
    runtime, merchant_id = shop.service.runtime, shop.merchant.id
    raised = at_once(
        lambda: stop(shop, partition),
        lambda: pause_merchant(runtime, partition, merchant_id),
        lambda: stop(shop, partition),
    )
    assert raised == [], attempt
    assert shop.codes() == ["consent_revoked", "consent_revoked"]


def prepared_yes(shop: Shop) -> Callable[[], int]:
    """Ask once more, and enter number and code; return what submits the yes."""
    browser = shop.service.consumer(shop.consumer.number)
    path = shop.merchant.ask(PROMOTIONS, **ALWAYS)["path"]
    browser.post(path, purposes=[PROMOTIONS], phone=browser.number, decision="grant")
    code, page = browser.code(), browser.get(path).text
    return lambda: browser.post(path, page, code=code, decision="grant").status_code


@pytest.mark.parametrize("attempt", range(4))
def test_two_yeses_and_a_stop_at_once_leave_no_purpose_covered_twice(
    shop: Shop, attempt: int
) -> None:
    partition = shop.partition()
    answers: list[int] = []
    yeses = [prepared_yes(shop), prepared_yes(shop)]
    raised = at_once(
        lambda: answers.append(yeses[0]()),
        lambda: answers.append(yeses[1]()),
        lambda: stop(shop, partition),
    )
    assert raised == [], attempt
    assert answers == [303, 303]
    live = [
        each for each in shop.merchant.get("/v1/grants").json["items"] if each["status"] == "live"
    ]
    assert len(live) <= 1
    assert shop.merchant.send(shop.orders, ORDERS).json["code"] == "consent_revoked"


def test_a_stop_waits_for_what_is_in_flight_under_every_grant(
    database_url: str, tmp_path: Path
) -> None:
    """What leaves left before the answer: two grants, and a dispatcher at work all the time."""
    service = Service.start(database_url, tmp_path / "keys", clock=SystemClock())
    shop = Shop.with_both(service)
    for place in range(20):
        shop.merchant.send(shop.token, PROMOTIONS, text=f"offer {place}")
        shop.merchant.send(shop.orders, ORDERS, text=f"order {place}")
    done: list[int] = []
    partition = shop.partition()

    def dispatch() -> None:
        while not done:
            dispatch_round(service.context)

    def stop() -> None:
        revoke_merchant(service.runtime, service.context.consent, partition, shop.merchant.id)
        done.append(len(shop.consumer.texts()))

    assert at_once(dispatch, stop) == []
    shop.service.work()
    assert len(shop.consumer.texts()) == done[0]
    service.close()
