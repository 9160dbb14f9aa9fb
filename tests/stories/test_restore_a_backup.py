"""A stop for one purpose by text survives the restore of an old backup, with real commands."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import httpx
import pytest

from tests.number_scan import WRITTEN
from tests.processes import Running, code_in, fill, free_port, process
from tests.service import ALWAYS, ORDERS, PROMOTIONS
from tests.stories.test_over_smpp import PHONE, Carrier, until

pytestmark = pytest.mark.processes


@pytest.fixture
def smsc() -> Iterator[Carrier]:
    """An SMSC in another process."""
    port = free_port()
    with process("tests.smsc", str(port), reads=True) as (started, lines):
        lines.wait_for(lambda line: "ready" in line)
        yield Carrier(started, lines, port)


@contextmanager
def served(folder: Path, carrier: Carrier, port: int) -> Iterator[Running]:
    """Run `consent-tokens serve` on a folder, always at the same base URL."""
    environment = {
        "CONSENT_DATABASE_URL": f"sqlite:///{folder}/consent.db",
        "CONSENT_KEYS_DIR": str(folder / "keys"),
        "CONSENT_GATEWAY_URL": f"smpp://esme:secret@127.0.0.1:{carrier.port}",
        "CONSENT_BASE_URL": f"http://127.0.0.1:{port}",
    }
    arguments = ("consent_tokens", "serve", "--bind", f"127.0.0.1:{port}")
    with process(*arguments, environment=environment) as (_, lines):
        lines.wait_for(lambda line: "ready at" in line)
        running = Running(f"http://127.0.0.1:{port}", environment, lines)
        with running.clients:
            yield running


def agree_to_both(running: Running, carrier: Carrier, merchant: httpx.Client) -> str:
    purposes = [PROMOTIONS, ORDERS]
    asked = merchant.post("/v1/consent-requests", json={"purposes": purposes, **ALWAYS}).json()
    browser, path = running.browser(), asked["consent_url"].removeprefix(running.base)
    fill(browser, path, purposes=purposes, phone=PHONE, decision="grant")
    fill(browser, path, code=code_in(carrier.text("验证码")["text"]), decision="grant")
    token: str = merchant.post(f"/v1/consent-requests/{asked['id']}/token").json()["token"]
    return token


def send(merchant: httpx.Client, token: str, purpose: str) -> httpx.Response:
    body = {"token": token, "purpose": purpose, "text": "你好"}
    return merchant.post("/v1/messages", json=body)


def test_a_stop_for_one_purpose_survives_the_restore_of_an_old_backup(
    smsc: Carrier, tmp_path: Path
) -> None:
    WRITTEN.append(tmp_path)
    backup, port = tmp_path / "backup.db", free_port()
    with served(tmp_path, smsc, port) as running:
        merchant = running.merchant()
        headers = dict(merchant.headers)
        token = agree_to_both(running, smsc, merchant)
        with closing(sqlite3.connect(str(tmp_path / "consent.db"))) as connection:
            connection.execute(f"VACUUM INTO '{backup}'")
        smsc.reply(PHONE, "1069000112", "退订 1")
        assert "不再发：打折和活动" in smsc.text("不再发")["text"]
        assert send(merchant, token, PROMOTIONS).json()["code"] == "purpose_not_granted"
    for name in ("consent.db", "consent.db-wal", "consent.db-shm"):
        (tmp_path / name).unlink(missing_ok=True)
    backup.rename(tmp_path / "consent.db")

    with served(tmp_path, smsc, port) as running:
        behind = running.browser().get("/readyz")
        assert (behind.status_code, behind.json()["why"]) == (503, ["revocations_behind"])
        with httpx.Client(base_url=running.base, headers=headers) as merchant:
            refused = send(merchant, token, ORDERS)
            assert (refused.status_code, refused.json()["code"]) == (503, "revocations_behind")
        environment = running.environment

    assert Running("", environment, running.lines).command("journal", "replay") == {
        "revoked": 0, "narrowed": 1, "widened": 0, "paused": 0, "resumed": 0, "extended": 0,
        "preferences": 0, "invited": 0, "declined": 0, "erased": 0, "waiting": 0,
    }  # fmt: skip

    with served(tmp_path, smsc, port) as running:
        assert running.browser().get("/readyz").json()["ready"]
        with httpx.Client(base_url=running.base, headers=headers) as merchant:
            advert = send(merchant, token, PROMOTIONS)
            assert (advert.status_code, advert.json()["code"]) == (403, "purpose_not_granted")
            order = send(merchant, token, ORDERS)
            assert order.status_code == 202
            until(merchant, order.json()["id"], "delivered")
        assert running.command("journal", "compact") == {"freed_bytes": 0}
