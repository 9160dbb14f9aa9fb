"""Promise 11: a one-time code or the link in a message is all it takes; two taps, no script."""

import re
from datetime import timedelta

from tests.number_scan import NUMBERS
from tests.service import LINK, PROMOTIONS, Service, found


def test_from_a_message_it_takes_two_taps(service: Service) -> None:
    """One on the link, one on the button; in a browser that was never here and keeps no cookie."""
    merchant, consumer = service.merchant(), service.consumer()
    token = service.obtain_token(merchant, consumer)
    merchant.send(token)
    service.work()
    link = f"/m/{found(LINK, consumer.texts()[-1])}"
    stranger = service.app.test_client(use_cookies=False)
    page = stranger.get(link).text
    buttons = re.findall(r'<button name="action" value="(\w+)"', page)
    assert buttons == ["revoke", "pause", "report"]
    csrf = found(re.compile(r'name="csrf" value="([^"]+)"'), page)
    done = stranger.post(link, data={"csrf": csrf, "action": "revoke"}, follow_redirects=True)
    assert "不能再给您发短信了" in done.text
    assert merchant.send(token).json["code"] == "consent_revoked"


def test_the_link_only_takes_back(service: Service) -> None:
    """It shows no other consent, and opens neither /my nor anything to agree to."""
    one, other = service.merchant("甲店"), service.merchant("乙店")
    consumer = service.consumer()
    service.obtain_token(other, consumer)
    token = service.obtain_token(one, consumer)
    one.send(token)
    service.work()
    link = f"/m/{found(LINK, consumer.texts()[-1])}"
    stranger = service.app.test_client()
    page = stranger.get(link).text
    assert "甲店" in page
    assert "乙店" not in page
    assert 'name="phone"' in stranger.get("/my").text


def test_my_page_shows_every_merchant_and_ends_one(service: Service) -> None:
    one, other = service.merchant("甲店"), service.merchant("乙店")
    consumer = service.consumer()
    kept, ended = service.obtain_token(one, consumer), service.obtain_token(other, consumer)
    page = consumer.log_in().text
    assert "甲店" in page
    assert "乙店" in page
    article = next(part for part in page.split("<article") if "乙店" in part)
    grant = article.split('name="grant" value="')[1].split('"')[0]
    answer = consumer.post("/my", page, action="revoke", grant=grant)
    assert answer.status_code == 303
    assert one.send(kept).status_code == 202
    assert other.send(ended).json["code"] == "consent_revoked"


def test_no_page_has_a_script_an_inline_style_or_another_host(service: Service) -> None:
    merchant, consumer = service.merchant(), service.consumer()
    path = merchant.ask()["path"]
    service.obtain_token(merchant, consumer)
    pages = [consumer.get(path), consumer.get("/"), consumer.log_in(), consumer.get("/docs")]
    pages.append(service.app.test_client().get("/my"))
    for page in pages:
        assert page.status_code == 200
        assert "<script" not in page.text
        assert not re.search(r"<[^>]+\s(style|on[a-z]+)=", page.text)
        assert not re.search(r'(src|href)="(?:https?:)?//', page.text)
        assert len(page.data) < 40_000
        csp = page.headers["Content-Security-Policy"]
        assert "default-src 'none'" in csp
        assert "unsafe" not in csp
        assert page.headers["Cache-Control"] == "no-store"
        assert page.headers["Referrer-Policy"] == "no-referrer"


def test_no_box_is_ticked_in_advance_and_no_is_as_large_as_yes(service: Service) -> None:
    page = service.consumer().get(service.merchant().ask(PROMOTIONS, "orders.updates")["path"]).text
    boxes = re.findall(r'<input type="checkbox"[^>]*>', page)
    assert len(boxes) == 2
    assert not [box for box in boxes if "checked" in box]
    buttons = re.findall(r'<button class="([^"]*)"[^>]*name="decision" value="(\w+)"', page)
    assert [value for _, value in buttons] == ["decline", "grant"]
    assert buttons[0][0] == buttons[1][0], "no looks like yes"


def test_a_no_needs_no_number_and_ends_the_question(service: Service) -> None:
    merchant, consumer = service.merchant(), service.consumer()
    request = merchant.ask()
    answer = consumer.post(request["path"], decision="decline")
    assert answer.status_code == 303
    assert "不会给您发短信" in consumer.get(request["path"]).text
    assert merchant.get(f"/v1/consent-requests/{request['id']}").json["status"] == "declined"
    assert merchant.post(f"/v1/consent-requests/{request['id']}/token").status_code == 409
    other = service.consumer(NUMBERS[1])
    assert "已经结束" in other.get(request["path"]).text


def test_logging_out_ends_the_session_also_in_a_stolen_cookie(service: Service) -> None:
    consumer = service.consumer()
    service.obtain_token(service.merchant(), consumer)
    page = consumer.log_in().text
    cookie = consumer.browser.get_cookie("session")
    assert cookie
    consumer.post("/my", page, action="leave")
    thief = service.app.test_client()
    thief.set_cookie("session", cookie.value)
    assert 'name="phone"' in thief.get("/my").text


def test_a_session_ends_by_itself(service: Service) -> None:
    consumer = service.consumer()
    service.obtain_token(service.merchant(), consumer)
    assert 'value="leave"' in consumer.log_in().text
    service.clock.advance(timedelta(minutes=15))
    assert 'value="leave"' not in consumer.get("/my").text
