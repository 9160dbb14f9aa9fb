"""The operator's pages about proposals and retention."""

from datetime import timedelta

import pytest

from consent_tokens.services.people import proposals
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
