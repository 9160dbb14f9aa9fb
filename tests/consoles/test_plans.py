"""Plans in the consoles: merchants state, change and withdraw them; operators see all."""

import re
from datetime import timedelta
from typing import Any

import pytest

from consent_tokens.consent.purposes import PurposeClass
from consent_tokens.rules_source import RulesSource
from consent_tokens.services import plans
from tests.admissions import insert_template
from tests.api.test_test_keys import with_test_key
from tests.console_people import ConsoleUser, events_by, merchant_person, operator
from tests.service import ORDERS, PROMOTIONS, Page, Service, found
from tests.stories.test_plans import IN_NOVEMBER, PEAKS
from tests.unit.test_rule_limits import rules_of

PLAN = re.compile(r"/merchant(/plans/plan_[0-9a-f]{16})")
TIMES = {"starts_at": "2021-11-12T00:00", "ends_at": "2021-11-13T00:00"}  # of Shanghai
FORM: dict[str, Any] = {**TIMES, "messages": "50000", "reference": "autumn"}


def stated(user: ConsoleUser, **form: str) -> str:
    """State a plan; return the path of its page."""
    answer = user.post("/plans", **FORM | form)
    assert answer.status_code == 303, answer.text
    return found(PLAN, answer.headers["Location"])


def test_a_plan_is_stated_changed_and_withdrawn(small: Service) -> None:
    merchant = small.merchant()
    user = merchant_person(small, merchant.id, "marketer")
    assert "You have stated no plan." in user.get("/plans").text
    path = stated(user)
    assert "The plan is stated." in user.get(path).text
    plan = merchant.get("/v1/plans").json["items"][0]
    assert plan["starts_at"] == "2021-11-11T16:00:00+00:00"
    assert (plan["messages"], plan["reference"], plan["status"]) == (50_000, "autumn", "upcoming")
    assert "50,000" in user.get("/plans").text
    shown = user.get(path).text
    assert 'value="2021-11-12T00:00"' in shown, "the form has what was stated"
    changed = user.post(path, shown, **FORM | {"messages": "60000", "purpose": PROMOTIONS})
    assert changed.status_code == 303, changed.text
    after = merchant.get("/v1/plans").json["items"][0]
    assert (after["id"], after["messages"], after["purpose"]) == (plan["id"], 60_000, PROMOTIONS)
    for words in ("Change the plan", "Withdraw the plan"):
        assert words in user.get(path).text
    assert user.post(f"{path}/withdraw").status_code == 303
    assert merchant.get("/v1/plans?status=withdrawn").json["items"][0]["id"] == plan["id"]
    for words in ("Change the plan", "Withdraw the plan"):
        assert words not in user.get(path).text
    assert "autumn" in user.get(path).text, "what it was is still shown"
    assert user.post(path, **FORM | {"messages": "x"}).status_code == 409
    assert user.post(path, **FORM).status_code == user.post(f"{path}/withdraw").status_code == 409
    recorded = [each for each in events_by(user) if each.startswith("plan_")]
    assert sorted(recorded) == ["plan_changed", "plan_stated", "plan_withdrawn"]


@pytest.mark.parametrize(
    ("field", "entered"),
    [
        ("starts_at", ""), ("starts_at", "tomorrow"), ("starts_at", "2024-01-01T00:00"),
        ("ends_at", "2021-11-12T00:00"), ("ends_at", "2021-10-01T00:00"),
        ("ends_at", "2022-01-01T00:00"), ("ends_at", "9999-12-31T23:59"),
        ("messages", ""), ("messages", "0"), ("messages", "-1"), ("messages", "1.5"),
        ("messages", "٣"), ("messages", "9" * 500), ("purpose", "marketing.nothing"),
        ("template", "t_other"), ("template", "x" * 500), ("sender", "s_other"),
        ("reference", "x" * 101), ("reference", "a\nb"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_plan_is_said_at_its_field(
    small: Service, field: str, entered: str
) -> None:
    user = merchant_person(small, small.merchant().id)
    answer = user.post("/plans", **FORM | {field: entered})
    assert answer.status_code == 422
    assert f'id="{field}-fault"' in answer.text
    assert f'id="{field}"' in answer.text, "the summary leads to the field"
    if field != "reference":
        assert 'value="autumn"' in answer.text, "what was entered is kept"
    assert "You have stated no plan." in user.get("/plans").text


def test_a_plan_of_a_template_and_a_sender_is_chosen_from_the_own_ones(small: Service) -> None:
    merchant = small.merchant()
    template = insert_template(small.runtime, merchant.id, ORDERS)
    sender = merchant.get("/v1/senders").json["items"][0]
    user = merchant_person(small, merchant.id)
    form = user.get("/plans/new").text
    assert f'value="{template}"' in form
    assert f'value="{sender["id"]}"' in form
    stated(user, template=template, sender=sender["id"])
    plan = merchant.get("/v1/plans").json["items"][0]
    assert (plan["template"], plan["sender"]) == (template, sender["id"])


def test_nobody_sees_or_changes_the_plan_of_another_merchant(small: Service) -> None:
    path = stated(merchant_person(small, small.merchant().id))
    stranger = merchant_person(small, small.merchant("Other").id, name="x@shop.example")
    assert stranger.get(path).status_code == 404
    assert stranger.post(path, **FORM).status_code == 404
    assert stranger.post(f"{path}/withdraw").status_code == 404


def test_a_purpose_that_is_not_offered_any_more_stays_in_its_plan(small: Service) -> None:
    merchant = small.legal_merchant(classes=[PurposeClass.MARKETING])
    user = merchant_person(small, merchant.id)
    times = {name: f"{at}:00+08:00" for name, at in TIMES.items()}
    unusable = {"purpose": "finance.loans", "messages": 5}
    plan = merchant.post("/v1/plans", {**times, **unusable}).json
    shown = user.get(f"/plans/{plan['id']}").text
    assert '<option value="finance.loans" selected>' in shown
    assert "finance.loans" not in user.get("/plans/new").text
    changed = FORM | {"purpose": "finance.loans", "messages": "5"}
    assert user.post(f"/plans/{plan['id']}", shown, **changed).status_code == 303
    assert merchant.get(f"/v1/plans/{plan['id']}").json["stated_at"] == plan["stated_at"]


def test_there_are_so_many_plans_at_most(small: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plans, "MAX_OPEN", 1)
    user = merchant_person(small, small.merchant().id)
    stated(user)
    assert "There are 1 plans already" in user.post("/plans", **FORM).text


def overview(user: ConsoleUser, query: str = "") -> Page:
    shown = user.get(f"/plans{query}")
    assert shown.status_code == 200
    return shown


def test_an_operator_sees_the_plans_of_all_and_the_seasons(small: Service) -> None:
    few_a_day = PEAKS.replace("2000000", "1000")
    small = small.with_runtime(rules=RulesSource(rules_of(IN_NOVEMBER, more=few_a_day)))
    for name, messages in (("Tea", "10"), ("Books", "2000")):
        stated(
            merchant_person(small, small.merchant(name).id, name=f"{name}@shop.example"),
            messages=messages,
        )
    ann = operator(small, "auditor")
    times = {name: f"{at}:00+08:00" for name, at in TIMES.items()}
    tests = with_test_key(small.merchant("Sandbox"))
    assert tests.post("/v1/plans", {**times, "messages": 9_000_000}).status_code == 201
    page = overview(ann).text
    assert ">Sandbox<" not in page
    assert "Peak seasons" in page
    assert "Double 11" in page
    assert "2,010" in page, "what both plan for the busiest day"
    assert "more than planned" in page, "by the platform"
    for direction, first, second in (("asc", "Tea", "Books"), ("desc", "Books", "Tea")):
        by_count = overview(ann, f"?sort=planned&dir={direction}").text
        assert by_count.index(f">{first}<") < by_count.index(f">{second}<")
    assert ">Tea<" not in overview(ann, "?q=books").text
    rows = overview(ann, "?format=csv").text.splitlines()
    assert len(rows) == 3
    small.clock.advance(timedelta(days=40))
    ann.sign_in()
    assert ">Books<" not in overview(ann).text, "it was over long ago"
