"""Every answer of the merchant API conforms to what /openapi.json says of its operation."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

import pytest
from jsonschema import Draft202012Validator, FormatChecker
from marshmallow import Schema
from sqlalchemy import select
from werkzeug.test import TestResponse

from consent_tokens.consent.purposes import Purpose
from consent_tokens.evidence.complaints import ComplaintReason
from consent_tokens.relay.pacing import PacingKind, new_pacing
from consent_tokens.services.admission.pacing_decisions import drop
from consent_tokens.services.admission.template_moves import recategorise
from consent_tokens.services.admission.template_reviews import withdraw
from consent_tokens.services.complaints import enqueue_complaint_groups, report_message
from consent_tokens.services.consents.amendments import pause
from consent_tokens.services.retention.sweep import apply_retention
from consent_tokens.services.submission.message_status import get_message
from consent_tokens.services.webhooks import WebhookEventType, add_webhook
from consent_tokens.store import pacings
from consent_tokens.store.tables import webhook_events
from tests.service import ALWAYS, ORDERS, PROMOTIONS, REVIEWER, Merchant, Service

Description = dict[str, Any]
FORMATS = FormatChecker()
METHODS = {"get", "post", "put", "patch", "delete"}

WITHOUT_BODY = {
    "fetch_consent_token", "rotate_webhook_secret", "remove_webhook", "withdraw_plan",
}  # fmt: skip
SENDER = {"port": "10690002", "extension": "1", "signature": "晨光书店"}


@dataclass
class CheckedApi:
    """The API of a merchant; each answer is checked against the description of its operation."""

    merchant: Merchant
    description: Description
    answered: set[tuple[str, int]] = field(default_factory=set)  # operation id and status

    def call(
        self,
        operation_id: str,
        body: object = None,
        status: int | None = None,
        headers: Mapping[str, str] | None = None,
        query: str = "",
        ids: Mapping[str, str] | None = None,
    ) -> Any:  # noqa: ANN401 - JSON
        """Call an operation, and return its body if that is as described."""
        path, method, operation = operations(self.description)[operation_id]
        answer = self.merchant.call(method, path.format(**(ids or {})) + query, body, headers)
        if status is not None:
            assert answer.status_code == status, answer.text
        self.check(operation_id, operation, answer)
        return answer.json

    def check(self, operation_id: str, operation: Description, answer: TestResponse) -> None:
        """Fail unless the description has this status, content type and body."""
        described = operation["responses"][str(answer.status_code)]["content"]
        assert answer.content_type in described
        schema = described[answer.content_type]["schema"]
        validator = Draft202012Validator(
            {**schema, "components": self.description["components"]}, format_checker=FORMATS
        )
        faults = [
            f"{each.json_path}: {each.message}" for each in validator.iter_errors(answer.json)
        ]
        assert not faults, (operation_id, answer.json, faults)
        self.answered.add((operation_id, answer.status_code))


def operations(description: Description) -> dict[str, tuple[str, str, Description]]:
    """Return path, method and description of each operation, by its id."""
    return {
        operation["operationId"]: (path, method.upper(), operation)
        for path, item in description["paths"].items()
        for method, operation in item.items()
        if method in METHODS
    }


@pytest.fixture
def description(small: Service) -> Description:
    return dict(small.app.test_client().get("/openapi.json").json or {})


@pytest.fixture
def api(small: Service, description: Description) -> CheckedApi:
    return CheckedApi(small.merchant(), description)


def message(token: str, **more: object) -> dict[str, object]:
    return {"token": token, "purpose": ORDERS, "text": "您的书已发出", **more}


def test_every_operation_answers_as_it_is_described(small: Service, api: CheckedApi) -> None:
    consumer = small.consumer()
    asked = api.call(
        "create_consent_request",
        {"purposes": [PROMOTIONS, ORDERS], "max_messages": 3, "reference": "c-1", **ALWAYS},
        status=201,
        headers={"Idempotency-Key": "ask"},
    )
    request_id = asked["id"]
    api.call("create_consent_request", {"purposes": []}, status=422)
    api.call("get_consent_request", ids={"request_id": request_id})
    assert api.call("list_consent_requests")["items"][0]["id"] == request_id
    api.call("list_consent_requests", query="?status=open", status=422)
    api.call("fetch_consent_token", ids={"request_id": request_id}, status=409)
    consumer.agree(asked["consent_url"].removeprefix("http://localhost"), PROMOTIONS, ORDERS)
    granted = api.call("get_consent_request", ids={"request_id": request_id})
    assert granted["scope"]["purposes"] == [PROMOTIONS, ORDERS]
    fetched = [
        api.call(
            "fetch_consent_token", ids={"request_id": request_id}, headers={"Idempotency-Key": "f"}
        )
        for _ in range(2)
    ]
    assert fetched[0] == fetched[1]
    token = fetched[0]["token"]
    assert fetched[0]["grant"] == granted["grant"]

    api.call("introspect_token", {"token": token})
    api.call("introspect_token", {"token": "x"})
    token = api.call("renew_token", {"token": token})["token"]
    api.call("renew_token", {"token": "x"}, status=403)
    api.call("get_grant", ids={"grant_id": granted["grant"]})
    assert api.call("list_grants", query="?limit=1")["items"][0]["id"] == granted["grant"]
    api.call("list_grants", query="?limit=0", status=422)

    in_a_day = (small.clock.now() + timedelta(days=1)).isoformat()
    sent = api.call("send_message", message(token, reference="r"), status=202)
    api.call("send_message", message(token, send_at=in_a_day, reference="r"), status=202)
    api.call("send_message", message("x"), status=422)
    api.call("send_message", {}, status=422)
    results = api.call(
        "send_batch", {"messages": [message(token, reference="r"), message("x"), {}, None, 7]}
    )["results"]
    assert [each["status"] for each in results] == ["accepted", *["refused"] * 4]
    api.call("send_batch", {"messages": []}, status=422)
    small.work()
    api.call("get_message", ids={"message_id": sent["id"]})
    first = api.call("list_messages", query="?reference=r&limit=1")
    rest = api.call("list_messages", query=f"?reference=r&cursor={first['next']}")
    assert len(first["items"]) == 1
    assert len(rest["items"]) == 2
    api.call("list_messages", query="?status=lost", status=422)

    found = get_message(small.runtime, api.merchant.id, sent["id"])
    report_message(small.runtime, found, ComplaintReason.TOO_OFTEN)
    assert api.call("list_complaints")["items"] == [], "a day is shown once it is over"
    assert api.call("list_link_domains") == {"domains": []}
    api.call("list_complaints", query="?cursor=x", status=422)

    applied = api.call("create_sender", SENDER, status=201)
    assert applied["status"] == "submitted"
    api.call("create_sender", {**SENDER, "port": "x"}, status=422)
    assert api.call("get_sender", ids={"sender_id": applied["id"]}) == applied
    api.call("get_sender", ids={"sender_id": "snd_x"}, status=404)
    # of one second in any order
    assert sorted(each["status"] for each in api.call("list_senders")["items"]) == [
        "admitted", "submitted",
    ]  # fmt: skip

    api.call("revoke_token", {"token": token}, status=200, headers={"Idempotency-Key": "end"})
    api.call("revoke_token", {"token": token}, status=422, headers={"Idempotency-Key": ""})
    api.call("send_message", message(token), status=403)
    api.call("renew_token", {"token": token}, status=409)
    api.call("get_grant", ids={"grant_id": granted["grant"]})
    refused = api.call("list_messages", query="?reference=r")["items"]
    assert "consent_revoked" in {each["reason"] for each in refused}
    small.clock.advance(timedelta(days=2))
    assert len(api.call("list_complaints")["items"]) == 1
    api.call("fetch_consent_token", ids={"request_id": request_id}, status=410)

    order_text = {"purpose": ORDERS, "text": "订单{order}已发出"}
    template = api.call("submit_template", order_text, status=201, headers={"Idempotency-Key": "t"})
    api.call("submit_template", {**order_text, "text": "{order}已发出"}, status=422)
    api.call("submit_template", {**order_text, "template": "tpl_x"}, status=404)
    of_template = {"template_id": template["id"]}
    because = {"reason": "这是订单通知"}
    api.call("appeal_template", because, status=409, ids=of_template)
    recategorise(small.runtime, REVIEWER, template["id"], purpose=Purpose.DELIVERIES, reason="送货")
    appealed = api.call("appeal_template", because, status=200, ids=of_template)
    assert appealed["other_purpose"]["appeal_status"] == "open"
    withdraw(small.runtime, REVIEWER, template["id"], reason="广告")
    api.call("submit_template", {**order_text, "template": template["id"]}, status=409)
    api.call("get_template", ids={"template_id": template["id"]})
    assert len(api.call("list_templates", query="?status=withdrawn")["items"]) == 1
    api.call("list_templates", query="?status=open", status=422)

    narrow = {"scopes": ["api-keys"], "networks": ["127.0.0.0/8"], "rate": 60}
    created = api.call("create_api_key", narrow, status=201, headers={"Idempotency-Key": "k"})
    assert api.call("get_api_key", ids={"key_id": created["id"]})["rate"] == 60
    assert len(api.call("list_api_keys")["items"]) == 2
    api.call("revoke_api_key", {}, status=200, ids={"key_id": created["id"]})
    api.call("revoke_api_key", {}, status=404, ids={"key_id": created["id"]})

    test_key = api.call("create_api_key", {"scopes": ["consents"], "test": True}, status=201)
    tests = replace(api, merchant=replace(api.merchant, api_key=test_key["api_key"]))
    for decision in ("grant", "decline"):
        asked = tests.call("create_consent_request", {"purposes": [PROMOTIONS]}, status=201)
        of_request, answer = {"request_id": asked["id"]}, {"decision": decision}
        tests.call("answer_consent_request", answer, ids=of_request, status=200)
        tests.call("answer_consent_request", answer, ids=of_request, status=409)
    no = {"decision": "decline"}
    api.call("answer_consent_request", no, ids={"request_id": request_id}, status=403)

    hook = api.call("create_webhook", {"url": "https://127.0.0.1/"}, status=201)
    api.call("create_webhook", {"url": "https://10.0.0.1/"}, status=422)
    of_hook = {"webhook_id": hook["id"]}
    assert api.call("get_webhook", ids=of_hook) == api.call("list_webhooks")["items"][0]
    api.call("rotate_webhook_secret", status=200, ids=of_hook)
    api.call("remove_webhook", status=200, ids=of_hook)

    in_two_days = (small.clock.now() + timedelta(days=2)).isoformat()
    planned = {"starts_at": small.clock.now().isoformat(), "ends_at": in_two_days, "messages": 5}
    plan = api.call("state_plan", {**planned, "sender": None}, status=201)
    of_plan = {"plan_id": plan["id"]}
    assert api.call("list_plans", query="?status=current")["items"] == [plan]
    assert api.call("get_plan", ids=of_plan) == plan
    api.call("change_plan", {**planned, "messages": 4}, status=200, ids=of_plan)
    api.call("withdraw_plan", status=200, ids=of_plan)
    api.call("change_plan", planned, status=409, ids=of_plan)
    api.call("state_plan", {**planned, "ends_at": in_a_day}, status=422)

    done = {operation_id for operation_id, status in api.answered if status < 300}
    assert done == set(operations(api.description)), "an operation is not tried here"


def test_every_operation_describes_the_problems_of_any_request(api: CheckedApi) -> None:
    ids = {
        "request_id": "req_x",
        "grant_id": "x",
        "message_id": "msg_x",
        "sender_id": "snd_x",
        "template_id": "tpl_x",
        "key_id": "key_x",
        "plan_id": "plan_x",
        "webhook_id": "wh_x",
    }
    stranger = CheckedApi(Merchant(api.merchant.service, "x", "ctk_0_0"), api.description)
    for operation_id, (path, method, operation) in operations(api.description).items():
        stranger.call(operation_id, {}, status=401, ids=ids)
        if "requestBody" in operation:
            client = api.merchant.service.app.test_client()
            for status, body, kind in (
                (400, b"{", "application/json"),
                (415, b"{}", "text/plain"),
                (422, b"[]", "application/json"),
                (413, b" " * (9 * 1024 * 1024), "application/json"),
            ):
                answer = client.open(
                    path, method=method, data=body, content_type=kind,
                    headers={"Authorization": f"Bearer {api.merchant.api_key}"},
                )  # fmt: skip
                assert answer.status_code == status
                api.check(operation_id, operation, answer)
        elif "{" in path:
            api.call(operation_id, status=404, ids=ids)


def test_what_is_away_is_described(api: CheckedApi) -> None:
    api.merchant.service.runtime.revocation_journal.path.mkdir()
    api.call("send_message", message("x"), status=503)


def test_every_object_says_which_members_it_has(description: Description) -> None:
    for name, schema in description["components"]["schemas"].items():
        assert schema["additionalProperties"] is False, name
        if name not in {"NothingAnswer", "RevocationIn"}:
            assert schema["properties"], name
            assert schema.get("required"), name
    Draft202012Validator.check_schema(description["components"]["schemas"]["Problem"])


def test_each_member_of_what_was_admitted_is_explained(description: Description) -> None:
    schemas = description["components"]["schemas"]
    silent = [
        f"{name}.{member}"
        for name in (
            "TemplateAnswer",
            "MoveAnswer",
            "PreviewAnswer",
            "RulingAnswer",
            "SenderAnswer",
        )
        for member, schema in schemas[name]["properties"].items()
        if not schema.get("description")
    ]
    assert silent == []


def test_every_operation_has_an_id_a_tag_a_summary_and_enums(description: Description) -> None:
    found = operations(description)
    assert len(found) == 37
    for _, _, operation in found.values():
        assert operation["tags"]
        assert operation["summary"].endswith(".")
        assert {"401", "500", "503"} <= set(operation["responses"])
    schemas = description["components"]["schemas"]
    for name in ("ConsentRequestAnswer", "GrantAnswer", "MessageAnswer"):
        assert schemas[name]["properties"]["status"]["enum"]
    assert "cap_reached" in schemas["Problem"]["properties"]["code"]["enum"]


def test_a_member_that_is_not_described_is_noticed(
    api: CheckedApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The check above is one."""
    dump = Schema.dump
    monkeypatch.setattr(
        Schema, "dump", lambda *given, **named: {**dump(*given, **named), "more": 1}
    )
    with pytest.raises(AssertionError, match="more"):
        api.call("list_grants")


def faults(description: Description, schema: Description, value: object) -> list[str]:
    validator = Draft202012Validator(
        {**schema, "components": description["components"]}, format_checker=FORMATS
    )
    return [f"{each.json_path}: {each.message}" for each in validator.iter_errors(value)]


def test_every_operation_has_examples_that_conform(description: Description) -> None:
    for operation_id, (_, method, operation) in operations(description).items():
        bodies = operation.get("requestBody", {}).get("content", {})
        assert bool(bodies) == (method == "POST" and operation_id not in WITHOUT_BODY)
        answers = [
            content
            for status, response in operation["responses"].items()
            if status < "300"
            for content in response["content"].values()
        ]
        assert answers
        for content in (*bodies.values(), *answers):
            found = faults(description, content["schema"], content["example"])
            assert not found, (operation_id, found)


def test_every_answer_describes_its_headers(description: Description) -> None:
    for operation_id, (_, method, operation) in operations(description).items():
        for status, response in operation["responses"].items():
            headers = response["headers"].keys()
            assert "X-Request-Id" in headers
            assert ("Location" in headers) == (status == "201"), operation_id
            assert ("Retry-After" in headers) == (status in {"429", "503"}), operation_id
            is_done = method == "POST" and status < "300"
            assert ("Idempotent-Replayed" in headers) == is_done, operation_id


def test_every_webhook_is_as_described(small: Service, description: Description) -> None:
    described = description["webhooks"]
    assert set(described) == {kind.value for kind in WebhookEventType}
    ids = [each["post"]["operationId"] for each in described.values()]
    assert len({*ids, *operations(description)}) == len(ids) + len(operations(description))
    merchant, consumer = small.merchant(), small.consumer()
    add_webhook(small.runtime, small.context.webhook_client, merchant.id, "https://127.0.0.1/")
    token = small.obtain_token(merchant, consumer, PROMOTIONS, reference="c-1")
    key = small.runtime.ids.grant.decode(merchant.get("/v1/grants").get_json()["items"][0]["id"])
    assert key
    consumer.post(merchant.ask()["path"], decision="decline")
    merchant.ask()
    sent = merchant.send(token, reference="r").get_json()["id"]
    small.work()
    enqueue_complaint_groups(small.runtime)
    report_message(
        small.runtime, get_message(small.runtime, merchant.id, sent), ComplaintReason.ADVERT
    )
    in_a_day = (small.clock.now() + timedelta(days=1)).isoformat()
    merchant.send(token, send_at=in_a_day)
    pause(small.runtime, key)
    merchant.post("/v1/tokens/revoke", {"token": token})
    small.clock.advance(timedelta(days=20))
    apply_retention(small.runtime, small.context.consent)
    enqueue_complaint_groups(small.runtime)
    template_id = small.template(merchant, ORDERS, "订单{order}已发出")["id"]
    paced = new_pacing(
        template_id, 1, merchant_id=merchant.id, kind=PacingKind.TRANSACTIONAL,
        is_budgeted=True, now=small.clock.now(),
    )  # fmt: skip
    small.runtime.database.run(lambda transaction: pacings.add(transaction, paced))
    drop(small.runtime, REVIEWER, template_id, reason="an advert")
    with small.runtime.database.engine.connect() as connection:
        bodies = list(connection.scalars(select(webhook_events.c.body)))
    enqueued = [json.loads(body) for body in bodies]
    assert {body["type"] for body in enqueued} == set(described)
    examples = [
        each["post"]["requestBody"]["content"]["application/json"]["example"]
        for each in described.values()
    ]
    for body in (*enqueued, *examples):
        content = described[body["type"]]["post"]["requestBody"]["content"]["application/json"]
        assert faults(description, content["schema"], body) == []
