"""The operator's pages about proposals and retention."""

from datetime import timedelta

import pytest

from consent_tokens.services.people import proposals
from consent_tokens.services.people.proposals import ProposedKind
from consent_tokens.web.console import retention
from tests.console_people import ConsoleUser, operator
from tests.number_scan import NUMBERS
from tests.service import Service


def step(user: ConsoleUser, path: str, **form: str) -> int:
    answer = user.post(path, **form)
    if "step_up_code" in answer.text:
        answer = user.step_up(answer, path, **form)
    return answer.status_code


def test_a_proposal_is_carried_out_by_another_or_rejected(small: Service) -> None:
    merchant = small.legal_merchant()
    ann, bob = operator(small, "admin", "Ann"), operator(small, "admin", "Bob")
    eve = operator(small, "auditor", "Eve")
    page = f"/merchants/{merchant.id}"
    assert "Nothing waits for a second person." in eve.get("/proposals").text
    assert step(ann, f"{page}/suspend", reason="complaints") == 303
    ways = (("reject", ann, False), ("reject", bob, False), ("approve", bob, True))
    for way, decider, is_lifted in ways:
        assert step(ann, f"{page}/lift", reason="mended") == 303
        (made,) = proposals.list_open(small.runtime)
        path = f"/proposals/{made.id}"
        assert f"{path}/approve" not in ann.get("/proposals").text
        assert f"{path}/approve" in bob.get("/proposals").text
        shown = eve.get("/proposals").text
        assert merchant.id in shown
        assert "What led to the suspension is mended." in shown
        assert path not in shown
        assert step(ann, f"{path}/approve") == 403
        assert step(decider, f"{path}/{way}") == 303
        assert step(bob, f"{path}/approve") == 409, "it is decided"
        assert proposals.list_open(small.runtime) == []
        assert ("Suspended: nothing" not in ann.get(page).text) is is_lifted
    assert step(bob, "/proposals/prp_0/approve") == 404


def test_who_may_reject_a_proposal_is_shown_how(small: Service) -> None:
    ann, ben = operator(small, "reviewer", "Ann"), operator(small, "reviewer", "Ben")
    admin, eve = operator(small, "admin", "Bob"), operator(small, "auditor", "Eve")
    people = {"ann": ann, "ben": ben, "admin": admin, "eve": eve}
    cases: list[tuple[ProposedKind, dict[str, str]]] = [
        (ProposedKind.EXPORT_EVIDENCE, {"ann": "Withdraw the proposal", "admin": "Reject"}),
        (ProposedKind.HELP_CONSUMER,
         {"ann": "Withdraw the proposal", "ben": "Reject", "admin": "Reject"}),
    ]  # fmt: skip
    for kind, buttons in cases:
        made = proposals.propose(small.runtime, ann.person.actor, kind, f"x_{kind}", "it is needed")
        path = f"/proposals/{made.id}/reject"
        for name, user in people.items():
            page = user.get("/proposals").text
            assert (path in page) is (name in buttons), (kind, name)
            assert buttons.get(name, "") in page.partition(path)[2].partition("</form>")[0]
            if name not in buttons:
                assert step(user, path) == 403, (kind, name)
    # a colleague refuses where they are asked
    (asked,) = (each for each in proposals.list_open(small.runtime)
                if each.kind == ProposedKind.HELP_CONSUMER)  # fmt: skip
    path = f"/proposals/{asked.id}/reject"
    assert path in ben.get("/support").text
    assert path not in ann.get("/support").text
    assert step(ben, path) == 303
    assert path not in ben.get("/support").text


def test_retention_shows_what_is_due_and_done(
    small: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    eve = operator(small, "auditor", "Eve")
    shown = eve.get("/retention").text
    for kind in ("one_time_codes", "webhook_events", "no fixed time"):
        assert kind in shown
    assert eve.get("/retention?format=csv").content_type.startswith("text/csv")
    small.maintain()
    assert eve.get("/retention?sort=run").text.count("2021") > shown.count("2021")
    for each in NUMBERS[:2]:
        small.obtain_token(small.merchant(), small.consumer(each))
    small.clock.advance(timedelta(days=2))
    eve.sign_in()
    monkeypatch.setattr(retention, "MAX_COUNTED", 1)
    assert "more than 1<" in eve.get("/retention").text
