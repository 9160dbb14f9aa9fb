"""Promise 10: every decision leaves evidence, which names no one to whoever lacks the keys."""

import json
import re
from hashlib import sha256
from pathlib import Path

import pytest
from sqlalchemy import text

from consent_tokens.crypto.encoding import decode
from consent_tokens.evidence.events import EventKind
from consent_tokens.row_key import RowKey
from consent_tokens.services.admission.suspension import suspend
from consent_tokens.store import events, grants
from tests.service import ADMIN, ORDERS, PROMOTIONS, Service

STORE = Path(__file__).parents[2] / "consent_tokens" / "store"


def lines(service: Service) -> list[tuple[str, str | None]]:
    with service.runtime.database.engine.connect() as connection:
        rows = connection.execute(text("SELECT kind, reason FROM events ORDER BY at"))
        return [(row.kind, row.reason) for row in rows]


def test_a_whole_life_can_be_told_from_its_events(service: Service) -> None:
    merchant, consumer = service.merchant(), service.consumer()
    token = service.obtain_token(merchant, consumer, max_messages=1)
    merchant.send(token)
    merchant.send(token)
    merchant.send(token, ORDERS)
    merchant.send("nonsense")
    service.work()
    merchant.post("/v1/tokens/revoke", {"token": token})
    merchant.send(token)
    told = lines(service)
    for line in [
        (EventKind.MERCHANT_ADMITTED, None),
        (EventKind.REQUEST_CREATED, None),
        (EventKind.CODE_SENT, None),
        (EventKind.GRANT_CREATED, None),
        (EventKind.TOKEN_FETCHED, None),
        (EventKind.MESSAGE_ACCEPTED, None),
        (EventKind.MESSAGE_REFUSED, "cap_reached"),
        (EventKind.MESSAGE_REFUSED, "purpose_not_granted"),
        (EventKind.MESSAGE_REFUSED, "token_malformed"),
        (EventKind.MESSAGE_SUBMITTED, None),
        (EventKind.MESSAGE_REPORTED, "delivered"),
        (EventKind.GRANT_ENDED, "merchant"),
        (EventKind.MESSAGE_REFUSED, "consent_revoked"),
    ]:
        assert line in told, line


def test_each_item_of_a_batch_leaves_its_own_line(service: Service) -> None:
    merchant, consumer = service.merchant(), service.consumer()
    token = service.obtain_token(merchant, consumer, max_messages=2)
    before = len(lines(service))
    draft = {"token": token, "purpose": PROMOTIONS, "text": "x"}
    merchant.post("/v1/messages/batch", {"messages": [draft] * 5})
    assert len(lines(service)) == before + 5


def test_a_decision_whose_evidence_cannot_be_written_is_not_made(service: Service) -> None:
    """The event and the effect are one transaction: without the line there is no message."""
    merchant, consumer = service.merchant(), service.consumer()
    token = service.obtain_token(merchant, consumer)
    with service.runtime.database.engine.begin() as connection:
        connection.execute(text("ALTER TABLE events RENAME TO events_away"))
    try:
        assert merchant.send(token).status_code == 500
        assert merchant.post("/v1/tokens/revoke", {"token": token}).status_code == 500
    finally:
        with service.runtime.database.engine.begin() as connection:
            connection.execute(text("ALTER TABLE events_away RENAME TO events"))
    with service.runtime.database.engine.connect() as connection:
        count = connection.scalar(text("SELECT count(*) FROM messages WHERE grant_id IS NOT NULL"))
    assert count == 0
    assert merchant.send(token).status_code == 202


@pytest.mark.parametrize("language", ["zh-CN", "en"])
def test_the_very_words_are_kept_and_their_hash_is_in_the_token(
    service: Service, language: str
) -> None:
    merchant, consumer = service.merchant(), service.consumer()
    request = merchant.ask(PROMOTIONS, ORDERS, locale=language)
    path = request["path"]
    consumer.post(path, purposes=[ORDERS], phone=consumer.number, decision="grant")
    shown = consumer.get(path).text
    consumer.post(path, code=consumer.code(), decision="grant")
    token = merchant.token(request)
    handle = merchant.get("/v1/grants").json["items"][0]["id"]
    key = service.runtime.keyring.ids.grant.decode(handle)
    assert isinstance(key, RowKey)
    notice = service.runtime.database.read(lambda transaction: grants.notice_of(transaction, key))
    assert notice
    assert notice.language == language
    words = re.sub(r"<[^>]+>", " ", shown.split('id="notice"')[1].split("</ul>")[0])
    assert all(line.replace('"', "&#34;") in words for line in notice.text.splitlines())
    claims = json.loads(decode(token.split(".")[1]))
    assert decode(claims["notice"]) == sha256(notice.text.encode()).digest()


def test_a_yes_to_other_words_is_none(service: Service) -> None:
    merchant, consumer = service.merchant(), service.consumer()
    path = merchant.ask()["path"]
    consumer.post(path, purposes=[PROMOTIONS], phone=consumer.number, decision="grant")
    shown = consumer.get(path).text
    forged = re.sub(r'name="notice" value="[^"]+"', 'name="notice" value="00"', shown)
    answer = consumer.post(path, forged, code=consumer.code(), decision="grant")
    assert answer.status_code == 303
    assert "内容已变化" in consumer.get(path).text
    assert merchant.get("/v1/grants").json["items"] == []


def test_a_line_is_never_changed_and_removed_only_when_its_retention_is_over() -> None:
    source = (STORE / "events.py").read_text()
    assert not re.search(r"\b(update|delete|UPDATE|DELETE)\b", source.split('"""', 2)[2])
    readers = {"audit.py", "overview.py", "rollup_rebuild.py"}
    known = {"events.py", "tables.py", "retention.py", "decision_inputs.py"} | readers
    others = [path for path in STORE.glob("*.py") if path.name not in known]
    uses_table = r"import .*\bevents\b|\bevents\.c\b|\b(FROM|INTO|UPDATE) events\b"
    assert not [path for path in others if re.search(uses_table, path.read_text())]
    retention = (STORE / "retention.py").read_text()
    assert not re.search(r"update\(events|UPDATE events|insert\(events", retention)
    for name in readers:
        # of other tables, as the counts of a day, rows may be deleted
        written = re.search(
            r"\b(update|delete|insert)\(events\b|(UPDATE|FROM|INTO) events\b",
            (STORE / name).read_text(),
        )
        assert not written, name
    inputs = (STORE / "decision_inputs.py").read_text()
    assert re.findall(r"\.values\((.*)\)", inputs) == ["inputs=None"]
    assert not re.search(r"\b(delete|insert)\(", inputs)
    public = {name for name in vars(events) if not name.startswith("_")}
    assert {"record", "of_partition"} <= public


def test_evidence_holds_no_number_and_no_text(service: Service) -> None:
    merchant, consumer = service.merchant(), service.consumer()
    token = service.obtain_token(merchant, consumer)
    merchant.send(token, text="特别的文字 xyzzy")
    service.work()
    with service.runtime.database.engine.connect() as connection:
        rows = repr(connection.execute(text("SELECT * FROM events")).all())
    assert "xyzzy" not in rows
    assert consumer.number[3:] not in rows


def test_a_request_that_the_service_refuses_leaves_a_line(service: Service) -> None:
    merchant, other = service.merchant(), service.merchant()
    token = service.obtain_token(merchant, service.consumer(), ORDERS)
    theirs = service.obtain_token(other, service.consumer(), ORDERS)
    asked = {"purposes": [ORDERS], "token": token}
    assert merchant.post("/v1/consent-requests", asked).status_code == 201
    for key in ({}, {"Idempotency_Key": "k"}):
        answer = merchant.post("/v1/consent-requests", asked, **key)
        assert answer.json["code"] == "invitation_refused"
    assert merchant.post("/v1/consent-requests", {**asked, "token": theirs}).status_code == 422
    assert merchant.post("/v1/consent-requests", {"purposes": []}).status_code == 422
    suspend(service.runtime, ADMIN, merchant.id, None)
    assert merchant.post("/v1/consent-requests", {"purposes": [ORDERS]}).status_code == 403
    reasons = [reason for kind, reason in lines(service) if kind == EventKind.REQUEST_REFUSED]
    assert sorted(str(reason) for reason in reasons) == [
        "forbidden", "invitation_refused", "invitation_refused", "token",
    ]  # fmt: skip
