"""`X-Request-Id`: on every answer, and in every log line that a request causes."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from hashlib import blake2b
from itertools import count
from typing import Final

import structlog

from consent_tokens.crypto.encoding import encode
from consent_tokens.randomness import RandomSource
from consent_tokens.web.wsgi import Environ, Fields, StartResponse, WSGIApp

HEADER: Final = "X-Request-Id"
REQUEST_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
ID_BYTES: Final = 12
KEY_BYTES: Final = 32


@dataclass(frozen=True, slots=True)
class RequestIds:
    """Serve an app, and give each request the id that its client sent, or one of its own.

    That is a keyed hash of its number: it does not tell how many requests there were.
    """

    app: WSGIApp
    key: bytes
    numbers: Iterator[int] = field(default_factory=count)

    @classmethod
    def around(cls, app: WSGIApp, random: RandomSource) -> "RequestIds":
        """Return the app with ids."""
        return cls(app, random.token_bytes(KEY_BYTES))

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Answer a request."""
        request_id = environ.get("HTTP_X_REQUEST_ID", "")
        if not REQUEST_ID.fullmatch(request_id):
            request_id = self._next()
        structlog.contextvars.clear_contextvars()  # the thread has served others
        structlog.contextvars.bind_contextvars(request_id=request_id)

        def start(status: str, headers: Fields, *error: object) -> object:
            return start_response(status, [*headers, (HEADER, request_id)], *error)

        return self.app(environ, start)

    def _next(self) -> str:
        number = next(self.numbers).to_bytes(8)
        return encode(blake2b(number, key=self.key, digest_size=ID_BYTES).digest())
