"""`/merchant/templates`: check, submit, read what was decided, appeal."""

import re

from consent_tokens.consent.purposes import Purpose
from consent_tokens.services.admission import template_moves, template_reviews
from tests.console_people import ConsoleUser, events_by, merchant_person
from tests.service import REVIEWER, Page, Service

TEXT = "您的订单{order}已经发货，预计{date}送达，请留意收件。"
FORM = {"purpose": "orders.updates", "text": TEXT}


def submit(user: ConsoleUser, **form: str) -> str:
    """Submit a template; return the path of its page."""
    answer = user.post("/templates", **FORM | form)
    assert answer.status_code == 303, answer.text
    return answer.headers["Location"].removeprefix("/merchant")


FAULTY = [  # what is entered, where the fault is, and what it says
    ({"purpose": ""}, "purpose", "Choose what the texts are about."),
    ({"text": ""}, "text", "1 to 500 characters"),
    ({"text": "{order}已经发货，请留意"}, "text", "begins with fixed text. (order)"),
    ({"text": "您的{thing}已经发货，请留意收件。"}, "variables", "Declare the type"),
    ({"type-order": "order", "max-order": "99"}, "variables", "(order)"),
    ({"type-order": "choice", "more-order": ""}, "variables", "1 to 20 values"),
    ({"type-order": "link", "more-order": "evil.example/*"}, "variables", "Register the domain"),
    ({"text": "x" * 600}, "text", "1 to 500 characters"),
    ({"event_type": "Order!"}, "event_type", "lower-case"),
    ({"purpose": "marketing.promotions", "essential": "on"}, "essential", "transactional"),
]  # fmt: skip


def test_the_check_names_each_fault_at_its_field_and_stores_nothing(small: Service) -> None:
    user = merchant_person(small, small.merchant().id, "marketer")
    for form, field, words in FAULTY:
        for path in ("/templates/check", "/templates"):
            answer = user.post(path, **FORM | form)
            assert answer.status_code == 422, (form, answer.text)
            assert f'href="#{field}"' in answer.text, form
            assert f'id="{field}"' in answer.text, form
            assert words in answer.text, (form, re.findall('class="fault".*', answer.text))
    assert "You have no templates yet" in user.get("/templates").text


def test_a_text_is_checked_submitted_decided_and_submitted_again(small: Service) -> None:
    merchant = small.merchant()
    user = merchant_person(small, merchant.id, "marketer")
    checked = user.post("/templates/check", **FORM)
    assert "2 segments" in checked.text
    assert "Submit for review" in checked.text
    path = submit(user)
    template_id = path.rpartition("/")[2]
    assert "Until then, texts of this version do not leave." in user.get(path).text
    template_reviews.refuse(small.runtime, REVIEWER, template_id, reason="Say which shop it is.")
    assert "Say which shop it is." in user.get(path).text
    form = user.get(f"/templates/new?template={template_id}").text
    assert TEXT in form
    assert submit(user, template=template_id, text=TEXT + "多谢惠顾。") == path
    template_reviews.approve(small.runtime, REVIEWER, template_id)
    shown = user.get(path).text
    assert "Approved" in shown
    assert "Say which shop it is." in shown  # of the first version
    listed = user.get("/templates?status=approved")
    assert listed.text.count(template_id) == 2, listed.text
    assert template_id not in user.get("/templates?status=refused").text
    assert template_id in user.get("/templates?format=csv").text
    assert "template_submitted" in events_by(user)


def test_a_template_of_another_merchant_is_not_found(small: Service) -> None:
    path = submit(merchant_person(small, small.merchant().id))
    stranger = merchant_person(small, small.merchant("Another shop").id, name="other@shop.example")
    template_id = path.rpartition("/")[2]
    answers: list[Page] = [
        stranger.get(path),
        stranger.get(f"/templates/new?template={template_id}"),
        stranger.post("/templates/check", **FORM, template=template_id),
        stranger.post("/templates", **FORM, template=template_id),
        stranger.post(f"{path}/appeal", reason="It is ours."),
    ]
    assert [each.status_code for each in answers] == [404] * len(answers)
    assert template_id not in stranger.get("/templates").text


def test_a_merchant_appeals_once_against_another_purpose(small: Service) -> None:
    merchant = small.merchant()
    user = merchant_person(small, merchant.id, "marketer")
    path = submit(user)
    template_id = path.rpartition("/")[2]
    assert user.post(f"{path}/appeal", reason="No.").status_code == 409
    template_moves.recategorise(
        small.runtime, REVIEWER, template_id,
        purpose=Purpose("marketing.promotions"), reason="It advertises.",
    )  # fmt: skip
    assert "It advertises." in user.get(path).text
    assert user.post(f"{path}/appeal", reason="").status_code == 422
    assert user.post(f"{path}/appeal", reason="It names an order.").status_code == 303
    assert "Nobody has decided it yet." in user.get(path).text
    assert user.post(f"{path}/appeal", reason="Again.").status_code == 409
    assert "template_appealed" in events_by(user)
