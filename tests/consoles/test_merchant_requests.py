"""`/merchant/requests` and `/merchant/consents`: ask, show, and see who agreed."""

import re
from typing import Any

from tests.console_people import merchant_person
from tests.service import ORDERS, PROMOTIONS, Service

FORM: dict[str, Any] = {
    "purposes": [PROMOTIONS], "max_messages": "4", "per_days": "30", "from": "09:00", "to": "20:00",
    "expires_in_days": "90", "reference": "customer-1", "locale": "en",
}  # fmt: skip
LINK = re.compile(r'value="http://localhost(/c/[^"/]+)"')


def test_a_customer_answers_a_request_that_was_made_in_the_console(small: Service) -> None:
    merchant, consumer = small.merchant(), small.consumer()
    user = merchant_person(small, merchant.id, "marketer")
    created = user.post("/requests", **FORM)
    assert created.status_code == 303, created.text
    address = created.headers["Location"].removeprefix("/merchant")
    shown = user.get(address).text
    path = LINK.search(shown)
    assert path
    assert "No answer yet" in shown
    assert consumer.get(f"{path[1]}/qr.svg").mimetype == "image/svg+xml"
    assert f"{path[1]}/qr.svg" in user.get(f"{address}/card").text
    consumer.agree(path[1], PROMOTIONS)
    assert "Not answered" not in user.get(address).text
    assert "no longer open" in user.get(f"{address}/card").text
    listed = user.get("/requests?status=granted").text
    assert "customer-1" in listed
    assert "customer-1" not in user.get("/requests?status=declined").text
    consents = user.get("/consents?reference=customer-1").text
    assert "You may write" in consents
    detail = re.search(r'href="/merchant(/consents/[^"]+)"', consents)
    assert detail
    assert "at most 4 in 30 days" in user.get(detail[1]).text
    stranger = merchant_person(small, small.merchant("Another shop").id, name="other@shop.example")
    assert stranger.get(address).status_code == stranger.get(detail[1]).status_code == 404
    assert "customer-1" not in stranger.get("/requests").text + stranger.get("/consents").text


WRONG = [
    ("purposes", []), ("purposes", ["no.such"]), ("max_messages", "0"), ("max_messages", "many"),
    ("per_days", "400"), ("expires_in_days", "99999"), ("from", "25:00"), ("to", "08:00"),
    ("reference", "a\x07b"), ("return_url", "javascript:alert(1)"),
]  # fmt: skip


def test_what_is_wrong_is_said_at_its_field(small: Service) -> None:
    user = merchant_person(small, small.merchant().id)
    for field, entered in WRONG:
        answer = user.post("/requests", **FORM | {field: entered})
        assert answer.status_code == 422, (field, entered)
        assert f'href="#{field}"' in answer.text, (field, entered)
        assert 'value="customer-1"' in answer.text or field == "reference"
    assert "customer-1" not in user.get("/requests").text


def test_more_than_a_page_is_read_page_by_page_the_newest_first(small: Service) -> None:
    merchant = small.merchant()
    user = merchant_person(small, merchant.id, "viewer")
    for number in range(53):
        small.clock.sleep(1)
        merchant.ask(ORDERS, reference=f"r{number:02}")
    first = user.get("/requests").text
    assert re.findall(r"<td>(r\d\d)</td>", first) == [f"r{n:02}" for n in range(52, 2, -1)]
    older = re.search(r'rel="next" href="/merchant(/requests\?cursor=[^"]+)"', first)
    assert older
    assert re.findall(r"<td>(r\d\d)</td>", user.get(older[1]).text) == ["r02", "r01", "r00"]
    assert user.get("/requests?cursor=x").status_code == 200
