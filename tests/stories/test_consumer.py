"""What a consumer does under /my, and that it counts for the very next message."""

import json
import re
from datetime import timedelta
from threading import Barrier, Thread

import jwt
import pytest

from consent_tokens.consent.phone import PhoneNumber
from consent_tokens.services import erasure as forget
from consent_tokens.settings import OtpRateLimits
from tests.number_scan import NUMBERS, found_in
from tests.service import (
    ALWAYS,
    BASE,
    CSRF,
    LINK,
    ORDERS,
    PROMOTIONS,
    Consumer,
    Merchant,
    Page,
    Service,
)
from tests.service import found as held

GRANT = re.compile(r'name="grant" value="([^"]+)"')
NUMBER = re.compile(r"<b>((?:\d{4} ){3}\d{4})</b>")


class Home:
    """A consumer who has agreed to two kinds and is logged in."""

    def __init__(self, service: Service) -> None:
        self.service = service
        self.merchant: Merchant = service.merchant()
        self.consumer: Consumer = service.consumer()
        self.token = service.agreed(self.merchant, self.consumer, PROMOTIONS, ORDERS)
        page = self.consumer.log_in().text
        self.grant = held(GRANT, page)

    def act(self, action: str, **form: object) -> Page:
        page = self.consumer.get("/my/wishes").text
        return self.consumer.post("/my", page, action=action, grant=self.grant, **form)

    def code(self, purpose: str = PROMOTIONS) -> str:
        """Hand in a message; return why it was refused, or where it stands."""
        answer = self.merchant.send(self.token, purpose)
        return str(answer.json.get("code") or answer.json["status"])


WIDE = OtpRateLimits.parse("number=1000/hour;client_ip=1000/hour;total=100000/hour")


@pytest.fixture
def home(service: Service) -> Home:
    return Home(service.but(otp_rate_limits=WIDE))


def test_pause_and_go_on(home: Home) -> None:
    assert home.act("pause").status_code == 303
    assert home.code() == "consent_paused"
    assert home.code(ORDERS) == "consent_paused"
    state = home.merchant.get(f"/v1/grants/{home.grant}").json["state"]
    assert state == "paused"
    assert home.act("resume").status_code == 303
    assert home.code() == "queued"


def test_a_pause_with_a_day_ends_by_itself(home: Home) -> None:
    home.act("pause", days=7)
    assert "到 2021年11月18日" in home.consumer.get("/my").text
    home.service.clock.advance(timedelta(days=6))
    home.service.work()
    assert home.code() == "consent_paused"
    home.service.clock.advance(timedelta(days=1, minutes=1))
    home.service.work()
    assert home.code() == "queued"


def test_what_waits_does_not_leave_into_a_pause(home: Home) -> None:
    home.merchant.send(home.token, text="wait")
    home.act("pause")
    home.service.work()
    assert not [text for text in home.consumer.texts() if "wait" in text]


def test_narrow(home: Home) -> None:
    fewer = home.act("narrow", purposes=[PROMOTIONS], max_messages=1, **{"from": 540, "to": 1260})
    assert fewer.status_code == 303
    assert home.code(ORDERS) == "purpose_not_granted"
    assert home.code() == "queued"
    assert home.code() == "cap_reached"
    scope = home.merchant.get(f"/v1/grants/{home.grant}").json["scope"]
    assert (scope["purposes"], scope["max_messages"]) == ([PROMOTIONS], 1)
    assert (scope["from"], scope["to"]) == ("09:00", "21:00")


@pytest.mark.parametrize(
    "more",
    [
        {"purposes": [PROMOTIONS], "max_messages": 1000},
        {"purposes": []},
        {"purposes": ["marketing.surveys"]},
        {"purposes": [PROMOTIONS], "max_messages": "many"},
        {"purposes": [PROMOTIONS], "max_messages": 0},
        {"purposes": [PROMOTIONS], "from": 1439, "to": 1},
        {"purposes": [PROMOTIONS], "from": 99999},
    ],
)
def test_narrowing_never_widens(home: Home, more: dict[str, object]) -> None:
    before = home.merchant.get(f"/v1/grants/{home.grant}").json["scope"]
    assert home.act("narrow", **more).status_code == 422
    assert home.merchant.get(f"/v1/grants/{home.grant}").json["scope"] == before


def test_prolong_and_renew(home: Home) -> None:
    before = home.merchant.get(f"/v1/grants/{home.grant}").json["scope"]["expires_at"]
    assert home.act("prolong", days=90).status_code == 303
    after = home.merchant.get(f"/v1/grants/{home.grant}").json["scope"]["expires_at"]
    assert after > before
    home.service.clock.advance(timedelta(days=200))
    assert home.code() == "token_expired"
    fresh = home.merchant.post("/v1/tokens/renew", {"token": home.token})
    assert home.merchant.send(fresh.json["token"]).status_code == 202
    home.consumer.log_in()
    assert home.act("prolong", days=9999).status_code == 422


def test_what_was_agreed_can_be_told_for_any_past_moment(home: Home) -> None:
    home.act("narrow", purposes=[PROMOTIONS])
    home.service.clock.advance(timedelta(days=1))
    home.consumer.log_in()
    home.act("pause")
    data = home.consumer.get("/my/data.json").json["consents"][0]
    assert [each["what"] for each in data["changes"]] == ["narrowed", "paused"]
    assert data["changes"][0]["before"]["purposes"] == [PROMOTIONS, ORDERS]
    assert data["changes"][1]["before"]["purposes"] == [PROMOTIONS]


def test_calm_over_double_11(home: Home) -> None:
    """It is the day itself: noon on 11 November, in Shanghai."""
    home.merchant.send(home.token, text="waits")
    assert home.act("calm", season="double11").status_code == 303
    home.service.work()
    assert not [text for text in home.consumer.texts() if "waits" in text]
    assert home.code() == "consent_paused"
    assert home.code(ORDERS) == "queued"
    assert "2021年11月15日" in home.consumer.get("/my").text
    home.service.clock.advance(timedelta(days=4, hours=11, minutes=59))  # 15 November, 23:59
    assert home.code() == "consent_paused"
    home.service.clock.advance(timedelta(minutes=1))
    assert home.code() == "queued"


def test_a_wish_keeps_a_recipient_known_and_only_as_long_as_it_lasts(home: Home) -> None:
    home.act("calm", season="double11")
    home.act("revoke")

    def known() -> int:
        with home.service.world.database.engine.connect() as connection:
            query = "SELECT count(*) FROM recipients"
            counted: int = connection.exec_driver_sql(query).scalar_one()
            return counted

    assert known() == 1
    home.service.clock.advance(timedelta(days=5))
    home.service.work()
    assert known() == 0


def test_calm_until_a_day_of_ones_own_and_its_end(home: Home) -> None:
    assert home.act("calm", until="2021-12-24").status_code == 303
    assert home.code() == "consent_paused"
    home.act("no_calm")
    assert home.code() == "queued"
    for nonsense in ("2021-11-10", "2031-01-01", "soon", "", "2021-13-01"):
        assert home.act("calm", until=nonsense).status_code == 422


def test_hours_of_rest_are_for_everything(home: Home) -> None:
    home.act("rest", **{"from": 11 * 60, "to": 14 * 60})  # it is noon
    answer = home.merchant.send(home.token, ORDERS, text="later")
    assert answer.json["status"] == "deferred"
    assert answer.json["send_after"].startswith("2021-11-11T06:00")
    home.service.work()
    assert not [text for text in home.consumer.texts() if "later" in text]
    home.service.clock.advance(timedelta(hours=2))
    home.service.work()
    assert [text for text in home.consumer.texts() if "later" in text]
    home.consumer.log_in()  # a code comes at any hour


def test_what_was_taken_before_rest_waits_too(home: Home) -> None:
    home.merchant.send(home.token, ORDERS, text="taken")
    home.act("rest", **{"from": 11 * 60, "to": 14 * 60})
    home.service.work()
    assert not [text for text in home.consumer.texts() if "taken" in text]
    home.service.clock.advance(timedelta(hours=2))
    home.service.work()
    assert len([text for text in home.consumer.texts() if "taken" in text]) == 1


def test_the_limit_over_all_merchants_tells_no_merchant_of_another(home: Home) -> None:
    other = home.service.merchant("乙店")
    token = home.service.agreed(other, home.consumer, PROMOTIONS)
    home.consumer.log_in()
    home.act("limits", a_day=1)
    assert other.send(token).status_code == 202
    refused = home.merchant.send(home.token).json
    assert refused["code"] == "cap_reached"
    # told by the day: not when the other one wrote
    assert refused["next_at"] == "2021-11-12T16:00:00+00:00"
    home.service.work()
    home.service.clock.advance(timedelta(hours=24))
    assert home.code() == "queued"


def test_revoke_all(home: Home) -> None:
    other = home.service.merchant("乙店")
    token = home.service.agreed(other, home.consumer, PROMOTIONS)
    home.consumer.log_in()
    assert home.act("revoke_all").status_code == 303
    assert home.code() == "consent_revoked"
    assert other.send(token).json["code"] == "consent_revoked"


def test_search(home: Home) -> None:
    for name in ("甲店", "乙店", "丙店", "丁店"):
        home.service.agreed(home.service.merchant(name), home.consumer, ORDERS)
    home.consumer.log_in()
    page = home.consumer.get("/my?q=乙").text
    assert "乙店" in page
    assert "甲店" not in page
    assert "没有叫这个名字的商家" in home.consumer.get("/my?q=<script>").text


def test_every_message_sent_and_refused_is_shown_with_its_reason(home: Home) -> None:
    for place in range(5):
        home.merchant.send(home.token, text=f"offer {place}")
    home.merchant.send(home.token, "marketing.surveys")
    home.service.work()
    page = home.consumer.get(f"/my/consents/{home.grant}").text
    assert page.count("offer") == 4
    assert "超过了您同意的条数" in page
    assert "这一种您没有同意" in page
    assert 'aria-label="每周条数' in page
    home.service.clock.advance(timedelta(days=31))
    home.service.work()
    home.consumer.log_in()
    assert "offer" not in home.consumer.get(f"/my/consents/{home.grant}").text


def test_nobody_touches_anothers_consent(home: Home) -> None:
    other = home.service.consumer(NUMBERS[1])
    home.service.agreed(home.merchant, other)
    page = other.log_in().text
    for action in ("revoke", "pause", "resume", "narrow", "prolong"):
        answer = other.post("/my", page, action=action, grant=home.grant, purposes=[PROMOTIONS])
        assert answer.status_code == 404, action
    assert other.get(f"/my/consents/{home.grant}").status_code == 404
    assert home.code() == "queued"


def test_nothing_happens_without_a_session(home: Home) -> None:
    stranger = home.service.consumer(NUMBERS[2])
    page = stranger.get("/my").text
    for action in ("revoke", "calm", "limits", "forget", "revoke_all", "invitations", "rest"):
        answer = stranger.post("/my", page, action=action, grant=home.grant, season="618")
        assert answer.headers["Location"] == "/my"
    for path in ("/my/wishes", "/my/all", "/my/data.json", "/my/data.html"):
        assert stranger.get(path).status_code == 303
    assert home.code() == "queued"


# --- Data, and being forgotten ------------------------------------------------------------------


def test_my_data_holds_all_that_is_kept(home: Home) -> None:
    home.merchant.send(home.token, text="hello")
    home.service.work()
    answer = home.consumer.get("/my/data.json")
    assert "attachment" in answer.headers["Content-Disposition"]
    data = answer.json
    (consent,) = data["consents"]
    assert consent["merchant"] == "晨光书店"
    assert consent["messages"][0]["text"] == "hello"
    assert "想给您发短信" in consent["notice"]["text"]
    assert {"grant_given", "message_left"} <= {each["kind"] for each in data["events"]}
    assert not found_in(answer.data)
    page = home.consumer.get("/my/data.html")
    assert "hello" in page.text
    assert not found_in(page.data)


def test_forget_me_leaves_nothing_that_leads_to_the_number(home: Home) -> None:
    home.merchant.send(home.token, text="hello")
    home.service.work()
    home.act("limits", a_day=3)
    assert home.act("forget").status_code == 303
    assert "忘掉了" in home.consumer.get("/my").text
    assert home.code() == "consent_revoked"
    with home.service.world.database.engine.connect() as connection:

        def count(table: str, where: str = "1 = 1") -> int:
            query = f"SELECT count(*) FROM {table} WHERE {where}"  # noqa: S608 - our own names
            counted: int = connection.exec_driver_sql(query).scalar_one()
            return counted

        for table in ("recipients", "sessions", "wishes", "receipts", "fingerprints"):
            assert count(table) == 0, table
        assert count("messages", "text IS NOT NULL") == 0
        assert count("grants", "wrapped_key IS NOT NULL") == 0
    assert "没有谁可以给您发短信" in home.consumer.log_in().text


# --- Numbers change hands -----------------------------------------------------------------------


def test_a_new_owner_ends_all_and_sees_nothing(home: Home) -> None:
    new = home.service.consumer()
    new.post("/my", phone=new.number)
    shown = new.get("/my").text
    answer = new.post("/my", shown, action="new_to_me", code=new.code())
    assert answer.status_code == 303
    page = new.get("/my").text
    assert "都已经停止" in page
    assert "晨光书店" not in page
    assert home.code() == "consent_revoked"
    assert home.merchant.get(f"/v1/grants/{home.grant}").json["state"] == "revoked"
    mine = new.log_in().text
    assert "晨光书店" not in mine
    assert 'name="grant"' not in home.consumer.get("/my").text, "the former owner is out"


def test_a_report_of_no_such_subscriber_ends_all(home: Home) -> None:
    from consent_tokens.gateways.base import DeliveryReport  # noqa: PLC0415
    from consent_tokens.services.inbound.delivery_reports import record_reports  # noqa: PLC0415 - one test

    sent = home.merchant.send(home.token, text="hello").json["id"]
    simulator, service = home.service.simulator, home.service
    service.dispatcher._dispatch(0)
    (report,) = [each for each in simulator.poll() if isinstance(each, DeliveryReport)]
    record_reports(
        service.world,
        [
            DeliveryReport(
                report.gateway_id, was_delivered=False, status_text="UNDELIV", is_deactivated=True
            )
        ],
    )
    assert home.merchant.get(f"/v1/messages/{sent}").json["status"] == "undeliverable"
    assert home.code() == "consent_revoked"


def test_a_notice_of_reassignment_spares_what_the_new_owner_agreed_to(home: Home) -> None:
    home.service.clock.advance(timedelta(days=10))
    since = home.service.clock.now()
    home.service.clock.advance(timedelta(days=1))
    other = home.service.merchant("乙店")
    theirs = home.service.agreed(other, home.service.consumer(), PROMOTIONS)
    ended = forget.number_reassigned(home.service.world, PhoneNumber.parse(NUMBERS[0]), since)
    assert ended == 1
    assert home.code() == "consent_revoked"
    assert other.send(theirs).status_code == 202
    page = home.service.consumer()
    shown = page.log_in().text
    assert "乙店" in shown
    assert "晨光书店" not in shown
    assert forget.number_reassigned(home.service.world, PhoneNumber.parse(NUMBERS[5]), since) == 0


# --- Receipts -----------------------------------------------------------------------------------


def test_a_yes_and_its_end_have_receipts_that_any_jose_library_verifies(home: Home) -> None:
    home.service.clock.advance(timedelta(minutes=1))
    later = home.service.clock.now() + timedelta(days=1)
    home.merchant.send(home.token, text="waits", send_at=later.isoformat())
    home.act("revoke", stay="here")
    page = home.consumer.get(f"/my/consents/{home.grant}").text
    handles = re.findall(r"/receipts/([A-Za-z0-9_-]{22})", page)
    assert len(handles) == 2
    keys = home.consumer.get("/.well-known/jwks.json").json["keys"]
    said = {}
    for handle in handles:
        assert home.consumer.get(f"/receipts/{handle}").status_code == 200
        file = home.consumer.get(f"/receipts/{handle}.json")
        assert not found_in(file.data)
        header = jwt.get_unverified_header(file.json["jws"])
        assert header["typ"] == "consent-receipt+jwt"
        key = jwt.PyJWK(next(each for each in keys if each["kid"] == header["kid"]))
        body = jwt.decode(file.json["jws"], key, algorithms=["EdDSA"], issuer=BASE)
        assert body == file.json["receipt"]
        said[body["receipt_kind"]] = body
    assert said["consent"]["events"][0]["state"] == "given"
    assert "想给您发短信" in said["consent"]["notice"]["text"]
    end = said["withdrawal"]["events"][0]
    assert (end["state"], end["queued_messages_stopped"]) == ("withdrawn", 1)
    # and a receipt is no token (RFC 8725, 3.12)
    for handle in handles:
        jws = home.consumer.get(f"/receipts/{handle}.json").json["jws"]
        assert home.merchant.send(jws).json["code"] == "token_malformed"
    assert home.consumer.get("/receipts/AAAAAAAAAAAAAAAAAAAAAA").status_code == 404


def test_the_receipt_comes_by_text_if_wished(service: Service) -> None:
    merchant, consumer = service.merchant(), service.consumer()
    path = merchant.ask(PROMOTIONS, **ALWAYS)["path"]
    consumer.post(path, purposes=[PROMOTIONS], phone=consumer.number, decision="grant")
    consumer.post(path, code=consumer.code(), decision="grant", receipt="text")
    service.work()
    link = re.search(r"/receipts/\S+", consumer.texts()[-1])
    assert link
    assert "晨光书店" in consumer.get(link[0]).text


def test_agreeing_to_less_than_was_asked(service: Service) -> None:
    merchant, consumer = service.merchant(), service.consumer()
    asked = merchant.ask(PROMOTIONS, ORDERS, max_messages=8, expires_in_days=365, **ALWAYS)
    path = asked["path"]
    less: dict[str, object] = {"max_messages": 2, "expires_in_days": 30, "from": 600, "to": 1200}
    consumer.post(path, None, purposes=[PROMOTIONS], phone=consumer.number, **less)
    shown = consumer.get(path).text
    for words in ("任意 30 天最多 2 条", "10:00 到 20:00", "2021年12月11日"):
        assert words in shown
    assert consumer.post(path, code=consumer.code(), decision="grant").status_code == 303
    scope = merchant.get(f"/v1/consent-requests/{asked['id']}").json["scope"]
    assert (scope["max_messages"], scope["from"], scope["to"]) == (2, "10:00", "20:00")
    assert scope["purposes"] == [PROMOTIONS]
    claims = jwt.decode(merchant.token(asked), options={"verify_signature": False})
    assert claims["limits"]["max"] == 2


def test_agreeing_to_more_than_was_asked_is_refused(service: Service) -> None:
    merchant, consumer = service.merchant(), service.consumer()
    path = merchant.ask(PROMOTIONS)["path"]
    answer = consumer.post(
        path, purposes=[PROMOTIONS], phone=consumer.number, max_messages=900, decision="grant"
    )
    assert answer.status_code == 422
    assert not consumer.texts()


# --- Reports ------------------------------------------------------------------------------------


def from_a_message(home: Home, text: str = "offer") -> tuple[str, str]:
    """Return the link in a text that came, and the text."""
    home.merchant.send(home.token, text=text)
    home.service.work()
    came = home.consumer.texts()[-1]
    return f"/m/{held(LINK, came)}", came


def test_a_report_takes_two_taps_from_a_text_and_counts_once(home: Home) -> None:
    link, _ = from_a_message(home)
    stranger = home.service.app.test_client()
    csrf = re.compile(r'name="csrf" value="([^"]+)"')
    numbers = set()
    for reason in ("too_often", "fraud", "at_night"):
        first = stranger.post(
            link, data={"csrf": held(csrf, stranger.get(link).text), "action": "report"}
        )
        page = stranger.get(first.headers["Location"])
        filed = stranger.post(
            first.headers["Location"], data={"csrf": held(csrf, page.text), "reason": reason}
        )
        shown = stranger.get(filed.headers["Location"]).text
        assert "是按您的同意发的" in shown
        numbers.add(held(NUMBER, shown))
    assert len(numbers) == 1
    listed = home.merchant.get("/v1/complaints").json["items"]
    assert [(each["reason"], each["verdict"]) for each in listed] == [
        ("too_often", "under_consent")
    ]
    assert home.grant not in json.dumps(listed)


def paste(home: Home, text: str, sender: str = "106900011", **more: str) -> str:
    consumer = home.service.consumer()
    consumer.post("/report", phone=consumer.number)
    at = (home.service.clock.now() + timedelta(hours=8)).strftime("%Y-%m-%dT%H:%M")
    form = {"sender": sender, "text": text, "at": at, "reason": "never_agreed", **more}
    answer = consumer.post("/report", code=consumer.code(), **form)
    assert answer.status_code == 303, answer.text
    return consumer.get("/reports").text


def test_a_pasted_text_is_found_again(home: Home) -> None:
    _, text = from_a_message(home)
    assert "是按您的同意发的" in paste(home, text)
    assert "是按您的同意发的" in paste(home, text.replace(" ", "").replace("，", ", "))


def test_a_pasted_text_is_found_after_all_was_stopped(home: Home) -> None:
    _, text = from_a_message(home)
    home.act("revoke_all")
    home.service.clock.advance(timedelta(hours=3))
    assert "是按您的同意发的" in paste(home, text)


def test_an_altered_text_a_wrong_time_and_a_foreign_sender(home: Home) -> None:
    _, text = from_a_message(home)
    assert "没有您的同意" in paste(home, text + "点击领奖")
    assert "没有您的同意" in paste(home, text, at="2021-10-01T12:00")
    assert "不是从这里发出的" in paste(home, text, sender="10086")
    reasons = home.merchant.get("/v1/complaints").json["items"]
    assert {each["verdict"] for each in reasons} == {"no_consent"}


def test_anothers_text_is_not_mine(home: Home) -> None:
    other = home.service.consumer(NUMBERS[3])
    token = home.service.agreed(home.merchant, other, PROMOTIONS)
    home.merchant.send(token, text="only to the other")
    home.service.work()
    assert "没有您的同意" in paste(home, other.texts()[-1])


def test_a_report_can_be_followed_and_said_more_about(home: Home) -> None:
    _, text = from_a_message(home)
    number = held(NUMBER, paste(home, text))
    later = home.service.consumer(NUMBERS[4])
    page = later.get("/reports").text
    assert later.post("/reports", page, number="1234 5678 9012 3456").status_code == 422
    later.post("/reports", page, number=number)
    shown = later.get("/reports").text
    assert "已收到" in shown
    words = "they call me at " + NUMBERS[4]

    def show(data: bytes) -> int:
        """Send the form as a browser does: the test client would leave a file of its own open."""
        fields = {"csrf": held(CSRF, shown), "action": "more", "said": words}
        parts = [
            f'--cut\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
            for name, value in fields.items()
        ]
        head = (
            '--cut\r\nContent-Disposition: form-data; name="picture"; filename="x.png"\r\n'
            "Content-Type: image/png\r\n\r\n"
        )
        body = "".join(parts).encode() + head.encode() + data + b"\r\n--cut--\r\n"
        kind = "multipart/form-data; boundary=cut"
        return later.browser.post("/reports", data=body, content_type=kind).status_code

    png = b"\x89PNG\r\n\x1a\n"
    assert show(b"<svg onload=alert(1)>") == 422
    assert show(png + bytes(1024 * 1024)) in {413, 422}
    assert show(png + bytes(1024 * 1023)) == 303
    assert "已经加上" in later.get("/reports").text
    with home.service.world.database.engine.connect() as connection:
        said, kept = connection.exec_driver_sql("SELECT said, picture FROM complaints").one()
    assert said
    assert kept
    assert not found_in(bytes(said)), "what a consumer writes lies enclosed"


def test_the_reports_of_one_number_are_limited(home: Home) -> None:
    for place in range(10):
        paste(home, f"spam {place}", sender="10086")
        home.service.clock.advance(timedelta(hours=1))
    consumer = home.service.consumer()
    consumer.post("/report", phone=consumer.number)
    answer = consumer.post(
        "/report", code=consumer.code(), sender="10086", text="x", at="2021-11-11T12:00",
        reason="other",
    )  # fmt: skip
    assert answer.status_code == 429


def test_bad_reports_are_answered(home: Home) -> None:
    consumer = home.service.consumer()
    consumer.post("/report", phone=consumer.number)
    good = {"sender": "1069", "text": "x", "at": "2021-11-11T12:00", "reason": "other"}
    for name, bad in (
        ("sender", "nobody"), ("text", " "), ("at", "yesterday"), ("reason", "none"),
        ("code", "000000"),
    ):  # fmt: skip
        form = {"code": "999999", **good, name: bad}
        assert consumer.post("/report", **form).status_code == 422, name


# --- The global limit, raced --------------------------------------------------------------------


def test_of_two_hundred_sends_of_fifty_merchants_exactly_the_limit_leaves(
    service: Service,
) -> None:
    service = service.but(otp_rate_limits=WIDE)
    consumer = service.consumer()
    shops = [service.merchant(f"店{place}") for place in range(50)]
    tokens = [service.agreed(shop, consumer, PROMOTIONS, max_messages=100) for shop in shops]
    consumer.log_in()
    page = consumer.get("/my/wishes").text
    consumer.post("/my", page, action="limits", a_day=5)
    start = Barrier(20)
    answers: list[int] = []

    def hand(place: int) -> None:
        start.wait()
        for each in range(10):
            at = (place * 10 + each) % 50
            answers.append(shops[at].send(tokens[at], text="race").status_code)

    threads = [Thread(target=hand, args=(place,)) for place in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(answers) == 200
    assert answers.count(202) == 5
    service.work()
    assert len([text for text in consumer.texts() if "race" in text]) == 5
