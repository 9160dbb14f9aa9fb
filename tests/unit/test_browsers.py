"""What the tests' own web server does when a browser goes away."""

import gc
import socket
import struct
from pathlib import Path
from urllib.parse import urlsplit

from tests.browsers import service_over_http

RESET_AT_CLOSE = struct.pack("ii", 1, 0)


def test_a_file_is_closed_when_the_browser_resets_the_connection(tmp_path: Path) -> None:
    with service_over_http(tmp_path) as service:
        address = urlsplit(service.base)
        for _ in range(20):
            with socket.create_connection((address.hostname, address.port)) as browser:
                browser.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_AT_CLOSE)
                browser.sendall(b"GET /static/icon.svg HTTP/1.1\r\nHost: localhost\r\n\r\n")
                assert browser.recv(4) == b"HTTP"
    gc.collect()
