"""Pacing: the texts of a new template leave in parts, as people react to them."""

import threading
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace as replace_struct
from structlog.testing import capture_logs

from consent_tokens.consent.purposes import Purpose
from consent_tokens.errors import ConflictError, NotFoundError
from consent_tokens.policies import PacingPolicy
from consent_tokens.relay.pacing import PacingKind, Reactions, new_pacing
from consent_tokens.services.admission import template_reviews
from consent_tokens.services.admission.pacing import pace
from consent_tokens.services.admission.pacing_decisions import drop
from consent_tokens.services.admission.template_moves import apply_due_moves, recategorise
from consent_tokens.store import events, merchants, pacings
from consent_tokens.store.database import Transaction
from consent_tokens.workers.pacing_worker import PacingWorker
from tests.fixtures import insert_grants
from tests.number_scan import NUMBERS
from tests.receivers import receiver as a_receiver
from tests.service import LINK, ORDERS, PROMOTIONS, REVIEWER, Merchant, Service, found
from tests.stories.test_template_commands import answer, run
from tests.stories.test_webhooks import deliver_due, delivered

TEXT = "新书到店，欢迎光临晨光书店。"
POLICY = PacingPolicy(parts=(4, 6), transactional_parts=(2,), min_stops=2, min_complainants=2)
LATER = timedelta(seconds=11)  # until a pacing is looked at again
AFTER = POLICY.wait + LATER


class Paced:
    """A merchant that was admitted, whose template is new, and its consumers."""

    def __init__(
        self,
        service: Service,
        *,
        policy: PacingPolicy = POLICY,
        people: int = 20,
        number: str = NUMBERS[0],
    ) -> None:
        self.policy, self.number = policy, number
        relay = replace(service.context.relay, pacing=policy)
        self.service = service.with_context(relay=relay)
        self.merchant: Merchant = self.service.legal_merchant()
        self.template = str(self.service.template(self.merchant, PROMOTIONS, TEXT)["id"])
        self.tokens = insert_grants(self.service.runtime, self.merchant.id, people, [number])

    def send(self, count: int, template: str | None = None, **more: object) -> list[str]:
        """Send to that many of the people who have got nothing; return status or reason of each."""
        named = {"template": template or self.template} if template != "" else {"text": TEXT}
        tokens, self.tokens = self.tokens[:count], self.tokens[count:]
        batch = [{"token": each, "purpose": PROMOTIONS, **named, **more} for each in tokens]
        answer = self.merchant.post("/v1/messages/batch", {"messages": batch})
        assert answer.status_code == 200, answer.text
        results: Sequence[dict[str, Any]] = answer.get_json()["results"]
        assert all(each["status"] == "accepted" for each in results) or all(
            each["status"] == "refused" for each in results
        ), results
        return [each.get("reason") or each.get("problem", {}).get("code", "") for each in results]

    def wait(self, by: timedelta = LATER) -> None:
        """Let time pass, look at what is paced, and send what is due."""
        self.service.clock.advance(by)
        pace(self.service.runtime, self.policy)
        self.service.work()

    @property
    def left(self) -> int:
        return len(self.texts)

    @property
    def texts(self) -> list[str]:
        return self.service.texts(self.number)

    def stop(self, *texts: int) -> None:
        """Have the recipients of these texts stop the merchant on the page of the text."""
        for each in texts:
            self._press(each, "", action="revoke")

    def complain(self, *texts: int) -> None:
        """Have the recipients of these texts report them."""
        for each in texts:
            self._press(each, "/report", reason="too_often")

    def _press(self, text: int, page: str, **form: str) -> None:
        path = f"/m/{found(LINK, self.texts[text])}{page}"
        assert self.service.consumer().post(path, **form).status_code in {200, 303}

    def pacing(self) -> dict[str, Any]:
        answer = self.merchant.get(f"/v1/templates/{self.template}").get_json()
        shown: dict[str, Any] = answer["pacing"]
        return shown

    def events(self) -> list[tuple[str, str | None]]:
        """Return kind and actor of the events about pacing."""

        def query(transaction: Transaction) -> list[tuple[str, str | None]]:
            merchant = merchants.find(transaction, self.merchant.id)
            assert merchant
            lines = events.of_partition(transaction, merchant.partition, merchant.admitted_at)
            return [(each.kind.value, each.actor) for each in lines if "pacing" in each.kind]

        return self.service.runtime.database.read(query)

    def statuses(self) -> dict[str, int]:
        items = self.merchant.get("/v1/messages?limit=100").get_json()["items"]
        kinds = [f"{each['status']} {each['reason'] or ''}".strip() for each in items]
        return {kind: kinds.count(kind) for kind in sorted(set(kinds))}


@pytest.fixture
def paced(small: Service) -> Paced:
    return Paced(small)


def test_an_honest_template_leaves_part_by_part_and_is_proven(service: Service) -> None:
    paced = Paced(service)
    assert paced.send(15) == [""] * 4 + ["held_back"] * 11
    paced.service.work()
    assert paced.left == 4
    paced.wait()  # the part has left: people have two hours
    paced.wait(POLICY.wait - LATER * 2)
    assert paced.left == 4
    assert paced.statuses() == {"deferred held_back": 11, "delivered": 4}
    paced.wait(LATER * 2)
    assert paced.left == 10
    assert paced.pacing()["stage"] == 2
    assert paced.pacing()["people"] == 4
    paced.wait()
    paced.wait(AFTER)
    assert paced.left == 15
    assert paced.pacing()["status"] == "proven"
    assert paced.send(3) == [""] * 3
    paced.service.work()
    assert paced.left == 18
    kinds = [kind for kind, _ in paced.events()]
    assert kinds.count("pacing_advanced") == 1
    assert kinds.count("pacing_finished") == 1


def test_a_template_that_many_stop_is_held_and_its_rest_dropped(service: Service) -> None:
    paced = Paced(service)
    assert paced.send(12) == [""] * 4 + ["held_back"] * 8
    paced.service.work()
    paced.stop(0, 1)
    with capture_logs() as logs:
        paced.wait()
    assert "pacing_held" in [each["event"] for each in logs]
    shown = paced.pacing()
    assert (shown["status"], shown["people"], shown["stops"], shown["held"]) == ("held", 4, 2, 8)
    assert paced.send(1) == ["held_back"]  # accepted, and held back too
    paced.wait(AFTER)
    assert paced.left == 4
    assert paced.statuses() == {"delivered": 4, "refused held_back": 9}
    assert paced.pacing()["status"] == "dropped"
    answer = paced.merchant.get(f"/v1/templates/{paced.template}").get_json()
    assert answer["status"] == "held"
    assert answer["reason"] == "2 of 4 people stopped you after a text of it"
    assert paced.send(1) == ["held_back"]  # refused
    assert [kind for kind, _ in paced.events()] == ["pacing_held", "pacing_dropped"]


def test_a_hold_that_is_not_clear_waits_for_a_person_after_twelve_hours(small: Service) -> None:
    paced = Paced(small, policy=replace(POLICY, stop_rate=0.14))  # twice that is not exceeded
    assert paced.send(8) == [""] * 4 + ["held_back"] * 4
    paced.service.work()
    paced.stop(0, 1)
    paced.wait()
    paced.wait(timedelta(hours=11))
    assert paced.pacing()["waiting_since"] is None
    with capture_logs() as logs:
        paced.wait(timedelta(hours=1))
    assert [each["log_level"] for each in logs if each["event"] == "pacing_waiting"] == ["critical"]
    assert paced.service.metric("consent_pacings_waiting") == 1
    assert paced.pacing()["waiting_since"]
    assert (paced.left, paced.statuses()) == (4, {"deferred held_back": 4, "delivered": 4})
    template_reviews.release(paced.service.runtime, REVIEWER, paced.template, reason="looked at")
    paced.wait()
    assert paced.left == 8
    assert paced.pacing()["status"] == "open"
    assert paced.service.metric("consent_pacings_waiting") == 0
    assert ("pacing_resumed", REVIEWER.id) in paced.events()
    paced.wait(AFTER)
    assert paced.pacing()["status"] == "open"  # what was looked at does not hold it again


def test_a_person_drops_what_is_held_and_may_take_it_back(paced: Paced) -> None:
    paced.send(5)
    paced.service.work()
    runtime = paced.service.runtime
    drop(runtime, REVIEWER, paced.template, reason="an advert for loans")
    paced.wait()
    assert paced.statuses() == {"delivered": 4, "refused held_back": 1}
    with pytest.raises(ConflictError):
        drop(runtime, REVIEWER, paced.template, reason="again")
    with pytest.raises(NotFoundError):
        drop(runtime, REVIEWER, "tpl_0000000000000000", reason="none")
    template_reviews.release(runtime, REVIEWER, paced.template, reason="a mistake")
    assert paced.send(2) == ["", ""]
    assert {*paced.events()} == {("pacing_dropped", REVIEWER.id), ("pacing_resumed", REVIEWER.id)}


def test_complaints_hold_and_do_not_drop(paced: Paced) -> None:
    paced.service.clock.advance(timedelta(days=2))  # younger consents are not counted
    paced.send(6)
    paced.service.work()
    paced.complain(0, 1)
    paced.wait()
    assert paced.pacing()["status"] == "held"
    paced.wait(AFTER)
    assert paced.pacing()["status"] == "held"
    assert paced.statuses() == {"deferred held_back": 2, "delivered": 4}


def test_what_is_held_keeps_its_place_in_the_cap_until_it_expires(paced: Paced) -> None:
    paced.send(4)
    token = paced.tokens[0]
    one = {"token": token, "purpose": PROMOTIONS, "template": paced.template}
    answers = [
        paced.merchant.post("/v1/messages", {**one, "valid_for_minutes": 30}).get_json()
        for _ in range(5)
    ]
    assert [each.get("reason") for each in answers] == ["held_back"] * 4 + [None]
    assert answers[0]["status"] == "deferred"
    assert answers[4]["code"] == "cap_reached"
    shown = paced.merchant.get(f"/v1/messages/{answers[0]['id']}").get_json()
    assert shown["send_after"] == answers[0]["send_after"] == shown["accepted_at"]
    assert shown["explain"]["code"] == "held_back"
    paced.wait(timedelta(minutes=31))
    assert paced.merchant.get(f"/v1/messages/{answers[0]['id']}").get_json()["status"] == "expired"
    assert paced.merchant.post("/v1/messages", one).get_json()["reason"] == "held_back"


def test_a_stop_takes_effect_on_what_is_held_at_once(paced: Paced) -> None:
    token = paced.tokens[0]
    paced.send(4)
    held = paced.merchant.send(token, text="", template=paced.template)
    assert held.status_code == 422  # text and template
    again = {"token": token, "purpose": PROMOTIONS, "template": paced.template}
    held_id = paced.merchant.post("/v1/messages", again).get_json()["id"]
    paced.merchant.post("/v1/tokens/revoke", {"token": token})
    shown = paced.merchant.get(f"/v1/messages/{held_id}").get_json()
    assert (shown["status"], shown["reason"]) == ("refused", "consent_revoked")


def test_a_planned_time_is_kept_and_the_order_of_acceptance(paced: Paced) -> None:
    paced.send(4)
    planned = (paced.service.clock.now() + timedelta(hours=4)).isoformat()
    paced.send(1, send_at=planned)
    paced.service.clock.advance(timedelta(seconds=1))  # within a second in any order
    paced.send(8)
    paced.service.work()
    paced.wait()
    paced.wait(AFTER)  # six more are let go: the planned one first, though it leaves last
    assert paced.left == 4 + 5
    paced.wait(timedelta(hours=2))
    assert paced.left == 4 + 6
    assert paced.statuses() == {"deferred held_back": 3, "delivered": 10}


def test_a_place_whose_message_was_refused_is_given_to_the_next(paced: Paced) -> None:
    revoked = paced.tokens[0]
    paced.send(6)
    paced.merchant.post("/v1/tokens/revoke", {"token": revoked})
    paced.service.work()
    assert paced.left == 3
    paced.wait()
    assert paced.left == 4
    assert paced.pacing()["let_go"] == 4


def test_all_unproven_templates_of_a_control_group_share_a_budget(small: Service) -> None:
    paced = Paced(small, policy=replace(POLICY, group_budget=5))
    other = paced.service.template(paced.merchant, PROMOTIONS, "新书签售，诚邀光临晨光书店。")
    assert paced.send(3) == [""] * 3
    assert paced.send(3, other["id"]) == ["", "", "held_back"]
    paced.wait()
    assert paced.left == 5
    paced.wait(timedelta(hours=20))  # another day of UTC
    assert paced.left == 6


def test_free_text_is_one_template_of_its_sender_that_is_new_each_day(paced: Paced) -> None:
    assert paced.send(6, "") == [""] * 4 + ["held_back"] * 2
    paced.service.work()
    paced.stop(0, 1, 2)
    paced.wait()
    paced.wait(AFTER)
    assert paced.send(1, "") == ["held_back"]
    assert paced.statuses() == {"delivered": 4, "refused held_back": 2}
    paced.service.clock.advance(timedelta(days=1))
    assert paced.send(2, "") == ["", ""]


def test_what_is_not_paced(paced: Paced) -> None:
    service, runtime = paced.service, paced.service.runtime
    demonstration = service.merchant("试用")
    tokens = insert_grants(runtime, demonstration.id, 6, NUMBERS[:1])
    batch = [{"token": each, "purpose": PROMOTIONS, "text": TEXT} for each in tokens]
    answer = demonstration.post("/v1/messages/batch", {"messages": batch}).get_json()
    assert not any("reason" in each for each in answer["results"])
    orders = service.template(paced.merchant, ORDERS, "您的订单{order}已发货，请凭订单编号领取。")
    shown = paced.merchant.get(f"/v1/templates/{orders['id']}").get_json()
    assert shown["pacing"] is None
    # until one of the merchant's is withdrawn: then those that are approved within a week
    template_reviews.withdraw(runtime, REVIEWER, orders["id"], reason="an advert")
    fresh = service.template(paced.merchant, ORDERS, "您的包裹{order}已到达门店，请前来领取。")
    shown = paced.merchant.get(f"/v1/templates/{fresh['id']}").get_json()
    assert shown["pacing"]["status"] == "open"
    service.clock.advance(timedelta(days=8))
    later = service.template(paced.merchant, ORDERS, "您的包裹{order}已由门店签收，请放心。")
    assert paced.merchant.get(f"/v1/templates/{later['id']}").get_json()["pacing"] is None


def test_the_same_words_in_a_new_version_are_proven_with_the_old(paced: Paced) -> None:
    paced.send(15)
    paced.service.work()
    for _ in range(3):
        paced.wait()
        paced.wait(AFTER)
    assert paced.pacing()["status"] == "proven"
    for text, status in [(TEXT.replace("，", ", "), None), ("新书到店，全场五折，欢迎。", "open")]:
        body = {"purpose": PROMOTIONS, "text": text, "template": paced.template}
        assert paced.merchant.post("/v1/templates", body).status_code == 201
        template_reviews.approve(paced.service.runtime, REVIEWER, paced.template)
        shown = paced.pacing()
        assert (shown and shown["status"]) == status, text


def test_merchants_are_notified_of_measures(paced: Paced) -> None:
    with a_receiver() as receiver:
        body = {"url": receiver.url, "events": ["merchant.measure"]}
        assert paced.merchant.post("/v1/webhooks", body).status_code == 201
        paced.send(5)
        paced.service.work()
        paced.stop(0, 1)
        paced.wait()
        paced.wait(AFTER)
        deliver_due(paced.service)
        told = sorted((data for _, data in delivered(receiver)), key=str)
    assert [each["measure"] for each in told] == ["dropped", "held"]
    assert told[1] == {
        "measure": "held", "subject": paced.template, "version": 1, "people": 4, "stops": 2,
            "messages": None,
    }  # fmt: skip


def test_a_part_is_exact_under_races(service: Service) -> None:
    """Several threads accept and let go at once: no more than the part leaves, and none is lost."""
    paced = Paced(service, policy=replace(POLICY, parts=(20, 30)), people=64)
    runtime, relay = paced.service.runtime, paced.service.context.relay
    start = threading.Barrier(5)

    def submit(place: int) -> None:
        start.wait()
        batch = paced.tokens[place * 16 : place * 16 + 16]
        for token in batch:
            body = {"token": token, "purpose": PROMOTIONS, "template": paced.template}
            assert paced.merchant.post("/v1/messages", body).status_code == 202

    def let_go() -> None:
        start.wait()
        for _ in range(20):
            paced.service.clock.advance(LATER)
            pace(runtime, relay.pacing)

    threads = [threading.Thread(target=submit, args=(place,)) for place in range(4)]
    threads.append(threading.Thread(target=let_go))
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    paced.service.work()
    assert paced.left == 20
    assert paced.statuses() == {"deferred held_back": 44, "delivered": 20}
    assert paced.pacing()["let_go"] == 20


def test_an_operator_lists_and_decides_by_command(paced: Paced, tmp_path: Path) -> None:
    paced.send(5)
    paced.send(1, "")
    for act, status in (("drop", "dropped"), ("release", "open")):
        (done,) = answer(tmp_path, "pacing", act, paced.template, "--reason", "looked at")
        assert (done["id"], done["status"]) == (paced.template, status)
    listed = answer(tmp_path, "pacing", "list", "--merchant", paced.merchant.id)
    assert {each["id"][:4] for each in listed} == {"tpl_", "snd_"}
    assert run(tmp_path, "pacing", "release", paced.template, "--reason", "again").returncode == 1
    kinds = [(kind, (actor or "")[:3]) for kind, actor in paced.events()]
    assert sorted(kinds) == [("pacing_dropped", "os:"), ("pacing_resumed", "os:")]


def test_what_other_merchants_see_on_the_same_day_holds_nobody(paced: Paced) -> None:
    def add(transaction: Transaction) -> None:
        for number in range(5):
            other = new_pacing(
                f"tpl_{number:016x}", 1, merchant_id=f"mer_{number}", kind=PacingKind.LIMITED,
                is_budgeted=True, now=paced.service.clock.now(),
            )  # fmt: skip
            pacings.add(transaction, replace_struct(other, seen=Reactions(1000, 300, 0)))

    paced.service.runtime.database.run(add)
    paced.send(6)
    paced.service.work()
    paced.stop(0, 1)
    paced.wait()
    assert paced.pacing()["status"] == "open"
    paced.stop(2, 3)
    paced.wait()
    assert paced.pacing()["status"] == "held"


def test_a_text_that_is_put_under_marketing_is_paced_from_then_on(paced: Paced) -> None:
    runtime = paced.service.runtime
    found = paced.service.template(
        paced.merchant, ORDERS, "您的订单{order}已发货，请凭订单编号领取。"
    )
    path = f"/v1/templates/{found['id']}"
    recategorise(runtime, REVIEWER, found["id"], purpose=Purpose(PROMOTIONS), reason="an advert")
    assert paced.merchant.get(path).get_json()["pacing"] is None
    paced.service.clock.advance(timedelta(days=2))
    apply_due_moves(runtime)
    shown = paced.merchant.get(path).get_json()
    assert (shown["purpose"], shown["pacing"]["status"]) == (PROMOTIONS, "open")


def test_the_worker_lets_texts_go_and_ends_when_it_is_stopped(paced: Paced) -> None:
    paced.send(6)
    paced.service.work()
    paced.wait()
    paced.service.clock.advance(AFTER)
    worker = PacingWorker(paced.service.runtime, paced.policy)
    wake = paced.service.runtime.wake_dispatcher
    wake.clear()
    worker.start()
    assert wake.wait(10)
    worker.stop()
    paced.service.work()
    assert paced.left == 6


def test_consumers_see_what_a_held_message_waits_for(paced: Paced) -> None:
    paced.send(4)
    consumer = paced.service.consumer(NUMBERS[1])
    token = paced.service.obtain_token(paced.merchant, consumer, PROMOTIONS)
    body = {"token": token, "purpose": PROMOTIONS, "template": paced.template}
    assert paced.merchant.post("/v1/messages", body).get_json()["reason"] == "held_back"
    consumer.log_in()
    assert "等待中：新短信先发给少数人" in consumer.get("/my/data.html").text
