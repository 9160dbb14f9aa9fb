"""A light load generator: prebuilt requests over keep-alive sockets, a thread a connection."""

import json
import re
import socket
import sys
import threading
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import quantiles

from tests.bench.contexts import PURPOSE, TEXT

BATCH = 500
LENGTH = re.compile(rb"content-length: (\d+)", re.IGNORECASE)


@dataclass(frozen=True)
class Figures:
    """What a load measured: requests a second, and milliseconds by percentile."""

    a_second: float
    p50: float
    p99: float
    statuses: dict[int, int]


def request(path: str, body: bytes, api_key: str = "", key: str = "") -> bytes:
    """Return the bytes of one POST, with an Idempotency-Key if there is one."""
    idempotency = f'Idempotency-Key: "{key}"\r\n' if key else ""
    head = (
        f"POST {path} HTTP/1.1\r\nHost: bench\r\nContent-Type: application/json\r\n"
        f"Authorization: Bearer {api_key}\r\n{idempotency}Content-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def draft(token: str) -> dict[str, str]:
    """Return the body of a message."""
    return {"token": token, "purpose": PURPOSE, "text": TEXT}


def batch_bodies(tokens: Sequence[str]) -> list[bytes]:
    """Return the bodies of batch calls, with a message for each token."""
    parts = [tokens[at : at + BATCH] for at in range(0, len(tokens), BATCH)]
    return [dumps({"messages": [draft(each) for each in part]}) for part in parts]


def batches(tokens: Sequence[str], api_key: str) -> list[bytes]:
    """Return batch calls, with a message for each token."""
    return [request("/v1/messages/batch", each, api_key) for each in batch_bodies(tokens)]


def ask(sock: socket.socket, data: bytes) -> tuple[int, bytes]:
    """Send one request and return status and body of its answer."""
    sock.sendall(data)
    heard = b""
    while b"\r\n\r\n" not in heard:
        heard += receive(sock)
    head, _, body = heard.partition(b"\r\n\r\n")
    match = LENGTH.search(head)
    length = int(match[1]) if match else 0
    while len(body) < length:
        body += receive(sock)
    return int(head[9:12]), body


def receive(sock: socket.socket) -> bytes:
    data = sock.recv(1 << 20)
    if not data:
        raise ConnectionError("the server hung up")
    return data


def load(
    port: int, requests: Sequence[bytes], connections: int, rate: float | None = None
) -> Figures:
    """Send all requests over so many connections, and return the figures.

    With a rate, each is due at its own moment, and its time counts from then: one that had to wait
    for its turn was slow.
    """
    answers: list[tuple[int, float]] = []  # status and seconds of each
    rest = iter(enumerate(requests))
    lock = threading.Lock()
    start = time.perf_counter()

    def send_all() -> None:
        with socket.create_connection(("127.0.0.1", port)) as sock:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            while True:
                with lock:
                    turn = next(rest, None)
                if turn is None:
                    return
                place, data = turn
                begun = time.perf_counter()
                if rate is not None:
                    due = start + place / rate
                    time.sleep(max(0.0, due - begun))
                    begun = due
                status, _ = ask(sock, data)
                answers.append((status, time.perf_counter() - begun))

    threads = [threading.Thread(target=send_all) for _ in range(connections)]
    begun = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    elapsed = time.perf_counter() - begun
    took = [seconds for _, seconds in answers]
    statuses = dict(Counter(status for status, _ in answers))
    cuts = quantiles(took, n=100) if len(took) > 1 else [took[0]] * 99
    return Figures(len(took) / elapsed, cuts[49] * 1000, cuts[98] * 1000, statuses)


def table(title: str, rows: Sequence[tuple[str, str]]) -> None:
    """Print figures as a table that Markdown takes."""
    sys.stdout.write(f"\n| {title} | |\n| --- | ---: |\n")
    for name, value in rows:
        sys.stdout.write(f"| {name} | {value} |\n")
    sys.stdout.flush()


def dumps(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False).encode()
