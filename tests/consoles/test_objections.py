"""Objections to a refusal or suspension: filed once, decided by somebody else, answered."""

import re
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import event

from consent_tokens.services.admission import sender_applications, template_reviews
from consent_tokens.services.admission.suspension import suspend
from consent_tokens.services.admission.template_standings import read_template
from consent_tokens.services.people import objections
from consent_tokens.store import events
from tests.console_people import ConsoleUser, merchant_person, operator
from tests.consoles.test_reviews import apply_for_sender, submit
from tests.service import Merchant, Service

TEXT = "您的订单{order}已发出"


def refuse_template(service: Service, shop: Merchant, by: ConsoleUser, *, is_abuse: bool) -> str:
    template = submit(shop, TEXT)
    template_reviews.refuse(
        service.runtime, by.person.actor, template, reason="It advertises.", is_abuse=is_abuse
    )
    return template


def file_objection(user: ConsoleUser, words: str = "It is an order.") -> str:
    """Object to the only decision; return the path of the objection in the operator's console."""
    page = user.get("/objections").text
    (decision,) = re.findall(r'name="decision" value="([^"]+)"', page)
    assert user.post("/objections", page, decision=decision, words="").status_code == 422
    assert user.post("/objections", page, decision=decision, words=words).status_code == 303
    assert user.post("/objections", page, decision=decision, words=words).status_code == 404
    again = user.get("/objections").text
    assert words in again
    assert "Not decided yet" in again
    assert "could object to" in again
    return str(decision)


def objection_of(reviewer: ConsoleUser) -> str:
    queue = reviewer.get("/reviews/appeals").text
    (path,) = re.findall(r'href="/console(/reviews/objections/[^"]+)"', queue)
    return str(path)


def test_what_may_be_objected_to_is_read_at_once_however_much_it_is(small: Service) -> None:
    shop = small.legal_merchant()
    ann = operator(small, "reviewer")
    counts = []
    for text in ("您的订单{order}已发出", "您的订单{order}已签收", "您的订单{order}已退款"):
        template_reviews.refuse(
            small.runtime, ann.person.actor, submit(shop, text), reason="No.", is_abuse=False
        )
        statements: list[str] = []

        def note(*found: Any, into: list[str] = statements) -> None:  # noqa: ANN401 - its own
            into.append(found[2])

        engine = small.runtime.database.engine
        event.listen(engine, "before_cursor_execute", note)
        listed = objections.list_objectionable(small.runtime, shop.id)
        event.remove(engine, "before_cursor_execute", note)
        counts.append((len(listed), len(statements)))
    assert [listed for listed, _ in counts] == [1, 2, 3]
    assert len({count for _, count in counts}) == 1
    small.clock.advance(objections.OBJECTION_WITHIN + timedelta(days=1))
    assert objections.list_objectionable(small.runtime, shop.id) == []


@pytest.mark.parametrize("is_abuse", [False, True])
def test_a_refused_template_is_reviewed_again_by_somebody_else(
    small: Service, *, is_abuse: bool
) -> None:
    shop = small.legal_merchant()
    owner = merchant_person(small, shop.id)
    ann, ben = operator(small, "reviewer"), operator(small, "reviewer", "Ben Reviewer")
    template = refuse_template(small, shop, ann, is_abuse=is_abuse)
    file_objection(owner)
    path = objection_of(ann)
    assert "Another person decides" in ann.get(path).text
    form = {"decision": "upheld", "reason": "other", "words": "You are right."}
    assert ann.post(path, **form).status_code == 403
    assert ben.post(path, **form | {"reason": ""}).status_code == 422
    assert ben.post(path, **form).status_code == 303
    assert ben.post(path, **form).status_code == 409
    assert read_template(small.runtime, None, template).version.template.status == "submitted"
    assert "You are right." in owner.get("/objections").text
    assert "It is reviewed again" in owner.get("/objections").text
    template_reviews.approve(small.runtime, ben.person.actor, template)
    start = small.clock.now() - timedelta(days=1)
    partition = owner.person.partition
    found = small.runtime.database.read(lambda at: events.of_partition(at, partition, start))
    assert {(each.kind, each.actor) for each in found if each.kind.startswith("objection")} == {
        ("objection_made", owner.person.id), ("objection_decided", ben.person.id),
    }  # fmt: skip


def test_a_refused_sender_waits_again_or_stays_refused(small: Service) -> None:
    shop = small.legal_merchant()
    owner, viewer = (
        merchant_person(small, shop.id, role, f"{role}@shop.example")
        for role in ("owner", "viewer")
    )
    ann, ben = operator(small, "reviewer"), operator(small, "reviewer", "Ben Reviewer")
    for decision, waits, answer in (
        ("dismissed", 0, "The decision stays."),
        ("upheld", 1, "again"),
    ):
        sender = apply_for_sender(small, shop, "77")
        sender_applications.refuse(small.runtime, ann.person.actor, sender, "Not filed.")
        assert "An owner can object." in viewer.get("/objections").text
        file_objection(owner)
        form = {"decision": decision, "reason": decision}
        assert ben.post(objection_of(ben), **form).status_code == 303
        assert len(sender_applications.list_submitted(small.runtime, shop.id)) == waits
        assert answer in owner.get("/objections").text


def test_a_suspension_is_lifted_once_a_second_administrator_agrees(small: Service) -> None:
    shop = small.legal_merchant()
    owner = merchant_person(small, shop.id)
    ann, ben = operator(small), operator(small, "admin", "Ben Admin")
    reviewer = operator(small, "reviewer", "Cleo Reviewer")
    suspend(small.runtime, ann.person.actor, shop.id, "Too many complaints.")
    file_objection(owner, "They were about another shop.")
    path = objection_of(reviewer)
    form = {"decision": "upheld", "reason": "upheld"}
    assert reviewer.post(path, **form).status_code == 403
    assert "Only an administrator can uphold" in reviewer.get(path).text
    assert ben.post(path, **form).status_code == 303
    assert "A second person approves it" in owner.get("/objections").text
    assert "Lift" in ben.get("/proposals").text
