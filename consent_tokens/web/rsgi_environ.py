"""The WSGI environ (PEP 3333) of a request that granian's RSGI interface describes."""

from functools import lru_cache
from sys import stderr
from typing import Final

from granian.rsgi import Scope

from consent_tokens.web.wsgi import Environ

BASE_ENVIRON: Final[Environ] = {
    "SCRIPT_NAME": "",
    "wsgi.version": (1, 0),
    "wsgi.errors": stderr,
    "wsgi.input_terminated": True,  # werkzeug reads to the end instead of to CONTENT_LENGTH
    "wsgi.multithread": True,
    "wsgi.multiprocess": True,
    "wsgi.run_once": False,
}


def environ_of(scope: Scope) -> Environ:
    """Return the WSGI environ of a request (PEP 3333), without its body."""
    host, _, port = scope.server.rpartition(":")
    environ = {
        **BASE_ENVIRON,
        "REQUEST_METHOD": scope.method,
        "PATH_INFO": scope.path.encode().decode("latin-1"),
        "QUERY_STRING": scope.query_string,
        "SERVER_NAME": host.strip("[]"),
        "SERVER_PORT": port,
        "SERVER_PROTOCOL": f"HTTP/{scope.http_version}",
        "REMOTE_ADDR": scope.client.rpartition(":")[0].strip("[]"),
        "wsgi.url_scheme": scope.scheme,
    }
    for name, value in scope.headers.items():
        key = _environ_key(name)
        if key in environ:
            separator = "; " if name == "cookie" else ","
            environ[key] = f"{environ[key]}{separator}{value}"
        elif key:
            environ[key] = value
    return environ


@lru_cache(maxsize=256)
def _environ_key(name: str) -> str | None:
    """Return the environ's name of a header; None for one that is left out.

    A name with `_` could pass for another one with `-`. The body's length is set once it is read.
    """
    if "_" in name or name in {"content-length", "transfer-encoding"}:
        return None
    key = name.upper().replace("-", "_")
    return key if name == "content-type" else f"HTTP_{key}"
