"""Test keys: they act like live keys, but nothing leaves, and nothing live is touched."""

import json
from datetime import timedelta
from typing import Any

from consent_tokens.relay.admission.api_access import ApiAccess, ApiKey, ApiScope
from consent_tokens.relay.decision import Reason
from consent_tokens.relay.sandbox import SandboxRecipient
from consent_tokens.services import webhooks
from consent_tokens.services.api_keys import new_api_key
from consent_tokens.store import api_keys, merchants
from tests.number_scan import NUMBERS
from tests.promises.test_04_bound import calls
from tests.receivers import receiver
from tests.service import ALWAYS, ORDERS, PROMOTIONS, Merchant, Service


def with_test_key(merchant: Merchant, **access: object) -> Merchant:
    """Have a merchant's program create a test key; return the merchant with it."""
    answer = merchant.post("/v1/api-keys", {"scopes": [*ApiScope], "test": True, **access})
    assert (answer.status_code, answer.json["test"]) == (201, True), answer.text
    assert answer.json["api_key"].startswith("ctk_test_")
    return Merchant(merchant.service, merchant.id, answer.json["api_key"])


def answered(merchant: Merchant, request: dict[str, Any], **answer: object) -> dict[str, Any]:
    """Answer a consent request as its consumer would; return it as it is then."""
    path = f"/v1/test/consent-requests/{request['id']}/answer"
    given = merchant.post(path, {"decision": "grant", **answer})
    assert given.status_code == 200, given.text
    found: dict[str, Any] = given.get_json()
    return found


def token_of(merchant: Merchant, **answer: object) -> str:
    """Return the token of a consent that a test key asked for and gave."""
    request = merchant.ask(PROMOTIONS, ORDERS, **ALWAYS)
    assert answered(merchant, request, **answer)["status"] == "granted"
    return merchant.token(request)


def test_each_test_recipient_has_its_outcome_and_nothing_leaves(small: Service) -> None:
    live = small.merchant()
    tests, statuses = with_test_key(live), dict[str, tuple[str, str | None]]()
    with receiver() as hook:
        assert live.post("/v1/webhooks", {"url": hook.url}).status_code == 201
        assert tests.post("/v1/webhooks", {"url": hook.url}).status_code == 201
        for kind in SandboxRecipient:
            sent = tests.send(token_of(tests, recipient=kind.value))
            assert (sent.status_code, sent.json["status"]) == (202, "queued"), sent.text
            small.work()
            message = tests.get(f"/v1/messages/{sent.json['id']}").json
            statuses[kind] = message["status"], message["reason"]
        declined = tests.ask(**ALWAYS)
        assert answered(tests, declined, decision="decline")["status"] == "declined"
        for webhook_id, _ in webhooks.due_webhooks(small.runtime):
            webhooks.deliver(small.runtime, small.context.webhook_client, webhook_id)
        bodies = [json.loads(body) for _, body in hook.got]
    assert statuses == {
        "delivered": ("delivered", None),
        "undeliverable": ("undeliverable", "test_recipient"),
        "refused": ("refused", "test_recipient"),
        "unknown": ("unknown", "test_recipient"),
        "deferred": ("deferred", "test_recipient"),
    }
    assert {each["type"] for each in bodies} == {
        "consent.granted", "consent.declined", "message.delivered", "message.failed",
    }  # fmt: skip
    assert all(each["test"] is True for each in bodies)
    assert len(bodies) == 10, "each once: the live webhook gets none"
    assert small.simulator.phones() == []
    assert live.get("/v1/messages").json["items"] == live.get("/v1/grants").json["items"] == []
    small.clock.advance(timedelta(days=2))
    small.work()
    (last,) = tests.get("/v1/messages?status=expired").json["items"]
    assert last["accepted_at"] <= small.clock.now().isoformat()
    assert small.simulator.phones() == []


def test_a_test_token_is_refused_with_its_code(small: Service) -> None:
    live = small.merchant()
    tests = with_test_key(live)
    codes = {each: tests.send(f"test_{each}").json["code"] for each in Reason}
    assert codes == {each: each.value for each in Reason}
    assert {live.send(f"test_{each}").json["code"] for each in Reason} == {"token_malformed"}
    assert tests.send("test_nothing").json["code"] == "token_malformed"


def test_rules_caps_and_hours_are_those_of_live_keys(small: Service) -> None:
    tests = with_test_key(small.merchant())
    request = tests.ask(PROMOTIONS, max_messages=1, per_days=30)
    answered(tests, request)
    token = tests.token(request)
    assert tests.send(token).status_code == 202
    assert tests.send(token).json["code"] == "cap_reached"
    assert tests.send(token, ORDERS).json["code"] == "purpose_not_granted"
    made = tests.post("/v1/templates", {"purpose": ORDERS, "text": "订单{order}已发出"}).json
    assert made["status"] == "approved", "nobody has to review it"
    order = {"template": made["id"], "variables": {"order": "A1"}}
    event = {"type": "order", "id": "A1", "step": "sent"}
    draft = {"token": token_of(tests), "purpose": ORDERS, **order, "event": event}
    assert tests.post("/v1/messages", draft).status_code == 202
    small.clock.advance(timedelta(days=400))
    assert tests.send(token).json["code"] == "token_expired"


def test_live_and_test_keys_reach_nothing_of_each_other(small: Service) -> None:
    live = small.merchant()
    tests, consumer = with_test_key(live), small.consumer()
    request = live.ask(**ALWAYS)
    consumer.agree(request["path"], PROMOTIONS)
    token = live.token(request)
    asked = tests.ask(**ALWAYS)
    answered(tests, asked)
    test_token = tests.token(asked)
    objects = {}
    for merchant, theirs, its_token in ((live, request, token), (tests, asked, test_token)):
        grant = merchant.get("/v1/grants").json["items"][0]["id"]
        message = merchant.send(its_token, reference="theirs").json["id"]
        objects[merchant.api_key] = its_token, theirs["id"], grant, message
    for merchant, other in ((live, tests), (tests, live)):
        nothing = calls(merchant, *objects[other.api_key])
        assert nothing["send"] == nothing["batch"] == "token_not_yours"
        assert nothing["introspect"] == {"active": False}
        for name in ("request", "fetch", "grant", "message", "renew"):
            assert nothing[name] == "not_found", name
        introspected = other.post("/v1/tokens/introspect", {"token": objects[other.api_key][0]})
        assert introspected.json["active"] is True, "nothing was revoked"
    assert [each["id"] for each in live.get("/v1/grants").json["items"]] == [
        objects[live.api_key][2]
    ]
    path = f"/v1/test/consent-requests/{live.ask(**ALWAYS)['id']}/answer"
    assert live.post(path, {"decision": "grant"}).status_code == 403
    assert tests.post(path, {"decision": "grant"}).status_code == 404
    page = tests.ask(**ALWAYS)["path"]
    assert small.consumer(NUMBERS[1]).get(page).status_code == 404, "nobody is asked by a test key"
    small.work()
    assert len(small.texts(consumer.number)) == 2, "the code, and the live message"


def test_a_test_key_creates_no_live_key_and_ends_with_the_key_that_created_it(
    small: Service,
) -> None:
    live = small.merchant()
    tests = with_test_key(live)
    refused = tests.post("/v1/api-keys", {"scopes": ["messages"], "test": False})
    assert (refused.status_code, list(refused.json["errors"])) == (422, ["test"])
    own = tests.post("/v1/api-keys", {"scopes": ["messages"]}).json
    assert own["test"] is True
    listed = live.get("/v1/api-keys").json["items"]
    assert sorted(each["test"] for each in listed) == [False, True, True]
    assert len(tests.get("/v1/api-keys").json["items"]) == 2
    first = next(each["id"] for each in listed if each["test"] and each["id"] != own["id"])
    assert live.post(f"/v1/api-keys/{first}/revoke").status_code == 200
    assert tests.get("/v1/grants").status_code == 401
    assert Merchant(small, live.id, own["api_key"]).get("/v1/grants").status_code == 401


def test_a_key_marked_as_test_that_would_act_for_a_live_merchant_is_refused(small: Service) -> None:
    live = small.merchant()
    key, text = new_api_key(small.runtime, live.id)
    as_stored = ApiKey(
        id=key.id, merchant_id=live.id, digest=key.digest, created_at=key.created_at,
        access=ApiAccess(is_test=True),
    )  # fmt: skip
    small.runtime.database.run(lambda transaction: api_keys.add(transaction, as_stored))
    assert Merchant(small, live.id, text).get("/v1/grants").status_code == 401


def test_a_sandbox_is_no_merchant_that_operators_see(small: Service) -> None:
    live = small.merchant()
    tests = with_test_key(live)
    sender = {"port": "10690001", "extension": "77", "signature": "别店", "source": "company"}
    assert tests.post("/v1/senders", sender).status_code == 403
    found = small.runtime.database.read(merchants.list_all)
    assert [each.id for each in found] == [live.id]
