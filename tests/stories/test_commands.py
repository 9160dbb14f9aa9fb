"""The commands, as an operator types them."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx
import pytest

from consent_tokens.cli.web_server import STOP_SECONDS
from tests.commands import run_command
from tests.fixtures import OWN_PURPOSE
from tests.number_scan import NUMBERS, WRITTEN
from tests.processes import ROOT, Running, code_in, fill, free_port, looks, process, service
from tests.service import CODE, PROMOTIONS
from tests.stories.test_over_smpp import Carrier, agree, until

pytestmark = pytest.mark.processes


def settings(folder: Path, more: Mapping[str, str]) -> dict[str, str]:
    return {
        "CONSENT_DATABASE_URL": f"sqlite:///{folder}/consent.db",
        "CONSENT_KEYS_DIR": str(folder / "keys"),
        **more,
    }


def run(folder: Path, *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
    """Run a command in this process."""
    return run_command(settings(folder, more), *arguments)


def run_process(folder: Path, *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
    """Run a command in a process of its own, as one must that may serve."""
    return subprocess.run(
        [sys.executable, "-m", "consent_tokens", *arguments],
        cwd=ROOT, env={**os.environ, **settings(folder, more)}, capture_output=True, text=True,
        check=False,
    )  # fmt: skip


def test_demo_runs_the_whole_flow(tmp_path: Path) -> None:
    told = run(tmp_path, "demo")
    assert told.returncode == 0, told.stderr
    for words in ("Your code is", "queued: msg_", "403 consent_revoked", "active = false"):
        assert words in told.stdout
    advert = told.stdout.partition("双11返场！全场5折")[2]
    for words in ("422 template_required", "422 template_rejected"):
        assert words in advert
    # at night in mainland China, texts about orders wait
    assert "[海风书店] 您的订单" in advert or "deferred: msg_" in advert


def test_merchants_keys_and_senders(tmp_path: Path) -> None:
    WRITTEN.append(tmp_path)
    assert run(tmp_path, "db", "upgrade").returncode == 0
    added = json.loads(run(tmp_path, "merchant", "add", "晨光书店", "--json").stdout)
    assert added.keys() == {"id", "api_key", "templates"}
    sender = run(
        tmp_path, "sender", "add", added["id"],
        "--port", "10690001", "--extension", "12", "--signature", "【晨光书店】", "--json",
    )  # fmt: skip
    assert json.loads(sender.stdout).keys() == {"id"}
    senders = json.loads(run(tmp_path, "sender", "list", added["id"], "--json").stdout)
    assert [each["signature"] for each in senders] == ["晨光书店"]
    identity = json.loads(
        run(
            tmp_path, "merchant", "set-identity", added["id"], "--legal-name", "晨光书店有限公司",
            "--contact", "400 000 0000", "--json",
        ).stdout
    )  # fmt: skip
    assert (identity["legal_name"], identity["checked_by"]) == ("晨光书店有限公司", "")
    vouched = run(tmp_path, "merchant", "set-identity", added["id"], "--checked-by", "Y")
    assert "nobody checks a demonstration" in vouched.stderr
    domains = run(
        tmp_path, "merchant", "set-link-domains", added["id"], "Shop.example", "t.cn", "--json"
    )
    assert json.loads(domains.stdout)["link_domains"] == "shop.example t.cn"
    assert run(tmp_path, "merchant", "set-link-domains", added["id"], "http://x").returncode != 0
    assert "suspended" in run(tmp_path, "merchant", "suspend", added["id"]).stdout
    listed = json.loads(run(tmp_path, "merchant", "list", "--json").stdout)
    assert [each["status"] for each in listed] == ["suspended"]
    assert "active" in run(tmp_path, "merchant", "activate", added["id"]).stdout
    second = json.loads(run(tmp_path, "api-key", "add", added["id"], "--json").stdout)
    assert run(tmp_path, "api-key", "revoke", second["id"]).returncode == 0
    keys = json.loads(run(tmp_path, "api-key", "list", added["id"], "--json").stdout)
    assert {each["id"]: bool(each["revoked_at"]) for each in keys} == {
        each["id"]: each["id"] == second["id"] for each in keys
    }
    assert len(keys) == 2
    assert "晨光书店" in run(tmp_path, "merchant", "list").stdout
    shown = json.loads(run(tmp_path, "merchant", "show", added["id"], "--json").stdout)
    assert (shown["name"], shown["weight"], len(shown["api_keys"])) == ("晨光书店", 1, 2)
    assert [each["extension"] for each in shown["senders"]] == ["12"]
    table = run(tmp_path, "merchant", "show", added["id"]).stdout
    assert "10690001" in table
    assert added["api_key"] not in table
    assert run(tmp_path, "doctor").returncode == 0
    kinds = json.loads(run(tmp_path, "keys", "list", "--json").stdout)
    assert {each["kind"] for each in kinds} == {
        "signing", "wrapping", "session", "token_mac", "journal",
    }  # fmt: skip


def result(folder: Path, *arguments: str) -> dict[str, Any]:
    """Return the JSON that a command prints."""
    done = run(folder, *arguments, "--json")
    assert done.returncode == 0, done.stderr
    printed: dict[str, Any] = json.loads(done.stdout)
    return printed


def test_operators_admit_a_company_and_its_sender(tmp_path: Path) -> None:
    WRITTEN.append(tmp_path)
    for name, role in (("Lin", "reviewer"), ("Mei", "admin"), ("Ada", "auditor")):
        result(tmp_path, "operator", "add", name, "--role", role)
    licence = tmp_path / "licence.pdf"
    licence.write_bytes(b"%PDF-1.7 a licence")
    applied = result(
        tmp_path, "merchant", "apply", "--name", "晨光书店", "--legal-name", "晨光书店有限公司",
        "--registration", "91330100799655058B", "--contact", "400 000 0000",
        "--class", "marketing", "--document", str(licence),
    )  # fmt: skip
    assert applied.keys() == {"id"}
    refused = run(tmp_path, "merchant", "approve", applied["id"], "--by", "Ada")
    assert "may not approve" in refused.stderr
    admitted = result(tmp_path, "merchant", "approve", applied["id"], "--by", "Lin")
    assert admitted.keys() == {"id", "api_key"}
    sender = result(
        tmp_path, "sender", "add", applied["id"], "--port", "10690002", "--signature", "晨光书店",
        "--carrier", "中国移动", "--valid-until", "2040-12-31", "--by", "Lin",
    )  # fmt: skip
    exported = run(tmp_path, "sender", "export", "--carrier", "中国移动").stdout
    assert "10690002,,晨光书店,company" in exported
    shown = result(tmp_path, "merchant", "show", applied["id"])
    assert (shown["kind"], shown["classes"], shown["status"]) == (
        "legal_entity", "marketing", "active",
    )  # fmt: skip
    opened = tmp_path / "opened.pdf"
    (document,) = shown["documents"]
    run(tmp_path, "merchant", "document", document["id"], "--output", str(opened), "--by", "Lin")
    assert opened.read_bytes() == licence.read_bytes()
    assert b"a licence" not in (tmp_path / "consent.db").read_bytes()
    reason = ("--reason", "complaints")
    result(tmp_path, "merchant", "suspend", applied["id"], *reason, "--by", "Mei")
    first = run(tmp_path, "merchant", "restore", applied["id"], *reason, "--by", "Mei")
    assert "second person" in first.stderr
    restored = result(tmp_path, "merchant", "restore", applied["id"], *reason)
    assert restored["status"] == "active"
    assert result(tmp_path, "sender", "revoke", sender["id"], *reason)["status"] == "revoked"
    result(tmp_path, "operator", "disable", "Lin")
    assert run(tmp_path, "sender", "revoke", sender["id"], *reason, "--by", "Lin").returncode == 1


def test_doctor_names_the_demonstrations_that_may_not_send(tmp_path: Path) -> None:
    assert run(tmp_path, "merchant", "add", "示例店").returncode == 0
    assert "demonstrations" not in run(tmp_path, "doctor").stdout
    told = run(tmp_path, "doctor", CONSENT_BASE_URL="http://consent.example")
    assert "示例店" in told.stdout
    assert "demonstrations" in told.stdout


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("merchant", "suspend", "mer_none"), "not_found"),
        (("merchant", "add", ""), "name:"),
        (("sender", "add", "mer_none", "--port", "x", "--signature", "s"), "port:"),
        (("api-key", "revoke", "key_none"), "not_found"),
        (("dispatch",), "simulator"),
        (("web",), "simulator"),
        (("serve", "--bind", "nowhere"), "--bind"),
    ],
)
def test_what_cannot_be_done_is_said_in_one_line(
    tmp_path: Path, arguments: tuple[str, ...], words: str
) -> None:
    done = run(tmp_path, *arguments)
    assert done.returncode != 0
    assert words in done.stderr
    assert "Traceback" not in done.stderr


def test_a_setting_at_fault_is_named_by_every_command(tmp_path: Path) -> None:
    for command in (("serve",), ("merchant", "list"), ("db", "upgrade")):
        done = run(tmp_path, *command, CONSENT_DATABASE_URL="mysql://x")
        assert done.returncode == 1
        assert "CONSENT_DATABASE_URL" in done.stderr


def test_complaints_and_reassigned_numbers(tmp_path: Path) -> None:
    WRITTEN.append(tmp_path)
    with service(tmp_path) as running:
        browser = running.browser()
        fill(browser, "/report", phone=NUMBERS[0])
        code = phone_code(browser, NUMBERS[0])
        told = fill(
            browser, "/report", code=code, sender="10086", text="中奖", at="2026-01-01T10:00",
            reason="fraud",
        )  # fmt: skip
        assert "不是从这里发出的" in told.text
        shown = browser.get("/reports").text
        fill(browser, "/reports", shown, action="more", said="it rang at night")
        environment = running.environment
    (listed,) = json.loads(run(tmp_path, "complaint", "list", "--json", **environment).stdout)
    assert (listed["reason"], listed["status"]) == ("fraud", "received")
    whole = json.loads(run(tmp_path, "complaint", "show", listed["id"], "--json").stdout)
    assert whole["statement"] == "it rang at night"
    decided = run(tmp_path, "complaint", "decide", listed["id"], "referred")
    assert "referred" in decided.stdout
    assert "conflict" in run(tmp_path, "complaint", "decide", listed["id"], "upheld").stderr
    given = tmp_path / "given"
    given.write_text(f"{NUMBERS[0]},2026-01-01\n\n{NUMBERS[1]}, 2026-01-02\n")
    told_of = json.loads(run(tmp_path, "reassigned-numbers", "import", str(given), "--json").stdout)
    assert told_of == {"numbers": 2, "revoked": 0}
    given.write_text(f"{NUMBERS[0]}\n")
    wrong = run(tmp_path, "reassigned-numbers", "import", str(given))
    assert wrong.returncode == 1
    assert NUMBERS[0] not in wrong.stdout + wrong.stderr
    given.unlink()


def phone_code(browser: httpx.Client, number: str) -> str:
    """Look at the simulated phones until a code is there."""
    for _ in looks():
        page = browser.get("/demo/phones").text
        if number in page and CODE.search(page):
            return code_in(page)
    pytest.fail("no code came")


def test_doctor_sees_that_the_journal_is_gone(tmp_path: Path) -> None:
    WRITTEN.append(tmp_path)
    with service(tmp_path) as running:
        environment = running.environment
        assert running.browser().get("/readyz").json()["ready"]
    checked = run(tmp_path, "doctor", **environment)
    assert checked.returncode == 0
    assert "marketing=per_message finance=per_message transactional=none" in checked.stdout
    (tmp_path / "keys" / "revocations.journal").unlink()
    told = run(tmp_path, "doctor", **environment)
    assert told.returncode == 1
    assert "journal" in told.stdout


def test_keys_that_others_can_read_stop_the_service(tmp_path: Path) -> None:
    assert run(tmp_path, "merchant", "list").returncode == 0
    (tmp_path / "keys" / "index.key").chmod(0o644)
    done = run_process(tmp_path, "serve", "--bind", f"127.0.0.1:{free_port()}")
    assert done.returncode == 1
    assert "index.key" in done.stderr


def test_the_keys_of_another_database_stop_every_process(tmp_path: Path) -> None:
    other = tmp_path / "other"
    for folder in (tmp_path, other):
        folder.mkdir(exist_ok=True)
        assert run(folder, "merchant", "list").returncode == 0
    (tmp_path / "keys" / "id.key").write_bytes((other / "keys" / "id.key").read_bytes())
    gateway = {"CONSENT_GATEWAY_URL": "smpp://u:p@127.0.0.1:9"}
    bind = ("--bind", f"127.0.0.1:{free_port()}")
    for command in (("serve", *bind), ("web", *bind), ("dispatch",), ("merchant", "list")):
        done = run_process(tmp_path, *command, **gateway)
        assert done.returncode == 1
        assert "keys_changed: " in done.stderr
    rows = json.loads(run(tmp_path, "doctor", "--json", CONSENT_GATEWAY_URL="simulator:").stdout)
    assert "CONSENT_KEYS_DIR" in next(row["detail"] for row in rows if row["status"] == "failed")


def test_a_purpose_that_was_in_use_and_is_gone_stops_every_process(tmp_path: Path) -> None:
    own = tmp_path / "own.toml"
    own.write_text(OWN_PURPOSE, "utf-8")
    assert run(tmp_path, "merchant", "list", CONSENT_PURPOSES_FILE=str(own)).returncode == 0
    gateway = {"CONSENT_GATEWAY_URL": "smpp://u:p@127.0.0.1:9"}
    bind = ("--bind", f"127.0.0.1:{free_port()}")
    for command in (("serve", *bind), ("web", *bind), ("dispatch",), ("merchant", "list")):
        done = run(tmp_path, *command, **gateway)
        assert done.returncode == 1
        assert "purposes_changed: " in done.stderr
        assert "loyalty.points is missing" in done.stderr


def test_a_key_that_cannot_rotate_says_why_and_a_withdrawal_asks_first(tmp_path: Path) -> None:
    refused = run(tmp_path, "keys", "rotate", "index")
    assert refused.returncode == 1
    assert "kind: index cannot rotate" in refused.stderr
    created = json.loads(run(tmp_path, "keys", "rotate", "session", "--json").stdout)
    assert created["status"] == "pending"
    ask = ("keys", "withdraw", created["kid"], "--reason", "x")
    unsure = run(tmp_path, *ask)  # no answer is no
    assert unsure.returncode == 1
    assert "Up to 0 signed-in consumers" in unsure.stderr
    assert "Propose to delete it?" in unsure.stderr
    files = list((tmp_path / "keys" / "session").glob("*.key"))
    assert len(files) == 1
    withdraw = ("keys", "withdraw", created["kid"], "--yes", "--json")
    assert "reason" in run(tmp_path, *withdraw).stderr
    proposed = run(tmp_path, *withdraw, "--reason", "a laptop was stolen")
    assert json.loads(proposed.stdout)["status"] == "proposed"
    assert "does not approve it" in run(tmp_path, *withdraw).stderr, "one person"
    assert files[0].exists()
    assert run(tmp_path, "operator", "add", "Ben", "--role", "admin").returncode == 0
    assert json.loads(run(tmp_path, *withdraw, "--by", "Ben").stdout)["status"] == "withdrawn"
    assert not files[0].exists()


def test_a_port_in_use_is_said_and_nothing_starts(tmp_path: Path) -> None:
    WRITTEN.append(tmp_path)
    other = tmp_path / "other"
    other.mkdir()
    with service(tmp_path) as first:
        bind = first.base.removeprefix("http://")
        for command in ("serve", "web"):
            gateway = (
                {} if command == "serve" else {"CONSENT_GATEWAY_URL": "smpp://u:p@127.0.0.1:9"}
            )
            second = run_process(other, command, "--bind", bind, **gateway)
            assert second.returncode == 1
            assert f"cannot listen on {bind}: Address already in use" in second.stderr
        assert httpx.get(f"{first.base}/healthz").status_code == 200
    assert not (other / "keys").exists()


def test_several_web_processes_start_on_an_empty_folder_of_keys(tmp_path: Path) -> None:
    WRITTEN.append(tmp_path)
    bind = f"127.0.0.1:{free_port()}"
    environment = {
        "CONSENT_DATABASE_URL": f"sqlite:///{tmp_path}/consent.db",
        "CONSENT_KEYS_DIR": str(tmp_path / "keys"),
        "CONSENT_GATEWAY_URL": "smpp://u:p@127.0.0.1:9",
    }
    command = ("consent_tokens", "web", "--workers", "4", "--bind", bind)
    with process(*command, environment=environment) as (_, said):
        place = -1
        for _ in range(4):
            place, _line = said.wait_for_next(lambda line: "ready at" in line, place + 1)
        kids = {
            httpx.get(f"http://{bind}/.well-known/jwks.json").json()["keys"][0]["kid"]
            for _ in range(20)
        }
        assert len(kids) == 1


def test_metrics_of_all_web_processes_add_up_at_an_address_of_their_own(tmp_path: Path) -> None:
    WRITTEN.append(tmp_path)
    bind, metrics_bind = f"127.0.0.1:{free_port()}", f"127.0.0.1:{free_port()}"
    environment = {
        "CONSENT_DATABASE_URL": f"sqlite:///{tmp_path}/consent.db",
        "CONSENT_KEYS_DIR": str(tmp_path / "keys"),
        "CONSENT_GATEWAY_URL": "smpp://u:p@127.0.0.1:9",
        "CONSENT_METRICS_BIND": metrics_bind,
    }
    assert run(tmp_path, "db", "upgrade").returncode == 0
    command = ("consent_tokens", "web", "--workers", "2", "--bind", bind)
    with process(*command, environment=environment) as (_, said):
        place, _line = said.wait_for_next(lambda line: "ready at" in line, 0)
        said.wait_for_next(lambda line: "ready at" in line, place + 1)
        for _ in range(20):
            assert httpx.get(f"http://{bind}/v1/grants").status_code == 401
        assert httpx.get(f"http://{bind}/metrics").status_code == 404
        published = httpx.get(f"http://{metrics_bind}/metrics").text
        assert 'consent_authentication_failures_total{reason="missing"} 20.0' in published
        assert "consent_ready 1.0" in published
        assert "consent_gateway_up" not in published, "it has no gateway"


def test_the_wsgi_entry_refuses_the_simulator_and_redacts_its_log(tmp_path: Path) -> None:
    """Another server loads `app.py`: no dispatcher, no command line."""
    WRITTEN.append(tmp_path)
    script = "import app; print(app.app.test_client().get('/healthz').json)"
    environment = {
        **os.environ,
        "CONSENT_DATABASE_URL": f"sqlite:///{tmp_path}/consent.db",
        "CONSENT_KEYS_DIR": str(tmp_path / "keys"),
    }
    refused, loaded = (
        subprocess.run(
            [sys.executable, "-c", script],
            cwd=ROOT, env={**environment, **more}, capture_output=True, text=True, check=False,
        )
        for more in ({}, {"CONSENT_GATEWAY_URL": "smpp://u:p@127.0.0.1:9"})
    )  # fmt: skip
    assert refused.returncode != 0
    assert "the simulator works within one process" in refused.stderr
    assert loaded.stdout == "{'status': 'alive'}\n"
    assert json.loads(loaded.stderr)["needs"] == "a proxy that buffers requests"


def test_a_restart_keeps_everything(tmp_path: Path) -> None:
    """The key of before still opens, and the demo merchant is made once."""
    WRITTEN.append(tmp_path)
    with service(tmp_path) as first:
        merchant = first.merchant()
        asked = merchant.post("/v1/consent-requests", json={"purposes": [PROMOTIONS]}).json()
        key = merchant.headers["Authorization"]
    with service(tmp_path) as second:
        again = second.browser().get(
            f"/v1/consent-requests/{asked['id']}", headers={"Authorization": key}
        )
        assert again.json()["status"] == "pending"
        assert len(second.command("merchant", "list")) == 2
        assert not [line for line in second.lines.heard if "ctk_" in line]


def test_the_two_halves_alone_on_postgresql(empty_postgres_url: str, tmp_path: Path) -> None:
    """`web` in one process, `dispatch` in another; both stop cleanly."""
    WRITTEN.append(tmp_path)
    smsc_port, web_port = free_port(), free_port()
    environment = {
        "CONSENT_DATABASE_URL": empty_postgres_url,
        "CONSENT_KEYS_DIR": str(tmp_path / "keys"),
        "CONSENT_GATEWAY_URL": f"smpp://esme:secret@127.0.0.1:{smsc_port}",
        "CONSENT_BASE_URL": f"http://127.0.0.1:{web_port}",
        "CONSENT_BIND": f"127.0.0.1:{web_port}",
    }
    assert run(tmp_path, "db", "upgrade", **environment).returncode == 0
    assert run(tmp_path, "keys", "list", **environment).returncode == 0  # makes them
    with (
        process("tests.smsc", str(smsc_port), reads=True) as (smsc, told),
        process("consent_tokens", "dispatch", environment=environment),
        process("consent_tokens", "web", environment=environment) as (_, said),
    ):
        carrier = Carrier(smsc, told, smsc_port)
        told.wait_for(lambda line: "bound" in line)
        said.wait_for(lambda line: "ready at" in line)
        running = Running(environment["CONSENT_BASE_URL"], environment, said)
        with running.clients:
            merchant = running.merchant()
            token = agree(running, carrier, merchant)
            draft = {"token": token, "purpose": PROMOTIONS, "text": "两半"}
            message_id = merchant.post("/v1/messages", json=draft).json()["id"]
            assert "两半" in carrier.text("两半")["text"]
            until(merchant, message_id, "delivered")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_told_to_stop_while_it_starts_it_stops(tmp_path: Path, number: signal.Signals) -> None:
    """The web process exists, and nobody in it listens to signals yet."""
    WRITTEN.append(tmp_path)
    port = free_port()
    environment = {
        "CONSENT_DATABASE_URL": f"sqlite:///{tmp_path}/consent.db",
        "CONSENT_KEYS_DIR": str(tmp_path / "keys"),
    }
    command = ("consent_tokens", "serve", "--bind", f"127.0.0.1:{port}")
    with process(*command, environment=environment) as (started, said):
        children = Path(f"/proc/{started.pid}/task/{started.pid}/children")
        while not children.read_text():
            assert started.poll() is None
            threading.Event().wait(0.001)
        begun = time.monotonic()
        started.send_signal(number)
        started.wait(30)
        assert time.monotonic() - begun < STOP_SECONDS - 5, "it was killed, not stopped"
    assert not [line for line in said.heard if "ready at" in line]


def test_ready_is_said_once_it_can_be_reached() -> None:
    port = free_port()
    script = (
        "import sys\n"
        "from consent_tokens.cli.worker_startup import WorkerStartup\n"
        f"WorkerStartup(lambda on_start: on_start(), ('127.0.0.1', {port}), 'http://here')()\n"
        "print('loaded', file=sys.stderr, flush=True)\n"
        "sys.stdin.read()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script],
        cwd=ROOT, stdin=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    ) as begun:  # fmt: skip
        assert begun.stderr
        assert begun.stderr.readline() == "loaded\n"
        with socket.create_server(("127.0.0.1", port)):
            assert "ready at http://here" in begun.stderr.readline()
        begun.communicate()
