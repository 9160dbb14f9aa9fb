"""What all pages of the consoles have in common: no number, headers, tables, charts, four eyes."""

import csv
import io
import re
from datetime import timedelta
from urllib.parse import quote

import pytest

from consent_tokens.consent.purposes import Purpose
from consent_tokens.errors import ConflictError, ForbiddenError
from consent_tokens.evidence.events import EventKind
from consent_tokens.relay.templates.moves import AppealStatus
from consent_tokens.services.admission import template_moves
from consent_tokens.services.admission.actors import Actor
from consent_tokens.services.admission.operators import NO_PARTITION
from consent_tokens.services.people import proposals, team
from consent_tokens.services.people.proposals import ProposedKind
from consent_tokens.services.rollups.counting import add_increments
from consent_tokens.store import events
from consent_tokens.store.database import Transaction
from consent_tokens.store.operators import Role
from consent_tokens.store.proposed_actions import Proposal
from consent_tokens.web.consoles.charts import Series, bar_chart, line_chart, nice_top, ranking
from consent_tokens.web.consoles.permissions import PERMISSIONS
from consent_tokens.web.consoles.tables import csv_cell
from tests.console_people import ConsoleUser, merchant_person, operator
from tests.number_scan import NUMBERS, found_in
from tests.promises.test_13_naughty_strings import NAUGHTY
from tests.service import (
    ADMIN,
    CSRF,
    ORDERS,
    PROMOTIONS,
    REVIEWER,
    SECOND_ADMIN,
    Page,
    Service,
    SignedIn,
    found,
)

FIELDS = (
    "name", "password", "present", "code", "secret", "response", "role", "session", "passkey",
    "step_up_code", "step_up_passkey", "reason",
)  # fmt: skip


def readable(user: ConsoleUser) -> list[tuple[str, Page]]:
    """Return every page without an id in its address that the person may open, in Chinese too."""
    pages = []
    for rule in user.service.app.url_map.iter_rules():
        is_page = "GET" in (rule.methods or set()) and not rule.arguments
        if is_page and rule.rule.startswith(user.path) and rule.endpoint in PERMISSIONS:
            path = rule.rule.removeprefix(user.path)
            pages += [(rule.rule, user.get(path)), (rule.rule, user.get(f"{path}?lang=zh-TW"))]
    return pages


def test_no_page_shows_a_number_and_each_has_the_headers(small: Service) -> None:
    consumer = SignedIn.with_consent(small)
    consumer.code(PROMOTIONS)
    consumer.code(ORDERS)
    small.work()
    consumer.act("revoke")
    consumer.code(PROMOTIONS)
    people = (operator(small), merchant_person(small, consumer.merchant.id))
    pages = [each for user in people for each in readable(user)]
    assert len(pages) > 10
    for path, page in pages:
        assert page.status_code in {200, 303}, path
        assert found_in(page.data, NUMBERS) == [], path
        policy = page.headers["Content-Security-Policy"]
        assert "frame-ancestors 'none'" in policy
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert "no-store" in page.headers["Cache-Control"]
        assert 'style="' not in page.text, path


def test_naughty_strings_get_an_answer_on_every_route(small: Service) -> None:
    ann, stranger = operator(small), small.app.test_client()
    token, before = (
        found(CSRF, each.text) for each in (ann.get(), stranger.get("/console/sign-in"))
    )
    rules = [each for each in small.app.url_map.iter_rules() if each.rule.startswith("/console")]
    assert len(rules) > 20
    for at, rule in enumerate(rules):
        is_public = PERMISSIONS[rule.endpoint].is_public
        browser, csrf = (stranger, before) if is_public else (ann.browser, token)
        for text in NAUGHTY[at % 9 :: 9]:  # each on some routes
            inside = quote(text) or "-"
            path = inside.join(re.split(r"<(?:\w+:)?\w+>", rule.rule))
            if "POST" in (rule.methods or set()):
                form = dict.fromkeys(FIELDS, text) | {"csrf": csrf}
                answer = browser.post(path, data=form)
            else:
                answer = browser.get(f"{path}?q={inside}&sort={inside}&page={inside}")
            assert answer.status_code < 500, (path, text)


def test_a_refusal_of_today_is_counted_on_both_overviews(small: Service) -> None:
    consumer = SignedIn.with_consent(small)
    consumer.act("revoke")
    consumer.code(PROMOTIONS)
    owner = merchant_person(small, consumer.merchant.id)
    stranger = merchant_person(small, small.merchant("彗星书店").id, name="other@shop.example")
    assert add_increments(small.runtime) > 0
    assert "consent ended" in operator(small).get().text
    assert "consent_revoked" in owner.get().text
    assert "consent_revoked" not in stranger.get().text


def test_an_appeal_waits_on_the_overview_until_it_is_decided(small: Service) -> None:
    merchant = small.merchant()
    template_id = small.template(merchant, ORDERS, "订单{order}已发出")["id"]
    template_moves.recategorise(
        small.runtime, REVIEWER, template_id, purpose=Purpose.DELIVERIES, reason="a parcel"
    )
    merchant.post(f"/v1/templates/{template_id}/appeal", {"reason": "It is about an order."})
    ann = operator(small)
    assert "Appeals and objections of merchants" in ann.get().text
    template_moves.decide_appeal(small.runtime, ADMIN, template_id, AppealStatus.DISMISSED, "No.")
    assert "Appeals and objections of merchants" not in ann.get().text


def test_tables_sort_filter_page_and_export(small: Service) -> None:
    ann = operator(small)
    for number in range(60):
        team.add_operator(small.runtime, ADMIN, f"Person {number:02}", "analyst")
    team.add_operator(small.runtime, ADMIN, "=HYPERLINK(1)", "auditor")
    first = ann.get("/people").text
    assert "Page 1 of 2, 62 rows" in first
    assert first.index("Ann Reviewer") < first.index("Person 00") < first.index("Person 01")
    assert "Person 59" in ann.get("/people?page=2").text
    backwards = ann.get("/people?sort=name&dir=desc").text
    assert backwards.index("Person 59") < backwards.index("Person 58")
    assert 'aria-sort="descending"' in backwards
    filtered = ann.get("/people?q=person+07").text
    assert "Person 07" in filtered
    assert "Person 08" not in filtered
    for wrong in ("?sort=password&page=x", "?page=-1", "?page=999999999999", "?q=%00", "?dir=up"):
        assert ann.get(f"/people{wrong}").status_code == 200, wrong
    exported = ann.get("/people?format=csv")
    assert exported.mimetype == "text/csv"
    rows = list(csv.reader(io.StringIO(exported.text.removeprefix("\ufeff"))))
    assert len(rows) == 63
    assert "'=HYPERLINK(1)" in [row[0] for row in rows]


@pytest.mark.parametrize("start", "=+-@\t\r＝")
def test_no_cell_of_a_csv_file_is_a_formula(start: str) -> None:
    assert csv_cell(f"{start}1") == f"'{start}1"
    assert csv_cell(-1) == "-1"


def test_charts_draw_each_value_in_the_plot() -> None:
    series = [Series("accepted", [0, 30, 120]), Series("refused", [4, 0, 2], "c")]
    for figure in (
        line_chart("Texts", ["1", "2", "3"], series),
        bar_chart("", list("123"), series),
    ):
        points = [point for line in figure.lines for point in line.points]
        assert all(0 <= point.x <= 640 and 8 <= point.y <= 112 for point in points)
        assert [line.total for line in figure.lines] == [150, 6]
        assert figure.rows == [("1", [0, 4]), ("2", [30, 0]), ("3", [120, 2])]
        assert points[2].title == "3: 120 accepted"
    assert line_chart("", [], []).rows == []
    assert [nice_top(most) for most in (0, 1, 3, 20, 21, 999)] == [1, 1, 5, 20, 50, 1000]
    assert [(each.label, each.percent) for each in ranking({"a": 1, "b": 4, "c": 1}, 2)] == [
        ("b", 100), ("a", 25),
    ]  # fmt: skip


def test_what_one_proposes_another_approves_once(small: Service) -> None:
    done: list[str] = []

    def carry_out(transaction: Transaction, proposal: Proposal) -> None:
        assert transaction.in_transaction()
        done.append(f"{proposal.subject_id} {proposals.details_of(proposal)['reason']}")

    runtime, kind = small.runtime, ProposedKind.WITHDRAW_KEY
    made = proposals.propose(runtime, ADMIN, kind, "kid_1", "it was copied", reason="stolen")
    with pytest.raises(ConflictError):
        proposals.propose(runtime, SECOND_ADMIN, kind, "kid_1", "again")
    with pytest.raises(ForbiddenError):
        proposals.approve(runtime, ADMIN, made.id, carry_out)
    assert done == []
    proposals.approve(runtime, SECOND_ADMIN, made.id, carry_out)
    with pytest.raises(ConflictError):
        proposals.approve(runtime, Actor("opr_third", Role.ADMIN), made.id, carry_out)
    assert done == ["kid_1 stolen"]
    late = proposals.propose(runtime, ADMIN, kind, "kid_2", "it was copied")
    small.clock.advance(proposals.LIFETIME + timedelta(seconds=1))
    assert proposals.list_open(runtime) == []
    with pytest.raises(ConflictError):
        proposals.approve(runtime, SECOND_ADMIN, late.id, carry_out)
    listed = runtime.database.read(
        lambda at: events.of_partition(at, NO_PARTITION, small.clock.at - timedelta(days=30))
    )
    assert {(each.kind, each.actor) for each in listed if each.reason == made.id} == {
        (EventKind.ACTION_PROPOSED, ADMIN.id), (EventKind.ACTION_APPROVED, SECOND_ADMIN.id),
    }  # fmt: skip


def test_an_action_that_fails_is_not_approved(small: Service) -> None:
    def fail(_transaction: Transaction, _proposal: Proposal) -> None:
        raise ConflictError("no longer possible")

    made = proposals.propose(
        small.runtime, ADMIN, ProposedKind.LIFT_SUSPENSION, "mer_1", "the evidence was wrong"
    )
    with pytest.raises(ConflictError):
        proposals.approve(small.runtime, SECOND_ADMIN, made.id, fail)
    assert [each.id for each in proposals.list_open(small.runtime)] == [made.id]
