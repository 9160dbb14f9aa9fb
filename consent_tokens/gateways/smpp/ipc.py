"""Frames between the gateway and its SMPP client process: one line of JSON each.

They go through pipes between two processes of one user and are not stored: like the memory of
either process, they may hold a phone number.
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
    UnreadableInbound,
)
from consent_tokens.relay.composition import Coding, ComposedText


class _Redacted(Struct, frozen=True, array_like=True):
    """A part of a frame. It may hold a phone number, so its repr is the name of its class."""

    def __repr__(self) -> str:
        return type(self).__name__


class _Frame(_Redacted, frozen=True, tag=True):
    """One line, tagged with the name of its class."""


class Open(_Frame, frozen=True):
    """To the client, first of all: the sessions to bind, and the back-off jitter of each."""

    urls: str
    jitters: list[float]
    default_region: str


class SubmitRequest(_Redacted, frozen=True):
    """A submission, with the ticket under which its outcome is reported."""

    ticket: int
    deadline: float
    number: str
    source: str
    coding: Coding
    segments: tuple[bytes, ...]
    tag: int
    valid_until: int


class Submit(_Frame, frozen=True):
    """To the client: submit these messages concurrently."""

    messages: list[SubmitRequest]


class Stop(_Frame, frozen=True):
    """To the client: unbind and end."""


class BindStatus(_Frame, frozen=True):
    """To the gateway: how many sessions are bound, and the kind of the last error."""

    bound: int
    fault: str | None = None


class SubmitResults(_Frame, frozen=True):
    """To the gateway: outcomes, by ticket."""

    outcomes: list[tuple[int, SubmitOutcome]]


class ReportReceived(_Frame, frozen=True):
    """To the gateway: a delivery report."""

    report: DeliveryReport


class InboundMessage(_Frame, frozen=True):
    """To the gateway: an inbound message."""

    number: str
    source: str
    text: str
    alternatives: tuple[str, ...]


class Unreadable(_Frame, frozen=True):
    """To the gateway: something came in that cannot be read."""

    event: UnreadableInbound


class Heartbeat(_Frame, frozen=True):
    """To the gateway, every second: the client is alive."""


Command: TypeAlias = Open | Submit | Stop
Inbound: TypeAlias = ReportReceived | InboundMessage | Unreadable
Notification: TypeAlias = BindStatus | SubmitResults | Inbound | Heartbeat

# decode one line; both raise msgspec.DecodeError
decode_command: Final[Callable[[bytes], Command]] = json.Decoder(Command).decode
decode_notification: Final[Callable[[bytes], Notification]] = json.Decoder(Notification).decode


def encode_frame(frame: Command | Notification) -> bytes:
    """Return a frame as one line."""
    return json.encode(frame) + b"\n"


def encode_submission(ticket: int, submission: Submission) -> SubmitRequest:
    """Return a submission in the form for the client."""
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
    """Return the submission in a request; `elapsed` is the clock of its deadline."""
    return Submission(
        number=PhoneNumber(message.number),
        source=message.source,
        composed=ComposedText(message.coding, message.segments),
        tag=message.tag,
        valid_until=utc_from_epoch(message.valid_until),
        deadline=Deadline(message.deadline, elapsed),
    )


def encode_event(event: InboundEvent) -> Inbound:
    """Return an inbound event in the form for the gateway."""
    match event:
        case DeliveryReport():
            return ReportReceived(event)
        case MobileOriginated():
            return InboundMessage(
                event.number.reveal(), event.source, event.text, event.alternatives
            )
        case UnreadableInbound():
            return Unreadable(event)


def decode_event(notification: Inbound) -> InboundEvent:
    """Return the inbound event in a notification."""
    match notification:
        case ReportReceived(report):
            return report
        case InboundMessage(number, source, text, alternatives):
            return MobileOriginated(
                number=PhoneNumber(number), source=source, text=text, alternatives=alternatives
            )
        case Unreadable(event):
            return event
