"""WSGI apps (PEP 3333): how one is called, and an answer that follows later."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

Environ = dict[str, Any]
Fields = list[tuple[str, str]]  # the headers of an answer
StartResponse = Callable[..., Any]
WSGIApp = Callable[[Environ, StartResponse], Iterable[bytes]]
Work = Callable[[], None]


@dataclass(slots=True)
class Answer:
    """An app's answer, whole: a client that reads slowly then occupies no thread."""

    status: int = 500
    headers: Fields = field(default_factory=list)
    body: bytes = b""

    def start(
        self, status: str, headers: Fields, exc_info: object = None
    ) -> Callable[[bytes], object]:
        """Take status and headers, as `start_response`."""
        del exc_info
        self.status, self.headers = int(status[:3]), headers
        return _write

    def read(self, chunks: Iterable[bytes]) -> None:
        """Take the body."""
        try:
            self.body = b"".join(chunks)
        finally:
            close = getattr(chunks, "close", None)
            if close:
                close()


class LateBody(ABC):
    """A body before which an app calls `start_response`, once the answer is there.

    Whoever iterates over it waits for the answer.
    """

    @abstractmethod
    def __iter__(self) -> Iterator[bytes]:
        """Wait for the answer, and return its body."""

    @abstractmethod
    def follow(
        self, run: Callable[[Work], None], on_ready: Callable[[Callable[[], Iterable[bytes]]], None]
    ) -> None:
        """Have `on_ready` called once the answer is there, in whatever thread; return at once.

        What it gets calls `start_response` and returns the body. `run` has work done soon, in a
        thread that may wait.
        """


def call_wsgi(app: WSGIApp, environ: Environ) -> Answer:
    """Return an app's answer."""
    answer = Answer()
    answer.read(app(environ, answer.start))
    return answer


def _write(data: bytes) -> None:
    raise NotImplementedError("an app yields its body (PEP 3333 keeps write() for older ones)")
