"""The real processes, as an operator starts them, and clients that use them over real sockets."""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from time import monotonic
from types import MappingProxyType
from typing import Any

import httpx

from tests.commands import run_command
from tests.service import CSRF, NOTICE, application, found

ROOT = Path(__file__).parents[1]
START_SECONDS = 30.0


def looks(seconds: float = 60) -> Iterator[None]:
    """Yield for so long. A number of looks would be over the sooner, the quicker answers are."""
    deadline = monotonic() + seconds
    while monotonic() < deadline:
        yield


def free_port() -> int:
    with socket.socket() as each:
        each.bind(("127.0.0.1", 0))
        port: int = each.getsockname()[1]
        return port


@dataclass
class Lines:
    """The lines that a process writes, for a test that waits for one of them."""

    heard: list[str] = field(default_factory=list)
    changed: threading.Condition = field(default_factory=threading.Condition)

    def listen(self, stream: Any) -> None:  # noqa: ANN401 - a text stream
        for line in stream:
            with self.changed:
                self.heard.append(line)
                self.changed.notify_all()

    def wait_for(self, is_it: Callable[[str], bool]) -> str:
        """Return the first line of that kind; wait until it is written."""
        return self.wait_for_next(is_it, 0)[1]

    def wait_for_next(self, is_it: Callable[[str], bool], begin: int) -> tuple[int, str]:
        """Return the first line of that kind from a place on, with its place."""
        with self.changed:
            arrived = self.changed.wait_for(
                lambda: any(is_it(line) for line in self.heard[begin:]), START_SECONDS
            )
            assert arrived, f"no such line was written; what was: {''.join(self.heard)[-3000:]}"
            return next(
                (place, line)
                for place, line in enumerate(self.heard)
                if place >= begin and is_it(line)
            )


@contextmanager
def process(
    *arguments: str, reads: bool = False, environment: Mapping[str, str] = MappingProxyType({})
) -> Iterator[tuple[Any, Lines]]:
    """Run a Python module as a process; stop it by SIGTERM, and check that it exits with 0."""
    lines = Lines()
    started = subprocess.Popen(
        [sys.executable, "-m", *arguments],
        cwd=ROOT,
        env={
            **os.environ,
            "PYTHONUNBUFFERED": "1",
            "CONSENT_METRICS_BIND": "",  # several run at one time
            **environment,
        },
        stdin=subprocess.PIPE if reads else subprocess.DEVNULL,
        stdout=subprocess.PIPE if reads else subprocess.DEVNULL,
        stderr=subprocess.DEVNULL if reads else subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    stream = started.stdout if reads else started.stderr
    listening = threading.Thread(target=lines.listen, args=(stream,), daemon=True)
    listening.start()
    try:
        yield started, lines
    finally:
        if reads and started.stdin:
            started.stdin.close()
        elif started.poll() is None:
            started.send_signal(signal.SIGTERM)
        try:
            code = started.wait(30)
        except subprocess.TimeoutExpired:
            started.kill()
            started.wait()
            raise
        finally:
            with suppress(ProcessLookupError):  # what a failed shutdown has left behind
                os.killpg(started.pid, signal.SIGKILL)
            listening.join(5)
            if stream:
                stream.close()
        assert code == 0, f"it ended with {code}: {''.join(lines.heard)[-3000:]}"


@dataclass
class Running:
    """A service that runs in processes of its own."""

    base: str
    environment: dict[str, str]
    lines: Lines
    clients: ExitStack = field(default_factory=ExitStack)
    extensions: Iterator[int] = field(default_factory=lambda: count(12))  # one of each merchant

    def command(self, *arguments: str) -> Any:  # noqa: ANN401 - what --json prints
        """Run a command, in this process, and return what it prints."""
        done = run_command(self.environment, *arguments, "--json")
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def merchant(self, name: str = "晨光书店") -> httpx.Client:
        """Admit a merchant by command line, and return its program."""
        admitted = self.command("merchant", "add", name)
        self.command(
            "sender", "add", admitted["id"],
            "--port", "10690001", "--extension", str(next(self.extensions)), "--signature", name,
        )  # fmt: skip
        headers = {"Authorization": f"Bearer {admitted['api_key']}"}
        return self.clients.enter_context(httpx.Client(base_url=self.base, headers=headers))

    def legal_merchant(self, name: str = "晨光书店") -> httpx.Client:
        """Have a company apply, admit it with a sender by command line, and return its program."""
        form = application(name)
        applied = self.command(
            "merchant", "apply", "--name", name, "--legal-name", form.legal_name,
            "--registration", form.registration, "--contact", form.contact,
            "--class", "marketing", "--class", "transactional",
        )  # fmt: skip
        admitted = self.command("merchant", "approve", applied["id"])
        self.command(
            "sender", "add", applied["id"],
            "--port", "10690001", "--extension", str(next(self.extensions)), "--signature", name,
        )  # fmt: skip
        headers = {"Authorization": f"Bearer {admitted['api_key']}"}
        return self.clients.enter_context(httpx.Client(base_url=self.base, headers=headers))

    def metrics(self) -> str:
        """Return what it publishes for Prometheus."""
        return httpx.get(f"http://{self.environment['CONSENT_METRICS_BIND']}/metrics").text

    def browser(self) -> httpx.Client:
        return self.clients.enter_context(httpx.Client(base_url=self.base, follow_redirects=True))


def rules_at_any_hour(folder: Path) -> Path:
    """Return a folder with the rules, but for that by which orders wait at night.

    Processes have the real time, and tests run at any hour.
    """
    rules = folder / "rules"
    shutil.copytree(ROOT / "consent_tokens" / "rules" / "packs", rules, dirs_exist_ok=True)
    china = (rules / "cn.toml").read_text("utf-8")
    changed = china.replace('from = "07:00", to = "22:00"', 'from = "00:00", to = "24:00"')
    assert changed != china
    (rules / "cn.toml").write_text(changed, "utf-8")
    return rules


@contextmanager
def service(
    folder: Path, *, gateway: str = "simulator:", database: str | None = None
) -> Iterator[Running]:
    """Run `consent-tokens serve`."""
    port = free_port()
    environment = {
        "CONSENT_DATABASE_URL": database or f"sqlite:///{folder}/consent.db",
        "CONSENT_KEYS_DIR": str(folder / "keys"),
        "CONSENT_GATEWAY_URL": gateway,
        "CONSENT_BASE_URL": f"http://127.0.0.1:{port}",
        "CONSENT_METRICS_BIND": f"127.0.0.1:{free_port()}",
        "CONSENT_RULES_DIR": str(rules_at_any_hour(folder)),
    }
    arguments = ("consent_tokens", "serve", "--bind", f"127.0.0.1:{port}")
    with process(*arguments, environment=environment) as (_, lines):
        lines.wait_for(lambda line: "ready at" in line)
        running = Running(f"http://127.0.0.1:{port}", environment, lines)
        with running.clients:
            yield running
    (folder / "log").write_text("".join(lines.heard))


def fill(
    browser: httpx.Client, path: str, shown: str | None = None, **form: object
) -> httpx.Response:
    """Submit a page's form, as a browser without scripts does."""
    page = shown if shown is not None else browser.get(path).text
    hidden = {"csrf": found(CSRF, page)}
    if match := NOTICE.search(page):
        hidden["notice"] = match[1]
    return browser.post(path, data={**hidden, **form})


def code_in(text: str) -> str:
    return found(re.compile(r"(?:验证码|驗證碼|code is) (\d{6})"), text)
