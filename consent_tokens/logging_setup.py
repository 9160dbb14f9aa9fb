"""Structured logging: one JSON line an event, to standard error.

Callers log codes, counts and ids only. As a second line of defence, whatever looks like a phone
number in any value is redacted before it is written (promise 1).
"""

import logging
import re
import sys
from collections.abc import MutableMapping
from typing import Any

import structlog

# seven digits or more, also if grouped: nothing but punctuation, blanks and `_` between two of them
DIGIT_RUN = re.compile(r"\+?\d(?:[\W_]{0,3}\d){6,}")
UNREDACTED_MEMBERS = frozenset({"timestamp", "level", "event", "key_id"})


def redact(text: str) -> str:
    """Return the text with every run of seven or more digits replaced."""
    return DIGIT_RUN.sub("[digits]", text)


def redact_event(
    _logger: object, _method: str, event: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    """Redact the string values of a log event, but for UNREDACTED_MEMBERS."""
    for key, value in event.items():
        if isinstance(value, str) and key not in UNREDACTED_MEMBERS:
            event[key] = redact(value)
    return event


class _RedactingFormatter(logging.Formatter):
    """Formats records of the standard library's logging in the same form, redacted."""

    def format(self, record: logging.LogRecord) -> str:
        return redact(super().format(record))


def configure() -> None:
    """Send all log lines, also those of libraries, to standard error."""
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,  # the request id
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            redact_event,
            structlog.processors.JSONRenderer(ensure_ascii=False),
        ],
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        _RedactingFormatter('{"event": "library", "level": "%(levelname)s", "logger": "%(name)s"}')
    )
    logging.basicConfig(handlers=[handler], level=logging.WARNING, force=True)
