"""What one web process takes at a time: deadlines, the queue, and the memory of bodies."""

import signal
import socket
import sqlite3
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from contextlib import closing, contextmanager, suppress
from functools import partial
from http.client import HTTPResponse
from pathlib import Path

import httpx
import pytest

from consent_tokens.clock import SystemClock
from consent_tokens.services.admission.senders import add_sender
from consent_tokens.services.merchants import add_merchant
from tests.fixtures import insert_grants
from tests.number_scan import WRITTEN
from tests.processes import free_port, process
from tests.service import make_context

pytestmark = pytest.mark.processes
PURPOSE, TEXT = "marketing.promotions", "满 200 减 50，今晚八点"


class Limited:
    """A web process with small limits."""

    def __init__(self, port: int, folder: Path) -> None:
        self.port, self.folder, self.waiting = port, folder, folder / "waiting"
        self.client = httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=20)

    def send(self, data: bytes) -> bytes:
        """Send bytes, and return the answer; the server may keep the connection after it."""
        with socket.create_connection(("127.0.0.1", self.port)) as client:
            client.settimeout(20)
            with suppress(BrokenPipeError, ConnectionResetError):  # it may answer before the end
                client.sendall(data)
            answer = HTTPResponse(client)
            answer.begin()
            fields = "".join(f"{name}: {value}\r\n" for name, value in answer.getheaders())
            return f"HTTP/1.1 {answer.status} \r\n{fields}\r\n".encode() + answer.read()

    @contextmanager
    def only_thread_taken(self) -> Iterator["Future[httpx.Response]"]:
        """Occupy the only thread for submissions; yield the answer to come."""
        with ThreadPoolExecutor(1) as pool:
            answer = pool.submit(httpx.get, f"{self.client.base_url}/v1/wait", timeout=20)
            try:
                while not self.waiting.exists():
                    assert not answer.done()
                yield answer
            finally:
                self.waiting.unlink(missing_ok=True)

    def merchant(self) -> tuple[dict[str, str], list[str]]:
        """Admit a merchant; return the headers that authenticate it, and two tokens."""
        url = f"sqlite:///{self.folder}/consent.db"
        base_url = f"http://127.0.0.1:{self.port}"
        context = make_context(url, self.folder / "keys", clock=SystemClock(), base_url=base_url)
        admitted = add_merchant(context.runtime, "shop")
        add_sender(
            context.runtime, admitted.merchant.id, port="1069", extension="1", signature="店名"
        )
        tokens = insert_grants(context.runtime, admitted.merchant.id, 2)
        context.close()
        return {"Authorization": f"Bearer {admitted.api_key}"}, tokens

    @contextmanager
    def message_before_its_commit(
        self,
    ) -> Iterator[tuple["Future[httpx.Response]", Callable[[], object]]]:
        """Lock the database, and send a message; yield its answer to come, and what unlocks."""
        headers, tokens = self.merchant()
        drafts = [{"token": each, "purpose": PURPOSE, "text": TEXT} for each in tokens]
        send = partial(self.client.post, "/v1/messages", headers=headers)
        known = send(json=drafts[0])  # so is the API key, from here on
        assert known.status_code == 202, known.text
        locked = sqlite3.connect(self.folder / "consent.db", isolation_level=None)
        with closing(locked), ThreadPoolExecutor(1) as pool:
            locked.execute("BEGIN IMMEDIATE")
            yield pool.submit(send, json=drafts[1]), partial(locked.execute, "ROLLBACK")


@pytest.fixture
def limited(tmp_path: Path) -> Iterator[Limited]:
    WRITTEN.append(tmp_path)
    port = free_port()
    with process("tests.short_deadlines", str(port), str(tmp_path)) as (_, said):
        said.wait_for(lambda line: "ready at" in line)
        limited = Limited(port, tmp_path)
        with limited.client:
            yield limited


def test_a_body_that_does_not_arrive_in_time_is_answered_408(limited: Limited) -> None:
    head = b"POST /v1/messages HTTP/1.1\r\nHost: x\r\nContent-Length: 50\r\n\r\n{"
    answer = limited.send(head)
    assert b" 408 " in answer.splitlines()[0]
    assert b"application/problem+json" in answer
    assert b'"code": "request_timeout"' in answer
    page = limited.send(b"POST /my HTTP/1.1\r\nHost: x\r\nContent-Length: 90000\r\n\r\nphone=")
    assert b" 408 " in page.splitlines()[0]
    assert b"<html" in page
    assert b"Content-Security-Policy" in page or b"content-security-policy" in page


def test_a_full_queue_is_answered_503_and_a_revocation_is_not(limited: Limited) -> None:
    with limited.only_thread_taken() as first, ThreadPoolExecutor(3) as pool:
        asked = {pool.submit(limited.client.get, "/v1/client") for _ in range(3)}
        for _ in range(2):
            refused = next(as_completed(asked, 10))
            asked.remove(refused)
            assert refused.result().status_code == 503
            assert refused.result().headers["retry-after"] == "1"
            assert refused.result().json()["code"] == "service_unavailable"
        (queued,) = asked
        page = limited.client.get("/docs")
        assert (page.status_code, page.headers["retry-after"]) == (503, "1")
        assert limited.client.get("/my").status_code == 200
        assert limited.client.get("/readyz").status_code == 200
        assert limited.client.post("/v1/tokens/revoke", data={"token": "x"}).status_code == 401
        assert not first.done()
        threading.Event().wait(1.1)  # for longer than a request may be queued
        limited.waiting.unlink()
        assert first.result().json() == {"waited": True}
        assert queued.result().status_code == 503


def test_bodies_take_no_more_memory_than_they_may(limited: Limited) -> None:
    """Each of four clients sends most of a large body, and no end of it."""
    sent, size = 4_000_000, 8_000_000
    head = f"POST /v1/messages HTTP/1.1\r\nHost: x\r\nContent-Length: {size}\r\n\r\n".encode()
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(limited.send, [head + b"a" * sent] * 4))
    assert sorted(answer[9:12] for answer in answers) == [b"408", b"408", b"503", b"503"]


def test_what_a_trusted_proxy_says_of_the_client_counts(limited: Limited) -> None:
    direct = limited.client.get("/v1/client").json()
    assert direct == {"ip": "127.0.0.1", "scheme": "http"}
    forwarded = {"X-Forwarded-For": "203.0.113.7, 198.51.100.9", "X-Forwarded-Proto": "https"}
    proxied = limited.client.get("/v1/client", headers=forwarded).json()
    assert proxied == {"ip": "198.51.100.9", "scheme": "https"}
    disguised = limited.client.get("/v1/client", headers={"X_Forwarded_For": "203.0.113.7"})
    assert disguised.json()["ip"] == "127.0.0.1"


def test_a_client_that_breaks_off_is_not_served(limited: Limited) -> None:
    """Half a form would be a form with fewer fields."""
    head = b"POST /my HTTP/1.1\r\nHost: x\r\nContent-Length: 70000\r\n\r\n"
    with socket.create_connection(("127.0.0.1", limited.port)) as client:
        client.sendall(head + b"a=" * 20000)
    assert limited.client.get("/my").status_code == 200


def test_a_request_in_a_thread_is_answered_before_the_process_stops(tmp_path: Path) -> None:
    WRITTEN.append(tmp_path)
    port = free_port()
    with process("tests.short_deadlines", str(port), str(tmp_path)) as (started, said):
        said.wait_for(lambda line: "ready at" in line)
        limited = Limited(port, tmp_path)
        with limited.client, limited.only_thread_taken() as answer:
            started.send_signal(signal.SIGTERM)
            threading.Event().wait(0.5)
            limited.waiting.unlink()
            assert answer.result().json() == {"waited": True}
        started.wait(30)  # a second signal, just before it has ended, would kill it


def test_a_message_that_waits_for_its_commit_occupies_no_thread(limited: Limited) -> None:
    with limited.message_before_its_commit() as (answer, unlock):
        threading.Event().wait(0.2)
        assert limited.client.get("/v1/client").status_code == 200
        assert not answer.done()
        unlock()
        assert answer.result().status_code == 202


def test_a_message_is_committed_and_answered_before_the_process_stops(tmp_path: Path) -> None:
    WRITTEN.append(tmp_path)
    port = free_port()
    with process("tests.short_deadlines", str(port), str(tmp_path)) as (started, said):
        said.wait_for(lambda line: "ready at" in line)
        limited = Limited(port, tmp_path)
        with limited.client, limited.message_before_its_commit() as (answer, unlock):
            threading.Event().wait(0.2)
            started.send_signal(signal.SIGTERM)
            threading.Event().wait(0.5)
            unlock()
            assert answer.result().status_code == 202
        started.wait(30)


def test_an_error_that_follows_has_its_problem_and_its_headers(limited: Limited) -> None:
    headers, tokens = limited.merchant()
    headers |= {"Idempotency-Key": '"once"', "X-Request-Id": "4711"}
    drafts = [{"token": each, "purpose": PURPOSE, "text": TEXT} for each in tokens]
    send = partial(limited.client.post, "/v1/messages", headers=headers)
    accepted, repeated, refused = (send(json=drafts[place]) for place in (0, 0, 1))
    assert accepted.status_code == 202, accepted.text
    assert repeated.headers["idempotent-replayed"] == "true"
    assert repeated.json() == accepted.json()
    assert (refused.status_code, refused.json()["code"]) == (422, "idempotency_key_reused")
    assert refused.headers["content-type"] == "application/problem+json"
    assert refused.headers["x-request-id"] == "4711"
    assert refused.headers["x-content-type-options"] == "nosniff"
