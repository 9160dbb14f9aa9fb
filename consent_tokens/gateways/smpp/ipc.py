"""What the gateway and the process that speaks SMPP for it say to each other: JSON, a line each.

The lines go through pipes between two processes of one user. Like the memory of either they may
hold a number, and nothing of them is kept.
"""

from collections.abc import Callable
from typing import Final, TypeAlias

from msgspec import Struct, json

from consent_tokens.clock import utc_from_epoch
from consent_tokens.consent.phone import PhoneNumber
from consent_tokens.gateways.base import (
    Deadline,
    DeliveryReport,
    InboundEvent,
    MobileOriginated,
    Submission,
    SubmitOutcome,
)
from consent_tokens.relay.composition import Coding, ComposedText


class _Redacted(Struct, frozen=True, array_like=True):
    """What crosses from one process to the other: it may hold a number, and prints nothing."""

    def __repr__(self) -> str:
        return type(self).__name__


class _Frame(_Redacted, frozen=True, tag=True):
    """A line: its kind, and what it tells."""


class Open(_Frame, frozen=True):
    """To the speaker, once, first of all: the lines to bind, and of each how it is put off."""

    urls: str
    jitters: list[float]


class SubmitRequest(_Redacted, frozen=True):
    """A submission as it goes to the speaker, under a ticket."""

    ticket: int
    deadline: float
    number: str
    source: str
    coding: Coding
    segments: tuple[bytes, ...]
    tag: int
    valid_until: int


class Submit(_Frame, frozen=True):
    """To the speaker: submit these, side by side."""

    messages: list[SubmitRequest]


class Stop(_Frame, frozen=True):
    """To the speaker: unbind and end."""


class BindStatus(_Frame, frozen=True):
    """To the gateway: how many lines are bound."""

    bound: int


class SubmitResults(_Frame, frozen=True):
    """To the gateway: what became of messages, by ticket."""

    outcomes: list[tuple[int, SubmitOutcome]]


class ReportReceived(_Frame, frozen=True):
    """To the gateway: what the SMSC says became of a message."""

    report: DeliveryReport


class InboundMessage(_Frame, frozen=True):
    """To the gateway: what a consumer's phone sent."""

    number: str
    source: str
    text: str


class Heartbeat(_Frame, frozen=True):
    """To the gateway, every second."""


Command: TypeAlias = Open | Submit | Stop
Notification: TypeAlias = BindStatus | SubmitResults | ReportReceived | InboundMessage | Heartbeat

# what a line says; both raise msgspec.DecodeError
decode_command: Final[Callable[[bytes], Command]] = json.Decoder(Command).decode
decode_notification: Final[Callable[[bytes], Notification]] = json.Decoder(Notification).decode


def encode_frame(said: Command | Notification) -> bytes:
    """Return a line."""
    return json.encode(said) + b"\n"


def encode_submission(ticket: int, submission: Submission) -> SubmitRequest:
    """Return a submission as it goes to the speaker."""
    return SubmitRequest(
        ticket,
        submission.deadline.at,
        submission.number.reveal(),
        submission.source,
        submission.composed.coding,
        submission.composed.segments,
        submission.tag,
        int(submission.valid_until.timestamp()),
    )


def decode_submission(message: SubmitRequest, elapsed: Callable[[], float]) -> Submission:
    """Return a submission as the speaker takes it."""
    return Submission(
        number=PhoneNumber(message.number),
        source=message.source,
        composed=ComposedText(message.coding, message.segments),
        tag=message.tag,
        valid_until=utc_from_epoch(message.valid_until),
        deadline=Deadline(message.deadline, elapsed),
    )


def encode_event(event: InboundEvent) -> ReportReceived | InboundMessage:
    """Return a report or an inbound message as it goes to the gateway."""
    match event:
        case DeliveryReport():
            return ReportReceived(event)
        case MobileOriginated():
            return InboundMessage(event.number.reveal(), event.source, event.text)


def decode_event(said: ReportReceived | InboundMessage) -> InboundEvent:
    """Return the report or the inbound message that a line tells."""
    match said:
        case ReportReceived(report):
            return report
        case InboundMessage(number, source, text):
            return MobileOriginated(number=PhoneNumber(number), source=source, text=text)
