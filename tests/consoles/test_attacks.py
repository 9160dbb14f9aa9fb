"""What somebody signed in, or a link that they follow, tries on the consoles."""

import re

import pyotp

from consent_tokens.services.people import team
from consent_tokens.store import merchants
from consent_tokens.store.merchants import MerchantStatus
from tests.console_people import PASSWORD, SECRET, SIGNED, ConsoleUser, merchant_person, operator
from tests.service import ADMIN, PROMOTIONS, Service, found

TABLE_LINK = re.compile(r'href="([^"]*(?:format=csv|sort=)[^"]*)"')
NULL_PATHS = ["/people/%00", "/people/opr_%00", "/merchants/%00", "/senders/%00", "/templates/%00",
              "/reviews/senders/%00", "/reviews/applications/%00", "/documents/%00"]  # fmt: skip
NULL_FILTERS = ["/merchants?status=%00", "/merchants?group=%00", "/merchants?class=%00",
                "/templates?purpose=%00", "/senders?carrier=%00"]  # fmt: skip


def test_the_links_of_a_table_stay_on_it_whatever_its_address_carries(small: Service) -> None:
    ann = operator(small)
    for name in ("endpoint", "_scheme", "_external", "_method", "_anchor", "self", "values"):
        shown = ann.get(f"/people?{name}=http&q=ann&page=1")
        links = TABLE_LINK.findall(shown.text)
        assert shown.status_code == 200, name
        assert links, name
        assert all(link.startswith("/console/people?") for link in links), (name, links)
        assert all("q=ann" in link for link in links), (name, links)


def test_null_bytes_in_addresses_find_nothing_and_break_nothing(service: Service) -> None:
    ann = operator(service)
    for path in NULL_PATHS:
        assert ann.get(path).status_code == 404, path
    for path in NULL_FILTERS:
        assert ann.get(path).status_code == 200, path
    owner = merchant_person(service, service.merchant().id)
    assert owner.get("/team/mpr_%00").status_code == 404
    assert owner.post("/team/mpr_%00/disable").status_code == 404


def test_the_present_password_is_not_guessed_in_a_stolen_session(small: Service) -> None:
    ann = operator(small)
    form = {"password": "velvet-canoe-ninety-glacier"}
    guesses = [
        ann.post("/account/password", present=f"guess {n}", **form).status_code for n in range(8)
    ]
    assert guesses[0] == 422
    assert guesses[-1] == 429
    assert ann.post("/account/password", present=PASSWORD, **form).status_code == 429
    small.clock.sleep(600)
    assert ann.post("/account/password", present=PASSWORD, **form).status_code == 303


def test_a_new_second_factor_signs_other_browsers_out(small: Service) -> None:
    ann = operator(small)
    thief = ConsoleUser(small, ann.person)
    thief.totp = ann.totp
    thief.sign_in()
    page = ann.get("/account/authenticator").text
    secret = found(SECRET, page)
    ann.totp = pyotp.TOTP(secret)
    changed = ann.post("/account/authenticator", page, secret=found(SIGNED, page), code=ann.code())
    assert changed.status_code == 303
    assert thief.get().status_code == 303
    assert "Other browsers were signed out" in ann.get("/account").text


def test_a_sign_in_ends_the_session_that_the_browser_had(small: Service) -> None:
    ann = operator(small)
    copied = ann.browser.get_cookie("console")
    assert copied
    _bob, link = team.add_operator(small.runtime, ADMIN, "Bob Admin", "admin")
    ann.accept(link)
    thief = small.app.test_client()
    thief.set_cookie("console", copied.value)
    assert thief.get("/console").status_code == 303


def test_an_invitation_of_somebody_who_was_disabled_stays_worthless(small: Service) -> None:
    ann = operator(small)
    bob, link = team.add_operator(small.runtime, ADMIN, "Bob Admin", "admin")
    path = link.removeprefix(f"{small.base}/console")
    assert ann.post(f"/people/{bob.id}/disable").status_code == 303
    assert ann.post(f"/people/{bob.id}/enable").status_code == 303
    assert small.app.test_client().get(f"/console{path}").status_code == 404


def test_requests_of_a_merchants_people_are_limited(small: Service) -> None:
    owner = merchant_person(small, small.merchant().id)
    page = owner.get("/requests/new").text
    answers = [owner.post("/requests", page, purposes=[PROMOTIONS]).status_code for _ in range(61)]
    assert set(answers[:60]) == {303}
    assert answers[60] == 429
    small.clock.sleep(60)
    assert owner.post("/requests", page, purposes=[PROMOTIONS]).status_code == 303


def test_a_proposal_is_decided_on_the_page_of_its_own_merchant(small: Service) -> None:
    shop, other = small.legal_merchant(), small.legal_merchant("Another shop")
    ann, bob = operator(small), operator(small, name="Bob Admin")
    for each in (shop, other):
        suspended = ann.post(f"/merchants/{each.id}/suspend", suspended="", reason="asked")
        assert suspended.status_code == 303
    assert ann.post(f"/merchants/{shop.id}/lift", suspended="", reason="mended").status_code == 303
    _before, _name, after = bob.get(f"/merchants/{shop.id}").text.partition(
        'name="proposal" value="'
    )
    form = {"proposal": after.partition('"')[0]}
    assert bob.post(f"/merchants/{other.id}/lift/approve", **form).status_code == 404
    assert bob.post(f"/merchants/{other.id}/lift/reject", **form).status_code == 404
    stored = small.runtime.database.read(lambda at: merchants.find(at, shop.id))
    assert stored
    assert stored.status is MerchantStatus.SUSPENDED
    assert bob.post(f"/merchants/{shop.id}/lift/approve", **form).status_code == 303
