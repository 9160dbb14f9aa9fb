"""Rollups: what is counted of each day, and that nothing is counted twice or lost."""

import threading
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from unittest.mock import ANY

import pytest

from consent_tokens.evidence.complaints import ComplaintReason
from consent_tokens.evidence.rollups import Counted, CountedFor, Measure
from consent_tokens.gateways.base import DeliveryReport, ReportedOutcome
from consent_tokens.relay.pacing import day_of
from consent_tokens.services.complaints import report_message
from consent_tokens.services.inbound.delivery_reports import (
    SEGMENT_GRACE,
    record_reports,
    settle_partly_reported,
)
from consent_tokens.services.retention.sweep import apply_retention
from consent_tokens.services.rollups import counting
from consent_tokens.services.rollups.counting import add_increments, count
from consent_tokens.services.rollups.figures import ALL_MERCHANTS, Figures, read_figures
from consent_tokens.services.rollups.rebuild import rebuild
from consent_tokens.services.submission.message_status import get_message
from consent_tokens.store import rollups
from consent_tokens.store.bulk import insert_rows
from consent_tokens.workers.rollup_worker import RollupWorker
from tests.number_scan import NUMBERS
from tests.service import ORDERS, PORT, PROMOTIONS, Service

TEXT = "新书到店，欢迎光临晨光书店。"
SHOP = CountedFor("mer_shop", "snd_port", "tpl_text", PROMOTIONS)
SUBJECTS = ("mer_0", "mer_1", "mer_2", ALL_MERCHANTS, "snd_port", "tpl_text")


def figures(service: Service, subject_id: str = ALL_MERCHANTS, days: int = 28) -> Figures:
    while add_increments(service.runtime):
        pass
    return read_figures(service.runtime, subject_id, days)


def shown(found: Mapping[Measure, int]) -> dict[str, int]:
    return {measure.value: count for measure, count in found.items() if count}


@pytest.mark.both_databases
def test_what_happens_to_texts_and_consents_is_counted(service: Service) -> None:
    """For all merchants, the merchant, its sender, the template, and by purpose and reason."""
    shop, other = service.legal_merchant(), service.merchant("海港")
    template = service.template(shop, PROMOTIONS, TEXT)["id"]
    tokens = [
        service.obtain_token(shop, service.consumer(number), PROMOTIONS, ORDERS)
        for number in NUMBERS[:3]
    ]
    sent = [
        shop.post("/v1/messages", {"token": each, "purpose": PROMOTIONS, "template": template})
        for each in tokens
    ]
    assert {each.status_code for each in sent} == {202}
    assert shop.send(tokens[0], "none.such").status_code >= 400
    assert other.send(tokens[0]).status_code >= 400
    service.work()
    service.work()
    message = get_message(service.runtime, shop.id, sent[1].get_json()["id"])
    report_message(service.runtime, message, ComplaintReason.TOO_OFTEN)
    service.reply(NUMBERS[0], f"{PORT}1", "退订")
    everything = figures(service)
    reached = {"accepted": 3, "sent": 3, "delivered": 3, "stops": 1, "complaints": 1}
    consents = {"gained": 3, "lost": 1}
    assert shown(everything.total) == {**reached, **consents, "refused": 2}
    assert everything.refused == {"purpose_not_granted": 1, "token_not_yours": 1}
    assert everything.lost == {"reply": 1}
    assert shown(figures(service, shop.id).total) == {**reached, **consents, "refused": 1}
    assert shown(figures(service, other.id).total) == {"refused": 1}
    for subject in (template, message.sender_id or ""):
        found = figures(service, subject)
        assert reached.items() <= shown(found.total).items()
        assert shown(found.by_purpose[PROMOTIONS]) == reached
    assert shown(everything.by_day[-1]) == shown(everything.total)
    assert not any(map(shown, everything.by_day[:-1]))
    assert everything.counted_until == service.clock.now()
    assert shown(figures(service, days=1).before) == {}
    rebuild(service.runtime, service.context.consent.retention, 2)
    assert figures(service) == replace(everything, by_purpose=ANY, by_class=ANY), "counted anew"
    service.clock.advance(timedelta(days=1))
    assert shown(figures(service, days=1).before) == shown(everything.total)


def test_invitations_are_counted_as_they_are_counted_anew(service: Service) -> None:
    shop, consumer = service.merchant(), service.consumer()
    token = service.obtain_token(shop, consumer, ORDERS)
    invited = shop.post("/v1/consent-requests", {"token": token, "purposes": [PROMOTIONS]})
    assert invited.status_code == 201, invited.text
    service.work()
    service.clock.advance(timedelta(hours=10))  # late in the evening: it waits for the morning
    other = service.merchant("海港")
    theirs = service.obtain_token(other, consumer, ORDERS)
    waiting = other.post("/v1/consent-requests", {"token": theirs, "purposes": [PROMOTIONS]})
    assert waiting.status_code == 201, waiting.text
    consumer.log_in()
    shown_page = consumer.get("/my/wishes").text
    consumer.post("/my", shown_page, action="invitations", invitations="none")
    counted = figures(service)
    assert shown(counted.total) == {
        "accepted": 2, "refused": 1, "sent": 1, "delivered": 1, "gained": 2,
    }  # fmt: skip
    assert counted.refused == {"withheld": 1}
    rebuild(service.runtime, service.context.consent.retention, 2)
    assert shown(figures(service).total) == shown(counted.total)


def test_a_late_report_counts_on_the_day_of_its_text(service: Service) -> None:
    """A report that corrects another counts in its place."""
    shop = service.merchant()
    token = service.obtain_token(shop, service.consumer())
    handle = shop.send(token).get_json()["id"]
    service.dispatcher._dispatch(0)
    key, now = get_message(service.runtime, shop.id, handle).key, service.clock.now()
    segments = [(*key, part, f"s-{part}", int(now.timestamp())) for part in (1, 2)]
    columns = ("partition", "id", "part", "gateway_id", "sent_at")
    service.runtime.database.run(
        lambda transaction: insert_rows(transaction, "message_segments", columns, segments)
    )
    service.clock.advance(timedelta(days=3))
    record_reports(service.runtime, [DeliveryReport("s-1", ReportedOutcome.DELIVERED, "DELIVRD")])
    service.clock.advance(SEGMENT_GRACE)
    settle_partly_reported(service.runtime)
    assert shown(figures(service).by_day[-4])["delivered"] == 1
    failure = DeliveryReport("s-2", ReportedOutcome.UNDELIVERABLE, "UNDELIV")
    record_reports(service.runtime, [failure])
    found = figures(service)
    assert shown(found.by_day[-4]) == {"accepted": 1, "sent": 1, "undelivered": 1, "gained": 1}
    assert shown(found.total) == shown(found.by_day[-4])


@pytest.mark.both_databases
def test_what_was_counted_is_added_once(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    """By several workers at the same time, and by one that is interrupted."""
    runtime = service.runtime

    def insert(number: int) -> None:
        of = SHOP._replace(merchant_id=f"mer_{number % 3}")
        counted = Counter({Counted(day_of(runtime.clock.now()), of, Measure.SENT): 2})
        runtime.database.run(lambda transaction: count(runtime, transaction, counted))

    for number in range(40):
        insert(number)
    monkeypatch.setattr(counting, "BATCH_SIZE", 7)
    with monkeypatch.context() as broken:
        broken.setattr(rollups, "add", cut_off)
        with pytest.raises(InterruptedError):
            add_increments(runtime)
    workers = [threading.Thread(target=figures, args=(service,)) for _ in range(4)]
    for each in workers:
        each.start()
    for each in workers:
        each.join()
    assert runtime.database.read(rollups.oldest_increment) is None
    sums = [figures(service, subject).total[Measure.SENT] for subject in SUBJECTS]
    assert sums == [28, 26, 26, 80, 80, 80]


def cut_off(*_: object) -> None:
    raise InterruptedError


def test_a_worker_adds_while_it_runs_and_says_how_old_the_figures_are(small: Service) -> None:
    """And counts are deleted after their time."""
    shop = small.merchant()
    small.obtain_token(shop, small.consumer())
    counted_at = small.clock.now()
    small.clock.advance(timedelta(minutes=5))
    assert read_figures(small.runtime, shop.id).counted_until == counted_at
    worker = RollupWorker(small.runtime)
    worker.start()
    while small.runtime.database.read(rollups.oldest_increment):
        threading.Event().wait(0.01)
    worker.stop()
    assert shown(read_figures(small.runtime, shop.id).total) == {"gained": 1}
    small.clock.advance(timedelta(days=401))
    apply_retention(small.runtime, small.context.consent)
    found = figures(small, shop.id, days=500)
    assert shown(found.total) == {"lost": 1}, "it expired, and the day it began on is deleted"
