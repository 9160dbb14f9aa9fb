"""Slow and hostile clients: a request takes a thread only once it is there in full."""

import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import httpx
import pytest

from consent_tokens.web.rsgi import DEFAULT_LIMITS
from tests.number_scan import WRITTEN
from tests.processes import Running, service

pytestmark = pytest.mark.processes

# A request that got no thread is answered 503 after `queue_seconds`, long before that.
PATIENCE = DEFAULT_LIMITS.body_seconds - 5
FORM = "Content-Type: application/x-www-form-urlencoded\r\n"


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("slow")
    WRITTEN.append(folder)
    with service(folder) as started:
        yield started


def connect(running: Running, data: str) -> socket.socket:
    """Open a connection, and send the beginning of a request."""
    port = int(running.base.rpartition(":")[2])
    client = socket.create_connection(("127.0.0.1", port))
    client.settimeout(60)
    client.sendall(data.encode())
    return client


@contextmanager
def clients(running: Running, count: int, data: str) -> Iterator[list[socket.socket]]:
    with ExitStack() as stack:
        yield [stack.enter_context(connect(running, data)) for _ in range(count)]


def read_all(client: socket.socket) -> bytes:
    """Return what arrives until the server closes the connection."""
    parts = []
    while part := client.recv(65536):
        parts.append(part)
    return b"".join(parts)


def test_forms_without_their_body_delay_nobody(running: Running) -> None:
    unfinished = f"POST /my HTTP/1.1\r\nHost: x\r\n{FORM}Content-Length: 500\r\n\r\nphone="
    with clients(running, 200, unfinished):
        assert httpx.get(f"{running.base}/docs", timeout=PATIENCE).status_code == 200
        unknown = httpx.post(f"{running.base}/v1/messages", json={}, timeout=PATIENCE)
        assert unknown.status_code == 401
        assert httpx.get(f"{running.base}/readyz", timeout=PATIENCE).status_code == 200


def test_five_hundred_slow_connections_change_nothing(running: Running) -> None:
    with (
        clients(running, 200, "GET / HTTP/1.1\r\nHost: x\r\nX-Slow: "),
        clients(running, 100, ""),
        clients(running, 200, "POST /v1/messages HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n"),
    ):
        for _ in range(20):
            assert httpx.get(f"{running.base}/my", timeout=PATIENCE).status_code == 200


def test_a_client_that_never_sends_its_headers_is_cut_off(running: Running) -> None:
    with connect(running, "GET / HTTP/1.1\r\nHost: x\r\nX-Slow: ") as client:
        begun = time.monotonic()
        assert read_all(client) == b""
        assert time.monotonic() - begun < 30


def test_a_body_of_a_hundred_megabytes_is_refused_before_it_is_read(running: Running) -> None:
    head = f"POST /v1/messages HTTP/1.1\r\nHost: x\r\nContent-Length: {100 * 1024 * 1024}\r\n\r\n"
    with connect(running, head) as client:
        answer = read_all(client)
    assert b" 413 " in answer.splitlines()[0]
    assert b"application/problem+json" in answer
    assert b'"code": "request_entity_too_large"' in answer


def test_a_chunked_body_is_cut_off_at_its_limit(running: Running) -> None:
    head = (
        "POST /v1/messages HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
        "Transfer-Encoding: chunked\r\n\r\n"
    )
    with connect(running, head) as client:
        chunk = b"100000\r\n" + b"a" * 0x100000 + b"\r\n"
        try:
            for _ in range(20):
                client.sendall(chunk)
        except OSError:  # it was refused while more was sent
            return
        assert b" 413 " in read_all(client).splitlines()[0]


def test_a_chunked_json_body_is_taken_and_a_chunked_form_is_not(running: Running) -> None:
    """What is left of a form whose client broke off would pass for a form with fewer fields."""

    def parts() -> Iterator[bytes]:
        yield b'{"token":'
        yield b'"x"}'

    json = {"Content-Type": "application/json"}
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    assert (
        httpx.post(f"{running.base}/v1/messages", content=parts(), headers=json).status_code == 401
    )
    assert httpx.post(f"{running.base}/my", content=parts(), headers=form).status_code == 411


def test_head_query_and_paths_arrive_as_they_were_sent(running: Running) -> None:
    head, whole = httpx.head(f"{running.base}/docs"), httpx.get(f"{running.base}/docs")
    assert head.content == b""
    assert head.headers["content-length"] == str(len(whole.content))
    assert httpx.get(f"{running.base}/c/%e4%bd%a0%ff").status_code == 404
    assert httpx.post(f"{running.base}/healthz").status_code == 405


def test_the_answer_names_no_server(running: Running) -> None:
    for path in ("/my", "/v1/messages", "/healthz"):
        assert not httpx.get(f"{running.base}{path}").headers.get("server")
