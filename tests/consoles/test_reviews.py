"""Reviews in the operator's console: each kind waits in the queue, is shown whole, and decided."""

import io
import re
from datetime import timedelta
from typing import Any

import pytest
from msgspec.structs import replace

from consent_tokens.relay.pacing import PacingKind, PacingStatus, Reactions, new_pacing
from consent_tokens.services.admission import sender_applications, template_reviews
from consent_tokens.services.admission.applications import apply
from consent_tokens.services.admission.documents import DocumentFile
from consent_tokens.services.admission.senders import SenderDetails, add_sender, new_sender
from consent_tokens.store import pacings, reviews
from consent_tokens.web.console.difference import Part, difference
from tests.console_people import ConsoleUser, operator
from tests.service import (
    ORDERS,
    PROMOTIONS,
    REVIEWER,
    Merchant,
    Page,
    Service,
    application,
    registration_of,
)

ADVERT = "订单{order}已发出，领取红包"


def submit(merchant: Merchant, text: str, purpose: str = ORDERS, id_: str = "") -> str:
    body = {"purpose": purpose, "text": text} | ({"template": id_} if id_ else {})
    submitted = merchant.post("/v1/templates", body)
    assert submitted.status_code == 201, submitted.text
    return str(submitted.get_json()["id"])


def apply_for_sender(service: Service, merchant: Merchant, extension: str) -> str:
    details = SenderDetails(carrier="China Mobile")
    sender = new_sender(
        service.runtime, merchant.id, port="10690777", extension=extension,
        signature="晨光书店", details=details,
    )  # fmt: skip
    found = service.runtime.database.run(
        lambda at: sender_applications.submit(service.runtime, at, merchant.id, sender, details)
    )
    return found.sender.id


def last_decision(service: Service, subject: str) -> tuple[str, str | None, str]:
    found = service.runtime.database.read(lambda at: reviews.of_subject(at, subject))[-1]
    return found.action, found.reason, found.operator_id


def answer(user: ConsoleUser, path: str, **form: Any) -> Page:  # noqa: ANN401 - form fields
    """Submit a form, with the second factor if it is asked for; return the last page."""
    page = user.post(path, **form)
    return user.step_up(page, path, **form) if 'name="step_up_code"' in page.text else page


def decide(user: ConsoleUser, path: str, **form: Any) -> int:  # noqa: ANN401 - form fields
    """Submit a decision; return its status."""
    return answer(user, path, **form).status_code


def test_what_waits_is_in_the_queue_of_its_kind_with_what_is_due_first(small: Service) -> None:
    shop = small.legal_merchant()
    ann = operator(small, "reviewer")
    assert "Nothing waits for a decision." in ann.get("/reviews").text
    applicant = apply(small.runtime, application("小山茶馆", number=7))
    sender_id = apply_for_sender(small, shop, "1")
    template_id = submit(shop, ADVERT)
    small.clock.advance(timedelta(days=2))
    ann.sign_in()
    paths = {
        "/reviews/applications": f"/console/reviews/applications/{applicant.id}",
        "/reviews/senders": f"/console/reviews/senders/{sender_id}",
        "/reviews/templates": f"/console/templates/{template_id}",
    }
    for queue, path in paths.items():
        shown = ann.get(queue).text
        assert re.findall(r'data-item href="([^"]+)"', shown) == [path], queue
        assert ann.get(path.removeprefix("/console")).status_code == 200, path
    everything = ann.get("/reviews").text
    assert re.findall(r'data-item href="([^"]+)"', everything)[0] == paths["/reviews/templates"]
    assert "overdue" in everything
    assert "小山茶馆" in ann.get("/reviews?format=csv").text


@pytest.mark.parametrize("decision", ["approve", "return", "refuse"])
def test_an_application_is_decided_by_a_reason_of_the_list_and_words(
    small: Service, decision: str
) -> None:
    small.legal_merchant()
    document = DocumentFile("licence.pdf", b"%PDF-1.4 licence")
    twin = application("晨光书店上海", number=8, contact="400 001 0000", documents=[document])
    applicant = apply(small.runtime, twin)
    ann = operator(small, "reviewer")
    path = f"/reviews/applications/{applicant.id}"
    shown = ann.get(path).text
    assert "licence.pdf" in shown
    assert "part of the name" in shown  # shared with the other merchant
    link = re.search(r'/console(/documents/[^"]+)"', shown)
    assert link
    assert ann.get(link[1]).data == document.content
    form: dict[str, Any] = {"class": ["marketing"], "checked_by": "Ann"}
    if decision != "approve":
        assert decide(ann, f"{path}/{decision}") == 422
        assert decide(ann, f"{path}/{decision}", reason="other") == 422
        form = {"reason": "use", "words": "Which\nloans?"}
    decided = answer(ann, f"{path}/{decision}", **form)
    action, reason, by = last_decision(small, applicant.id)
    assert (action, by) == (decision, ann.person.id)
    if decision == "approve":
        assert "<code>ctk_" in decided.text
        assert "Approved" in ann.get(path).text
    else:
        assert reason
        assert reason.endswith(". Which loans?")
        assert reason in ann.get(path).text
    assert decide(ann, f"{path}/{decision}", **form) == 409  # it is decided


def test_a_sender_shows_what_is_in_its_way_and_is_admitted_or_refused(small: Service) -> None:
    shop = small.legal_merchant()
    first, second = apply_for_sender(small, shop, "1"), apply_for_sender(small, shop, "2")
    ann = operator(small, "reviewer")
    assert decide(ann, f"/reviews/senders/{first}/approve") == 303
    assert last_decision(small, first)[0] == "approve"
    assert decide(ann, f"/reviews/senders/{second}/refuse", reason="filing") == 303
    assert last_decision(small, second)[1] == "The carrier has not filed the port for this use."
    third = apply_for_sender(small, shop, "3")
    add_sender(
        small.runtime, shop.id, port="10690777", extension="3", signature="晨光书店", actor=REVIEWER
    )
    assert "The port with this extension is not free." in ann.get(f"/reviews/senders/{third}").text
    assert decide(ann, f"/reviews/senders/{third}/approve") == 422


def test_a_template_is_shown_beside_its_former_version_and_decided(small: Service) -> None:
    shop = small.legal_merchant()
    ann = operator(small, "reviewer")
    template_id = submit(shop, "订单{order}已发出")
    path = f"/templates/{template_id}"
    assert decide(ann, f"{path}/approve", terms="1", texts_per_event="9") == 422
    assert decide(ann, f"{path}/approve", terms="1", texts_per_event="2") == 303
    assert last_decision(small, f"{template_id}:1")[0] == "approve"
    submit(shop, ADVERT, id_=template_id)
    shown = ann.get(path).text
    assert "<ins>，领取红包</ins>" in shown
    assert "offer: 红包" in shown
    assert "88888888" in shown  # the longest order number
    assert decide(ann, f"{path}/refuse", reason="advert", words="红包") == 303
    assert decide(ann, f"{path}/hold", reason="values") == 303
    assert decide(ann, f"{path}/release", reason="values") == 303
    assert decide(ann, f"{path}/withdraw", reason="misleading") == 303
    subjects = [f"{template_id}:1", f"{template_id}:2"]
    found = small.runtime.database.read(lambda at: reviews.newest_of(at, subjects, 10))
    actions = {each.action for each in found}
    assert actions == {"approve", "refuse", "hold", "release", "withdraw"}


def test_an_essential_template_needs_a_second_person(small: Service) -> None:
    shop = small.legal_merchant()
    template_id = submit(shop, "您的账户{order}已锁定")
    path = f"/templates/{template_id}"
    ann, bob = operator(small, "reviewer"), operator(small, "reviewer", "Bob Reviewer")
    assert decide(ann, f"{path}/approve", terms="1", essential="on") == 303
    assert "a second person has to approve it" in ann.get(path).text
    assert decide(ann, f"{path}/approve", terms="1", essential="on") == 409
    assert decide(bob, f"{path}/approve", terms="1", essential="on") == 303
    assert "Approved" in bob.get(path).text


def test_an_appeal_is_decided_by_another_person(small: Service) -> None:
    shop = small.legal_merchant()
    ann, bob = operator(small, "reviewer"), operator(small, "reviewer", "Bob Reviewer")
    template_id = submit(shop, ADVERT)
    path = f"/templates/{template_id}"
    template_reviews.approve(small.runtime, REVIEWER, template_id)
    assert decide(ann, f"{path}/purpose", purpose="nothing", reason="advert") == 422
    assert decide(ann, f"{path}/purpose", purpose=PROMOTIONS, reason="advert") == 303
    appealed = shop.post(f"/v1/templates/{template_id}/appeal", {"reason": "It is about an order."})
    assert appealed.status_code == 200, appealed.text
    assert path in ann.get("/reviews/appeals").text
    assert "Another person decides the appeal." in ann.get(path).text
    form = {"decision": "upheld", "reason": "upheld"}
    assert decide(ann, f"{path}/appeal", **form) == 403
    assert decide(bob, f"{path}/appeal", **form) == 303
    assert path not in ann.get("/reviews/appeals").text


def test_the_difference_of_two_texts_is_by_word_and_by_character() -> None:
    assert difference("订单{order}已发出", "订单{code}已发出 now") == (
        [Part("订单", False), Part("{order}", True), Part("已发出", False)],
        [Part("订单", False), Part("{code}", True), Part("已发出", False), Part(" now", True)],
    )


def test_a_new_template_whose_rest_is_held_back_waits_and_goes_on(small: Service) -> None:
    shop = small.legal_merchant()
    ann = operator(small, "reviewer")
    template_id = submit(shop, "本店新书上架，欢迎选购", PROMOTIONS)
    template_reviews.approve(small.runtime, REVIEWER, template_id)
    now = small.clock.now()
    held = replace(
        new_pacing(
            template_id, 1, merchant_id=shop.id, kind=PacingKind.LIMITED, is_budgeted=True, now=now
        ),
        status=PacingStatus.HELD,
        held_at=now,
        waiting_since=now,
        seen=Reactions(people=480, stops=31, complainants=4),
        held=9_520,
    )
    small.runtime.database.run(lambda at: pacings.save(at, held))
    path = f"/templates/{template_id}"
    assert f'data-item href="/console{path}"' in ann.get("/reviews/templates").text
    shown = ann.get(path).text
    assert "9,520" in shown
    assert "480" in shown
    assert decide(ann, f"{path}/pacing/release") == 422
    assert decide(ann, f"{path}/pacing/release", reason="text") == 303
    assert "Leaves in parts" in ann.get("/templates").text
    assert path not in ann.get("/reviews").text
    assert decide(ann, f"{path}/pacing/drop", reason="stops") == 303
    assert "Rest refused" in ann.get(path).text


def test_an_application_is_entered_sent_back_and_mended(small: Service) -> None:
    ann = operator(small, "reviewer")
    form: dict[str, Any] = {
        "name": "小山茶馆", "legal_name": "小山茶馆有限公司", "country": "CN",
        "registration": registration_of(7), "contact": "400 007 0000", "class": ["marketing"],
        "link_domains": "tea.example", "wanted_use": "new teas, to members",
    }  # fmt: skip
    wrong: list[dict[str, Any]] = [
        {"registration": "1"}, {"country": "X"}, {"name": ""}, {"class": []},
        {"link_domains": "no domain!"}, {"website": "ftp://x"},
    ]  # fmt: skip
    for each in wrong:
        page = ann.post("/applications", **form | each)
        assert page.status_code == 422, each
        assert 'aria-invalid="true"' in page.text or "class-fault" in page.text, each
        assert "小山茶馆有限公司" in page.text, "what was entered stays"
    scan = (io.BytesIO(b"%PDF-1.4 licence"), "licence.pdf")
    submitted = ann.post("/applications", **form, document=scan)
    assert submitted.status_code == 303, submitted.text
    path = submitted.location.removeprefix("/console")
    shown = ann.get(path).text
    for said in ("licence.pdf", "tea.example", "new teas, to members"):
        assert said in shown
    mending = f"/applications/new?amends={path.rpartition('/')[2]}"
    assert ann.post("/applications", **form, amends=path.rpartition("/")[2]).status_code == 422
    assert decide(ann, f"{path}/return", reason="use") == 303
    assert mending in ann.get(path).text
    assert "new teas, to members" in ann.get(mending).text
    mended = ann.post(
        "/applications", **form | {"wanted_use": "news"}, amends=path.rpartition("/")[2]
    )
    assert mended.location.endswith(path)
    assert "news" in ann.get(path).text
    assert operator(small, "auditor", "Eve").get("/applications/new").status_code == 403
