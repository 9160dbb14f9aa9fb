"""Shows how far a long command is: a bar on a terminal, a line now and then elsewhere."""

import sys
import threading
from contextlib import ExitStack
from types import TracebackType
from typing import Any, Final, Self

import click

from consent_tokens.clock import Clock

LINE_SECONDS: Final = 10.0  # between two lines where there is no terminal
MIN_RATE_SECONDS: Final = 0.5  # before a rate means something


class ProgressDisplay:
    """Counts what is done, on standard error, with the rate and the time left. Thread-safe."""

    def __init__(self, label: str, total: int, clock: Clock) -> None:
        self._label, self._total, self._clock = label, total, clock
        self._done, self._said = 0, ""
        self._begun = self._shown = clock.monotonic()
        self._bar: Any = None  # click's, on a terminal
        self._stack = ExitStack()
        self._lock = threading.Lock()

    def __enter__(self) -> Self:
        if sys.stderr.isatty():
            bar: Any = click.progressbar(
                length=self._total, label=self._label, file=sys.stderr, show_pos=True,
                item_show_func=lambda _: self._rate(),
            )  # fmt: skip
            self._bar = self._stack.enter_context(bar)
        else:
            click.echo(f"{self._label}: about {self._total:,} messages", err=True)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._stack.close()

    def advance(self, count: int) -> None:
        """Count so many more."""
        with self._lock:
            self._done += count
            self._said = ""
            now = self._clock.monotonic()
            if self._bar:
                self._bar.update(count)
            elif now - self._shown >= LINE_SECONDS:
                self._shown = now
                click.echo(f"{self._done:,} of {self._total:,}, {self._rate()}", err=True)

    def say(self, text: str) -> None:
        """Print why nothing moves; once, until something does."""
        with self._lock:
            if text != self._said:
                self._said = text
                click.echo(f"{text}; trying again", err=True)

    def _rate(self) -> str:
        """Return how many a second, and how long the rest will take."""
        seconds = self._clock.monotonic() - self._begun
        if seconds < MIN_RATE_SECONDS or not self._done:
            return ""
        rate = self._done / seconds
        left = round(max(0, self._total - self._done) / rate)
        return f"{rate:,.0f}/s, {left // 60}:{left % 60:02} left"
