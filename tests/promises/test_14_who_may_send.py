"""Promise 14, "a purpose cannot lie": who is admitted, from which sender, and who decided it."""

import threading
from collections.abc import Callable
from datetime import date, timedelta
from functools import partial
from typing import Any

import pytest

from consent_tokens.consent.purposes import PurposeClass
from consent_tokens.errors import (
    ConflictError,
    ConsentTokensError,
    ForbiddenError,
    InvalidError,
    NotFoundError,
)
from consent_tokens.evidence.events import EventKind
from consent_tokens.relay.admission.api_access import ApiAccess, parse_networks
from consent_tokens.services.admission import applications, control_groups, documents, operators
from consent_tokens.services.admission import sender_applications as sender_reviews
from consent_tokens.services.admission.actors import Actor, find_actor
from consent_tokens.services.admission.daily_limits import set_daily_limits
from consent_tokens.services.admission.key_networks import add_api_key
from consent_tokens.services.admission.review_file import read_review_file
from consent_tokens.services.admission.sender_list import CARRIER_COLUMNS, carrier_rows, end_of_day
from consent_tokens.services.admission.senders import SenderDetails, add_sender, revoke_sender
from consent_tokens.services.admission.suspension import restore, suspend
from consent_tokens.store import events, senders
from consent_tokens.store.database import Transaction
from consent_tokens.store.merchants import MerchantStatus
from consent_tokens.store.operators import Role
from tests.service import (
    ADMIN,
    ALWAYS,
    PORT,
    PROMOTIONS,
    REVIEWER,
    SECOND_ADMIN,
    Merchant,
    Service,
    application,
)

ANALYST, AUDITOR = Actor("opr_analyst", Role.ANALYST), Actor("opr_auditor", Role.AUDITOR)
READERS = ANALYST, AUDITOR
PDF = b"%PDF-1.7 a licence"


def kinds(service: Service, merchant_id: str) -> list[tuple[EventKind, str | None]]:
    """Return the events of admission of a merchant, and who decided each."""

    def query(transaction: Transaction) -> list[tuple[EventKind, str | None]]:
        merchant = read_review_file(service.runtime, merchant_id).merchant
        found = events.of_partition(transaction, merchant.partition, merchant.admitted_at)
        return [(each.kind, each.actor) for each in found]

    return service.runtime.database.read(query)


def refused(act: Callable[[], object]) -> ConsentTokensError:
    with pytest.raises(ConsentTokensError) as raised:
        act()
    return raised.value


def refused_fields(act: Callable[[], object]) -> list[str]:
    """Return the fields at fault of what is refused."""
    fault = refused(act)
    assert isinstance(fault, InvalidError)
    return list(fault.fields)


# --- operators ------------------------------------------------------------------------------------


def test_an_operator_decides_under_a_name_until_disabled(service: Service) -> None:
    added = operators.add_operator(service.runtime, ADMIN, "Lin", Role.REVIEWER)
    assert find_actor(service.runtime, by="Lin", os_user="root") == Actor(added.id, Role.REVIEWER)
    assert find_actor(service.runtime, by=None, os_user="root") == Actor("os:root", Role.ADMIN)
    with pytest.raises(ConflictError):
        operators.add_operator(service.runtime, ADMIN, "Lin", Role.ADMIN)
    operators.disable_operator(service.runtime, ADMIN, "Lin")
    for name in ("Lin", "Nobody"):
        with pytest.raises(ForbiddenError):
            find_actor(service.runtime, by=name, os_user="root")


def test_a_role_decides_what_it_is_for(small: Service) -> None:
    applied = applications.apply(small.runtime, application())
    runtime, admin = small.runtime, Role.ADMIN
    acts: list[tuple[Callable[[Actor], object], tuple[Actor, ...]]] = [
        (lambda by: applications.approve(runtime, by, applied.id, checked_by="x"), READERS),
        (lambda by: applications.refuse(runtime, by, applied.id, "no"), READERS),
        (lambda by: documents.read_document(runtime, by, "doc_x"), READERS),
        (lambda by: suspend(runtime, by, applied.id, "no"), (*READERS, REVIEWER)),
        (lambda by: operators.add_operator(runtime, by, "Me", admin), (*READERS, REVIEWER)),
    ]
    for act, actors in acts:
        for actor in actors:
            with pytest.raises(ForbiddenError):
                act(actor)


# --- applications ---------------------------------------------------------------------------------


def test_a_company_applies_is_sent_back_mends_and_is_admitted(service: Service) -> None:
    runtime = service.runtime
    applied = applications.apply(
        runtime, application(documents=[documents.DocumentFile("l.pdf", PDF)])
    )
    assert applied.status is MerchantStatus.APPLIED
    assert applied.usable_classes == frozenset()
    applications.return_application(runtime, REVIEWER, applied.id, "the licence is unreadable")
    with pytest.raises(ConflictError):
        applications.approve(runtime, REVIEWER, applied.id, checked_by="Harbour")
    applications.apply(runtime, application("晨光图书", number=2), amends=applied.id)
    with pytest.raises(ConflictError):
        applications.apply(runtime, application(), amends=applied.id)
    classes = frozenset({PurposeClass.MARKETING})
    admitted = applications.approve(
        runtime, REVIEWER, applied.id, checked_by="Harbour", classes=classes
    )
    merchant = Merchant(service, applied.id, admitted.api_key)
    assert merchant.ask(PROMOTIONS)["status"] == "pending"
    answer = merchant.post("/v1/consent-requests", {"purposes": ["orders.updates"]})
    assert answer.json["errors"] == {"purposes": ["class_not_admitted"]}
    found = read_review_file(runtime, applied.id)
    assert (found.merchant.name, found.merchant.classes) == ("晨光图书", classes)
    assert [(each.action, each.operator_id) for each in found.reviews] == [
        ("return", REVIEWER.id), ("approve", REVIEWER.id),
    ]  # fmt: skip
    told = kinds(service, applied.id)
    assert (EventKind.MERCHANT_ADMITTED, REVIEWER.id) in told
    assert (EventKind.API_KEY_CREATED, REVIEWER.id) in told
    with pytest.raises(ConflictError):
        applications.approve(runtime, REVIEWER, applied.id, checked_by="Harbour")


def test_a_refused_company_stays_out_and_its_documents_go(service: Service) -> None:
    runtime = service.runtime
    applied = applications.apply(
        runtime, application(documents=[documents.DocumentFile("l.pdf", PDF)])
    )
    (document,) = read_review_file(runtime, applied.id).documents
    assert documents.read_document(runtime, REVIEWER, document.id).content == PDF
    applications.refuse(runtime, REVIEWER, applied.id, "a look-alike of a known shop")
    with pytest.raises(NotFoundError):
        documents.read_document(runtime, REVIEWER, document.id)
    acts: list[Callable[[], object]] = [
        lambda: applications.approve(runtime, REVIEWER, applied.id, checked_by="x"),
        lambda: suspend(runtime, ADMIN, applied.id, "why"),
        lambda: restore(runtime, ADMIN, applied.id, "why"),
        lambda: add_sender(runtime, applied.id, port=PORT, extension="1", signature="店"),
    ]
    for act in acts:
        assert isinstance(refused(act), ConflictError)


@pytest.mark.parametrize(
    ("form", "field"),
    [
        ({"registration": "91310115MA1K00001Z"}, "registration"),
        ({"registration": "91330100799655058C"}, "registration"),
        ({"country": "China"}, "country"), ({"legal_name": " "}, "legal_name"),
        ({"contact": ""}, "contact"), ({"website": "javascript:x"}, "website"),
        ({"link_domains": ["http://x"]}, "link_domain"), ({"classes": ()}, "class"),
        ({"wanted_use": "x" * 1001}, "wanted_use"),
        ({"documents": [documents.DocumentFile("l.exe", b"MZ")]}, "document"),
        ({"documents": [documents.DocumentFile("l.pdf", PDF + bytes(5 * 1024**2))]}, "document"),
    ],
)  # fmt: skip
def test_an_application_that_cannot_be_reviewed_is_refused(
    small: Service, form: dict[str, Any], field: str
) -> None:
    fields = refused_fields(lambda: applications.apply(small.runtime, application(**form)))
    assert fields == [field]


def test_no_class_that_was_not_asked_for_is_given(small: Service) -> None:
    applied = applications.apply(small.runtime, application(classes=[PurposeClass.MARKETING]))
    with pytest.raises(InvalidError):
        applications.approve(
            small.runtime, REVIEWER, applied.id, checked_by="x", classes=frozenset(PurposeClass)
        )


def test_two_people_restore_what_one_suspended(service: Service) -> None:
    runtime, merchant = service.runtime, service.legal_merchant()
    with pytest.raises(InvalidError):
        suspend(runtime, ADMIN, merchant.id, " ")
    suspend(runtime, ADMIN, merchant.id, "complaints")
    assert merchant.post("/v1/consent-requests", {"purposes": [PROMOTIONS]}).status_code == 403
    for _ in range(2):  # the same person twice is one person
        assert restore(runtime, ADMIN, merchant.id, "mended").needs_another
    assert merchant.post("/v1/consent-requests", {"purposes": [PROMOTIONS]}).status_code == 403
    assert not restore(runtime, SECOND_ADMIN, merchant.id, "mended").needs_another
    assert merchant.post("/v1/consent-requests", {"purposes": [PROMOTIONS]}).status_code == 201
    suspend(runtime, ADMIN, merchant.id, "again")  # what was said before does not count any more
    assert restore(runtime, SECOND_ADMIN, merchant.id, "mended").needs_another


def test_who_was_disabled_meanwhile_is_none_of_two_people(small: Service) -> None:
    runtime, merchant = small.runtime, small.legal_merchant()
    suspend(runtime, ADMIN, merchant.id, "complaints")
    gone = operators.add_operator(runtime, ADMIN, "Lin", Role.ADMIN)
    restore(runtime, Actor(gone.id, gone.role), merchant.id, "mended")
    operators.disable_operator(runtime, ADMIN, "Lin")
    assert restore(runtime, ADMIN, merchant.id, "mended").needs_another
    assert not restore(runtime, SECOND_ADMIN, merchant.id, "mended").needs_another


def test_a_class_is_suspended_alone(service: Service) -> None:
    runtime, merchant = service.runtime, service.legal_merchant()
    marketing = [PurposeClass.MARKETING]
    suspend(runtime, ADMIN, merchant.id, "complaints", marketing)
    answer = merchant.post("/v1/consent-requests", {"purposes": [PROMOTIONS]})
    assert answer.json["errors"] == {"purposes": ["class_not_admitted"]}
    assert merchant.ask("orders.updates")["status"] == "pending"
    assert restore(runtime, ADMIN, merchant.id, "mended", marketing).needs_another
    restored = restore(runtime, SECOND_ADMIN, merchant.id, "mended", marketing)
    assert restored.merchant.suspended_classes == frozenset()
    with pytest.raises(ConflictError):
        restore(runtime, ADMIN, merchant.id, "mended", marketing)


def test_no_more_a_day_than_a_company_was_admitted_for(service: Service) -> None:
    runtime, merchant, consumer = service.runtime, service.legal_merchant(), service.consumer()
    token = service.obtain_token(merchant, consumer, PROMOTIONS, max_messages=100, **ALWAYS)

    def send() -> str | None:
        code: str | None = merchant.send(token).json.get("code")
        return code

    set_daily_limits(runtime, REVIEWER, merchant.id, {PurposeClass.MARKETING: 3})
    message = {"token": token, "purpose": PROMOTIONS, "text": "你好"}
    body = {"messages": [message, {**message, "purpose": "orders.updates"}, message]}
    answer = merchant.post("/v1/messages/batch", body).json["results"]
    assert [each["status"] for each in answer] == ["accepted", "refused", "accepted"]
    assert [send(), send()] == [None, "class_not_admitted"], "what was refused does not count"
    service.clock.advance(timedelta(days=1))
    answer = merchant.post("/v1/messages/batch", {"messages": [message] * 5}).json["results"]
    assert [each["status"] for each in answer] == ["accepted"] * 3 + ["refused"] * 2
    assert send() == "class_not_admitted"
    set_daily_limits(runtime, REVIEWER, merchant.id, {})
    assert send() is None
    assert (EventKind.DAILY_LIMITS_SET, REVIEWER.id) in kinds(service, merchant.id)


def test_limits_are_set_with_the_approval_and_are_of_its_classes(small: Service) -> None:
    applied = applications.apply(small.runtime, application(classes=[PurposeClass.MARKETING]))
    approve = partial(
        applications.approve, small.runtime, REVIEWER, applied.id, checked_by="Harbour"
    )
    for wrong in ({PurposeClass.FINANCE: 5}, {PurposeClass.MARKETING: 0}):
        assert refused_fields(partial(approve, daily_limits=wrong)) == ["daily_limit"]
    approve(daily_limits={PurposeClass.MARKETING: 500})
    found = read_review_file(small.runtime, applied.id)
    assert found.merchant.daily_limits == {PurposeClass.MARKETING: 500}
    assert found.reviews[-1].reason == "marketing=500"
    for actor in READERS:
        with pytest.raises(ForbiddenError):
            set_daily_limits(small.runtime, actor, applied.id, {})


# --- twins ----------------------------------------------------------------------------------------


def test_a_twin_and_a_look_alike_are_proposed_to_the_reviewer(service: Service) -> None:
    known = service.legal_merchant("晨光书店")
    service.merchant("晨光书店")  # a demonstration is nobody's twin
    twin = applications.apply(
        service.runtime, application("晨光書店", number=9, contact="tel. 4000010000")
    )
    (listed,) = control_groups.list_proposals(service.runtime)
    assert {listed.proposal.merchant_id, listed.proposal.other_id} == {known.id, twin.id}
    assert listed.proposal.signals == ("contact", "name")
    control_groups.reject(service.runtime, REVIEWER, twin.id, known.id, reason="a franchise")
    assert control_groups.list_proposals(service.runtime) == []
    assert len(control_groups.list_proposals(service.runtime, twin.id)) == 1


@pytest.mark.parametrize(
    ("one", "other", "is_shared"),
    [
        ("1.2.3.0/24", "1.2.3.64/26", True),
        ("2a00:1450:1::/48", "2a00:1450:1:2::/64", True),
        ("1.2.3.0/24", "1.2.4.0/24", False),
        ("1.2.0.0/16", "1.2.3.0/24", False),  # many firms call from it
        ("10.0.0.0/24", "10.0.0.0/24", False),  # everybody has it at home
    ],
)
def test_keys_of_one_network_are_proposed_to_the_reviewer(
    small: Service, one: str, other: str, *, is_shared: bool
) -> None:
    first, second = small.legal_merchant("晨光书店"), small.legal_merchant("海港茶馆")
    for merchant, network in ((first, one), (second, other)):
        access = ApiAccess(networks=parse_networks([network]))
        add_api_key(small.runtime, merchant.id, access)
    found = [each.proposal.signals for each in control_groups.list_proposals(small.runtime)]
    assert found == ([("network",)] if is_shared else [])


def test_a_merchant_that_narrows_its_own_key_is_compared(small: Service) -> None:
    first, second = small.legal_merchant("晨光书店"), small.legal_merchant("海港茶馆")
    for merchant in (first, second):
        body = {"scopes": ["messages"], "networks": ["1.2.3.0/24"]}
        assert merchant.post("/v1/api-keys", body).status_code == 201
    assert len(control_groups.list_proposals(small.runtime)) == 1


# --- senders --------------------------------------------------------------------------------------


def add(
    service: Service,
    merchant: Merchant,
    extension: str,
    signature: str = "",
    **more: Any,  # noqa: ANN401 - fields of SenderDetails
) -> str:
    """Admit a sender of a merchant; return its id."""
    sender = add_sender(
        service.runtime, merchant.id, port=PORT, extension=extension,
        signature=signature or read_review_file(service.runtime, merchant.id).merchant.name,
        details=SenderDetails(**more), actor=REVIEWER,
    )  # fmt: skip
    return sender.id


@pytest.mark.parametrize("extension", ["77", "7", "771", ""])
def test_no_port_is_anothers_or_its_beginning_or_begins_with_it(
    service: Service, extension: str
) -> None:
    one, other = (service.legal_merchant(name, sends=False) for name in ("晨光书店", "海港茶馆"))
    taken = add(service, one, "77")
    beside = add(service, one, "772")  # its own may be
    assert refused_fields(lambda: add(service, other, extension)) == ["port"]
    add(service, other, "78")
    for each in (taken, beside):
        revoke_sender(service.runtime, ADMIN, each, "moved")
    assert refused_fields(lambda: add(service, other, "77")) == ["port"]
    service.clock.advance(timedelta(days=181))
    add(service, other, "77")


def test_of_two_that_want_a_port_at_once_one_gets_it(service: Service) -> None:
    rivals = [
        service.legal_merchant(name, sends=False) for name in ("晨光书店", "海港茶馆", "青山")
    ]
    outcomes: list[str] = []
    barrier = threading.Barrier(len(rivals))

    def race(merchant: Merchant, extension: str) -> None:
        barrier.wait()
        try:
            outcomes.append(add(service, merchant, extension))
        except InvalidError:
            outcomes.append("refused")

    racing = [
        threading.Thread(target=race, args=(merchant, extension))
        for merchant, extension in zip(rivals, ("5", "55", "555"), strict=True)
    ]
    for each in racing:
        each.start()
    for each in racing:
        each.join(60)
    assert sorted(outcomes)[:2] == ["refused", "refused"]
    assert len(service.runtime.database.read(senders.list_all)) == 1


def test_of_two_that_want_a_signature_at_once_one_gets_it(service: Service) -> None:
    rivals = [service.legal_merchant(name, sends=False) for name in ("晨光书店", "海港茶馆")]
    outcomes: list[str] = []
    barrier = threading.Barrier(len(rivals))

    def race(merchant: Merchant, extension: str, signature: str) -> None:
        barrier.wait()
        try:
            outcomes.append(add(service, merchant, extension, signature))
        except InvalidError:
            outcomes.append("refused")

    wanted = zip(rivals, ("61", "62"), ("青山", "青 山"), strict=True)
    racing = [threading.Thread(target=race, args=each) for each in wanted]
    for each in racing:
        each.start()
    for each in racing:
        each.join(60)
    assert outcomes.count("refused") == 1


def test_a_look_alike_of_anothers_signature_or_name_is_refused(service: Service) -> None:
    one = service.legal_merchant("晨光书店", sends=False)
    other = service.legal_merchant("海港茶馆", sends=False)
    name = "晨 光 書 店"  # of a company that has no sender yet
    assert refused_fields(lambda: add(service, other, "81", name)) == ["signature"]
    first = add(service, one, "82", "Dawn")
    for alike in ("DAWN", "Ｄawn", "Dаwn", "D a w n"):
        found = refused_fields(lambda: add(service, other, "83", alike))  # noqa: B023 - called here
        assert found == ["signature"], alike
    revoke_sender(service.runtime, ADMIN, first, "gone")
    assert refused_fields(lambda: add(service, other, "83", "Dawn")) == ["signature"]
    service.clock.advance(timedelta(days=181))
    add(service, other, "83", "Dawn")


def test_a_demonstration_takes_no_port_from_a_company_and_gives_way(service: Service) -> None:
    demo = service.merchant("示例", sends=False)
    shown = add(service, demo, "91", "双11五折")  # nobody reads its signature
    company = service.legal_merchant("晨光书店", sends=False)
    add(service, company, "9")
    found = service.runtime.database.read(lambda at: senders.find(at, shown))
    assert found is not None
    assert found.revoked_at is not None
    assert refused_fields(lambda: add(service, demo, "91")) == ["port"]
    own = service.runtime.service.sender
    assert refused_fields(
        lambda: add_sender(service.runtime, demo.id, port=own, extension="1", signature="x")
    ) == ["port"]


def test_a_sender_past_its_end_or_revoked_sends_nothing(service: Service) -> None:
    merchant, consumer = service.legal_merchant(sends=False), service.consumer()
    token = service.obtain_token(merchant, consumer)
    until = service.clock.now() + timedelta(hours=1)
    add(service, merchant, "71", valid_until=until)
    assert merchant.send(token).status_code == 202
    service.clock.advance(timedelta(hours=2))
    assert merchant.send(token).json["code"] == "sender_not_admitted"
    renewed = add(service, merchant, "71")
    assert merchant.send(token).status_code == 202
    revoke_sender(service.runtime, ADMIN, renewed, "lent to another brand")
    assert merchant.send(token).json["code"] == "sender_not_admitted"


def test_a_late_stop_to_a_revoked_sender_stops_its_merchant(service: Service) -> None:
    merchant, consumer = service.legal_merchant(sends=False), service.consumer()
    token = service.obtain_token(merchant, consumer)
    sender_id = add(service, merchant, "66")
    revoke_sender(service.runtime, ADMIN, sender_id, "moved to another carrier")
    service.clock.advance(timedelta(days=100))
    service.reply(consumer.number, f"{PORT}66", "R")
    assert merchant.get("/v1/grants").json["items"][0]["status"] == "revoked"
    (confirmed,) = [text for text in service.texts(consumer.number) if "晨光书店" in text][-1:]
    assert not confirmed.startswith("【晨光书店】"), "nothing leaves from a revoked sender"
    assert merchant.post("/v1/tokens/introspect", {"token": token}).json == {"active": False}


def test_a_merchant_applies_for_a_sender_and_texts_once_it_is_admitted(service: Service) -> None:
    merchant, other = (
        service.legal_merchant(name, sends=False) for name in ("晨光书店", "海港茶馆")
    )
    asked = {"port": PORT, "extension": "31", "signature": "【晨光书店】", "classes": ["marketing"]}
    applied = merchant.post("/v1/senders", asked)
    assert (applied.status_code, applied.json["status"]) == (201, "submitted")
    token = service.obtain_token(merchant, service.consumer())
    assert merchant.send(token).json["code"] == "sender_not_admitted"
    # of two that apply for one port, the first that is approved gets it
    theirs = other.post("/v1/senders", {**asked, "signature": "海港茶馆"}).json["id"]
    sender_reviews.approve(service.runtime, REVIEWER, applied.json["id"])
    assert merchant.send(token).status_code == 202
    assert [each["status"] for each in merchant.get("/v1/senders").json["items"]] == ["admitted"]
    with pytest.raises(InvalidError):
        sender_reviews.approve(service.runtime, REVIEWER, theirs)
    sender_reviews.refuse(service.runtime, REVIEWER, theirs, "the port is another's")
    stood = other.get(f"/v1/senders/{theirs}").json
    assert (stood["status"], stood["reason"]) == ("refused", "the port is another's")
    assert merchant.get(f"/v1/senders/{theirs}").status_code == 404
    with pytest.raises(ConflictError):
        sender_reviews.approve(service.runtime, REVIEWER, theirs)


@pytest.mark.parametrize(
    "until",
    [
        "0001-01-01T00:00:00+14:00", "2000-01-01T00:00:00Z", "9999-12-31T23:59:59Z",
        "9999-12-31T23:59:59-14:00",
    ],
)  # fmt: skip
def test_a_sender_ends_at_a_time_that_can_be_counted_with(small: Service, until: str) -> None:
    merchant = small.legal_merchant("晨光书店", sends=False)
    asked = {"port": PORT, "extension": "31", "signature": "晨光书店", "valid_until": until}
    answer = merchant.post("/v1/senders", asked)
    assert (answer.status_code, list(answer.json["errors"])) == (422, ["valid_until"])


def test_no_command_admits_a_sender_until_the_last_of_days(small: Service) -> None:
    merchant = small.legal_merchant("晨光书店", sends=False)
    with pytest.raises(InvalidError) as error:
        add(small, merchant, "31", valid_until=end_of_day(date.max))
    assert list(error.value.fields) == ["valid_until"]


def test_what_approval_would_refuse_is_refused_at_once(small: Service) -> None:
    owner = small.legal_merchant("晨光书店", sends=False)
    add(small, owner, "31")
    other = small.legal_merchant("海港茶馆", [PurposeClass.MARKETING], sends=False)
    free = {"port": PORT, "extension": "41", "signature": "海港茶馆"}
    wrong: list[tuple[str, object]] = [
        ("extension", "31"), ("extension", "3"), ("signature", "晨光書店"),
        ("signature", "全场五折"), ("classes", ["finance"]),
    ]  # fmt: skip
    for member, value in wrong:
        answer = other.post("/v1/senders", {**free, member: value})
        field = "port" if member == "extension" else member
        assert (answer.status_code, list(answer.json["errors"])) == (422, [field])
    assert other.post("/v1/senders", free).status_code == 201


def test_senders_are_listed_by_page(small: Service) -> None:
    merchant = small.legal_merchant("晨光书店", sends=False)
    admitted = [add(small, merchant, each) for each in ("21", "22")]
    asked = {"port": PORT, "extension": "31", "signature": "晨光书店"}
    waiting = merchant.post("/v1/senders", asked).json["id"]
    listed: list[str] = []
    path: str | None = "/v1/senders?limit=1"
    while path:
        page = merchant.get(path).json
        listed += [each["id"] for each in page["items"]]
        path = page["next"] and f"/v1/senders?limit=1&cursor={page['next']}"
    assert sorted(listed) == sorted([*admitted, waiting])
    assert merchant.get("/v1/senders?limit=0").status_code == 422


def test_a_sender_that_ended_before_it_was_approved_is_not_admitted(service: Service) -> None:
    """Its port would rest for 180 days, and nothing would ever leave from it."""
    merchant = service.legal_merchant("晨光书店", sends=False)
    until = (service.clock.now() + timedelta(days=1)).isoformat()
    asked = {"port": PORT, "extension": "31", "signature": "晨光书店", "valid_until": until}
    applied = merchant.post("/v1/senders", asked).json["id"]
    service.clock.advance(timedelta(days=2))
    with pytest.raises(InvalidError):
        sender_reviews.approve(service.runtime, REVIEWER, applied)
    assert merchant.get(f"/v1/senders/{applied}").json["status"] == "submitted"


def test_the_list_for_carriers_has_what_they_ask_for(small: Service) -> None:
    merchant = small.legal_merchant("晨光书店", sends=False)
    add(small, merchant, "21", carrier="中国移动", licence="B2-20210001", filed_use="=cmd()")
    gone = add(small, merchant, "22", carrier="中国移动")
    revoke_sender(small.runtime, ADMIN, gone, "gone")
    (row,) = carrier_rows(small.runtime, "中国移动")
    listed = dict(zip(CARRIER_COLUMNS, row, strict=True))
    assert (listed["port"], listed["extension"], listed["signature"]) == (PORT, "21", "晨光书店")
    assert (listed["legal_name"], listed["licence"]) == ("晨光书店有限公司", "B2-20210001")
    assert listed["filed_use"] == "'=cmd()", "a spreadsheet computes nothing"
    assert carrier_rows(small.runtime, "中国联通") == []
