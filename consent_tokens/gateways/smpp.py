"""SMPP 3.4 over smpp34: one transceiver session, kept bound by a thread of its own.

smpp34 aborts the interpreter if a session is still open when Python exits, so `close` is called on
every way out. The bridge between our threads and its event loop is in this module alone.
"""

import asyncio
import re
import threading
from collections import deque
from collections.abc import Callable, Sequence
from typing import Final, Self
from urllib.parse import SplitResult, unquote, urlsplit

import smpp34
import structlog

from consent_tokens.consent.phone import PhoneNumber
from consent_tokens.gateways.base import (
    DeliveryReport,
    Heard,
    Inbound,
    Outcome,
    Rejected,
    Submission,
    Submitted,
    Throttled,
    Uncertain,
)
from consent_tokens.relay.composition import Coding, read_octets

log = structlog.get_logger()

DEFAULT_PORT: Final = 2775
WINDOW: Final = 64  # submissions without an answer, at most
CONNECT_MILLISECONDS: Final = 5000
ANSWER_SECONDS: Final = 10.0  # a gateway that is silent for longer may or may not have taken it
BACK_OFF: Final = (0.1, 0.3, 1.0, 3.0, 10.0, 30.0)  # seconds between attempts to bind
MOST_HEARD: Final = 100_000  # waiting to be taken; beyond it the session is not read

INTERNATIONAL, ISDN = 1, 1  # TON and NPI of E.164 numbers (SMPP 3.4, 5.2.5 and 5.2.6)
DATA_GSM, DATA_ASCII, DATA_LATIN1, DATA_UCS2 = 0, 1, 3, 8  # data_coding (5.2.19)
HAS_HEADER: Final = 0x40  # esm_class (5.2.12): the text begins with a user data header
KIND_MASK, IS_REPORT = 0x3C, 0x04  # esm_class: what a deliver_sm is
WANTS_REPORT: Final = 1  # registered_delivery (5.2.17)
TRY_LATER: Final = frozenset({0x08, 0x14, 0x58})  # system error, queue full, throttled (5.1.3)
FINAL_STATES: Final = {2: "DELIVRD", 3: "EXPIRED", 4: "DELETED", 5: "UNDELIV", 8: "REJECTD"}
REPORT = re.compile(rb"id:(?P<id>\S+).*?stat:(?P<stat>[A-Z]+)", re.DOTALL | re.IGNORECASE)
TLV_RECEIPTED_MESSAGE_ID, TLV_MESSAGE_PAYLOAD, TLV_MESSAGE_STATE = 0x1E, 0x0424, 0x0427  # 5.3.2
INTERIM: Final = frozenset({"ENROUTE", "ACCEPTD", "UNKNOWN"})


class SmppGateway:
    """A transceiver bound to one SMSC."""

    def __init__(self, url: SplitResult) -> None:
        self._url = url
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name="smpp", daemon=True)
        self._smsc: smpp34.Smsc | None = None
        self._stop = asyncio.Event()
        self._heard: deque[Heard] = deque(maxlen=MOST_HEARD)
        self._tell: Callable[[], None] = lambda: None

    @classmethod
    def at(cls, url: str) -> Self:
        """Return the gateway that `smpp://user:password@host:port` names, not yet connected."""
        return cls(urlsplit(url))

    @property
    def name(self) -> str:
        """Return which kind it is."""
        return "smpp"

    @property
    def is_up(self) -> bool:
        """Whether it is bound."""
        return self._smsc is not None

    def open(self, heard: Callable[[], None]) -> None:
        """Start to bind, in the background."""
        self._tell = heard
        self._thread.start()

    def submit(self, submissions: Sequence[Submission]) -> list[Outcome]:
        """Submit side by side, as many at once as the window holds."""
        smsc = self._smsc
        if smsc is None:
            return [Throttled() for _ in submissions]
        whole = asyncio.run_coroutine_threadsafe(_submit_all(smsc, submissions), self._loop)
        return whole.result()

    def take(self) -> list[Heard]:
        """Return the reports and inbound messages since the last call."""
        heard: list[Heard] = []
        while self._heard:
            heard.append(self._heard.popleft())
        return heard

    def close(self) -> None:
        """Unbind, and wait until the session is closed."""
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._stop.set)
            self._thread.join()
        if not self._loop.is_closed():
            self._loop.close()

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(self._keep_bound())

    async def _keep_bound(self) -> None:
        failures = 0
        while not self._stop.is_set():
            client = smpp34.Client(
                host=self._url.hostname or "",
                port=self._url.port or DEFAULT_PORT,
                system_id=unquote(self._url.username or ""),
                password=unquote(self._url.password or ""),
                bind_type="TRX",
                tls=self._url.scheme == "smpps",
                window_size=WINDOW,
                connect_timeout_ms=CONNECT_MILLISECONDS,
            )
            try:
                smsc = await client.connect()
                log.info("gateway_bound", gateway="smpp")
                failures, self._smsc = 0, smsc
                self._tell()
                await self._listen(smsc)
            except (smpp34.SmppError, OSError) as fault:
                log.warning("gateway_away", gateway="smpp", fault=type(fault).__name__)
            finally:
                self._smsc = None
                await client.stop()
            if not self._stop.is_set():
                wait = BACK_OFF[min(failures, len(BACK_OFF) - 1)]
                failures += 1
                await self._stopped_within(wait)

    async def _listen(self, smsc: smpp34.Smsc) -> None:
        """Take in what comes, until the session ends or we are told to stop."""
        stop = asyncio.create_task(self._stop.wait())
        try:
            while True:
                coming = asyncio.ensure_future(smsc.next())
                await asyncio.wait({coming, stop}, return_when=asyncio.FIRST_COMPLETED)
                if not coming.done():
                    coming.cancel()
                    await smsc.unbind()
                    return
                event = coming.result()
                if isinstance(event, smpp34.Disconnected):
                    return
                if heard := hear(event):
                    self._heard.append(heard)
                    self._tell()
        finally:
            stop.cancel()

    async def _stopped_within(self, seconds: float) -> None:
        try:
            await asyncio.wait_for(self._stop.wait(), seconds)
        except TimeoutError:
            return


async def _submit_all(smsc: smpp34.Smsc, submissions: Sequence[Submission]) -> list[Outcome]:
    return await asyncio.gather(*(_submit(smsc, submission) for submission in submissions))


async def _submit(smsc: smpp34.Smsc, submission: Submission) -> Outcome:
    """Submit every segment of one message; it is named by the id of its last."""
    segments = submission.composed.segments
    outcome: Outcome = Throttled()
    for place, segment in enumerate(segments, start=1):
        header = (
            bytes([5, 0, 3, submission.tag, len(segments), place]) if len(segments) > 1 else b""
        )
        before, outcome = outcome, await _submit_segment(smsc, submission, header + segment)
        if not isinstance(outcome, Submitted):
            # the first segment decides; a later one leaves half a message, which nobody can recall
            return Uncertain() if isinstance(before, Submitted) else outcome
    return outcome


async def _submit_segment(smsc: smpp34.Smsc, submission: Submission, octets: bytes) -> Outcome:
    is_ucs2 = submission.composed.coding is Coding.UCS2
    try:
        answer = await asyncio.wait_for(
            smsc.submit_sm(
                destination_addr=submission.number.reveal().removeprefix("+"),
                dest_addr_ton=INTERNATIONAL,
                dest_addr_npi=ISDN,
                source_addr=submission.source,
                short_message=octets,
                esm_class=HAS_HEADER if len(submission.composed.segments) > 1 else 0,
                data_coding=DATA_UCS2 if is_ucs2 else DATA_GSM,
                registered_delivery=WANTS_REPORT,
            ),
            ANSWER_SECONDS,
        )
    except (smpp34.SmppError, OSError, TimeoutError):
        return Uncertain()
    if answer.is_success and answer.message_id:
        return Submitted(answer.message_id)
    if answer.command_status in TRY_LATER:
        return Throttled()
    return Rejected(f"smpp_{answer.command_status:#x}")


def hear(event: smpp34.DeliverSmEvent) -> Heard | None:
    """Return what a deliver_sm says; None if it says nothing final, or comes from no number."""
    tlvs = {tlv.tag: tlv for tlv in event.tlvs}
    payload = tlvs.get(TLV_MESSAGE_PAYLOAD)
    octets = event.short_message or (payload.value if payload else b"")
    if event.esm_class & KIND_MASK == IS_REPORT:
        return _report(tlvs, octets)
    if event.esm_class & HAS_HEADER and octets:
        octets = octets[1 + octets[0] :]
    try:
        number = PhoneNumber.parse("+" + event.source_addr.lstrip("+"))
    except ValueError:
        return None
    return Inbound(
        number=number, source=event.destination_addr, text=_text(octets, event.data_coding)
    )


def _report(tlvs: dict[int, smpp34.Tlv], octets: bytes) -> DeliveryReport | None:
    """Return a delivery report, by TLV if it has any, else in the usual text (SMPP 3.4, B)."""
    named, state = tlvs.get(TLV_RECEIPTED_MESSAGE_ID), tlvs.get(TLV_MESSAGE_STATE)
    if named and state:
        code = FINAL_STATES.get(state.as_int() or 0)
        gateway_id = named.value.rstrip(b"\0").decode("ascii", errors="replace")
        return (
            DeliveryReport(gateway_id, was_delivered=code == "DELIVRD", code=code) if code else None
        )
    match = REPORT.search(octets)
    if match is None:
        return None
    code = match["stat"].decode("ascii").upper()
    if code in INTERIM:
        return None
    gateway_id = match["id"].decode("ascii", errors="replace")
    return DeliveryReport(gateway_id, was_delivered=code == "DELIVRD", code=code)


def _text(octets: bytes, data_coding: int) -> str:
    if data_coding == DATA_UCS2:
        return read_octets(octets, Coding.UCS2)
    if data_coding in {DATA_ASCII, DATA_LATIN1}:
        return octets.decode("latin-1")
    return read_octets(octets, Coding.GSM7)
