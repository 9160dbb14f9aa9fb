"""`/merchant/webhooks`: add, pause, rotate, delete; what was posted, and its replay."""

import re
from datetime import timedelta

import pytest

from consent_tokens.services import webhooks as webhook_deliveries
from consent_tokens.services.webhooks import MerchantEvent, WebhookEventType, enqueue
from consent_tokens.store import webhooks
from tests.console_people import ConsoleUser, events_by, merchant_person
from tests.receivers import Receiver
from tests.service import PROMOTIONS, Service, found
from tests.stories.test_webhooks import deliver_due

SECRET = re.compile(r'id="secret">(whsec_[^<]+)<')
PATH = re.compile(r'href="/merchant(/webhooks/wh_[^"]+)"')
POSTED = re.compile(r'name="event" value="([^"]+)"')
TAGS = re.compile(r'<tr>.*?<span class="tag[^>]*>([^<]+)</span>', re.DOTALL)


def add(user: ConsoleUser, receiver: Receiver, **form: object) -> str:
    """Add a webhook; return the path of its page."""
    added = user.post("/webhooks", "", url=receiver.url, **form)
    assert added.status_code == 200, added.text
    assert found(SECRET, added.text) not in user.get("/webhooks").text
    return found(PATH, added.text)


def posted(page: str) -> list[str]:
    """Return how the deliveries of a page stand."""
    return TAGS.findall(page.partition("<tbody>")[2])


def test_a_developer_sees_what_was_posted_and_posts_it_again(
    small: Service, receiver: Receiver
) -> None:
    merchant = small.merchant()
    user = merchant_person(small, merchant.id, "developer")
    for form in ({"url": "http://user@shop.example/"}, {"url": receiver.url, "events": "no.such"}):
        assert user.post("/webhooks", **form).status_code == 422
    path = add(user, receiver, events="consent.granted")
    receiver.status = 410
    small.obtain_token(merchant, small.consumer(), PROMOTIONS)
    assert "Nothing was posted yet" in user.get(path).text, "it waits, which nobody sees"
    deliver_due(small)
    shown = user.get(path).text
    assert posted(shown) == ["Given up"]
    assert "HTTP 410" in shown
    assert "&#34;type&#34;: &#34;consent.granted&#34;" in shown
    assert posted(user.get(f"{path}?status=delivered").text) == []
    receiver.status = 200
    assert user.post(f"{path}/replay-failed").status_code == 303
    deliver_due(small)
    shown = user.get(path).text
    assert posted(shown) == ["Delivered"]
    event = found(POSTED, shown)
    assert user.post(f"{path}/replay", event="none").status_code == 404
    assert user.post(f"{path}/replay", event=event).status_code == 303
    deliver_due(small)
    assert [headers["webhook-id"] for headers, _ in receiver.got].count(event) == 3
    assert events_by(user).count("webhook_replayed") == 2


def enqueue_one(service: Service, merchant_id: str) -> None:
    """Enqueue an event for the webhooks of a merchant."""
    event = MerchantEvent(merchant_id, WebhookEventType.MESSAGE_FAILED, {"reference": "r"})
    now = service.clock.now()
    service.runtime.database.run(lambda at: enqueue(service.runtime, at, [event], now))


@pytest.mark.both_databases
def test_what_happens_while_it_is_paused_is_delivered_later(
    service: Service, receiver: Receiver
) -> None:
    merchant = service.merchant()
    user = merchant_person(service, merchant.id, "developer")
    path = add(user, receiver)
    assert user.post(f"{path}/pause").status_code == 303
    assert user.post(f"{path}/pause").status_code == 409
    service.obtain_token(merchant, service.consumer(), PROMOTIONS)
    deliver_due(service)
    now = service.clock.now() + timedelta(days=2)
    assert receiver.got == []
    assert service.runtime.database.read(lambda at: webhooks.due(at, now)) == []
    assert user.post(f"{path}/resume").status_code == 303
    deliver_due(service)
    assert len(receiver.got) == 1
    assert {"webhook_added", "webhook_paused", "webhook_resumed"} <= set(events_by(user))


@pytest.mark.both_databases
def test_events_are_held_and_released_a_batch_at_a_time(
    service: Service, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, size in (("BATCH_SIZE", 1), ("RELEASE_SIZE", 2)):
        monkeypatch.setattr(webhook_deliveries, name, size)
    merchant = service.merchant()
    user = merchant_person(service, merchant.id, "developer")
    path = add(user, receiver)
    for _ in range(5):
        enqueue_one(service, merchant.id)
    assert user.post(f"{path}/pause").status_code == 303

    def held() -> int:
        query = "SELECT count(*) FROM webhook_events WHERE status = 'held'"
        with service.runtime.database.engine.connect() as connection:
            return int(connection.exec_driver_sql(query).scalar_one())

    def poll() -> None:
        """Deliver once what is due, as a worker does that stops in between."""
        now = service.clock.now()
        for webhook_id, _ in service.runtime.database.read(lambda at: webhooks.due(at, now)):
            webhook_deliveries.deliver(service.runtime, service.context.webhook_client, webhook_id)

    counts = []
    for _ in range(5):
        poll()
        counts.append(held())
    assert counts == [1, 2, 3, 4, 5]
    assert user.post(f"{path}/resume").status_code == 303
    assert held() == 3, "the request releases the first alone"
    poll()
    assert (held(), len(receiver.got)) == (1, 1)
    for _ in range(4):
        poll()
    assert (held(), len(receiver.got)) == (0, 5)


def test_a_secret_is_rotated_and_a_webhook_deleted(small: Service, receiver: Receiver) -> None:
    merchant = small.merchant()
    user = merchant_person(small, merchant.id, "developer")
    path, test = add(user, receiver), add(user, receiver, test="on")
    assert user.get("/webhooks").text.count(">Test<") == 1
    assert [each["id"] for each in merchant.get("/v1/webhooks").json["items"]] == [path[10:]]
    rotated = user.post(f"{path}/rotate-secret").text
    assert SECRET.search(rotated)
    assert "the previous secret signs too" in rotated
    assert "Previous secret signs until" in user.get(path).text
    stranger = merchant_person(small, small.merchant("Another shop").id, name="other@shop.example")
    for action in ("rotate-secret", "pause", "resume", "delete", "replay", "replay-failed"):
        assert stranger.post(f"{path}/{action}").status_code == 404, action
    assert stranger.get(path).status_code == 404
    for each in (path, test):
        assert user.post(f"{each}/delete").status_code == 303
        assert user.get(each).status_code == 404
    assert {"webhook_secret_rotated", "webhook_removed"} <= set(events_by(user))


def test_the_latest_attempts_come_first_page_by_page(small: Service, receiver: Receiver) -> None:
    merchant = small.merchant()
    user = merchant_person(small, merchant.id, "viewer")
    developer = merchant_person(small, merchant.id, "developer", name="dev@shop.example")
    path = add(developer, receiver, events="message.failed")
    for place in range(52):
        receiver.status = 410 if place % 2 else 200
        enqueue_one(small, merchant.id)
        deliver_due(small)
        small.clock.sleep(1)
    first = user.get(path).text
    assert posted(first)[:4] == ["Given up", "Delivered", "Given up", "Delivered"]
    assert len(posted(first)) == 50
    older = re.search(r'rel="next" href="/merchant([^"]+)"', first)
    assert older
    assert len(posted(user.get(older[1]).text)) == 2
    assert "Replay" not in first
    failed = user.get(f"{path}?status=failed").text
    assert posted(failed) == ["Given up"] * 26
