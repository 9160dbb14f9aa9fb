"""What a consumer does under /my, and that it counts for the very next message."""

import base64
import json
import re
from datetime import timedelta
from io import BytesIO
from threading import Barrier, Thread
from typing import Any

import jwt
import pytest
from PIL import Image

from consent_tokens.consent.phone import PhoneNumber
from consent_tokens.evidence.complaints import Complaint, ComplaintStatus
from consent_tokens.gateways.base import DeliveryReport, ReportedOutcome
from consent_tokens.services.complaints import decide_complaint
from consent_tokens.services.erasure import number_reassigned
from consent_tokens.services.inbound.delivery_reports import record_reports
from consent_tokens.store import complaints
from tests.number_scan import NUMBERS, found_in
from tests.service import (
    ALWAYS,
    BASE,
    CSRF,
    LINK,
    ORDERS,
    PROMOTIONS,
    WIDE,
    Consumer,
    Page,
    Service,
    SignedIn,
    found,
)

NUMBER = re.compile(r'<dd><b class="num">(\d{4} \d{4} \d{4} \d{4})<')


@pytest.fixture
def logged_in(service: Service) -> SignedIn:
    person = SignedIn.with_consent(service)
    person.consumer.log_in()
    return person


def test_pause_and_go_on(logged_in: SignedIn) -> None:
    assert logged_in.act("pause").status_code == 303
    assert logged_in.code() == "consent_paused"
    assert logged_in.code(ORDERS) == "consent_paused"
    status = logged_in.merchant.get(f"/v1/grants/{logged_in.grant}").json["status"]
    assert status == "paused"
    assert logged_in.act("resume").status_code == 303
    assert logged_in.code() == "queued"


def test_a_pause_with_a_day_ends_by_itself(logged_in: SignedIn) -> None:
    logged_in.act("pause", days=7)
    assert "到 2021年11月18日" in logged_in.consumer.get("/my").text
    logged_in.service.clock.advance(timedelta(days=6))
    logged_in.service.work()
    assert logged_in.code() == "consent_paused"
    logged_in.service.clock.advance(timedelta(days=1, minutes=1))
    logged_in.service.work()
    assert logged_in.code() == "queued"


def test_what_waits_does_not_leave_into_a_pause(logged_in: SignedIn) -> None:
    logged_in.merchant.send(logged_in.token, text="wait")
    logged_in.act("pause")
    logged_in.service.work()
    assert not [text for text in logged_in.consumer.texts() if "wait" in text]


def test_narrow(logged_in: SignedIn) -> None:
    fewer = logged_in.act(
        "narrow", purposes=[PROMOTIONS], max_messages=1, **{"from": 540, "to": 1260}
    )
    assert fewer.status_code == 303
    assert logged_in.code(ORDERS) == "purpose_not_granted"
    assert logged_in.code() == "queued"
    assert logged_in.code() == "cap_reached"
    scope = logged_in.merchant.get(f"/v1/grants/{logged_in.grant}").json["scope"]
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
def test_narrowing_never_widens(logged_in: SignedIn, more: dict[str, object]) -> None:
    before = logged_in.merchant.get(f"/v1/grants/{logged_in.grant}").json["scope"]
    assert logged_in.act("narrow", **more).status_code == 422
    assert logged_in.merchant.get(f"/v1/grants/{logged_in.grant}").json["scope"] == before


def test_extend_and_renew(logged_in: SignedIn) -> None:
    before = logged_in.merchant.get(f"/v1/grants/{logged_in.grant}").json["scope"]["expires_at"]
    assert logged_in.act("prolong", days=90).status_code == 303
    after = logged_in.merchant.get(f"/v1/grants/{logged_in.grant}").json["scope"]["expires_at"]
    assert after > before
    logged_in.service.clock.advance(timedelta(days=200))
    assert logged_in.code() == "token_expired"
    fresh = logged_in.merchant.post("/v1/tokens/renew", {"token": logged_in.token})
    assert logged_in.merchant.send(fresh.json["token"]).status_code == 202
    logged_in.consumer.log_in()
    assert logged_in.act("prolong", days=9999).status_code == 422


def test_the_export_says_what_was_agreed_at_any_past_moment(logged_in: SignedIn) -> None:
    logged_in.act("narrow", purposes=[PROMOTIONS])
    logged_in.service.clock.advance(timedelta(days=1))
    logged_in.consumer.log_in()
    logged_in.act("pause")
    data = logged_in.consumer.get("/my/data.json").json["consents"][0]
    assert [each["what"] for each in data["changes"]] == ["narrowed", "paused"]
    assert data["changes"][0]["before"]["purposes"] == [PROMOTIONS, ORDERS]
    assert data["changes"][1]["before"]["purposes"] == [PROMOTIONS]


def test_a_quiet_period_over_double_11(logged_in: SignedIn) -> None:
    """It is the day itself: noon on 11 November, in Shanghai."""
    logged_in.merchant.send(logged_in.token, text="waits")
    assert logged_in.act("calm", season="double11").status_code == 303
    logged_in.service.work()
    assert not [text for text in logged_in.consumer.texts() if "waits" in text]
    assert logged_in.code() == "consent_paused"
    assert logged_in.code(ORDERS) == "queued"
    assert "2021年11月15日" in logged_in.consumer.get("/my").text
    logged_in.service.clock.advance(timedelta(days=4, hours=11, minutes=59))  # 15 November, 23:59
    assert logged_in.code() == "consent_paused"
    logged_in.service.clock.advance(timedelta(minutes=1))
    assert logged_in.code() == "queued"


def test_a_recipient_stays_known_as_long_as_anything_of_them_is_kept(
    logged_in: SignedIn,
) -> None:
    logged_in.act("calm", season="double11")
    logged_in.act("revoke")

    def known() -> int:
        with logged_in.service.runtime.database.engine.connect() as connection:
            query = "SELECT count(*) FROM recipients"
            counted: int = connection.exec_driver_sql(query).scalar_one()
            return counted

    for days in (5, 1091):  # the quiet period is over, the consent is still kept
        assert known() == 1
        logged_in.service.clock.advance(timedelta(days=days))
        logged_in.service.work()
    assert known() == 1
    logged_in.service.clock.advance(timedelta(days=1))
    logged_in.service.work()
    assert known() == 0


def test_a_quiet_period_until_a_chosen_day_and_its_end(logged_in: SignedIn) -> None:
    assert logged_in.act("calm", until="2021-12-24").status_code == 303
    assert logged_in.code() == "consent_paused"
    logged_in.act("no_calm")
    assert logged_in.code() == "queued"
    for nonsense in ("2021-11-10", "2031-01-01", "soon", "", "2021-13-01"):
        assert logged_in.act("calm", until=nonsense).status_code == 422


def test_quiet_hours_are_for_everything(logged_in: SignedIn) -> None:
    logged_in.act("rest", **{"from": 11 * 60, "to": 14 * 60})  # it is noon
    answer = logged_in.merchant.send(logged_in.token, ORDERS, text="later")
    assert answer.json["status"] == "deferred"
    assert answer.json["send_after"].startswith("2021-11-11T06:00")
    logged_in.service.work()
    assert not [text for text in logged_in.consumer.texts() if "later" in text]
    logged_in.service.clock.advance(timedelta(hours=2))
    logged_in.service.work()
    assert [text for text in logged_in.consumer.texts() if "later" in text]
    logged_in.consumer.log_in()  # a code comes at any hour


def test_what_was_accepted_before_quiet_hours_waits_too(logged_in: SignedIn) -> None:
    logged_in.merchant.send(logged_in.token, ORDERS, text="taken")
    logged_in.act("rest", **{"from": 11 * 60, "to": 14 * 60})
    logged_in.service.work()
    assert not [text for text in logged_in.consumer.texts() if "taken" in text]
    logged_in.service.clock.advance(timedelta(hours=2))
    logged_in.service.work()
    assert len([text for text in logged_in.consumer.texts() if "taken" in text]) == 1


def test_the_limit_over_all_merchants_tells_no_merchant_of_another(logged_in: SignedIn) -> None:
    other = logged_in.service.merchant("乙店")
    token = logged_in.service.obtain_token(other, logged_in.consumer, PROMOTIONS)
    logged_in.consumer.log_in()
    logged_in.act("limits", a_day=1)
    assert other.send(token).status_code == 202
    refused = logged_in.merchant.send(logged_in.token).json
    assert refused["code"] == "cap_reached"
    # by the day: not when the other merchant wrote
    assert refused["next_at"] == "2021-11-12T16:00:00+00:00"
    logged_in.service.work()
    logged_in.service.clock.advance(timedelta(hours=24))
    assert logged_in.code() == "queued"


def test_revoke_all(logged_in: SignedIn) -> None:
    other = logged_in.service.merchant("乙店")
    token = logged_in.service.obtain_token(other, logged_in.consumer, PROMOTIONS)
    logged_in.consumer.log_in()
    assert logged_in.act("revoke_all").status_code == 303
    assert logged_in.code() == "consent_revoked"
    assert other.send(token).json["code"] == "consent_revoked"


def test_search(logged_in: SignedIn) -> None:
    for name in ("甲店", "乙店", "丙店", "丁店"):
        logged_in.service.obtain_token(logged_in.service.merchant(name), logged_in.consumer, ORDERS)
    logged_in.consumer.log_in()
    page = logged_in.consumer.get("/my?q=乙").text
    assert "乙店" in page
    assert "甲店" not in page
    assert "没有叫这个名字的商家" in logged_in.consumer.get("/my?q=<script>").text


def test_every_message_sent_and_refused_is_shown_with_its_reason(logged_in: SignedIn) -> None:
    for place in range(5):
        logged_in.merchant.send(logged_in.token, text=f"offer {place}")
    logged_in.merchant.send(logged_in.token, "marketing.surveys")
    logged_in.service.work()
    page = logged_in.consumer.get(f"/my/consents/{logged_in.grant}").text
    assert page.count("offer") == 4
    assert "超过了您同意的条数" in page
    assert "您没有同意这一类短信" in page
    assert 'aria-label="近 12 周：' in page
    logged_in.service.clock.advance(timedelta(days=31))
    logged_in.service.work()
    logged_in.consumer.log_in()
    assert "offer" not in logged_in.consumer.get(f"/my/consents/{logged_in.grant}").text


def test_nobody_touches_anothers_consent(logged_in: SignedIn) -> None:
    other = logged_in.service.consumer(NUMBERS[1])
    logged_in.service.obtain_token(logged_in.merchant, other)
    page = other.log_in().text
    for action in ("revoke", "pause", "resume", "narrow", "prolong"):
        answer = other.post(
            "/my", page, action=action, grant=logged_in.grant, purposes=[PROMOTIONS]
        )
        assert answer.status_code == 404, action
    assert other.get(f"/my/consents/{logged_in.grant}").status_code == 404
    assert logged_in.code() == "queued"


def test_nothing_happens_without_a_session(logged_in: SignedIn) -> None:
    stranger = logged_in.service.consumer(NUMBERS[2])
    page = stranger.get("/my").text
    for action in ("revoke", "calm", "limits", "forget", "revoke_all", "invitations", "rest"):
        answer = stranger.post("/my", page, action=action, grant=logged_in.grant, season="618")
        assert answer.headers["Location"] == "/my"
    for path in ("/my/wishes", "/my/all", "/my/data.json", "/my/data.html"):
        assert stranger.get(path).status_code == 303
    assert logged_in.code() == "queued"


# --- Export and erasure -------------------------------------------------------------------------


def test_my_data_holds_all_that_is_kept(logged_in: SignedIn) -> None:
    logged_in.merchant.send(logged_in.token, text="hello")
    logged_in.service.work()
    answer = logged_in.consumer.get("/my/data.json")
    assert "attachment" in answer.headers["Content-Disposition"]
    data = answer.json
    (consent,) = data["consents"]
    assert consent["merchant"] == "晨光书店"
    assert consent["messages"][0]["text"] == "hello"
    assert "想给您发短信" in consent["notice"]["text"]
    assert {"grant_created", "message_submitted"} <= {each["kind"] for each in data["events"]}
    made_of = next(each["inputs"] for each in data["events"] if each["kind"] == "message_accepted")
    assert (made_of["head"]["segments"], made_of["grant"]["detail"]) == (1, "live")
    assert not found_in(answer.data)
    page = logged_in.consumer.get("/my/data.html")
    assert "hello" in page.text
    assert not found_in(page.data)


def test_forget_me_leaves_nothing_that_leads_to_the_number(logged_in: SignedIn) -> None:
    logged_in.merchant.send(logged_in.token, text="hello")
    logged_in.service.work()
    logged_in.act("limits", a_day=3)
    assert logged_in.act("forget").status_code == 303
    assert "已删除" in logged_in.consumer.get("/my").text
    assert logged_in.code() == "consent_revoked"
    with logged_in.service.runtime.database.engine.connect() as connection:

        def count(table: str, where: str = "1 = 1") -> int:
            query = f"SELECT count(*) FROM {table} WHERE {where}"  # noqa: S608 - our own names
            counted: int = connection.exec_driver_sql(query).scalar_one()
            return counted

        for table in ("recipients", "consumer_sessions", "preferences", "receipts", "fingerprints"):
            assert count(table) == 0, table
        assert count("messages", "text IS NOT NULL") == 0
        assert count("grants", "wrapped_key IS NOT NULL") == 0
    assert "没有商家可以给您发短信" in logged_in.consumer.log_in().text


# --- Reassigned numbers -------------------------------------------------------------------------


def test_a_new_owner_ends_all_and_sees_nothing(logged_in: SignedIn) -> None:
    new = logged_in.service.consumer()
    new.post("/my", phone=new.number)
    shown = new.get("/my").text
    answer = new.post("/my", shown, action="new_to_me", code=new.code())
    assert answer.status_code == 303
    page = new.get("/my").text
    assert "已全部终止" in page
    assert "晨光书店" not in page
    assert logged_in.code() == "consent_revoked"
    assert logged_in.merchant.get(f"/v1/grants/{logged_in.grant}").json["status"] == "revoked"
    mine = new.log_in().text
    assert "晨光书店" not in mine
    assert 'name="grant"' not in logged_in.consumer.get("/my").text, "the former owner is out"


def test_a_report_of_no_such_subscriber_ends_all(logged_in: SignedIn) -> None:
    sent = logged_in.merchant.send(logged_in.token, text="hello").json["id"]
    simulator, service = logged_in.service.simulator, logged_in.service
    service.dispatcher._dispatch(0)
    (report,) = [each for each in simulator.poll() if isinstance(each, DeliveryReport)]
    record_reports(
        service.runtime,
        [
            DeliveryReport(
                report.gateway_id, ReportedOutcome.UNDELIVERABLE, "UNDELIV", is_deactivated=True
            )
        ],
    )
    assert logged_in.merchant.get(f"/v1/messages/{sent}").json["status"] == "undeliverable"
    assert logged_in.code() == "consent_revoked"


def test_a_notice_of_reassignment_spares_what_the_new_owner_agreed_to(logged_in: SignedIn) -> None:
    logged_in.service.clock.advance(timedelta(days=10))
    since = logged_in.service.clock.now()
    logged_in.service.clock.advance(timedelta(days=1))
    other = logged_in.service.merchant("乙店")
    theirs = logged_in.service.obtain_token(other, logged_in.service.consumer(), PROMOTIONS)
    ended = number_reassigned(logged_in.service.runtime, PhoneNumber.parse(NUMBERS[0]), since)
    assert ended == 1
    assert logged_in.code() == "consent_revoked"
    assert other.send(theirs).status_code == 202
    page = logged_in.service.consumer()
    shown = page.log_in().text
    assert "乙店" in shown
    assert "晨光书店" not in shown
    assert number_reassigned(logged_in.service.runtime, PhoneNumber.parse(NUMBERS[5]), since) == 0


# --- Receipts -----------------------------------------------------------------------------------


def test_a_yes_and_its_end_have_receipts_that_any_jose_library_verifies(
    logged_in: SignedIn,
) -> None:
    logged_in.service.clock.advance(timedelta(minutes=1))
    later = logged_in.service.clock.now() + timedelta(days=1)
    logged_in.merchant.send(logged_in.token, text="waits", send_at=later.isoformat())
    logged_in.act("revoke", stay="here")
    page = logged_in.consumer.get(f"/my/consents/{logged_in.grant}").text
    receipts = re.findall(r"/receipts/([A-Za-z0-9_-]{22})", page)
    assert len(receipts) == 2
    keys = logged_in.consumer.get("/.well-known/jwks.json").json["keys"]
    said = {}
    for receipt in receipts:
        assert logged_in.consumer.get(f"/receipts/{receipt}").status_code == 200
        file = logged_in.consumer.get(f"/receipts/{receipt}.json")
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
    for receipt in receipts:
        jws = logged_in.consumer.get(f"/receipts/{receipt}.json").json["jws"]
        assert logged_in.merchant.send(jws).json["code"] == "token_malformed"
    assert logged_in.consumer.get("/receipts/AAAAAAAAAAAAAAAAAAAAAA").status_code == 404


RECEIPT = re.compile(r'name="receipt" value="([^"]+)"')


def check(consumer: Consumer, receipt: str) -> Page:
    return consumer.post("/receipts/check", receipt=receipt)


def test_a_receipt_is_checked_on_the_spot(logged_in: SignedIn) -> None:
    consumer = logged_in.consumer
    consumer.get("/?lang=en")
    logged_in.act("revoke", stay="here")
    page = consumer.get(f"/my/consents/{logged_in.grant}").text
    told = set()
    for receipt in re.findall(r"/receipts/([A-Za-z0-9_-]{22})", page):
        shown = consumer.get(f"/receipts/{receipt}").text
        saved = consumer.get(f"/receipts/{receipt}.json").text
        for form in (found(RECEIPT, shown), saved):
            answer = check(consumer, form)
            assert answer.status_code == 200
            assert "This receipt is genuine." in answer.text
            assert "晨光书店" in answer.text
            told |= set(re.findall(r"you agreed to get|was withdrawn", answer.text))
    assert told == {"you agreed to get", "was withdrawn"}


def test_a_changed_receipt_is_found_out(logged_in: SignedIn) -> None:
    consumer = logged_in.consumer
    consumer.get("/?lang=en")
    page = consumer.get(f"/my/consents/{logged_in.grant}").text
    (receipt,) = re.findall(r"/receipts/([A-Za-z0-9_-]{22})", page)
    file = consumer.get(f"/receipts/{receipt}.json").json
    head, body, signature = file["jws"].split(".")
    payload = base64.urlsafe_b64decode(body + "==")
    more = base64.urlsafe_b64encode(payload.replace(b'"max":4', b'"max":9')).rstrip(b"=").decode()
    assert more != body
    shown = file | {"receipt": file["receipt"] | {"record_id": "another"}}
    for changed, words in (
        (f"{head}.{more}.{signature}", "This receipt was changed."),
        (f"{head}.{body}.{'A' * 86}", "This receipt was changed."),
        (json.dumps(shown), "This receipt was changed."),
        (f"{head}.{body}.é", "This receipt was changed."),
        (logged_in.token, "We did not sign this."),
        (f"{head}x.{body}.{signature}", "We did not sign this."),
        ("<b>hello</b>", "This is not a receipt."),
        ('{"jws": 1}', "This is not a receipt."),
        ("[" * 10_000, "This is not a receipt."),
        ("", "This is not a receipt."),
    ):
        answer = check(consumer, changed)
        assert (answer.status_code, words in answer.text) == (422, True), changed[:200]
        assert "This receipt is genuine." not in answer.text


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
    reduction: dict[str, object] = {
        "max_messages": 2,
        "expires_in_days": 30,
        "from": 600,
        "to": 1200,
    }
    consumer.post(path, None, purposes=[PROMOTIONS], phone=consumer.number, **reduction)
    shown = consumer.get(path).text
    for words in ("任意 30 天最多 2 条", "上午10点至晚上8点", "2021年12月11日"):
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


def from_a_message(logged_in: SignedIn, text: str = "offer") -> tuple[str, str]:
    """Return the link in a text that came, and the text."""
    logged_in.merchant.send(logged_in.token, text=text)
    logged_in.service.work()
    came = logged_in.consumer.texts()[-1]
    return f"/m/{found(LINK, came)}", came


def test_a_report_takes_two_taps_from_a_text_and_counts_once(logged_in: SignedIn) -> None:
    link, _ = from_a_message(logged_in)
    stranger = logged_in.service.app.test_client()
    csrf = re.compile(r'name="csrf" value="([^"]+)"')
    numbers = set()
    for reason in ("too_often", "fraud", "at_night"):
        first = stranger.post(
            link, data={"csrf": found(csrf, stranger.get(link).text), "action": "report"}
        )
        page = stranger.get(first.headers["Location"])
        filed = stranger.post(
            first.headers["Location"], data={"csrf": found(csrf, page.text), "reason": reason}
        )
        shown = stranger.get(filed.headers["Location"]).text
        assert "是按您的同意发的" in shown
        numbers.add(found(NUMBER, shown))
    assert len(numbers) == 1
    (complaint,) = filed_complaints(logged_in)
    assert (complaint.reason, complaint.verdict) == ("too_often", "under_consent")


def filed_complaints(logged_in: SignedIn) -> list[Complaint]:
    """Return all complaints about merchants, the newest first."""
    database = logged_in.service.runtime.database
    found = database.read(lambda transaction: complaints.latest(transaction, 100))
    return [each for each in found if each.merchant_id]


def test_merchants_see_complaints_in_groups_of_days_that_are_over(logged_in: SignedIn) -> None:
    other = logged_in.service.merchant("乙店")
    for reason in ("too_often", "fraud", "too_often"):
        link, _ = from_a_message(logged_in, f"offer {reason}")
        logged_in.consumer.post(f"{link}/report", reason=reason)
    paste(logged_in, "never sent")
    day = logged_in.service.clock.now().date().isoformat()

    def listed(query: str = "") -> dict[str, Any]:
        page: dict[str, Any] = logged_in.merchant.get(f"/v1/complaints{query}").get_json()
        return page

    assert listed()["items"] == [], "a day is shown once it is over"
    logged_in.service.clock.advance(timedelta(days=1))
    groups = [
        {"day": day, "purpose": None, "reason": "never_agreed", "count": 1},
        {"day": day, "purpose": PROMOTIONS, "reason": "fraud", "count": 1},
        {"day": day, "purpose": PROMOTIONS, "reason": "too_often", "count": 2},
    ]
    assert listed() == {"items": groups, "next": None}
    assert other.get("/v1/complaints").json["items"] == []
    link, _ = from_a_message(logged_in)
    logged_in.consumer.post(f"{link}/report", reason="other")
    logged_in.service.clock.advance(timedelta(days=1))
    page = listed("?limit=1")
    pages = list(page["items"])
    while page["next"]:
        page = listed(f"?limit=1&cursor={page['next']}")
        pages += page["items"]
    assert pages[:3] == groups
    assert [(each["reason"], each["count"]) for each in pages[3:]] == [("other", 1)]
    assert pages[3]["day"] > day


def paste(logged_in: SignedIn, text: str, sender: str = "106900011", **more: str) -> str:
    consumer = logged_in.service.consumer()
    consumer.post("/report", phone=consumer.number)
    at = (logged_in.service.clock.now() + timedelta(hours=8)).strftime("%Y-%m-%dT%H:%M")
    form = {"sender": sender, "text": text, "at": at, "reason": "never_agreed", **more}
    answer = consumer.post("/report", code=consumer.code(), **form)
    return answer.text if answer.status_code == 200 else consumer.get("/reports").text


def test_a_pasted_text_is_found_again(logged_in: SignedIn) -> None:
    _, text = from_a_message(logged_in)
    assert "是按您的同意发的" in paste(logged_in, text)
    assert "是按您的同意发的" in paste(logged_in, text.replace(" ", "").replace("，", ", "))


def test_a_pasted_text_is_found_after_all_was_stopped(logged_in: SignedIn) -> None:
    _, text = from_a_message(logged_in)
    logged_in.act("revoke_all")
    logged_in.service.clock.advance(timedelta(hours=3))
    assert "是按您的同意发的" in paste(logged_in, text)


def test_an_altered_text_a_wrong_time_and_a_foreign_sender(logged_in: SignedIn) -> None:
    _, text = from_a_message(logged_in)
    assert "没有您的同意" in paste(logged_in, text + "点击领奖")
    assert "没有您的同意" in paste(logged_in, text, at="2021-10-01T12:00")
    assert "不是从这里发出的" in paste(logged_in, text, sender="10086")
    assert {each.verdict for each in filed_complaints(logged_in)} == {"no_consent"}


def test_anothers_text_is_not_mine(logged_in: SignedIn) -> None:
    other = logged_in.service.consumer(NUMBERS[3])
    token = logged_in.service.obtain_token(logged_in.merchant, other, PROMOTIONS)
    logged_in.merchant.send(token, text="only to the other")
    logged_in.service.work()
    assert "没有您的同意" in paste(logged_in, other.texts()[-1])


def test_a_report_can_be_followed_and_said_more_about(logged_in: SignedIn) -> None:
    _, text = from_a_message(logged_in)
    number = found(NUMBER, paste(logged_in, text))
    later = logged_in.service.consumer(NUMBERS[4])
    page = later.get("/reports").text
    assert later.post("/reports", page, number="1234 5678 9012 3456").status_code == 422
    later.post("/reports", page, number=number)
    shown = later.get("/reports").text
    assert "已收到" in shown
    words = "they call me at " + NUMBERS[4]

    def show(data: bytes) -> int:
        fields = {"csrf": found(CSRF, shown), "action": "more", "said": words}
        return upload(later, "/reports", fields, data).status_code

    assert show(b"<svg onload=alert(1)>") == 422
    assert show(b"\x89PNG\r\n\x1a\n" + bytes(1000)) == 422, "only the first bytes are a PNG's"
    assert show(screenshot() + bytes(1024 * 1024)) in {413, 422}
    assert show(screenshot()) == 303
    assert "已经加上" in later.get("/reports").text
    with logged_in.service.runtime.database.engine.connect() as connection:
        said, kept = connection.exec_driver_sql("SELECT statement, picture FROM complaints").one()
    assert said
    assert kept
    assert not found_in(bytes(said)), "what a consumer writes is sealed"


def upload(consumer: Consumer, path: str, fields: dict[str, str], picture: bytes) -> Page:
    """Send a form as a browser does: the test client would leave a file of its own open."""
    parts = [
        f'--cut\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
        for name, value in fields.items()
    ]
    head = (
        '--cut\r\nContent-Disposition: form-data; name="picture"; filename="x.png"\r\n'
        "Content-Type: image/png\r\n\r\n"
    )
    body = "".join(parts).encode() + head.encode() + picture + b"\r\n--cut--\r\n"
    return consumer.browser.post(path, data=body, content_type="multipart/form-data; boundary=cut")


def screenshot() -> bytes:
    written = BytesIO()
    Image.new("RGB", (320, 640), "white").save(written, format="PNG")
    return written.getvalue()


def report_form(consumer: Consumer, **fields: str) -> dict[str, str]:
    """Ask for a code, and return the form of a pasted text with it, as it is filled in."""
    consumer.post("/report", phone=consumer.number)
    code = consumer.code()
    form = {"sender": "10086", "text": "恭喜您中奖了", "at": "2021-11-11T12:00", "reason": "fraud"}
    shown = {"csrf": found(CSRF, consumer.get("/report").text), "code": code}
    return form | shown | fields


@pytest.mark.parametrize(
    ("number", "code", "ready"),
    [
        ("+8613800138000", "12321", "MYSHOP*win now"),
        ("+447400123456", "7726", "win now"),
        ("+12025550143", "7726", "win now"),
        ("+33612345678", "33700", "win now"),
        ("+919876543210", "1909", "win now, MYSHOP, 11/11/21"),
        ("+4915123456789", "", "win now"),
    ],
)
def test_a_text_of_others_is_sent_on_to_whoever_takes_it(
    small: Service, number: str, code: str, ready: str
) -> None:
    consumer = small.consumer(number)
    consumer.get("/?lang=en")
    form = report_form(consumer, sender=" MYSHOP ", text="win now")
    answer = consumer.browser.post("/report", data=form)
    assert answer.status_code == 200
    assert "not sent through us" in answer.text
    assert found(re.compile(r"<textarea[^>]*readonly>([^<]*)</textarea>"), answer.text) == ready
    assert f"Report it to {code or 'your carrier'} too" in answer.text
    later = consumer.get("/reports").text
    assert f"Report it to {code or 'your carrier'} too" in later
    assert "win now" not in later, "the pasted text is kept nowhere"
    cookie = consumer.browser.get_cookie("session")
    assert cookie
    kept = base64.urlsafe_b64decode(cookie.value.split(".")[0] + "==")
    assert not [each for each in ("MYSHOP", "win now", number[1:]) if each.encode() in kept]


@pytest.mark.parametrize("sender", ["+1069 0001-1", "1069 00011", "１０６９０００１１"])
def test_a_sender_is_found_however_the_phone_writes_it(logged_in: SignedIn, sender: str) -> None:
    _, text = from_a_message(logged_in)
    assert "是按您的同意发的" in paste(logged_in, text, sender)


def test_a_screenshot_comes_with_the_first_form(small: Service) -> None:
    consumer = small.consumer()
    consumer.get("/?lang=en")
    form = report_form(consumer)
    assert "at most 1 MB" in (broken := upload(consumer, "/report", form, b"<svg/>")).text
    assert broken.status_code == 422
    answer = upload(consumer, "/report", form, screenshot())
    assert answer.status_code == 200
    assert "Screenshot" in answer.text
    with small.runtime.database.engine.connect() as connection:
        (kept,) = connection.exec_driver_sql("SELECT picture FROM complaints").one()
    assert kept


def test_a_report_with_a_screenshot_that_cannot_be_read_is_filed(small: Service) -> None:
    consumer = small.consumer()
    consumer.get("/?lang=en")
    damaged = b"\x89PNG\r\n\x1a\n" + bytes(1000)
    answer = upload(consumer, "/report", report_form(consumer), damaged)
    assert answer.status_code == 422
    assert "We have your report" in answer.text
    assert "Choose a PNG or JPEG" in answer.text
    form = {"csrf": found(CSRF, answer.text), "action": "more"}
    assert upload(consumer, "/reports", form, screenshot()).status_code == 303
    assert "Screenshot" in consumer.get("/reports").text


def test_the_reasons_of_most_reports_are_one_tap_each(logged_in: SignedIn) -> None:
    link, _ = from_a_message(logged_in)
    page = logged_in.consumer.get(f"{link}/report").text
    assert re.findall(r'name="reason" value="(\w+)"', page.split("<details>")[0]) == [
        "advert", "too_often", "never_agreed",
    ]  # fmt: skip


def test_the_reports_of_one_number_are_limited(logged_in: SignedIn) -> None:
    for place in range(10):
        paste(logged_in, f"spam {place}", sender="10086")
        logged_in.service.clock.advance(timedelta(hours=1))
    consumer = logged_in.service.consumer()
    consumer.post("/report", phone=consumer.number)
    answer = consumer.post(
        "/report", code=consumer.code(), sender="10086", text="x", at="2021-11-11T12:00",
        reason="other",
    )  # fmt: skip
    assert answer.status_code == 429


def test_bad_reports_are_answered(logged_in: SignedIn) -> None:
    consumer = logged_in.service.consumer()
    consumer.post("/report", phone=consumer.number)
    good = {"sender": "1069", "text": "x", "at": "2021-11-11T12:00", "reason": "other"}
    for name, bad in (
        ("sender", "--"), ("text", " "), ("at", "yesterday"), ("reason", "none"),
        ("code", "000000"),
    ):  # fmt: skip
        form = {"code": "999999", **good, name: bad}
        assert consumer.post("/report", **form).status_code == 422, name


# --- The global limit, raced --------------------------------------------------------------------


def test_of_two_hundred_sends_of_fifty_merchants_exactly_the_limit_leaves(
    service: Service,
) -> None:
    service = service.with_context(otp=WIDE)
    consumer = service.consumer()
    shops = [service.merchant(f"店{place}") for place in range(50)]
    tokens = [service.obtain_token(shop, consumer, PROMOTIONS, max_messages=100) for shop in shops]
    consumer.log_in()
    page = consumer.get("/my/wishes").text
    consumer.post("/my", page, action="limits", a_day=5)
    start = Barrier(20)
    answers: list[int] = []

    def send_ten(place: int) -> None:
        start.wait()
        for each in range(10):
            at = (place * 10 + each) % 50
            answers.append(shops[at].send(tokens[at], text="race").status_code)

    threads = [Thread(target=send_ten, args=(place,)) for place in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(answers) == 200
    assert answers.count(202) == 5
    service.work()
    assert len([text for text in consumer.texts() if "race" in text]) == 5


# --- Verdicts -----------------------------------------------------------------------------------


def verdict_shown(logged_in: SignedIn, text: str, *words: str, **more: str) -> None:
    """Report a pasted text, and look for the words of its verdict."""
    shown = paste(logged_in, text, **more)
    for expected in words:
        assert expected in shown


def came_in(logged_in: SignedIn) -> str:
    """Return when a text came, as the form wants it."""
    return (logged_in.service.clock.now() + timedelta(hours=8)).strftime("%Y-%m-%dT%H:%M")


def test_a_lawful_text_stays_lawful_after_forget_me_and_until_its_record_is_deleted(
    logged_in: SignedIn,
) -> None:
    _, text = from_a_message(logged_in)
    at = came_in(logged_in)
    logged_in.act("forget")
    verdict_shown(logged_in, text, "是按您的同意发的", "人工核查", at=at)
    logged_in.service.clock.advance(timedelta(days=184))
    logged_in.service.work()
    verdict_shown(logged_in, text, "是按您的同意发的", at=at)
    verdict_shown(logged_in, "x" + text, "没有您的同意", at=at)
    logged_in.service.clock.advance(timedelta(days=4))
    logged_in.service.work()
    for pasted in (text, "x" + text):
        verdict_shown(logged_in, pasted, "那段时间的记录已经删除", at=at)
    verdict_shown(logged_in, text, "没有您的同意")


def test_only_who_proves_the_number_learns_of_an_erased_text(logged_in: SignedIn) -> None:
    _, text = from_a_message(logged_in)
    logged_in.act("forget")
    other = logged_in.service.consumer(NUMBERS[5])
    other.post("/report", phone=other.number)
    form = {"sender": "106900011", "text": text, "at": came_in(logged_in), "reason": "fraud"}
    other.post("/report", code=other.code(), **form)
    assert "没有您的同意" in other.get("/reports").text


def test_what_is_left_of_an_erased_text_matches_no_other_row(logged_in: SignedIn) -> None:
    logged_in.service.clock.advance(timedelta(minutes=7))
    _, text = from_a_message(logged_in)
    logged_in.act("forget")
    with logged_in.service.runtime.database.engine.connect() as connection:
        left = connection.exec_driver_sql("SELECT * FROM erased_texts").mappings().one()
    assert set(left) == {"fingerprint", "sent_on", "verdict"}
    assert left["sent_on"] % 86_400 == 0
    assert left["verdict"] == "under_consent"
    assert text


def test_a_text_to_the_former_owner_is_not_the_new_owners_consent(logged_in: SignedIn) -> None:
    _, text = from_a_message(logged_in)
    new = logged_in.service.consumer()
    new.post("/my", phone=new.number)
    new.post("/my", new.get("/my").text, action="new_to_me", code=new.code())
    verdict_shown(logged_in, text, "前任机主的同意")


def test_an_invitation_is_called_one(logged_in: SignedIn) -> None:
    asked = {"purposes": ["marketing.events"], "token": logged_in.token}
    assert logged_in.merchant.post("/v1/consent-requests", asked).status_code == 201
    logged_in.service.work()
    verdict_shown(logged_in, logged_in.consumer.texts()[-1], "这条是邀请", "人工核查")


def test_our_own_codes_are_not_called_foreign(logged_in: SignedIn) -> None:
    code = [text for text in logged_in.consumer.texts() if "验证码" in text][-1]
    sender = logged_in.service.runtime.service.sender
    verdict_shown(logged_in, code, "无法核对", sender=sender)


def test_a_dispute_ends_with_the_decision(logged_in: SignedIn) -> None:
    _, text = from_a_message(logged_in)
    verdict_shown(logged_in, text, "人工核查")
    runtime = logged_in.service.runtime
    public_id = runtime.ids.complaint.encode(filed_complaints(logged_in)[0].key)
    decide_complaint(runtime, public_id, ComplaintStatus.NOT_UPHELD)
    shown = paste(logged_in, text)  # the same report, found again
    assert "人工核查" not in shown
    assert "未发现违规" in shown
