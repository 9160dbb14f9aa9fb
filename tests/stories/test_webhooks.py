"""Webhooks by Standard Webhooks; and no URL makes the service call an internal address."""

import ipaddress
import json
import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from click.testing import CliRunner
from standardwebhooks import Webhook

from consent_tokens.cli import main
from consent_tokens.clock import SystemClock
from consent_tokens.errors import InvalidError
from consent_tokens.evidence.complaints import ComplaintReason
from consent_tokens.evidence.events import Event, EventKind
from consent_tokens.gateways import webhook_client
from consent_tokens.gateways.base import DeliveryReport, ReportedOutcome
from consent_tokens.gateways.public_addresses import is_public
from consent_tokens.gateways.webhook_client import WebhookClient, WebhookRequest
from consent_tokens.services.complaints import enqueue_complaint_groups, report_message
from consent_tokens.services.consents.amendments import pause
from consent_tokens.services.retention.sweep import apply_retention
from consent_tokens.services.submission.message_status import get_message
from consent_tokens.services.supervision.webhook_failures import (
    FailingEvent,
    FailureSearch,
    WebhookEventStatus,
    list_failing,
    replay_all,
)
from consent_tokens.services.webhooks import RETRY_DELAYS, add_webhook, deliver
from consent_tokens.store import checkpoints, events, merchants, webhooks
from consent_tokens.workers.webhook_worker import WebhookWorker
from tests.number_scan import found_in
from tests.receivers import LONG_SECONDS, Receiver
from tests.receivers import receiver as a_receiver
from tests.service import ORDERS, PROMOTIONS, REVIEWER, Merchant, Service


def deliver_due(service: Service) -> None:
    """Deliver what is due, in this thread."""
    now = service.runtime.clock.now()
    for webhook_id, _ in service.runtime.database.read(lambda at: webhooks.due(at, now)):
        while deliver(service.runtime, service.context.webhook_client, webhook_id):
            pass


def delivered(receiver: Receiver) -> list[tuple[str, dict[str, object]]]:
    bodies = [json.loads(body) for _, body in receiver.got]
    return [(body["type"], body["data"]) for body in bodies]


def merchant_events(service: Service, merchant: Merchant) -> list[Event]:
    """Return the evidence in a merchant's partition."""
    found = service.runtime.database.read(lambda at: merchants.find(at, merchant.id))
    assert found
    since = service.clock.now() - timedelta(days=500)
    return list(
        service.runtime.database.read(lambda at: events.of_partition(at, found.partition, since))
    )


def test_grant_delivery_and_revocation_are_delivered_and_signed(
    small: Service, receiver: Receiver
) -> None:
    service = small.with_runtime(
        clock=SystemClock()
    )  # the library that checks asks the time itself
    merchant, consumer = service.merchant(), service.consumer()
    _, secret = add_webhook(
        service.runtime, service.context.webhook_client, merchant.id, receiver.url
    )
    token = service.obtain_token(merchant, consumer, reference="c-1")
    message = merchant.send(token, reference="spring").json
    service.work()
    merchant.post("/v1/tokens/revoke", {"token": token})
    deliver_due(service)
    grant = merchant.get("/v1/grants").json["items"][0]["id"]
    purposes = ["marketing.promotions"]
    request = merchant.get("/v1/consent-requests").json["items"][0]["id"]
    own = {"request": request, "reference": "c-1", "grant": grant}
    assert sorted(delivered(receiver), key=lambda news: news[0]) == [
        ("consent.granted", {**own, "status": "live", "purposes": purposes}),
        ("consent.revoked", {**own, "status": "revoked"}),
        ("message.delivered", {
            "message": message["id"], "reference": "spring", "status": "delivered", "reason": None,
        }),
    ]  # fmt: skip
    for headers, body in receiver.got:
        Webhook(secret).verify(body, headers)
        assert not found_in(body)
    assert len({headers["webhook-id"] for headers, _ in receiver.got}) == 3


def test_a_merchant_rotates_a_secret_and_both_sign_for_a_day(
    small: Service, receiver: Receiver
) -> None:
    merchant, consumer = small.merchant(), small.consumer()
    made = merchant.post("/v1/webhooks", {"url": receiver.url, "events": ["message.delivered"]})
    path = f"/v1/webhooks/{made.json['id']}"
    token = small.obtain_token(merchant, consumer, max_messages=10)

    def signing(*secrets: str) -> list[bool]:
        """Have a message delivered; return which of these secrets sign its event, and no others."""
        merchant.send(token)
        small.work()
        deliver_due(small)
        headers, body = receiver.got[-1]
        signatures = headers["webhook-signature"].split()
        at = datetime.fromtimestamp(int(headers["webhook-timestamp"]), UTC)
        own = [Webhook(each).sign(headers["webhook-id"], at, body.decode()) for each in secrets]
        assert set(signatures) <= set(own)
        return [each in signatures for each in own]

    old = made.json["secret"]
    rotated = merchant.post(f"{path}/rotate-secret").json
    new = rotated["secret"]
    assert merchant.get(path).json == {k: v for k, v in rotated.items() if k != "secret"}
    assert signing(new, old) == [True, True]
    small.clock.advance(timedelta(hours=24))
    assert signing(new, old) == [True, False]
    assert small.merchant("夜航").post(f"{path}/remove").status_code == 404
    assert merchant.post(f"{path}/remove").status_code == 200
    assert merchant.get("/v1/webhooks").json["items"] == []


def test_a_decline_and_an_unanswered_request_are_delivered(
    service: Service, receiver: Receiver
) -> None:
    merchant = service.merchant()
    add_webhook(service.runtime, service.context.webhook_client, merchant.id, receiver.url)
    declined = merchant.ask(reference="c-1")
    unanswered = merchant.ask()
    service.consumer().post(declined["path"], decision="decline")
    deliver_due(service)
    assert delivered(receiver) == [
        ("consent.declined", {
            "request": declined["id"], "reference": "c-1", "status": "declined",
        }),
    ]  # fmt: skip
    receiver.got.clear()
    service.clock.advance(timedelta(days=400))
    for _ in range(2):
        apply_retention(service.runtime, service.context.consent)
        deliver_due(service)
    assert delivered(receiver) == [
        ("consent.expired", {
            "request": unanswered["id"], "reference": None, "status": "expired",
        }),
    ]  # fmt: skip
    kinds = [event.kind for event in merchant_events(service, merchant)]
    assert kinds.count(EventKind.REQUEST_EXPIRED) == 1


def test_a_change_names_request_and_reference(service: Service, receiver: Receiver) -> None:
    merchant, consumer = service.merchant(), service.consumer()
    add_webhook(
        service.runtime, service.context.webhook_client, merchant.id, receiver.url,
        ["consent.changed"],
    )  # fmt: skip
    request = merchant.ask(reference="c-1")
    consumer.agree(request["path"], PROMOTIONS)
    grant = merchant.get(f"/v1/consent-requests/{request['id']}").json["grant"]
    key = service.runtime.ids.grant.decode(grant)
    assert key
    pause(service.runtime, key)
    deliver_due(service)
    ((kind, data),) = delivered(receiver)
    assert (kind, data["request"], data["reference"]) == ("consent.changed", request["id"], "c-1")


def test_failed_messages_are_delivered_as_events(small: Service, receiver: Receiver) -> None:
    merchant, consumer = small.merchant(), small.consumer()
    token = small.obtain_token(merchant, consumer)
    add_webhook(
        small.runtime, small.context.webhook_client, merchant.id, receiver.url, ["message.failed"]
    )
    merchant.send(token)
    small.dispatcher.round()
    simulator = small.context.simulator
    assert simulator
    reports = simulator.poll()
    handle = merchant.send(token).json["id"]
    merchant.post("/v1/tokens/revoke", {"token": token})
    small.dispatcher._events = [
        DeliveryReport(each.gateway_id, ReportedOutcome.UNDELIVERABLE, "UNDELIV")
        for each in reports
        if isinstance(each, DeliveryReport)
    ]
    small.work()
    deliver_due(small)
    assert {(kind, data["status"], data["reason"]) for kind, data in delivered(receiver)} <= {
        ("message.failed", "undeliverable", "UNDELIV"),
        ("message.failed", "refused", "consent_revoked"),
    }
    assert ("refused", handle) in {
        (data["status"], data["message"]) for _, data in delivered(receiver)
    }


def cut_off(*_: object) -> None:
    raise InterruptedError


def test_complaints_are_delivered_in_groups_once_their_day_is_over(
    service: Service, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    merchant, silent = service.merchant(), service.merchant("乙店")
    token = service.obtain_token(merchant, service.consumer(), PROMOTIONS, ORDERS)
    add_webhook(service.runtime, service.context.webhook_client, merchant.id, receiver.url,
                ["complaint.opened"])  # fmt: skip
    enqueue_complaint_groups(service.runtime)  # it begins with the day of the first call

    def complain(purpose: str, reason: ComplaintReason) -> None:
        sent = merchant.send(token, purpose).json["id"]
        service.work()
        report_message(service.runtime, get_message(service.runtime, merchant.id, sent), reason)

    day = service.clock.now().date().isoformat()
    complain(PROMOTIONS, ComplaintReason.TOO_OFTEN)
    complain(PROMOTIONS, ComplaintReason.ADVERT)
    complain(ORDERS, ComplaintReason.ADVERT)
    enqueue_complaint_groups(service.runtime)
    deliver_due(service)
    assert delivered(receiver) == [], "not before the day is over"

    service.clock.advance(timedelta(days=1))
    with monkeypatch.context() as patched:
        patched.setattr(checkpoints, "save", cut_off)  # the process ends before the commit
        with pytest.raises(InterruptedError):
            enqueue_complaint_groups(service.runtime)
    with ThreadPoolExecutor() as pool:
        list(pool.map(lambda _: enqueue_complaint_groups(service.runtime), range(4)))
    deliver_due(service)
    assert sorted(delivered(receiver), key=str) == [
        ("complaint.opened", {"day": day, "purpose": PROMOTIONS, "count": 2}),
        ("complaint.opened", {"day": day, "purpose": ORDERS, "count": 1}),
    ]
    midnight = service.clock.now().replace(hour=0, minute=0, second=0, microsecond=0).isoformat()
    assert {json.loads(body)["timestamp"] for _, body in receiver.got} == {midnight}
    assert silent.get("/v1/complaints").json["items"] == []


def test_a_receiver_that_fails_is_tried_again_with_back_off_then_given_up_and_replayed(
    service: Service, receiver: Receiver
) -> None:
    merchant, consumer = service.merchant(), service.consumer()
    add_webhook(
        service.runtime,
        service.context.webhook_client,
        merchant.id,
        receiver.url,
        ["consent.granted", "consent.revoked"],
    )
    receiver.status = 500
    token = service.obtain_token(merchant, consumer)
    merchant.post("/v1/tokens/revoke", {"token": token})
    deliver_due(service)
    assert len(receiver.got) == 1, "what comes after a failed one waits with it"
    for wait in RETRY_DELAYS:
        service.clock.advance(wait - timedelta(seconds=1))
        count = len(receiver.got)
        deliver_due(service)
        assert len(receiver.got) == count, "too early"
        service.clock.advance(timedelta(seconds=2))
        deliver_due(service)
    ids = {headers["webhook-id"] for headers, _ in receiver.got}
    failed = failed_events(service)
    assert len(failed) >= 1
    assert failed[0].response == "status_500"
    receiver.status, receiver.got = 204, []
    assert replay_all(service.runtime, REVIEWER, FailureSearch()) == len(failed)
    service.clock.advance(timedelta(days=2))
    deliver_due(service)
    assert ids <= {headers["webhook-id"] for headers, _ in receiver.got}
    assert sorted(kind for kind, _ in delivered(receiver)) == ["consent.granted", "consent.revoked"]


def test_a_redirect_is_not_followed_and_gone_is_gone(small: Service, receiver: Receiver) -> None:
    merchant, consumer = small.merchant(), small.consumer()
    add_webhook(small.runtime, small.context.webhook_client, merchant.id, receiver.url)
    with a_receiver() as other:
        receiver.status, receiver.headers = 302, {"Location": other.url}
        small.obtain_token(merchant, consumer)
        deliver_due(small)
        assert (len(receiver.got), len(other.got)) == (1, 0)
    receiver.status = 410
    small.clock.advance(RETRY_DELAYS[0])
    deliver_due(small)
    assert [each.response for each in failed_events(small)] == ["status_410"]


def failed_events(service: Service) -> list[FailingEvent]:
    """Return the events whose delivery failed for good."""
    found = list_failing(service.runtime, FailureSearch(status=WebhookEventStatus.FAILED))
    return [each for _, each in found.events]


def test_a_receiver_that_hangs_delays_no_other(
    small: Service, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(webhook_client, "TOTAL_TIMEOUT_SECONDS", LONG_SECONDS)
    service = small.with_runtime(clock=SystemClock())
    slow, quick = service.merchant(), service.merchant()
    with a_receiver() as other:
        receiver.hang = threading.Event()
        add_webhook(service.runtime, service.context.webhook_client, slow.id, receiver.url)
        add_webhook(service.runtime, service.context.webhook_client, quick.id, other.url)
        consumer = service.consumer()
        worker = WebhookWorker(service.context)
        worker.start()
        service.obtain_token(slow, consumer)
        receiver.wait(1)
        service.obtain_token(quick, consumer)
        other.wait(1)  # while the first still hangs
        receiver.hang.set()
        worker.stop()


def test_a_response_that_drips_runs_out_of_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(webhook_client, "TOTAL_TIMEOUT_SECONDS", 0.5)
    with a_receiver() as made:
        made.hang = threading.Event()
        answer = WebhookClient((ipaddress.ip_network("127.0.0.0/8"),)).post(made.url, {}, b"{}")
    assert not answer.is_success
    assert answer.outcome in {"timeout", "readtimeout"}


@pytest.mark.parametrize(
    "url",
    [
        "http://example.com/", "https://127.0.0.1/", "https://localhost/", "https://[::1]/",
        "https://169.254.169.254/latest/meta-data", "https://10.0.0.1/", "https://192.168.1.1/",
        "https://172.16.0.1/", "https://0.0.0.0/", "https://2130706433/", "https://0x7f000001/",
        "https://0177.0.0.1/", "https://127.1/", "https://[::ffff:127.0.0.1]/",
        "https://[64:ff9b::7f00:1]/", "https://[fd00::1]/", "https://[fe80::1]/",
        "https://[2002:7f00:1::]/", "https://224.0.0.1/", "https://100.64.0.1/",
        "https://user:secret@example.com/", "ftp://example.com/", "https://", "x", "",
        "https://example.com/\nx", "https://例子.测试/",
    ],
)  # fmt: skip
def test_no_internal_address_can_be_registered(url: str, small: Service) -> None:
    strict = small.with_context(webhook_client=WebhookClient())
    merchant = strict.merchant()
    with pytest.raises(InvalidError) as fault:
        add_webhook(strict.runtime, strict.context.webhook_client, merchant.id, url)
    assert "url" in fault.value.fields


@pytest.mark.parametrize(
    "url", ["https://127.0.0.1:1/", "http://localhost/", "https://no.such.name.invalid/"]
)
def test_an_internal_address_is_not_called_even_if_registered(url: str) -> None:
    answer = WebhookClient().post(url, {}, b"{}")
    assert answer.outcome in {"address_forbidden", "name_unknown"}


def test_the_address_that_was_checked_is_the_one_that_is_called(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """DNS rebinding: what is checked is what is called, so the second answer is never asked for."""
    answers, real = iter([[(2, 1, 6, "", ("8.8.8.8", 443))]]), socket.getaddrinfo

    def getaddrinfo(host: str, *args: Any, **more: Any) -> Any:  # noqa: ANN401 - as the real one
        return next(answers) if host == "rebinding.example" else real(host, *args, **more)

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    monkeypatch.setattr(webhook_client, "TOTAL_TIMEOUT_SECONDS", 0.5)
    answer = WebhookClient().post("https://rebinding.example/", {}, b"{}")
    assert not answer.is_success
    assert receiver.got == []


def test_two_names_at_one_address_share_no_connection(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The certificate that was verified for one of them says nothing about the other."""
    real = socket.getaddrinfo

    def getaddrinfo(host: str, *args: Any, **more: Any) -> Any:  # noqa: ANN401 - as the real one
        return real("127.0.0.1" if host.endswith(".example") else host, *args, **more)

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    client = WebhookClient((ipaddress.ip_network("127.0.0.0/8"),))
    for name in ("one.example", "two.example", "one.example"):
        assert client.post(receiver.url.replace("127.0.0.1", name), {}, b"{}").is_success
    assert receiver.connections == 2
    client.close()


@pytest.mark.parametrize(
    "address",
    [
        "64:ff9b:1::808:808", "64:ff9b:1:ffff::1", "fec0::1", "feff::1", "192.0.0.192",
        "192.0.0.1", "192.0.0.199", "192.88.99.1", "168.63.129.16", "100.100.100.200",
        "169.254.169.254", "::127.0.0.1", "5f00::1", "3fff::1", "2001:db8::1", "2001:2::1",
        "240.0.0.1", "198.18.0.1",
        "64:ff9b::c000:c0", "2002:c000:c0::1", "fd00:ec2::254",
    ],
)  # fmt: skip
def test_what_is_not_on_the_public_internet_is_not_public(address: str) -> None:
    assert not is_public(ipaddress.ip_address(address))


@pytest.mark.parametrize("port", [1, 22, 25, 79, 81, 445, 1023])
def test_ports_of_other_services_are_not_called(port: int) -> None:
    client = WebhookClient((ipaddress.ip_network("127.0.0.0/8"),))
    for url in (f"https://8.8.8.8:{port}/", f"http://127.0.0.1:{port}/"):
        assert client.refusal(url) == "its port must be 80, 443, or 1024 and above"
        assert client.post(url, {}, b"{}").outcome == "address_forbidden"
    assert client.refusal("https://8.8.8.8:8443/") is None


def test_a_connection_is_reused_and_a_wave_is_posted_side_by_side(receiver: Receiver) -> None:
    client = WebhookClient((ipaddress.ip_network("127.0.0.0/8"),))
    for _ in range(5):
        assert client.post(receiver.url, {}, b"{}").is_success
    assert receiver.connections == 1
    receiver.hang = threading.Event()
    with ThreadPoolExecutor(1) as pool:
        posted = pool.submit(client.post_all, receiver.url, [WebhookRequest({}, b"{}")] * 8)
        receiver.wait(13)  # all eight are there before the first is answered
        receiver.hang.set()
        assert all(result.is_success for result in posted.result())
    client.close()


def test_a_hundred_events_of_a_slow_receiver_delay_no_other_merchant(
    small: Service, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A merchant with many webhooks, all of which hang, leaves threads for the others."""
    monkeypatch.setattr(webhook_client, "TOTAL_TIMEOUT_SECONDS", LONG_SECONDS)
    service = small.with_runtime(clock=SystemClock())
    client = service.context.webhook_client
    slow, quick = service.merchant(), service.merchant()
    with a_receiver() as other:
        receiver.hang = threading.Event()
        for _ in range(40):
            add_webhook(service.runtime, client, slow.id, receiver.url)
        add_webhook(service.runtime, client, quick.id, other.url)
        consumer = service.consumer()
        worker = WebhookWorker(service.context)
        worker.start()
        service.obtain_token(slow, consumer)
        receiver.wait(2)
        service.obtain_token(quick, consumer)
        other.wait(1)  # while the first two still hang
        assert len(receiver.got) == 2, "two of its webhooks at a time"
        receiver.hang.set()
        worker.stop()


@pytest.mark.parametrize("address", ["8.8.8.8", "2001:4860:4860::8888", "64:ff9b::808:808"])
def test_public_is_public(address: str) -> None:
    assert is_public(ipaddress.ip_address(address))


def test_an_unknown_event_is_named(small: Service, receiver: Receiver) -> None:
    merchant = small.merchant()
    with pytest.raises(InvalidError) as fault:
        add_webhook(
            small.runtime,
            small.context.webhook_client,
            merchant.id,
            receiver.url,
            ["consent.eaten"],
        )
    assert "consent.eaten" in fault.value.fields["events"][0]


def test_the_commands_for_webhooks(small: Service, receiver: Receiver) -> None:
    merchant: Merchant = small.merchant()
    consumer = small.consumer()
    environment = {
        "CONSENT_DATABASE_URL": f"sqlite:///{small.runtime.database.engine.url.database}",
        "CONSENT_KEYS_DIR": str(small.runtime.revocation_journal.path.parent),
        "CONSENT_WEBHOOK_PRIVATE_NETWORKS": "127.0.0.0/8",
    }

    def run(*arguments: str) -> str:
        done = CliRunner().invoke(main, ["webhook", *arguments], env=environment)
        assert done.exit_code == 0, done.output
        return str(done.stdout)

    added = json.loads(
        run("add", merchant.id, receiver.url, "--event", "consent.granted", "--json")
    )
    assert added["secret"].startswith("whsec_")
    assert json.loads(run("list", "--json"))[0]["url"] == receiver.url
    receiver.status = 410
    small.obtain_token(merchant, consumer)
    deliver_due(small)
    (failed,) = json.loads(run("failed", "--json"))
    assert (failed["event"], failed["response"]) == ("consent.granted", "status_410")
    assert json.loads(run("replay", failed["id"], "--json")) == {"requeued": 1}
    assert json.loads(run("failed", "--json")) == []
    assert json.loads(run("replay", "--all", "--json")) == {"requeued": 0}
    run("remove", added["id"])
    assert json.loads(run("list", "--json")) == []
