"""The figures of the consoles: what was counted, of whom, up to when, and what a merchant sees."""

from datetime import timedelta

from consent_tokens.evidence.complaints import ComplaintReason
from consent_tokens.evidence.rollups import EXPIRED
from consent_tokens.relay.decision import Reason
from consent_tokens.services.complaints import report_message
from consent_tokens.services.rollups.counting import add_increments
from consent_tokens.services.submission.message_status import get_message
from consent_tokens.web.consoles.reason_labels import REFUSALS
from tests.console_people import merchant_person, operator
from tests.number_scan import NUMBERS
from tests.service import PROMOTIONS, Service

COMPLAINTS = 'aria-label="Complaints per million texts: {} per million texts"'
TEXT = "新书到店，欢迎光临晨光书店。"


def test_each_reason_of_a_refusal_has_words_and_advice() -> None:
    assert set(REFUSALS) == {*Reason, EXPIRED}


def test_figures_of_today_and_of_four_weeks(small: Service) -> None:
    """Complaints alarm the operator at once; the merchant sees them when the day is over."""
    shop, stranger = small.legal_merchant(), small.merchant("彗星书店")
    template = small.template(shop, PROMOTIONS, TEXT)["id"]
    auditor = operator(small, "auditor")
    viewer = merchant_person(small, shop.id, "viewer")
    other = merchant_person(small, stranger.id, name="other@shop.example")
    assert "Nobody complained." in auditor.get().text
    sender = token = ""
    for number in NUMBERS[:3]:
        token = small.obtain_token(shop, small.consumer(number), PROMOTIONS)
        body = {"token": token, "purpose": PROMOTIONS, "template": template}
        handle = shop.post("/v1/messages", body).get_json()["id"]
        small.work()
        message = get_message(small.runtime, shop.id, handle)
        sender = message.sender_id or ""
        report_message(small.runtime, message, ComplaintReason.TOO_OFTEN)
    assert shop.send(token, "none.such").status_code == 403
    while add_increments(small.runtime):
        pass
    shown = auditor.get().text
    for words in (
        "which had none in the four weeks before", "3 today.", "1,000,000 <span", "100 %",
        "purpose not agreed to", "99 of 100 got 1 or fewer", ">+3 −0<",
    ):  # fmt: skip
        assert words in shown, words
    for path in (f"/merchants/{shop.id}", f"/senders/{sender}", f"/templates/{template}"):
        assert "accepted: 3" in auditor.get(path).text
        assert "Nothing was sent or refused" not in auditor.get(path).text
    days = auditor.get("?format=csv").text.splitlines()
    assert len(days) == 29
    assert days[-1].endswith(",3,1,3,3,0,0,3,3,0")
    assert auditor.get(f"/figures/{template}").text.splitlines()[-1].endswith(",3,0,3,3,0,0,3,0,0")
    reasons = auditor.get(f"/figures/{shop.id}?file=reasons").text.splitlines()
    assert reasons[1:] == ["Refused,purpose_not_granted,purpose not agreed to,1"]
    assert "Send only for purposes that the consent has." in viewer.get().text
    assert "By purpose" in viewer.get().text
    assert "purpose_not_granted" not in other.get().text
    assert COMPLAINTS.format("0") in viewer.get().text
    small.clock.advance(timedelta(days=1))
    viewer, auditor = merchant_person(small, shop.id, "viewer", "two"), operator(small, name="Two")
    assert COMPLAINTS.format("1,000,000") in viewer.get("?days=28").text
    assert viewer.get("?format=csv&file=days").text.splitlines()[-2].endswith(",3,1,3,3,0,0,3,3,0")
    assert "yesterday: 1,000,000" in auditor.get().text
    assert "Merchants by complaints" in auditor.get("?days=28").text


def test_a_text_that_left_after_a_stop_is_shown(small: Service) -> None:
    shop, ann = small.merchant(), operator(small)
    token = small.obtain_token(shop, small.consumer())
    shop.send(token)
    small.clock.advance(timedelta(minutes=1))
    assert "the first was due" in ann.get().text
    small.work()
    assert "the first was due" not in ann.get().text
    small.clock.advance(timedelta(minutes=1))
    assert shop.post("/v1/tokens/revoke", {"token": token}).status_code == 200
    assert "of 1 consents that ended today" in ann.get().text
    assert "texts left after their consent had ended" not in ann.get().text
    late = int(small.clock.now().timestamp()) + 1
    small.runtime.database.run(
        lambda transaction: transaction.exec_driver_sql(f"UPDATE messages SET send_at = {late}")  # noqa: S608 - a number
    )
    assert "1 texts left after their consent had ended today." in ann.get().text
