"""Bind once to an SMSC and unbind, to say what it answers: the library says only that it failed.

An SMSC that allows one bind for a user refuses this one while a dispatcher is bound.
"""

import socket
import ssl
import struct
from typing import Final

from consent_tokens.errors import GatewayUnreachableError
from consent_tokens.gateways.smpp.config import BindConfig

TIMEOUT_SECONDS: Final = 5.0
HEADER: Final = struct.Struct(">IIII")  # length, command, status, sequence (SMPP 3.4, 3.2)
BIND_TRANSMITTER, BIND_TRANSCEIVER, UNBIND = 0x02, 0x09, 0x06
RESPONSE: Final = 0x8000_0000
VERSION: Final = 0x34
MAX_PDU_BYTES: Final = 4096
OK: Final = 0
ALREADY_BOUND: Final = 0x05
STATUS_NAMES: Final = {  # of a bind (SMPP 3.4, 5.1.3)
    0x02: "ESME_RINVCMDLEN",
    0x03: "ESME_RINVCMDID, an unknown command: it may not know transceivers (?bind=pair)",
    0x04: "ESME_RINVBNDSTS",
    ALREADY_BOUND: "ESME_RALYBND, already bound: by a dispatcher, or by somebody else",
    0x08: "ESME_RSYSERR, a fault of the SMSC",
    0x0D: "ESME_RBINDFAIL, bind failed: user, password, client IP or number of binds",
    0x0E: "ESME_RINVPASWD, wrong password",
    0x0F: "ESME_RINVSYSID, unknown user",
    0x53: "ESME_RINVSYSTYP, wrong system_type",
    0x58: "ESME_RTHROTTLED, too many binds in a short time",
}


def probe(config: BindConfig) -> str:
    """Bind and unbind; return what the SMSC answered. Raises GatewayUnreachableError."""
    where = f"{config.host}:{config.port}"
    try:
        with _connect(config) as connection:
            status = _request(connection, _bind(config))
            if status == OK:
                _request(connection, HEADER.pack(HEADER.size, UNBIND, 0, 2))
    except ssl.SSLError as error:
        raise GatewayUnreachableError(f"{where}: TLS failed: {error.reason or error}") from error
    except TimeoutError as error:
        raise GatewayUnreachableError(f"{where} does not answer") from error
    except (OSError, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or "it closed the connection"
        raise GatewayUnreachableError(f"{where}: {reason}") from error
    if status not in {OK, ALREADY_BOUND}:
        name = STATUS_NAMES.get(status, "a status of its own")
        raise GatewayUnreachableError(f"{where} refuses the bind: 0x{status:02x} {name}")
    return f"{where} accepts the bind" if status == OK else f"{where}: {STATUS_NAMES[status]}"


def _connect(config: BindConfig) -> socket.socket:
    plain = socket.create_connection((config.host, config.port), TIMEOUT_SECONDS)
    if not config.is_tls:
        return plain
    try:
        return ssl.create_default_context().wrap_socket(plain, server_hostname=config.host)
    except OSError:
        plain.close()
        raise


def _bind(config: BindConfig) -> bytes:
    """Return a bind (SMPP 3.4, 4.1)."""
    command = BIND_TRANSMITTER if config.is_transmitter_receiver_pair else BIND_TRANSCEIVER
    texts = (config.system_id, config.password, config.system_type)
    body = b"".join(text.encode() + b"\0" for text in texts) + bytes([VERSION, 0, 0, 0])
    return HEADER.pack(HEADER.size + len(body), command, 0, 1) + body


def _request(connection: socket.socket, pdu: bytes) -> int:
    """Send a request; return the status of its response, passing over what else comes."""
    _length, command, _status, sequence = HEADER.unpack(pdu[: HEADER.size])
    connection.sendall(pdu)
    while True:
        length, answered, status, number = HEADER.unpack(_receive(connection, HEADER.size))
        if not HEADER.size <= length <= MAX_PDU_BYTES:
            raise ConnectionError("no SMPP")
        _receive(connection, length - HEADER.size)
        # generic_nack answers with its own command
        if number == sequence and answered in {command | RESPONSE, RESPONSE}:
            return int(status)


def _receive(connection: socket.socket, size: int) -> bytes:
    received = b""
    while len(received) < size:
        part = connection.recv(size - len(received))
        if not part:
            raise ConnectionError("closed")
        received += part
    return received
