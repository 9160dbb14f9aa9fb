"""What every gateway does, whatever it speaks."""

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from typing import Protocol, TypeAlias

from msgspec import Struct

from consent_tokens.consent.phone import PhoneNumber
from consent_tokens.relay.composition import ComposedText


class Deadline(Struct, frozen=True):
    """Until when a message is ours to hand over, by a clock that never goes back.

    `at` are seconds of that clock; it is the same one in all processes of a machine.
    """

    at: float
    elapsed: Callable[[], float]

    @property
    def is_past(self) -> bool:
        """Whether it is somebody else's by now."""
        return self.elapsed() >= self.at


class Submission(Struct, frozen=True, kw_only=True):
    """One message on its way out: the only thing outside a sealed box that holds a number."""

    number: PhoneNumber
    source: str  # port and extension
    composed: ComposedText
    tag: int  # 0 to 255: names the segments of one long message
    valid_until: datetime
    deadline: Deadline  # looked at in the last moment
    comparable_text: str = (
        ""  # what of the text is found again when it is pasted (evidence.complaints)
    )


class _SubmitOutcome(Struct, frozen=True, tag=True, array_like=True):
    """What became of a submission; under its name where it is written down."""


class Submitted(_SubmitOutcome, frozen=True):
    """The gateway took it, and will report under this id; if it gives none, it never will."""

    gateway_id: str | None


class Throttled(_SubmitOutcome, frozen=True):
    """The gateway asks for patience. Nothing was taken."""


class Unsent(_SubmitOutcome, frozen=True):
    """The line was gone, or the time was up, before it was sent. Nothing was taken."""


class Uncertain(_SubmitOutcome, frozen=True):
    """The line broke after sending: it may have been taken. Promise 7 decides what follows."""


class Rejected(_SubmitOutcome, frozen=True):
    """The gateway will never take it; `code` is its own word for why."""

    reason: str


class Faulty(_SubmitOutcome, frozen=True):
    """It cannot even be put into the gateway's words. Nothing was taken; others are not to blame.

    `fault` names the kind of mistake, never what was in the message.
    """

    fault: str


SubmitOutcome: TypeAlias = Submitted | Throttled | Unsent | Uncertain | Rejected | Faulty

SubmitResult: TypeAlias = tuple[int, SubmitOutcome]  # to which of the submissions, and what


class DeliveryReport(Struct, frozen=True):
    """What the gateway says became of a message (DLR)."""

    gateway_id: str
    was_delivered: bool
    status_text: str
    is_deactivated: bool = False  # for good: there is no such subscriber any more


class MobileOriginated(Struct, frozen=True, kw_only=True):
    """What a consumer's phone sent to a sender (MO)."""

    number: PhoneNumber
    source: str  # the sender that it was sent to
    text: str


InboundEvent: TypeAlias = DeliveryReport | MobileOriginated


class Gateway(Protocol):
    """A line to the carriers. Safe to use from several threads."""

    @property
    def name(self) -> str:
        """Return which kind it is."""

    @property
    def is_up(self) -> bool:
        """Whether it would take a message now."""

    def open(self, on_event: Callable[[], None], inherited_fds: Sequence[int] = ()) -> None:
        """Connect, and call `heard` (from any thread) whenever something has come in.

        `holds` are file descriptors that stay open for as long as anything of ours can submit,
        even after this process was killed: a lock on one of them says so.
        """

    def submit(self, submissions: Sequence[Submission]) -> Iterator[list[SubmitResult]]:
        """Hand over messages, and say what became of each, in groups as the answers come.

        It may begin before the first group is asked for, behind what was handed over before. A
        group is settled when the next is asked for: no more than `window` messages are ever with
        the gateway or answered and not settled. What is never asked for is settled when the
        iterator is closed. Never raises for the line's sake.
        """

    def poll(self) -> list[InboundEvent]:
        """Return what has come in since the last call."""

    def close(self) -> None:
        """Hang up, and let nothing be half sent."""
