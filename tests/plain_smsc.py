"""An SMSC on a plain socket, in this process, that writes PDUs as a test says, in one packet."""

import socket
import struct
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count

import smpp34

HEADER = struct.Struct(">IIII")
RESPONSE, SUBMIT_SM, DELIVER_SM_RESP = 0x80000000, 0x04, 0x80000005
BINDS = frozenset({0x01, 0x02, 0x09})
UCS2, HAS_HEADER, IS_REPORT = 8, 0x40, 0x04
WAIT_SECONDS = 30.0


@dataclass(frozen=True)
class Submitted:
    """A submit_sm that was taken, and the id that it was given."""

    id: str
    destination: str
    source: str
    text: str


@dataclass
class PlainSmsc:
    """The server. It answers each submit_sm with the next of `ids`, or else with a number."""

    server: socket.socket
    taken: list[Submitted] = field(default_factory=list)
    ids: list[str] = field(default_factory=list)
    acknowledged: list[tuple[int, int]] = field(default_factory=list)  # sequence number, status
    _changed: threading.Condition = field(default_factory=threading.Condition)
    _connection: socket.socket | None = None
    _numbers: Iterator[int] = field(default_factory=lambda: count(1_000_001))

    @property
    def url(self) -> str:
        return f"smpp://esme:secret@127.0.0.1:{self.server.getsockname()[1]}"

    def serve(self) -> None:
        """Serve one connection after another, until the server socket is closed."""
        while True:
            try:
                connection, _ = self.server.accept()
            except OSError:
                return
            with connection:
                self._serve_one(connection)

    def _serve_one(self, connection: socket.socket) -> None:
        data = b""
        while received := connection.recv(65536):
            data += received
            while len(data) >= 16 and len(data) >= (length := HEADER.unpack_from(data)[0]):
                frame, data = data[:length], data[length:]
                self._handle(connection, frame)

    def _handle(self, connection: socket.socket, frame: bytes) -> None:
        _, command, status, number = HEADER.unpack_from(frame)
        with self._changed:
            if command == SUBMIT_SM:
                connection.sendall(packed(command | RESPONSE, number, self._take(frame)))
            elif command in BINDS:
                self._connection = connection
                connection.sendall(packed(command | RESPONSE, number, b"SMSC\0"))
            elif command & RESPONSE:
                self.acknowledged.append((number, status))
            else:
                connection.sendall(packed(command | RESPONSE, number, b""))
            self._changed.notify_all()

    def _take(self, frame: bytes) -> bytes:
        pdu = smpp34.decode(frame)
        assert isinstance(pdu, smpp34.SubmitSm)
        octets = pdu.short_message
        if pdu.esm_class & HAS_HEADER:
            octets = octets[1 + octets[0] :]
        text = octets.decode("utf-16-be" if pdu.data_coding == UCS2 else "latin-1")
        message_id = self.ids.pop(0) if self.ids else str(next(self._numbers))
        self.taken.append(Submitted(message_id, pdu.destination_addr, pdu.source_addr, text))
        return message_id.encode() + b"\0"

    def wait(self, is_there: Callable[[], bool]) -> None:
        """Wait until something has been received."""
        with self._changed:
            assert self._changed.wait_for(is_there, WAIT_SECONDS), self.taken[-5:]

    def submitted(self, words: str, destination: str = "") -> Submitted:
        """Return the newest message with these words, once it is there."""

        def found() -> list[Submitted]:
            return [
                each
                for each in self.taken
                if words in each.text and each.destination.endswith(destination)
            ]

        self.wait(lambda: bool(found()))
        return found()[-1]

    def write(self, *frames: bytes) -> None:
        """Write PDUs to the bound client, with one call."""
        self.wait(lambda: self._connection is not None)
        assert self._connection
        self._connection.sendall(b"".join(frames))


def packed(command: int, number: int, body: bytes) -> bytes:
    return HEADER.pack(16 + len(body), command, 0, number) + body


def deliver_sm(
    number: int,
    source: str,
    destination: str,
    octets: bytes,
    *,
    tlvs: Sequence[tuple[int, bytes]] = (),
    **fields: int,
) -> bytes:
    """Return the octets of a deliver_sm; `fields` are esm_class, data_coding and the like."""
    listed = [smpp34.Tlv(tag, value) for tag, value in tlvs]
    pdu = smpp34.DeliverSm(
        source, destination, octets, sequence_number=number, tlvs=listed,
        **fields,  # type: ignore[arg-type]  # none of them is a text
    )  # fmt: skip
    return pdu.encode()


@contextmanager
def plain_smsc() -> Iterator[PlainSmsc]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        smsc = PlainSmsc(server)
        serving = threading.Thread(target=smsc.serve, daemon=True)
        serving.start()
        yield smsc
        server.shutdown(socket.SHUT_RDWR)
    serving.join(10)
