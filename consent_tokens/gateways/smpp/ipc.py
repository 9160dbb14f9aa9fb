"""What the gateway and the process that speaks SMPP for it say to each other: JSON, a line each.

The lines go through pipes between two processes of one user. Like the memory of either they may
hold a number, and nothing of them is kept.
"""

from collections.abc import Callable
from typing import Final, TypeAlias

from msgspec import Struct, json

from consent_tokens.clock import moment
from consent_tokens.consent.phone import PhoneNumber
from consent_tokens.gateways.base import (
    Deadline,
    DeliveryReport,
    Heard,
    Inbound,
    Outcome,
    Submission,
)
from consent_tokens.relay.composition import Coding, Composed


class _Told(Struct, frozen=True, array_like=True):
    """What crosses from one process to the other: it may hold a number, and prints nothing."""

    def __repr__(self) -> str:
        return type(self).__name__


class _Line(_Told, frozen=True, tag=True):
    """A line: its kind, and what it tells."""


class Open(_Line, frozen=True):
    """To the speaker, once, first of all: the lines to bind, and of each how it is put off."""

    urls: str
    jitters: list[float]


class ToSubmit(_Told, frozen=True):
    """A submission as it goes to the speaker, under a ticket."""

    ticket: int
    deadline: float
    number: str
    source: str
    coding: Coding
    segments: tuple[bytes, ...]
    tag: int
    valid_until: int


class Submit(_Line, frozen=True):
    """To the speaker: submit these, side by side."""

    messages: list[ToSubmit]


class Stop(_Line, frozen=True):
    """To the speaker: unbind and end."""


class Up(_Line, frozen=True):
    """To the gateway: how many lines are bound."""

    lines: int


class Answers(_Line, frozen=True):
    """To the gateway: what became of messages, by ticket."""

    outcomes: list[tuple[int, Outcome]]


class Reported(_Line, frozen=True):
    """To the gateway: what the SMSC says became of a message."""

    report: DeliveryReport


class CameIn(_Line, frozen=True):
    """To the gateway: what a consumer's phone sent."""

    number: str
    source: str
    text: str


class Alive(_Line, frozen=True):
    """To the gateway, every second."""


ToSpeaker: TypeAlias = Open | Submit | Stop
ToGateway: TypeAlias = Up | Answers | Reported | CameIn | Alive

# what a line says; both raise msgspec.DecodeError
to_speaker: Final[Callable[[bytes], ToSpeaker]] = json.Decoder(ToSpeaker).decode
to_gateway: Final[Callable[[bytes], ToGateway]] = json.Decoder(ToGateway).decode


def put(said: ToSpeaker | ToGateway) -> bytes:
    """Return a line."""
    return json.encode(said) + b"\n"


def put_submission(ticket: int, submission: Submission) -> ToSubmit:
    """Return a submission as it goes to the speaker."""
    return ToSubmit(
        ticket,
        submission.deadline.at,
        submission.number.reveal(),
        submission.source,
        submission.composed.coding,
        submission.composed.segments,
        submission.tag,
        int(submission.valid_until.timestamp()),
    )


def got_submission(message: ToSubmit, elapsed: Callable[[], float]) -> Submission:
    """Return a submission as the speaker takes it."""
    return Submission(
        number=PhoneNumber(message.number),
        source=message.source,
        composed=Composed(message.coding, message.segments),
        tag=message.tag,
        valid_until=moment(message.valid_until),
        deadline=Deadline(message.deadline, elapsed),
    )


def put_heard(heard: Heard) -> Reported | CameIn:
    """Return a report or an inbound message as it goes to the gateway."""
    match heard:
        case DeliveryReport():
            return Reported(heard)
        case Inbound():
            return CameIn(heard.number.reveal(), heard.source, heard.text)


def got_heard(said: Reported | CameIn) -> Heard:
    """Return the report or the inbound message that a line tells."""
    match said:
        case Reported(report):
            return report
        case CameIn(number, source, text):
            return Inbound(number=PhoneNumber(number), source=source, text=text)
