"""Templates: submitted by merchants, decided on by operators, and known again when withdrawn."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text as sql
from structlog.testing import capture_logs

from consent_tokens.consent.purposes import Purpose
from consent_tokens.errors import ConflictError, ForbiddenError, InvalidError, NotFoundError
from consent_tokens.evidence.events import EventKind
from consent_tokens.relay.templates.moves import AppealStatus, MoveStatus
from consent_tokens.relay.templates.template import TemplateStatus
from consent_tokens.relay.texts_per_event import MIN_EVENTS
from consent_tokens.services.admission import control_groups, operators
from consent_tokens.services.admission import template_reviews as reviews
from consent_tokens.services.admission.actors import Actor
from consent_tokens.services.admission.template_moves import (
    APPEAL_DECISIONS,
    apply_due_moves,
    decide_appeal,
    list_appeals,
    recategorise,
)
from consent_tokens.services.admission.template_reviews import Terms
from consent_tokens.services.admission.texts_per_event import watch_texts_per_event
from consent_tokens.services.webhooks import add_webhook
from consent_tokens.store import events, merchants, templates
from consent_tokens.store.bulk import insert_rows
from consent_tokens.store.database import Transaction
from consent_tokens.store.operators import Role
from consent_tokens.store.template_moves import TemplateMove
from tests.service import ORDERS, PROMOTIONS, REVIEWER, Merchant, Service

OTHER = Actor("opr_other", Role.ADMIN)
TEXT = "订单{order}已发出"
ADVERT = {"purpose": ORDERS, "text": "您的订单{order}已发出，请点击 SHOP 领取红包！"}


def submit(merchant: Merchant, text: str = TEXT, **more: object) -> dict[str, Any]:
    answer = merchant.post("/v1/templates", {"purpose": ORDERS, "text": text, **more})
    assert answer.status_code == 201, answer.text
    found: dict[str, Any] = answer.get_json()
    return found


def status_of(service: Service, template_id: str) -> TemplateStatus:
    found = service.runtime.database.read(lambda at: templates.for_relay(at, [template_id]))
    return found[template_id].status


def events_of(service: Service, merchant: Merchant) -> list[tuple[str, str | None, str | None]]:
    """Return kind, subject and actor of the events about templates; of one second in any order."""

    def query(transaction: Transaction) -> list[tuple[str, str | None, str | None]]:
        found = merchants.find(transaction, merchant.id)
        assert found
        lines = events.of_partition(transaction, found.partition, found.admitted_at)
        return [
            (each.kind.value, each.reason, each.actor)
            for each in lines
            if each.kind.startswith("template_")
        ]

    return service.runtime.database.read(query)


def join_group(service: Service, *members: Merchant) -> None:
    with service.runtime.database.engine.begin() as connection:
        for each in members:
            connection.execute(
                sql("UPDATE merchants SET control_group = 'grp_1' WHERE id = :id"), {"id": each.id}
            )


def test_submitted_template_is_shown_with_its_preview(service: Service) -> None:
    merchant = service.merchant()

    found = submit(merchant, "尊敬的{name}，您的订单{order}已发出，满减优惠券已退回")

    assert (found["status"], found["version"], found["event_type"]) == ("submitted", 1, "order")
    assert found["variables"]["name"] == {
        "type": "name", "max_length": 20, "pattern": "", "choices": [],
    }  # fmt: skip
    assert found["marks"] == []
    assert [each["id"] for each in found["rulings"]] == ["coupon_returned"]
    assert found["preview"]["text"].startswith("【晨光书店】尊敬的国国")
    assert found["preview"]["segments"] == 2
    assert merchant.get(f"/v1/templates/{found['id']}").json == found
    assert events_of(service, merchant) == [("template_submitted", f"{found['id']}:1", None)]


def test_advert_is_marked_and_still_submitted(service: Service) -> None:
    found = submit(service.merchant(), "双11返场！全场5折，订单{order}已发出")

    assert {"offer: 返场", "offer: 5折"} <= set(found["marks"])
    assert found["status"] == "submitted"


def test_faults_are_answered_by_field(service: Service) -> None:
    answer = service.merchant().post(
        "/v1/templates",
        {
            "purpose": ORDERS,
            "text": "{name}{thing}已发出",
            "variables": {"thing": {"type": "text"}},
        },
    )

    assert (answer.status_code, answer.json["code"]) == (422, "invalid")
    assert {fault.rpartition("(")[2].rstrip(")").partition(":")[0]
            for fault in answer.json["errors"]["text"]} == {
        "variable_first", "variables_adjacent", "too_little_fixed_text",
    }  # fmt: skip


def test_submission_is_repeated_safely(service: Service) -> None:
    merchant = service.merchant()
    body = {"purpose": ORDERS, "text": TEXT}

    first = merchant.post("/v1/templates", body, Idempotency_Key="a")
    second = merchant.post("/v1/templates", body, Idempotency_Key="a")

    assert first.json == second.json
    assert second.headers["Idempotent-Replayed"] == "true"
    assert first.headers["Location"].endswith(f"/v1/templates/{first.json['id']}")
    assert len(merchant.get("/v1/templates").json["items"]) == 1


def test_templates_are_listed_by_status_purpose_and_page(service: Service) -> None:
    merchant, other = service.merchant(), service.merchant("另一家店")
    ids = [submit(merchant, f"订单{{order}}已发出{'好' * each}")["id"] for each in range(1, 4)]
    advert = submit(merchant, "全场5折，{name}快来", purpose=PROMOTIONS)
    submit(other)
    reviews.approve(service.runtime, REVIEWER, ids[0])

    first = merchant.get("/v1/templates?limit=3").json
    rest = merchant.get(f"/v1/templates?limit=3&cursor={first['next']}").json
    assert sorted(each["id"] for each in first["items"] + rest["items"]) == sorted(
        [*ids, advert["id"]]
    )
    approved = merchant.get("/v1/templates?status=approved").json["items"]
    assert [(each["id"], each["approved_version"]) for each in approved] == [(ids[0], 1)]
    of_marketing = merchant.get(f"/v1/templates?purpose={PROMOTIONS}").json["items"]
    assert [each["id"] for each in of_marketing] == [advert["id"]]
    assert merchant.get(f"/v1/templates?purpose={ORDERS}&cursor={first['next']}").status_code == 422
    assert other.get(f"/v1/templates/{ids[0]}").status_code == 404
    assert merchant.get("/v1/templates/tpl_x").status_code == 404


def test_approval_is_recorded_with_its_actor(service: Service) -> None:
    merchant = service.merchant()
    template_id = submit(merchant)["id"]

    approved = reviews.approve(
        service.runtime, REVIEWER, template_id, terms=Terms(texts_per_event=3), reason="清楚"
    )

    assert approved.template.status is TemplateStatus.APPROVED
    assert (approved.template.texts_per_event, approved.reason) == (3, "清楚")
    assert events_of(service, merchant).count((
        EventKind.TEMPLATE_APPROVED, f"{template_id}:1", REVIEWER.id,
    )) == 1  # fmt: skip
    with pytest.raises(ConflictError):
        reviews.approve(service.runtime, REVIEWER, template_id)
    with pytest.raises(NotFoundError):
        reviews.approve(service.runtime, REVIEWER, "tpl_0")


@pytest.mark.parametrize("role", [Role.ANALYST, Role.AUDITOR])
def test_who_only_reads_decides_nothing(service: Service, role: Role) -> None:
    reader = Actor("opr_reader", role)
    template_id = submit(service.merchant())["id"]

    decisions: tuple[Callable[[], object], ...] = (
        lambda: reviews.approve(service.runtime, reader, template_id),
        lambda: reviews.refuse(service.runtime, reader, template_id, reason="x"),
        lambda: reviews.hold(service.runtime, reader, template_id, reason="x"),
        lambda: reviews.release(service.runtime, reader, template_id, reason="x"),
        lambda: reviews.withdraw(service.runtime, reader, template_id, reason="x"),
        lambda: recategorise(
            service.runtime, reader, template_id, purpose=Purpose(PROMOTIONS), reason="x"
        ),
    )
    for decide in decisions:
        with pytest.raises(ForbiddenError):
            decide()
    assert status_of(service, template_id) is TemplateStatus.SUBMITTED


def test_texts_per_event_are_few(service: Service) -> None:
    template_id = submit(service.merchant())["id"]

    for wrong in (0, 6):
        with pytest.raises(InvalidError):
            reviews.approve(
                service.runtime, REVIEWER, template_id, terms=Terms(texts_per_event=wrong)
            )


def test_essential_template_needs_two_people_and_no_event(service: Service) -> None:
    merchant = service.merchant()
    found = submit(
        merchant,
        "您购买的{item}可能有安全隐患，请停止使用",
        purpose="service.notices",
        essential=True,
    )
    assert (found["essential"], found["event_type"]) == (True, None)

    first = reviews.approve(service.runtime, REVIEWER, found["id"])
    assert first.template.status is TemplateStatus.SUBMITTED
    with pytest.raises(ConflictError):
        reviews.approve(service.runtime, REVIEWER, found["id"])
    second = reviews.approve(service.runtime, OTHER, found["id"])

    assert second.template.status is TemplateStatus.APPROVED
    assert {(kind, actor) for kind, _, actor in events_of(service, merchant)} == {
        ("template_submitted", None), ("template_first_approved", REVIEWER.id),
        ("template_approved", OTHER.id),
    }  # fmt: skip


def test_who_was_disabled_meanwhile_has_approved_nothing_essential(small: Service) -> None:
    merchant, runtime = small.merchant(), small.runtime
    text = "您购买的{item}可能有安全隐患，请停止使用"
    found = submit(merchant, text, purpose="service.notices", essential=True)
    gone = operators.add_operator(runtime, OTHER, "Lin", Role.REVIEWER)
    reviews.approve(runtime, Actor(gone.id, gone.role), found["id"])
    operators.disable_operator(runtime, OTHER, "Lin")
    approved = reviews.approve(runtime, REVIEWER, found["id"])
    assert approved.template.status is TemplateStatus.SUBMITTED
    approved = reviews.approve(runtime, OTHER, found["id"])
    assert approved.template.status is TemplateStatus.APPROVED


def test_essential_is_for_transactional_texts_only(service: Service) -> None:
    merchant = service.merchant()
    text = "新书到店，{name}快来看看"
    body = {"purpose": PROMOTIONS, "text": text, "essential": True}

    assert list(merchant.post("/v1/templates", body).json["errors"]) == ["essential"]
    advert = submit(merchant, text, purpose=PROMOTIONS)["id"]
    with pytest.raises(InvalidError):
        reviews.approve(service.runtime, REVIEWER, advert, terms=Terms(is_essential=True))


def moved(service: Service, template_id: str, purpose: str = PROMOTIONS) -> TemplateMove:
    return recategorise(
        service.runtime, REVIEWER, template_id, purpose=Purpose(purpose), reason="未成交"
    )


def test_a_text_that_is_not_in_use_is_moved_at_once(small: Service) -> None:
    merchant = small.merchant()
    template_id = submit(merchant, "您购物车里的{item}还在等您，请尽快购买")["id"]
    assert moved(small, template_id).status is MoveStatus.IN_EFFECT
    shown = merchant.get(f"/v1/templates/{template_id}").json
    assert (shown["purpose"], shown["event_type"]) == (PROMOTIONS, None)
    with pytest.raises(ConflictError):
        moved(small, template_id)
    code = submit(merchant, "您的取件码是{code}，请尽快领取{item}哦")
    with pytest.raises(InvalidError):  # a one-time code has no other variable
        moved(small, code["id"], "account.code")


def test_a_text_in_use_is_moved_after_a_day_of_notice(service: Service) -> None:
    merchant = service.merchant()
    template_id = service.template(merchant, ORDERS, "您购物车里的{item}还在等您，请尽快购买")["id"]
    day = timedelta(days=1)
    assert moved(service, template_id).takes_effect_at == service.clock.now() + day

    def standing() -> tuple[str, str, str]:
        shown = merchant.get(f"/v1/templates/{template_id}").json
        return shown["purpose"], shown["status"], shown["other_purpose"]["status"]

    service.clock.advance(day - timedelta(seconds=1))
    assert apply_due_moves(service.runtime) == 0
    assert standing() == (ORDERS, "approved", "announced")
    service.clock.advance(timedelta(seconds=1))
    assert apply_due_moves(service.runtime) == 1
    assert standing() == (PROMOTIONS, "approved", "in_effect")
    assert apply_due_moves(service.runtime) == 0
    kinds = [(kind, actor) for kind, _, actor in events_of(service, merchant)]
    assert ("template_recategorised", REVIEWER.id) in kinds
    assert ("template_purpose_changed", None) in kinds


@pytest.mark.parametrize("is_in_effect", [False, True])
@pytest.mark.parametrize("decision", list(APPEAL_DECISIONS))
def test_another_person_decides_an_appeal(
    small: Service, decision: AppealStatus, *, is_in_effect: bool
) -> None:
    merchant, runtime = small.merchant(), small.runtime
    template_id = small.template(merchant, ORDERS, TEXT)["id"]
    path = f"/v1/templates/{template_id}/appeal"
    assert merchant.post(path, {"reason": "订单通知"}).status_code == 409
    moved(small, template_id, "orders.deliveries")
    if is_in_effect:
        small.clock.advance(timedelta(days=1))
        apply_due_moves(runtime)
    assert merchant.post(path, {"reason": "订单通知"}).status_code == 200
    assert merchant.post(path, {"reason": "订单通知"}).status_code == 409, "once"
    assert [each.appeal for each in list_appeals(runtime, 10)] == ["订单通知"]
    with pytest.raises(ForbiddenError):
        decide_appeal(runtime, REVIEWER, template_id, decision, "复核")
    decide_appeal(runtime, OTHER, template_id, decision, "复核")
    assert list_appeals(runtime, 10) == []
    small.clock.advance(timedelta(days=1))
    apply_due_moves(runtime)
    shown = merchant.get(f"/v1/templates/{template_id}").json
    is_upheld = decision is AppealStatus.UPHELD
    assert shown["purpose"] == (ORDERS if is_upheld else "orders.deliveries")
    assert shown["other_purpose"]["status"] == ("reversed" if is_upheld else "in_effect")


def test_an_appeal_comes_within_sixty_days_from_its_own_merchant(small: Service) -> None:
    merchant, stranger = small.merchant(), small.merchant("海港茶馆")
    template_id = small.template(merchant, ORDERS, TEXT)["id"]
    moved(small, template_id, "orders.deliveries")
    path = f"/v1/templates/{template_id}/appeal"
    assert stranger.post(path, {"reason": "x"}).status_code == 404
    small.clock.advance(timedelta(days=61))
    assert merchant.post(path, {"reason": "x"}).status_code == 409


def test_a_text_that_was_withdrawn_is_not_moved(small: Service) -> None:
    merchant = small.merchant()
    template_id = small.template(merchant, ORDERS, TEXT)["id"]
    moved(small, template_id, "orders.deliveries")
    moved(small, template_id, PROMOTIONS)  # the first is dropped
    reviews.withdraw(small.runtime, REVIEWER, template_id, reason="广告")
    small.clock.advance(timedelta(days=1))
    assert apply_due_moves(small.runtime) == 1
    shown = merchant.get(f"/v1/templates/{template_id}").json
    assert (shown["purpose"], shown["other_purpose"]["status"]) == (ORDERS, "dropped")


def test_newest_approved_version_is_the_one_that_leaves(service: Service) -> None:
    merchant = service.merchant()
    first = service.template(merchant, ORDERS, TEXT)
    second = submit(merchant, "您的订单{order}已发出", template=first["id"])

    assert (second["id"], second["version"], second["approved_version"]) == (first["id"], 2, 1)
    reviews.approve(service.runtime, REVIEWER, first["id"])
    assert merchant.get(f"/v1/templates/{first['id']}").json["approved_version"] == 2
    assert service.merchant("别家").post(
        "/v1/templates", {"purpose": ORDERS, "text": TEXT, "template": first["id"]}
    ).status_code == 404  # fmt: skip
    other_purpose = {"purpose": PROMOTIONS, "text": TEXT, "template": first["id"]}
    assert list(merchant.post("/v1/templates", other_purpose).json["errors"]) == ["purpose"]


def test_hold_holds_all_versions_until_release(service: Service) -> None:
    merchant = service.merchant()
    template_id = service.template(merchant, ORDERS, TEXT)["id"]
    service.template(merchant, ORDERS, "您的订单{order}已发出", template=template_id)

    reviews.hold(service.runtime, REVIEWER, template_id, reason="有人举报")
    assert status_of(service, template_id) is TemplateStatus.HELD
    with pytest.raises(ConflictError):
        reviews.hold(service.runtime, REVIEWER, template_id, reason="again")

    reviews.release(service.runtime, REVIEWER, template_id, reason="没有问题")
    assert status_of(service, template_id) is TemplateStatus.APPROVED
    kinds = [kind for kind, _, _ in events_of(service, merchant)]
    assert (kinds.count("template_held"), kinds.count("template_released")) == (1, 1)


@pytest.mark.parametrize("is_abuse", [False, True])
def test_text_of_a_withdrawn_template_does_not_come_back(
    service: Service, *, is_abuse: bool
) -> None:
    merchant, sister, stranger = (service.merchant(name) for name in ("一店", "二店", "别家"))
    join_group(service, merchant, sister)
    if is_abuse:
        template_id = submit(merchant, ADVERT["text"])["id"]
        waiting = submit(sister, ADVERT["text"])["id"]
        reviews.refuse(service.runtime, REVIEWER, template_id, reason="广告", is_abuse=True)
    else:
        template_id = service.template(merchant, ORDERS, ADVERT["text"])["id"]
        waiting = submit(sister, ADVERT["text"])["id"]
        reviews.withdraw(service.runtime, REVIEWER, template_id, reason="广告")
        assert status_of(service, template_id) is TemplateStatus.WITHDRAWN
        again = {**ADVERT, "text": TEXT, "template": template_id}
        assert merchant.post("/v1/templates", again).status_code == 409

    for text in (
        ADVERT["text"], "您的訂單{order}已發出，請點擊 SHOP 領取紅包！",
        "您的订单{parcel}已发出。请点击【shop】领取红包".replace("【", "(").replace("】", ")"),
        "您的订单{order}已发出，请点击ЅНОР领取红包",
    ):  # fmt: skip
        for each in (merchant, sister):
            answer = each.post("/v1/templates", {"purpose": ORDERS, "text": text})
            assert answer.status_code == 422, text
            assert "text_withdrawn" in answer.json["errors"]["text"][0]
    with pytest.raises(ConflictError):  # it was submitted before
        reviews.approve(service.runtime, REVIEWER, waiting)
    assert submit(stranger, ADVERT["text"])["status"] == "submitted"
    assert submit(merchant)["status"] == "submitted"


@pytest.mark.parametrize("how", ["withdrawn", "refused as abuse", "joined later"])
def test_text_that_was_withdrawn_stays_in_use_nowhere_in_the_group(
    service: Service, how: str
) -> None:
    """Also not as a template that was approved before, of the same merchant or of a sister."""
    merchant, sister, stranger = (service.merchant(name) for name in ("一店", "二店", "别家"))
    if how != "joined later":
        join_group(service, merchant, sister)
    twins = [service.template(each, ORDERS, ADVERT["text"])["id"] for each in (merchant, sister)]
    held, theirs, honest = (
        service.template(each, ORDERS, text)["id"]
        for each, text in (
            (sister, ADVERT["text"]), (stranger, ADVERT["text"]), (sister, TEXT),
        )
    )  # fmt: skip
    reviews.hold(service.runtime, REVIEWER, held, reason="x")
    again = submit(merchant, ADVERT["text"])["id"]
    if how == "refused as abuse":
        reviews.refuse(service.runtime, OTHER, again, reason="广告", is_abuse=True)
    else:
        reviews.withdraw(service.runtime, OTHER, again, reason="广告")
    if how == "joined later":
        assert status_of(service, twins[1]) is TemplateStatus.APPROVED
        control_groups.join(service.runtime, OTHER, sister.id, merchant.id, reason="one owner")

    statuses = [status_of(service, each) for each in (*twins, held)]
    assert statuses == [TemplateStatus.WITHDRAWN] * 3
    assert ("template_withdrawn", f"{twins[1]}:1", OTHER.id) in events_of(service, sister)
    assert {status_of(service, each) for each in (theirs, honest)} == {TemplateStatus.APPROVED}


def test_refused_template_is_resubmitted_three_times_a_day(service: Service) -> None:
    merchant = service.merchant()
    template_id = submit(merchant, ADVERT["text"])["id"]
    reviews.refuse(service.runtime, REVIEWER, template_id, reason="请删去红包")
    service.clock.advance(timedelta(hours=1))

    for _ in range(3):
        submit(merchant, ADVERT["text"], template=template_id)
        reviews.refuse(service.runtime, REVIEWER, template_id, reason="请删去红包")
    for body in ({**ADVERT, "template": template_id}, ADVERT):  # nor as another template
        answer = merchant.post("/v1/templates", body)
        assert answer.status_code == 429
        assert answer.headers["Retry-After"] == str(24 * 3600)
    assert submit(merchant)["status"] == "submitted"

    service.clock.advance(timedelta(days=1))
    assert submit(merchant, ADVERT["text"], template=template_id)["version"] == 5


def test_merchant_is_notified_of_each_decision(service: Service) -> None:
    merchant = service.merchant()
    add_webhook(
        service.runtime, service.context.webhook_client, merchant.id, "https://127.0.0.1/",
        ["template.reviewed"],
    )  # fmt: skip
    template_id = service.template(merchant, ORDERS, TEXT)["id"]
    moved(service, template_id, "orders.deliveries")
    reviews.withdraw(service.runtime, REVIEWER, template_id, reason="广告")

    with service.runtime.database.engine.connect() as connection:
        bodies = [row.body for row in connection.execute(sql("SELECT body FROM webhook_events"))]
    assert len(bodies) == 3
    assert any('"status":"withdrawn"' in each and '"reason":"广告"' in each for each in bodies)
    announced = [each for each in bodies if '"takes_effect_at":"2021' in each]
    assert len(announced) == 1
    for member in ('"previous_purpose":"orders.updates"', '"purpose":"orders.deliveries"'):
        assert member in announced[0]


def test_many_texts_for_each_order_are_reported_once_a_day(service: Service) -> None:
    merchants_texts = {f"店{place}": 1 for place in range(4)} | {"多多": 3}
    shops = {name: service.merchant(name) for name in merchants_texts}
    columns = (
        "partition", "id", "merchant_id", "priority", "purpose", "status", "accepted_at",
        "send_at", "valid_until", "changed_at", "segments", "attempts", "event_hash",
    )  # fmt: skip
    now = int(service.clock.now().timestamp())
    rows = [
        (hashed, text, shop.id, 1, ORDERS, "sent", now, now, now, now, 1, 1, hashed)
        for place, (name, shop) in enumerate(shops.items())
        for hashed in range(1000 * place, 1000 * place + MIN_EVENTS)
        for text in range(merchants_texts[name])
    ]
    service.runtime.database.run(lambda at: insert_rows(at, "messages", columns, rows))
    assert watch_texts_per_event(service.runtime) == [], "the day is not over"
    service.clock.advance(timedelta(days=1))
    before = service.metric("consent_many_texts_per_event_total")
    with capture_logs() as lines:
        (found,) = watch_texts_per_event(service.runtime)
        assert watch_texts_per_event(service.runtime) == [], "once a day"
    assert found.counted == (shops["多多"].id, 3 * MIN_EVENTS, MIN_EVENTS)
    assert [line["merchant"] for line in lines if line["event"] == "many_texts_per_event"] == [
        shops["多多"].id
    ]
    assert service.metric("consent_many_texts_per_event_total") == before + 1


def test_class_that_a_merchant_is_not_admitted_for_is_refused(service: Service) -> None:
    merchant = service.merchant()
    with service.runtime.database.engine.begin() as connection:
        connection.execute(sql("UPDATE merchants SET kind = 'legal_entity', classes = 'marketing'"))

    answer = merchant.post("/v1/templates", {"purpose": ORDERS, "text": TEXT})

    assert list(answer.json["errors"]) == ["purpose"]


def test_value_that_does_not_fit_is_named_in_words(service: Service) -> None:
    merchant = service.merchant()
    template_id = service.template(merchant, ORDERS, "尊敬的{name}，您的订单{order}已发出")["id"]
    token = service.obtain_token(merchant, service.consumer(), ORDERS)
    values = {"name": "全场5折戳链接", "order": "8812"}

    refused = merchant.post(
        "/v1/messages",
        {"token": token, "purpose": ORDERS, "template": template_id, "variables": values},
    )

    assert refused.json["code"] == "template_rejected"
    assert refused.json["detail"] == "name: The value is not of the type of its variable."
    assert refused.json["errors"] == {"variables.name": ["not_of_its_type"]}
