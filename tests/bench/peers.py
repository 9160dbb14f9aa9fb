"""What this service is held against: raw verification, an empty POST, Kannel, smpp34 alone.

Each is started here, on the same machine, and asked by the same load generator in the same round.
"""

import asyncio
import shutil
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final

import smpp34
import uvloop

from consent_tokens.crypto.encoding import decode
from consent_tokens.crypto.keys import VerifyingKey
from tests.bench.contexts import TEXT
from tests.bench.empty import app as empty_app
from tests.bench.http_load import saturate
from tests.bench.load import Figures, dumps
from tests.bench.serving import serving
from tests.processes import free_port
from tests.smsc_servers import carrier

WINDOWS: Final = (10, 64, 200, 500)
QUERY: Final = "username=shop&password=open%20sesame&to=10&from=1&text=x"
WITH_REPORTS: Final = f"{QUERY}&dlr-mask=19&dlr-url=http%3A%2F%2F127.0.0.1%3A9%2F%3Fid%3D%25F"
EMPTY: Final = dumps({"text": "x" * 800})


def raw_verifications(public: VerifyingKey, tokens: Sequence[str]) -> float:
    """Return Ed25519 verifications a second, in one thread, of these very tokens."""
    parts = [token.rsplit(".", 1) for token in tokens]
    signed = [(decode(signature), body.encode()) for body, signature in parts]
    begun = time.perf_counter()
    for signature, body in signed:
        public.public.verify(signature, body)
    return len(signed) / (time.perf_counter() - begun)


def empty_posts(seconds: int, workers: int) -> Figures:
    """Return what so many workers take of empty Flask JSON POSTs."""
    with serving(empty_app, workers) as port:
        return saturate(port, "/v1/messages", [EMPTY] * 100, seconds=seconds)


def has_kannel() -> bool:
    return shutil.which("bearerbox") is not None and shutil.which("smsbox") is not None


@contextmanager
def kannel() -> Iterator[int]:
    """Run Kannel in front of an SMSC that only counts; yield the port of its sendsms."""
    from tests.interop.test_kannel import CONFIGURATION, answers, box  # noqa: PLC0415 - if installed

    ports = {name: free_port() for name in ("admin", "boxes", "sendsms", "listen")}
    with ExitStack() as stack:
        smsc = stack.enter_context(carrier("quiet"))
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        path = folder / "kannel.conf"
        path.write_text(CONFIGURATION.format(smsc=smsc.port, secret="x", **ports))
        for program, listens in (("bearerbox", "boxes"), ("smsbox", "sendsms")):
            stack.enter_context(box(program, "-v", "4", str(path)))
            answers(ports[listens])
        yield ports["sendsms"]


def kannel_sends(seconds: int, query: str) -> Figures:
    """Return what Kannel's sendsms accepts; it keeps everything in memory."""
    with kannel() as port:
        return saturate(port, f"/cgi-bin/sendsms?{query}", [b""], seconds=seconds)


async def _smpp34(port: int, window: int, count: int) -> float:
    """Return what smpp34 alone submits a second; the window is never left empty."""
    client = smpp34.Client(
        host="127.0.0.1", port=port, system_id="alone", password="x", window_size=window
    )
    session = await client.connect()
    text = f"【店名】{TEXT} 拒收请回复R".encode("utf-16-be")

    async def submit(places: Iterator[int]) -> None:
        for place in places:
            await session.submit_sm(
                f"86139{place:08}", text, source_addr="10691", dest_addr_ton=1, dest_addr_npi=1,
                data_coding=8, registered_delivery=1,
            )  # fmt: skip

    begun = time.perf_counter()
    rest = iter(range(count))
    await asyncio.gather(*(submit(rest) for _ in range(window)))
    elapsed = time.perf_counter() - begun
    await session.unbind()
    await client.stop()
    return count / elapsed


def smpp34_alone(port: int, window: int, count: int) -> float:
    """Return what smpp34 alone submits a second, on asyncio."""
    return asyncio.run(_smpp34(port, window, count))


def smpp34_on_uvloop(port: int, window: int, count: int) -> float:
    """Return what smpp34 alone submits a second on uvloop, as the gateway runs it."""
    return uvloop.run(_smpp34(port, window, count))


def best_window(port: int, count: int) -> int:
    """Return the window with which smpp34 alone submits most."""
    return max(WINDOWS, key=lambda window: smpp34_alone(port, window, count))
