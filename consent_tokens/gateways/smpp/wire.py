"""What the gateway and the process that speaks SMPP for it say to each other: JSON, a line each.

The lines go through pipes between two processes of one user. Like the memory of either they may
hold a number, and nothing of them is kept.
"""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from enum import StrEnum
from functools import lru_cache
from typing import Any, Final

from consent_tokens.consent.phone import PhoneNumber
from consent_tokens.gateways.base import (
    Deadline,
    DeliveryReport,
    Faulty,
    Heard,
    Inbound,
    Outcome,
    Rejected,
    Submission,
    Submitted,
    Throttled,
    Uncertain,
    Unsent,
)
from consent_tokens.relay.composition import Coding, Composed


class Say(StrEnum):
    """What a line is about."""

    OPEN = "open"  # to the speaker: the lines to bind, once, first of all
    SUBMIT = "submit"  # to the speaker: messages, each under a ticket
    STOP = "stop"  # to the speaker: unbind and end
    UP = "up"  # to the gateway: how many lines are bound
    ANSWERS = "answers"  # to the gateway: what became of messages, by ticket
    HEARD = "heard"  # to the gateway: a report, or an inbound message
    ALIVE = "alive"  # to the gateway, every second


def put(say: Say, content: object) -> bytes:
    """Return a line."""
    return json.dumps([say, content], separators=(",", ":")).encode() + b"\n"


def got(line: bytes) -> tuple[Say, Any]:
    """Return what a line says."""
    say, content = json.loads(line)
    return Say(say), content


def put_submission(ticket: int, submission: Submission) -> list[Any]:
    """Return a message as it goes to the speaker."""
    return [
        ticket,
        submission.deadline.at,
        submission.number.reveal(),
        submission.source,
        submission.composed.coding,
        [segment.hex() for segment in submission.composed.segments],
        submission.tag,
        int(submission.valid_until.timestamp()),
    ]


def got_submission(row: list[Any], elapsed: Callable[[], float]) -> tuple[int, Submission]:
    """Return a message as the speaker takes it, with its ticket."""
    ticket, deadline, number, source, coding, segments, tag, valid_until = row
    return ticket, Submission(
        number=PhoneNumber(number),
        source=source,
        composed=Composed(CODINGS[coding], tuple(map(bytes.fromhex, segments))),
        tag=tag,
        valid_until=_moment(valid_until),
        deadline=Deadline(deadline, elapsed),
    )


@lru_cache(maxsize=1024)
def _moment(seconds: int) -> datetime:
    """Return the moment that is so many seconds of the epoch; many messages share theirs."""
    return datetime.fromtimestamp(seconds, UTC)


CODINGS: Final = {coding.value: coding for coding in Coding}  # quicker than to ask
SUBMITTED: Final = "submitted"
UNCERTAIN: Final = ("uncertain", None)


def put_outcome(outcome: Outcome) -> tuple[str, str | None]:
    """Return an outcome as it goes to the gateway: its name, and what else it tells."""
    match outcome:
        case Submitted(gateway_id=gateway_id):
            return SUBMITTED, gateway_id
        case Throttled():
            return "throttled", None
        case Unsent():
            return "unsent", None
        case Uncertain():
            return UNCERTAIN
        case Rejected(code=code):
            return "rejected", code
        case Faulty(fault=fault):
            return "faulty", fault


def got_outcome(name: str, told: str | None) -> Outcome:
    """Return the outcome of that name; `put_outcome` knows them all."""
    if name == SUBMITTED:
        return Submitted(told)
    others: dict[str, Outcome] = {
        "throttled": Throttled(),
        "unsent": Unsent(),
        "rejected": Rejected(told or ""),
        "faulty": Faulty(told or ""),
    }
    return others.get(name, Uncertain())


def put_heard(heard: Heard) -> list[Any]:
    """Return a report or an inbound message as it goes to the gateway."""
    match heard:
        case DeliveryReport(gateway_id, was_delivered, code, is_gone):
            return ["report", gateway_id, was_delivered, code, is_gone]
        case Inbound():
            return ["inbound", heard.number.reveal(), heard.source, heard.text]


def got_heard(row: list[Any]) -> Heard:
    """Return the report or the inbound message in a row."""
    kind, *rest = row
    if kind == "report":
        gateway_id, was_delivered, code, is_gone = rest
        return DeliveryReport(gateway_id, was_delivered=was_delivered, code=code, is_gone=is_gone)
    number, source, text = rest
    return Inbound(number=PhoneNumber(number), source=source, text=text)
