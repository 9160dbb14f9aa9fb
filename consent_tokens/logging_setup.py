"""Structured logging: one JSON line an event, to standard error.

What is logged is chosen where it is logged: codes, counts, handles. As a second line of defence,
whatever looks like a phone number in any value is blotted out before it is written (promise 1).
"""

import logging
import re
import sys
from collections.abc import MutableMapping
from typing import Any

import structlog

DIGITS = re.compile(r"\+?\d(?:[\s().-]?\d){6,}")  # seven digits and more, however they are grouped
KEPT = frozenset({"timestamp", "level", "event"})


def blot(text: str) -> str:
    """Return the text with every run of seven or more digits blotted out."""
    return DIGITS.sub("[digits]", text)


def redact(
    _logger: object, _method: str, event: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    """Blot every string value of a log line, but for the time."""
    for key, value in event.items():
        if isinstance(value, str) and key not in KEPT:
            event[key] = blot(value)
    return event


class _BlottingFormatter(logging.Formatter):
    """Formats what libraries log through the standard library: same shape, same blotting."""

    def format(self, record: logging.LogRecord) -> str:
        return blot(super().format(record))


def configure() -> None:
    """Send every line, ours and the libraries', to standard error."""
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            redact,
            structlog.processors.JSONRenderer(ensure_ascii=False),
        ],
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        _BlottingFormatter('{"event": "library", "level": "%(levelname)s", "logger": "%(name)s"}')
    )
    logging.basicConfig(handlers=[handler], level=logging.WARNING, force=True)
