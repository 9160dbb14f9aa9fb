"""One bound SMPP connection: PDUs over TCP or TLS, in the order in which they arrive.

PDUs are encoded and decoded by smpp34; its own client is not used, because it passes PDUs of one
TCP packet on in another order (docs/decisions/0020-keep-smpp-sessions-in-asyncio.md). Sections are
of SMPP 3.4, issue 1.2.
"""

import asyncio
import ssl
from collections.abc import Callable
from enum import IntEnum
from struct import Struct
from typing import Any, Final, NamedTuple, Self, cast

import smpp34
import structlog

from consent_tokens.gateways.smpp.config import BindConfig

log = structlog.get_logger()

HEADER: Final = Struct(">IIII")  # command_length, command_id, command_status, sequence_number (3.2)
MAX_PDU_OCTETS: Final = 128 * 1024  # a message_payload has at most 64 KiB (5.3.2.32)
MAX_SEQUENCE_NUMBER: Final = 0x7FFFFFFF
INTERFACE_VERSION: Final = 0x34
IS_RESPONSE: Final = 0x80000000
CONNECT_TIMEOUT_SECONDS: Final = 5.0  # for TCP, TLS and the response to the bind
IDLE_SECONDS: Final = 30.0  # then an enquire_link is sent
LINK_TIMEOUT_SECONDS: Final = 10.0  # for its response; then the connection is closed
OK, INVALID_COMMAND, RECEIVER_PERMANENT_ERROR = 0x00, 0x03, 0x65  # command_status (5.1.3)


class Command(IntEnum):
    """The command_id of a request (5.1.2.1); a response has IS_RESPONSE set."""

    GENERIC_NACK = 0x80000000
    BIND_RECEIVER = 0x01
    BIND_TRANSMITTER = 0x02
    SUBMIT_SM = 0x04
    DELIVER_SM = 0x05
    UNBIND = 0x06
    BIND_TRANSCEIVER = 0x09
    ENQUIRE_LINK = 0x15
    ALERT_NOTIFICATION = 0x102


class Response(NamedTuple):
    """A response of the SMSC; `message_id` is that of a submit_sm_resp."""

    command_status: int
    message_id: str = ""


class Connection(asyncio.Protocol):
    """A bound connection. `on_deliver_sm` is called with each deliver_sm, in order of arrival."""

    def __init__(self, on_deliver_sm: Callable[[smpp34.DeliverSm], None]) -> None:
        self._on_deliver_sm = on_deliver_sm
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._buffer = bytearray()
        self._sequence_number = 0
        self._pending: dict[int, asyncio.Future[Response]] = {}  # by sequence number
        self._received_at = self._loop.time()
        self._closed = asyncio.Event()

    @classmethod
    async def bind(
        cls, config: BindConfig, command: Command, on_deliver_sm: Callable[[smpp34.DeliverSm], None]
    ) -> Self:
        """Connect and bind. Raises SmppError if the SMSC refuses, and OSError."""
        context = ssl.create_default_context() if config.is_tls else None
        async with asyncio.timeout(CONNECT_TIMEOUT_SECONDS):
            _, connection = await asyncio.get_running_loop().create_connection(
                lambda: cls(on_deliver_sm), config.host, config.port, ssl=context
            )
            try:
                response = await connection._request(command, _bind_body(config))  # noqa: SLF001 - its own class
            except BaseException:
                connection.close()
                raise
        if response.command_status != OK:
            connection.close()
            raise smpp34.SmppError(f"bind refused: {response.command_status:#x}")
        return connection

    def submit_sm(self, **fields: Any) -> asyncio.Future[Response]:  # noqa: ANN401 - of a submit_sm
        """Send a submit_sm; return the future of its response.

        Raises ValueError, OverflowError or TypeError if no PDU can carry the fields, and
        ConnectionError.
        """
        number = self._next_sequence_number()
        try:
            frame = smpp34.SubmitSm(**fields, sequence_number=number).encode()
        except smpp34.SmppError as error:
            raise ValueError("no PDU can carry it") from error
        return self._send_request(number, frame)

    async def unbind(self) -> None:
        """Send an unbind, and wait for its response. Raises OSError."""
        await self._request(Command.UNBIND)

    def close(self) -> None:
        """Close the connection; what waits for a response fails."""
        if self._transport is not None:
            self._transport.abort()

    async def wait_closed(self) -> None:
        """Return once the connection is closed; close it when the SMSC does not answer."""
        while not self._closed.is_set():
            idle = self._loop.time() - self._received_at
            try:
                async with asyncio.timeout(max(0.0, IDLE_SECONDS - idle)):
                    await self._closed.wait()
            except TimeoutError:
                await self._check_link()

    async def _check_link(self) -> None:
        if self._loop.time() - self._received_at < IDLE_SECONDS:
            return
        try:
            async with asyncio.timeout(LINK_TIMEOUT_SECONDS):
                await self._request(Command.ENQUIRE_LINK)
        except (TimeoutError, ConnectionError):
            self.close()
            await self._closed.wait()

    # --- asyncio.Protocol -----------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self._transport = cast("asyncio.Transport", transport)  # of create_connection

    def data_received(self, data: bytes) -> None:
        """Handle the PDUs that are complete."""
        self._received_at = self._loop.time()
        self._buffer += data
        begin = 0
        while len(self._buffer) - begin >= HEADER.size:
            length, command_id, status, number = HEADER.unpack_from(self._buffer, begin)
            if not HEADER.size <= length <= MAX_PDU_OCTETS:
                log.warning("gateway_garbage", gateway="smpp")
                self.close()
                return
            if len(self._buffer) - begin < length:
                break
            frame = bytes(self._buffer[begin : begin + length])
            begin += length
            self._handle(command_id, status, number, frame)
        del self._buffer[:begin]

    def connection_lost(self, exc: Exception | None) -> None:
        """Fail what waits for a response."""
        del exc
        self._closed.set()
        pending, self._pending = self._pending, {}
        for future in pending.values():
            if not future.done():
                future.set_exception(ConnectionResetError("the SMPP connection was closed"))

    # --- PDUs -----------------------------------------------------------------------------------

    def _handle(self, command_id: int, status: int, number: int, frame: bytes) -> None:
        if command_id & IS_RESPONSE:
            self._handle_response(status, number, frame)
            return
        match command_id:
            case Command.DELIVER_SM:
                self._respond(command_id, number, self._deliver(frame), b"\0")  # message_id: null
            case Command.ENQUIRE_LINK:
                self._respond(command_id, number, OK)
            case Command.UNBIND:
                self._respond(command_id, number, OK)
                if self._transport is not None:
                    self._transport.close()
            case Command.ALERT_NOTIFICATION:
                pass  # it has no response (4.12.1)
            case _:
                self._respond(Command.GENERIC_NACK, number, INVALID_COMMAND)

    def _handle_response(self, status: int, number: int, frame: bytes) -> None:
        """Complete the request of a response, or of a generic_nack."""
        future = self._pending.pop(number, None)
        if future is not None and not future.done():
            message_id, _, _ = frame[HEADER.size :].partition(b"\0")
            future.set_result(Response(status, message_id.decode("ascii", "replace")))

    def _deliver(self, frame: bytes) -> int:
        """Pass on a deliver_sm; return the status to respond with.

        What cannot be handled is refused for good: the SMSC would send it again for ever.
        """
        try:
            pdu = smpp34.decode(frame)
            if not isinstance(pdu, smpp34.DeliverSm):
                return RECEIVER_PERMANENT_ERROR
            self._on_deliver_sm(pdu)
        except Exception as error:  # noqa: BLE001 - one PDU must not end the session
            log.critical("deliver_sm_failed", fault=type(error).__name__)
            return RECEIVER_PERMANENT_ERROR
        return OK

    def _respond(self, command_id: int, number: int, status: int, body: bytes = b"") -> None:
        self._write(
            HEADER.pack(HEADER.size + len(body), command_id | IS_RESPONSE, status, number) + body
        )

    async def _request(self, command: Command, body: bytes = b"") -> Response:
        number = self._next_sequence_number()
        frame = HEADER.pack(HEADER.size + len(body), command, OK, number) + body
        return await self._send_request(number, frame)

    def _send_request(self, number: int, frame: bytes) -> asyncio.Future[Response]:
        if self._closed.is_set():
            raise ConnectionResetError("the SMPP connection was closed")
        future = self._pending[number] = self._loop.create_future()
        self._write(frame)
        return future

    def _write(self, frame: bytes) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(frame)

    def _next_sequence_number(self) -> int:
        self._sequence_number = self._sequence_number % MAX_SEQUENCE_NUMBER + 1
        return self._sequence_number


def _bind_body(config: BindConfig) -> bytes:
    """Return the body of a bind request (4.1)."""
    strings = (config.system_id, config.password, config.system_type)
    written = b"".join(each.encode() + b"\0" for each in strings)
    return written + bytes([INTERFACE_VERSION, 0, 0, 0])  # any TON, NPI and address_range
