"""The operator's pages about webhooks that fail, gateways and workers, and keys."""

import re
from collections.abc import Iterator

import pytest

from consent_tokens.services.webhooks import add_webhook
from tests.console_people import operator
from tests.consoles.test_supervision import acts_of
from tests.receivers import Receiver
from tests.receivers import receiver as a_receiver
from tests.service import PROMOTIONS, Service
from tests.stories.test_webhooks import deliver_due

TICK = re.compile(r'name="event_id" value="([\w-]+)"')


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with a_receiver() as made:
        yield made


def test_webhooks_that_fail_are_listed_filtered_and_replayed(
    small: Service, receiver: Receiver
) -> None:
    receiver.status = 410
    merchants = [small.merchant("Tea"), small.merchant("Books")]
    for each in merchants:
        add_webhook(small.runtime, small.context.webhook_client, each.id, receiver.url)
        small.obtain_token(each, small.consumer(), PROMOTIONS)
    ann, eve = operator(small, "reviewer"), operator(small, "auditor", "Eve")
    assert "Every event that was posted arrived." in ann.get("/webhooks").text
    deliver_due(small)
    receiver.status = 500
    small.obtain_token(merchants[0], small.consumer(), PROMOTIONS)
    deliver_due(small)

    shown = eve.get("/webhooks").text
    for said in ("HTTP 410", "HTTP 500", "Given up", "consent.granted", receiver.url):
        assert said in shown
    assert TICK.findall(shown) == [], "an auditor changes nothing"
    tea = f"/webhooks?merchant={merchants[0].id}"
    for path, count in ((tea, 1), ("/webhooks", 2), ("/webhooks?event=message.failed", 0),
                        ("/webhooks?status=pending", 0)):  # fmt: skip
        assert len(TICK.findall(ann.get(path).text)) == count, path
    assert "HTTP 410" in eve.get("/webhooks?format=csv").text

    (ticked,) = TICK.findall(ann.get(tea).text)
    assert ann.post("/webhooks/replay", event_id="nothing").status_code == 404
    assert ann.post("/webhooks/replay", event_id=ticked).status_code == 303
    assert ann.post("/webhooks/replay-all").status_code == 303
    receiver.status, receiver.got = 204, []
    deliver_due(small)
    assert ticked in {headers["webhook-id"] for headers, _ in receiver.got}
    assert TICK.findall(ann.get("/webhooks").text) == []
    assert acts_of(small, "webhook_replayed") == [("webhook_replayed", ann.person.id)] * 2
