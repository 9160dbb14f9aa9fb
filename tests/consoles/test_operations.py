"""The operator's pages about webhooks that fail, gateways and workers, and keys."""

import json
import os
import re
from datetime import timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from sqlalchemy import update

from consent_tokens.cli import main
from consent_tokens.crypto.key_files import KeyKind
from consent_tokens.services.dispatch import pauses as expiry
from consent_tokens.services.integrity.key_rotation import KeyState, KeyStatus, list_states
from consent_tokens.services.people import proposals
from consent_tokens.services.supervision.pauses import ALL, PausedKind, pause, resume
from consent_tokens.services.supervision.workers import Heartbeat, WorkerKind
from consent_tokens.services.webhooks import add_webhook
from consent_tokens.store import senders
from consent_tokens.store.tables import webhooks
from consent_tokens.workers.webhook_worker import WebhookWorker
from tests.console_people import ConsoleUser, operator
from tests.consoles.test_operate import step
from tests.consoles.test_supervision import acts_of
from tests.receivers import Receiver
from tests.service import ADMIN, PROMOTIONS, Service
from tests.stories.test_webhooks import deliver_due

TICK = re.compile(r'name="event_id" value="([\w-]+)"')


def test_webhooks_that_fail_are_listed_filtered_and_replayed(
    small: Service, receiver: Receiver
) -> None:
    receiver.status = 410
    merchants = [small.merchant("Tea"), small.merchant("Books")]
    for each in merchants:
        add_webhook(small.runtime, small.context.webhook_client, each.id, receiver.url)
        small.obtain_token(each, small.consumer(), PROMOTIONS)
    ann, eve = operator(small, "reviewer"), operator(small, "auditor", "Eve")
    assert "Every event that was posted arrived." in ann.get("/webhooks").text
    deliver_due(small)
    receiver.status = 500
    small.obtain_token(merchants[0], small.consumer(), PROMOTIONS)
    deliver_due(small)

    shown = eve.get("/webhooks").text
    for said in ("HTTP 410", "HTTP 500", "Given up", "consent.granted", receiver.url):
        assert said in shown
    assert TICK.findall(shown) == [], "an auditor changes nothing"
    tea = f"/webhooks?merchant={merchants[0].id}"
    for path, count in ((tea, 1), ("/webhooks", 2), ("/webhooks?event=message.failed", 0),
                        ("/webhooks?status=pending", 0)):  # fmt: skip
        assert len(TICK.findall(ann.get(path).text)) == count, path
    assert "HTTP 410" in eve.get("/webhooks?format=csv").text

    (ticked,) = TICK.findall(ann.get(tea).text)
    assert ann.post("/webhooks/replay", event_id="nothing").status_code == 404
    assert ann.post("/webhooks/replay", event_id=ticked).status_code == 303
    assert ann.post("/webhooks/replay-all").status_code == 303
    receiver.status, receiver.got = 204, []
    deliver_due(small)
    assert ticked in {headers["webhook-id"] for headers, _ in receiver.got}
    assert TICK.findall(ann.get("/webhooks").text) == []
    assert acts_of(small, "webhook_replayed") == [("webhook_replayed", ann.person.id)] * 2


def test_an_error_of_a_delivery_is_shown_as_the_last_one_of_its_worker(small: Service) -> None:
    merchant = small.merchant()
    client = small.context.webhook_client
    add_webhook(small.runtime, client, merchant.id, "https://127.0.0.1/x")
    small.obtain_token(merchant, small.consumer(), PROMOTIONS)
    with small.runtime.database.engine.begin() as transaction:
        transaction.execute(update(webhooks).values(secret=b"of another key"))
    heartbeat = Heartbeat(small.runtime, WorkerKind.WEBHOOKS)
    worker = WebhookWorker(small.context, heartbeat=heartbeat)
    worker._do_due()
    worker._pool.shutdown(wait=True)
    heartbeat.beat()
    assert "<code>key_unavailable</code>" in operator(small, "admin").get("/gateways").text


def test_dispatch_is_paused_for_all_a_merchant_or_a_sender_and_nothing_is_lost(
    small: Service,
) -> None:
    ann, eve = operator(small, "admin", "Ann"), operator(small, "auditor", "Eve")
    tea, books = small.merchant("Tea"), small.merchant("Books")
    consumer = small.consumer()
    tokens = {each.id: small.obtain_token(each, consumer, PROMOTIONS) for each in (tea, books)}
    (sender,) = small.runtime.database.read(lambda at: senders.of_merchant(at, tea.id))
    small.work()

    def texts_after(text: str) -> list[str]:
        """Submit a text of each merchant; return the names of those whose text arrived."""
        for each in (tea, books):
            assert each.send(tokens[each.id], PROMOTIONS, f"{text} {each.id}").status_code == 202
        small.work()
        arrived = " ".join(small.texts(consumer.number))
        return [each.id for each in (tea, books) if f"{text} {each.id}" in arrived]

    both = [tea.id, books.id]
    for kind, subject_id in (("merchant", tea.id), ("sender", sender.id), ("all", "")):
        expected = [books.id] if subject_id else []
        form = {"kind": kind, "id": subject_id}
        assert ann.post("/gateways/pause", **form, reason="").status_code == 422
        assert ann.post("/gateways/pause", **form, reason="carrier asks").status_code == 303
        assert ann.post("/gateways/pause", **form, reason="again").status_code == 409
        assert texts_after(f"{kind} paused") == expected
        for page in ("", "/gateways"):
            assert "carrier asks" in eve.get(page).text, page
        assert "Resume" not in eve.get("/gateways").text
        assert ann.post("/gateways/resume", **form).status_code == 303
        assert ann.post("/gateways/resume", **form).status_code == 409
        assert "carrier asks" not in eve.get("").text
        small.work()
        arrived = " ".join(small.texts(consumer.number))
        assert all(f"{kind} paused {each}" in arrived for each in both), "nothing is lost"
    assert ann.post("/gateways/pause", kind="merchant", id="mer_0", reason="x").status_code == 422
    assert ann.post("/gateways/pause", kind="planet", reason="x").status_code == 404
    acts = acts_of(small, "dispatch_paused", "dispatch_resumed")
    assert acts == [(f"dispatch_{each}", ann.person.id) for each in ("paused", "resumed")] * 3


@pytest.mark.both_databases
def test_what_is_paused_expires_with_its_validity(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(expiry, "EXPIRY_BATCH", 1)  # one maintenance completes several batches
    merchant, other = service.merchant("Tea"), service.merchant("Books")
    consumer = service.consumer()
    tokens = [service.obtain_token(each, consumer, PROMOTIONS) for each in (merchant, other)]
    (sender,) = service.runtime.database.read(lambda at: senders.of_merchant(at, merchant.id))
    service.maintain()
    subjects = {
        PausedKind.MERCHANT: merchant.id,
        PausedKind.SENDER: sender.id,
        PausedKind.ALL: ALL,
        PausedKind.WORKER: service.dispatcher._heartbeat.id,
    }
    for kind, subject_id in subjects.items():
        pause(service.runtime, ADMIN, kind, subject_id, "a test")
        sent = [
            each.send(token, PROMOTIONS, kind.value, valid_for_minutes=60).json["id"]
            for each, token in zip((merchant, other), tokens, strict=True)
        ]
        service.maintain()
        service.clock.advance(timedelta(hours=2))
        service.maintain()
        ends = [
            each.get(f"/v1/messages/{message_id}").json["status"]
            for each, message_id in zip((merchant, other), sent, strict=True)
        ]
        assert ends[0] == "expired", kind
        is_both = kind in {PausedKind.ALL, PausedKind.WORKER}
        assert (ends[1] == "expired") is is_both, kind
        resume(service.runtime, ADMIN, kind, subject_id)


def test_paused_messages_expire_and_one_dispatcher_is_drained(small: Service) -> None:
    ann = operator(small, "admin", "Ann")
    merchant, consumer = small.merchant(), small.consumer()
    token = small.obtain_token(merchant, consumer, PROMOTIONS)
    small.maintain()
    shown = ann.get("/gateways").text
    for said in ("Dispatcher", "Runs", "simulator", "1 of 1 sessions"):
        assert said in shown
    (worker,) = json.loads(command(small, "workers", "list", "--json"))
    assert worker["sessions"] == "1/1"
    drain = ("workers", "drain", worker["id"], "--reason", "new disk", "--json")
    assert json.loads(command(small, *drain))["status"] == "draining"
    sent = merchant.send(token, PROMOTIONS, "今晚八点", valid_for_minutes=60).json
    small.maintain()
    assert small.texts(consumer.number)[1:] == []
    assert "Drained" in ann.get("/gateways").text
    command(small, "workers", "resume", worker["id"])
    command(small, "queue", "pause", "--merchant", merchant.id, "--reason", "loops")
    small.clock.advance(timedelta(hours=2))
    small.maintain()
    found = merchant.get(f"/v1/messages/{sent['id']}").json
    assert found["status"] == "expired"
    (paused,) = json.loads(command(small, "queue", "pauses", "--json"))
    assert (paused["id"], paused["by"].partition(":")[0]) == (merchant.id, "os")
    command(small, "queue", "resume", "--merchant", merchant.id)
    rows = json.loads(command(small, "queue", "show", "--json"))
    assert [each["queue"] for each in rows] == ["service", "transactional", "marketing", "webhooks"]
    ended = Heartbeat(small.runtime, WorkerKind.DISPATCHER)
    ended.beat()
    pause(small.runtime, ADMIN, PausedKind.WORKER, ended.id, "to be stopped")
    ended.end()
    assert json.loads(command(small, "queue", "pauses", "--json")) == []
    small.clock.advance(timedelta(minutes=1))
    (worker,) = json.loads(command(small, "workers", "list", "--json"))
    assert worker["is_silent"]


def command(service: Service, *arguments: str) -> str:
    done = run_command(service, *arguments)
    assert done.exit_code == 0, done.output
    return str(done.stdout)


def run_command(service: Service, *arguments: str) -> Result:
    environment = {
        "CONSENT_DATABASE_URL": f"sqlite:///{service.runtime.database.engine.url.database}",
        "CONSENT_KEYS_DIR": str(service.runtime.revocation_journal.path.parent),
    }
    return CliRunner().invoke(main, arguments, env=environment)


def test_a_key_is_rotated_and_withdrawn_by_two_people(
    small: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    ann, ben = operator(small, "admin", "Ann"), operator(small, "admin", "Ben")
    eve = operator(small, "auditor", "Eve")
    in_use, path = rotate_session_key(small, ann)
    key = path.read_bytes()
    assert "In use" in eve.get("/keys").text
    one = f"/keys/{in_use.kid}"
    shown = eve.get(one).text
    assert "consumers who are signed in" in shown
    assert f"{one}/withdraw" not in shown
    assert step(ann, f"{one}/withdraw", reason="lost") == 409, "it is in use"
    later, _path = rotate_session_key(small, ann)
    assert step(ann, f"{one}/withdraw", reason="") == 422
    assert step(ann, f"{one}/withdraw", reason="a laptop was stolen") == 303
    assert step(ann, f"{one}/withdraw", reason="again") == 409
    assert "Its withdrawal is proposed." in eve.get(one).text
    (made,) = proposals.list_open(small.runtime)
    approve = f"/proposals/{made.id}/approve"
    assert step(ann, approve) == 403

    with monkeypatch.context() as patched:  # as root, a folder is writable whatever its mode says
        patched.setattr(os, "access", lambda *_: False)
        assert f"keys withdraw {in_use.kid}" in ben.get("/proposals").text
        assert approve not in ben.get("/proposals").text
        assert "keys rotate signing | wrapping" in ben.get("/keys").text
        assert step(ben, approve) == 503
        assert path.exists()
    assert [each.id for each in proposals.list_open(small.runtime)] == [made.id]
    assert step(ben, approve) == 303
    assert not path.exists()
    assert "Withdrawn" in eve.get(one).text
    held = {each.kid for each in small.runtime.keys.latest().names}
    assert later.kid in held
    assert in_use.kid not in held
    made_by = [("key_created", ann.person.id)] * 2
    assert acts_of(small, "key_created", "key_withdrawn") == [
        *made_by,
        ("key_withdrawn", ben.person.id),
    ]
    path.touch(0o600)
    path.write_bytes(key)  # from a backup
    withdraw = ("keys", "withdraw", in_use.kid, "--yes", "--by")
    refused = run_command(small, *withdraw, eve.person.name)
    assert "may not withdraw key" in refused.output
    assert path.exists()
    command(small, *withdraw, ben.person.name)
    assert not path.exists()


def test_who_proposed_a_withdrawal_still_has_to_be_an_administrator(small: Service) -> None:
    ann, ben = operator(small, "admin", "Ann"), operator(small, "admin", "Ben")
    old, path = rotate_session_key(small, ann)
    rotate_session_key(small, ann)
    one, role = f"/keys/{old.kid}/withdraw", f"/people/{ann.person.id}/role"
    assert step(ann, one, reason="a laptop was stolen") == 303
    (made,) = proposals.list_open(small.runtime)
    assert step(ben, role, role="reviewer") == 303
    assert step(ben, f"/proposals/{made.id}/approve") == 409
    assert path.exists()
    assert step(ben, role, role="admin") == 303
    assert step(ben, f"/proposals/{made.id}/approve") == 303
    assert not path.exists()


def rotate_session_key(service: Service, user: ConsoleUser) -> tuple[KeyState, Path]:
    """Rotate the session key at once; return the new one and its file."""
    assert step(user, "/keys/rotate", kind="session", at_once="on") == 303
    service.clock.advance(timedelta(seconds=5))
    (state,) = [
        each
        for each in list_states(service.runtime)
        if each.kind is KeyKind.SESSION and each.status is KeyStatus.IN_USE
    ]
    assert state.path
    return state, state.path
