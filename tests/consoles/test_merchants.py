"""Merchants, senders and templates in the operator's console: lists, and suspensions of two."""

import csv
import io

from consent_tokens.consent.purposes import PurposeClass
from consent_tokens.services.admission import senders as sender_service
from consent_tokens.services.admission.control_groups import join
from consent_tokens.services.admission.senders import SenderDetails
from consent_tokens.store import merchants, reviews
from consent_tokens.store.merchants import Merchant as StoredMerchant
from consent_tokens.store.merchants import MerchantStatus
from tests.console_people import ConsoleUser, operator
from tests.consoles.test_reviews import answer, decide, last_decision, submit
from tests.number_scan import NUMBERS
from tests.service import ADMIN, REVIEWER, Service


def rows_of(user: ConsoleUser, path: str) -> list[list[str]]:
    """Return the rows of a list as its CSV file has them, without the heading."""
    answer = user.get(path)
    assert answer.content_type.startswith("text/csv")
    return list(csv.reader(io.StringIO(answer.text.removeprefix("\ufeff"))))[1:]


def stored(service: Service, merchant_id: str) -> StoredMerchant:
    found = service.runtime.database.read(lambda at: merchants.find(at, merchant_id))
    assert found
    return found


def test_lists_are_filtered_sorted_and_exported(small: Service) -> None:
    shop, tea = small.legal_merchant(), small.legal_merchant("小山茶馆", [PurposeClass.MARKETING])
    small.legal_merchant("=SUM(A1)", sends=False)
    join(small.runtime, REVIEWER, shop.id, tea.id, reason="one owner")
    group = stored(small, shop.id).control_group
    details = SenderDetails(carrier="China Mobile")
    sender_service.add_sender(
        small.runtime, tea.id, port="10690888", extension="1", signature="小山茶馆",
        details=details, actor=REVIEWER,
    )  # fmt: skip
    submit(shop, "订单{order}已发出")
    ann = operator(small, "auditor")
    found = {
        "/merchants?format=csv": ["'=SUM(A1)", "小山茶馆", "晨光书店"],
        "/merchants?format=csv&dir=desc&sort=name": ["晨光书店", "小山茶馆", "'=SUM(A1)"],
        "/merchants?format=csv&q=小山": ["小山茶馆"],
        "/merchants?format=csv&q=%25": [],
        "/merchants?format=csv&status=suspended": [],
        "/merchants?format=csv&class=transactional": ["'=SUM(A1)", "晨光书店"],
        f"/merchants?format=csv&group={group}": ["小山茶馆", "晨光书店"],
        "/senders?format=csv&carrier=China Mobile": ["106908881"],
        "/senders?format=csv&carrier=-": ["106900011", "106900012"],
        "/senders?format=csv&status=revoked": [],
    }
    for path, names in found.items():
        assert [row[0] for row in rows_of(ann, path)] == names, path
    for path in ("/templates?format=csv&status=submitted", "/templates?format=csv&q=晨光"):
        assert [row[2] for row in rows_of(ann, path)] == ["晨光书店"], path
    export = rows_of(ann, "/senders/export?carrier=China%20Mobile")
    assert [row[:3] for row in export] == [["10690888", "1", "小山茶馆"]]
    assert "小山茶馆" not in ann.get("/merchants?page=2").text


def test_a_suspension_is_lifted_by_two_and_gives_back_what_it_took(small: Service) -> None:
    shop = small.legal_merchant()
    ann, bob = operator(small), operator(small, name="Bob Admin")
    path = f"/merchants/{shop.id}"
    before = stored(small, shop.id)
    marketing = {"suspended": "marketing", "reason": "asked"}
    assert decide(ann, f"{path}/suspend", suspended="all of it", reason="asked") == 422
    assert decide(ann, f"{path}/suspend", **marketing) == 303
    assert decide(ann, f"{path}/suspend", reason="complaints", words="402 in a million") == 303
    shown = ann.get(path).text
    assert "402 in a million" in shown
    assert "Suspended for: Marketing" in shown
    assert decide(ann, f"{path}/lift", suspended="finance", reason="mended") == 409
    assert decide(ann, f"{path}/lift", reason="mended") == 303
    proposal = proposal_on(ann, path)
    assert "Approve, and lift it" not in ann.get(path).text
    assert decide(ann, f"{path}/lift/approve", proposal=proposal) == 403
    assert stored(small, shop.id).status is MerchantStatus.SUSPENDED
    assert decide(bob, f"{path}/lift/approve", proposal=proposal) == 303
    assert stored(small, shop.id).status is MerchantStatus.ACTIVE
    assert stored(small, shop.id).suspended_classes == {PurposeClass.MARKETING}
    assert decide(bob, f"{path}/lift", suspended="marketing", reason="mistake") == 303
    proposal = proposal_on(ann, path)
    assert decide(ann, f"{path}/lift/reject", proposal=proposal) == 303
    assert stored(small, shop.id).suspended_classes == {PurposeClass.MARKETING}
    assert decide(ann, f"{path}/lift", suspended="marketing", reason="mistake") == 303
    assert decide(bob, f"{path}/lift/approve", proposal=proposal_on(ann, path)) == 303
    assert stored(small, shop.id) == before
    said = small.runtime.database.read(lambda at: reviews.of_subject(at, shop.id))
    restored = [each.operator_id for each in said if each.action == "restore"]
    assert restored == [ann.person.id, bob.person.id]


def proposal_on(user: ConsoleUser, path: str) -> str:
    """Return the id of the proposal that a merchant's page shows."""
    _before, _name, after = user.get(path).text.partition('name="proposal" value="')
    return after.partition('"')[0]


def test_somebody_who_was_disabled_is_not_one_of_the_two(small: Service) -> None:
    shop = small.legal_merchant()
    ann, bob = operator(small), operator(small, name="Bob Admin")
    path = f"/merchants/{shop.id}"
    assert decide(ann, f"{path}/suspend", reason="asked") == 303
    assert decide(ann, f"{path}/lift", reason="mistake") == 303
    proposal = proposal_on(bob, path)
    assert decide(bob, f"/people/{ann.person.id}/disable") == 303
    assert decide(bob, f"{path}/lift/approve", proposal=proposal) == 409
    assert stored(small, shop.id).status is MerchantStatus.SUSPENDED


def test_a_merchant_shows_its_keys_as_ids_and_takes_notes_twins_and_an_owner(
    small: Service,
) -> None:
    shop = small.legal_merchant()
    twin = small.legal_merchant("晨光书店上海")
    other = small.legal_merchant("晨光书店北京")
    template_id = submit(shop, "订单{order}已发出")
    ann = operator(small)
    path = f"/merchants/{shop.id}"
    shown = ann.get(path).text
    assert template_id in shown
    assert shop.api_key not in shown
    assert shop.api_key.split("_")[-1] not in shown
    assert decide(ann, f"{path}/notes", note="") == 422
    assert decide(ann, f"{path}/notes", note="They called on Monday.") == 303
    assert "They called on Monday." in ann.get(path).text
    assert last_decision(small, shop.id)[0] == "note"
    assert decide(ann, f"{path}/group/join", other=twin.id, reason="documents") == 303
    assert decide(ann, f"{path}/group/reject", other=other.id) == 422
    assert decide(ann, f"{path}/group/reject", other=other.id, reason="chance") == 303
    assert stored(small, shop.id).control_group == stored(small, twin.id).control_group
    shown = ann.get(path).text
    assert "Under one control with:" in shown
    assert "Not related" in shown
    invited = answer(ann, f"{path}/owner", name="owner@shop.example")
    assert f"{small.base}/merchant/" in invited.text
    assert "owner@shop.example" in ann.get(path).text


def test_a_sender_is_revoked_and_no_page_shows_a_number(small: Service) -> None:
    shop = small.legal_merchant()
    sender = sender_service.add_sender(
        small.runtime, shop.id, port="10690888", extension="1", signature="晨光书店", actor=ADMIN
    )
    template_id = submit(shop, "订单{order}已发出")
    ann = operator(small, "reviewer")
    path = f"/senders/{sender.id}"
    assert decide(ann, f"{path}/revoke") == 422
    assert decide(ann, f"{path}/revoke", reason="abuse") == 303
    assert last_decision(small, sender.id)[0] == "revoke"
    pages = (path, "/senders", "/templates", f"/templates/{template_id}", "/merchants",
             f"/merchants/{shop.id}", "/reviews")  # fmt: skip
    for each in pages:
        page = ann.get(each)
        assert page.status_code == 200, each
        assert not any(number in page.text for number in NUMBERS), each


def test_operators_set_identity_limits_domains_and_share(
    small: Service,
) -> None:
    shop = small.legal_merchant()
    ann, eve = operator(small, "reviewer", "Ann"), operator(small, "auditor", "Eve")
    page = f"/merchants/{shop.id}"
    boss = operator(small, "admin", "Boss")
    identity = {"legal_name": "晨光文化", "contact": "400 001 0001", "website": ""}
    assert decide(boss, f"{page}/identity", **identity | {"website": "ftp://x"}) == 422
    assert decide(ann, f"{page}/identity", **identity) == 403
    assert decide(boss, f"{page}/identity", **identity) == 303
    changed = stored(small, shop.id).identity
    assert (changed.legal_name, changed.checked_by) == ("晨光文化", None)
    assert decide(boss, f"{page}/identity", **identity, checked_by="Boss") == 303
    assert "Boss · " in eve.get(page).text
    wrong = {"daily-limits": {"marketing": "1e3"}, "link-domains": {"domains": "not a domain!"},
             "weight": {"weight": "101"}}  # fmt: skip
    right = {"daily-limits": {"marketing": "5000"}, "weight": {"weight": "3"},
             "link-domains": {"domains": "shop.example\nShop.Example help.example"}}  # fmt: skip
    for name, form in wrong.items():
        assert decide(ann, f"{page}/{name}", **form) == 422, name
    for name, form in right.items():
        assert decide(ann, f"{page}/{name}", **form) == 303, name
        assert decide(eve, f"{page}/{name}", **form) == 403, name
    assert stored(small, shop.id).daily_limits == {PurposeClass.MARKETING: 5000}
    shown = eve.get(page).text
    for said in ("Marketing 5,000", "help.example, shop.example", "5000", "Ann"):
        assert said in shown, said
    assert shop.get("/v1/link-domains").json == {"domains": ["help.example", "shop.example"]}
    assert last_decision(small, shop.id) == (
        "set_limits",
        "help.example shop.example",
        ann.person.id,
    )
    assert decide(ann, f"{page}/daily-limits") == 303
    assert stored(small, shop.id).daily_limits == {}
