"""Promise 15, "what the service says is true": who a merchant is, and that somebody checked it."""

import pytest

from consent_tokens.errors import InvalidError
from consent_tokens.services.merchants import add_merchant, set_identity
from tests.service import ALWAYS, PROMOTIONS, Merchant, Service

HARBOUR = {
    "legal_name": "Dawn Books Trading Ltd",
    "registration": "91310115MA1K0000XY",
    "contact": "400 000 0000",
    "website": "https://dawn.example/",
}
CHECKED, DEMONSTRATION = "Identity checked", "Demonstration, not checked"


def question(service: Service, merchant: Merchant) -> str:
    """Return the page of a new request of a merchant, in English."""
    return service.consumer().get(f"{merchant.ask(PROMOTIONS, **ALWAYS)['path']}?lang=en").text


def test_nobody_is_called_checked_whom_nobody_checked(small: Service) -> None:
    shown = question(small, small.merchant())
    assert DEMONSTRATION in shown
    assert CHECKED not in shown
    assert "Checked by" not in shown


def test_who_was_checked_is_shown_with_who_did_it_and_when(small: Service) -> None:
    merchant = small.legal_merchant()
    set_identity(small.runtime, merchant.id, {**HARBOUR, "checked_by": "Harbour Platform"})
    shown = question(small, merchant)
    assert CHECKED in shown
    assert "not checked" not in shown.lower()
    assert "Checked by Harbour Platform on 11 November 2021." in shown or (
        "Checked by Harbour Platform on November 11, 2021." in shown
    )
    for text in HARBOUR.values():
        assert text in shown
    assert "1069 0001 1" in shown, "where the texts come from"


def test_a_demonstration_says_so_whatever_is_known_of_it(small: Service) -> None:
    merchant = small.merchant()
    set_identity(small.runtime, merchant.id, HARBOUR)
    shown = question(small, merchant)
    assert DEMONSTRATION in shown
    assert CHECKED not in shown
    with pytest.raises(InvalidError):
        set_identity(small.runtime, merchant.id, {"checked_by": "Harbour Platform"})


def test_who_was_admitted_was_checked(small: Service) -> None:
    shown = question(small, small.legal_merchant())
    assert CHECKED in shown
    assert "Demonstration, not checked" not in shown


def test_a_change_undoes_the_check_of_what_was_there_before(small: Service) -> None:
    merchant = small.legal_merchant()
    set_identity(small.runtime, merchant.id, {**HARBOUR, "checked_by": "Harbour Platform"})
    same = set_identity(small.runtime, merchant.id, {"legal_name": HARBOUR["legal_name"]})
    assert same.checked_by == "Harbour Platform"
    changed = set_identity(small.runtime, merchant.id, {"legal_name": "Another Ltd"})
    assert (changed.checked_by, changed.checked_at) == (None, None)
    assert CHECKED not in question(small, merchant)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("checked_by", "Harbour Platform"),  # of what, if nothing is known
        ("website", "javascript:alert(1)"),
        ("website", "dawn.example"),
        ("legal_name", "two\nlines"),
        ("contact", "x" * 201),
        ("legal_name", "turned \u202e round"),
    ],
)
def test_an_identity_that_cannot_be_shown_is_refused(small: Service, name: str, text: str) -> None:
    merchant = small.merchant()
    with pytest.raises(InvalidError):
        set_identity(small.runtime, merchant.id, {name: text})
    with pytest.raises(InvalidError):
        add_merchant(small.runtime, "Dawn Books", {name: text})


def test_the_notice_names_who_sends_and_how_to_reach_them(service: Service) -> None:
    """PIPL 17 and 23: it is part of what is agreed to, hashed in the token."""
    merchant, consumer = service.merchant(), service.consumer()
    set_identity(service.runtime, merchant.id, HARBOUR)
    path = merchant.ask(PROMOTIONS, locale="en", **ALWAYS)["path"]
    consumer.post(path, purposes=[PROMOTIONS], phone=consumer.number, decision="grant")
    words = consumer.get(path).text.split('id="notice"')[1].split("</ul>")[0]
    assert HARBOUR["legal_name"] in words
    assert HARBOUR["contact"] in words
    assert consumer.post(path, code=consumer.code(), decision="grant").status_code == 303
    grant = merchant.get("/v1/grants").json["items"][0]
    assert grant["status"] == "live"
