"""The gateway interface: submissions, their outcomes, and inbound events."""

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Protocol, TypeAlias

from msgspec import Struct

from consent_tokens.consent.phone import PhoneNumber
from consent_tokens.relay.composition import ComposedText


class Deadline(Struct, frozen=True):
    """The time until which a message may be submitted, on a monotonic clock.

    `at` is in seconds of `elapsed`, a clock that all processes of a machine share.
    """

    at: float
    elapsed: Callable[[], float]

    @property
    def is_past(self) -> bool:
        """Whether it has passed: another dispatcher may submit the message now."""
        return self.elapsed() >= self.at


class Submission(Struct, frozen=True, kw_only=True):
    """One message to submit. It holds the phone number in the clear, in memory only."""

    number: PhoneNumber
    source: str  # port and extension
    composed: ComposedText
    tag: int  # 0 to 255: the concatenation reference of a long message
    valid_until: datetime
    deadline: Deadline  # checked immediately before submission
    comparable_text: str = ""  # normalized for its fingerprint (evidence.complaints)


class _SubmitOutcome(Struct, frozen=True, tag=True, array_like=True):
    """The outcome of a submission, serialized with the name of its class."""


class Submitted(_SubmitOutcome, frozen=True):
    """The gateway accepted it, and reports under `gateway_id`; if None, it will not report.

    `segment_ids` are the ids of all segments, in order, if there are several.
    """

    gateway_id: str | None
    segment_ids: tuple[str | None, ...] = ()


class Throttled(_SubmitOutcome, frozen=True):
    """The gateway throttled it. It was not accepted; submit it again later."""


class Unsent(_SubmitOutcome, frozen=True):
    """It was not sent: there was no connection, or its deadline had passed."""


class Uncertain(_SubmitOutcome, frozen=True):
    """The connection broke after sending, so it may have been accepted (see promise 7)."""


class Rejected(_SubmitOutcome, frozen=True):
    """The gateway rejected it for good; `reason` is the gateway's code."""

    reason: str


class Faulty(_SubmitOutcome, frozen=True):
    """It cannot be encoded for the gateway, and was not sent. Other messages are not affected.

    `fault` is the name of an exception class, never a part of the message.
    """

    fault: str


SubmitOutcome: TypeAlias = Submitted | Throttled | Unsent | Uncertain | Rejected | Faulty

SubmitResult: TypeAlias = tuple[int, SubmitOutcome]  # index of the submission, and its outcome


class ReportedOutcome(StrEnum):
    """What a delivery report says became of a message, or of one segment of it."""

    DELIVERED = "delivered"
    UNDELIVERABLE = "undeliverable"
    REFUSED = "refused"  # by the carrier's own blacklist
    UNKNOWN = "unknown"  # the word of the report is not known: neither a success nor a failure


class DeliveryReport(Struct, frozen=True):
    """A delivery report (DLR) of the gateway."""

    gateway_id: str
    outcome: ReportedOutcome
    status_text: str  # the carrier's word or code
    is_deactivated: bool = False  # the number is no longer in service


class MobileOriginated(Struct, frozen=True, kw_only=True):
    """An inbound message (MO): a text from a consumer's phone to a sender.

    `alternatives` are other texts that its octets may be, where their coding is in doubt. What is
    a stop in one of them is a stop.
    """

    number: PhoneNumber
    source: str  # the address that was replied to, as the carrier wrote it
    text: str
    alternatives: tuple[str, ...] = ()


class UnreadableReason(StrEnum):
    """Why something that came in cannot be read."""

    NUMBER = "number_unreadable"  # the source address is not a phone number
    TEXT = "text_unreadable"  # the octets are no text in any coding
    REPORT = "report_unreadable"  # a delivery report without an id or a status


class UnreadableInbound(Struct, frozen=True):
    """An inbound message or report that cannot be read: counted, and not kept."""

    reason: UnreadableReason


InboundEvent: TypeAlias = DeliveryReport | MobileOriginated | UnreadableInbound


class Sessions(Struct, frozen=True):
    """The connections of a gateway, for operators."""

    bound: int
    configured: int
    fault: str | None = None  # kind of the last error, while not all are bound


class Gateway(Protocol):
    """A connection to carriers. Thread-safe."""

    @property
    def name(self) -> str:
        """Return the kind of gateway, for logs and metrics."""

    @property
    def is_up(self) -> bool:
        """Whether it can submit a message now."""

    @property
    def sessions(self) -> Sessions:
        """Return how many of its connections are up."""

    def open(self, on_event: Callable[[], None], inherited_fds: Sequence[int] = ()) -> None:
        """Connect in the background; call `on_event`, from any thread, when there is one to poll.

        `inherited_fds` stay open in child processes that can still submit after this process was
        killed, so that a file lock on one of them is held until they have ended.
        """

    def submit(self, submissions: Sequence[Submission]) -> Iterator[list[SubmitResult]]:
        """Submit messages; yield their outcomes in groups, as responses arrive.

        Submission may begin before the first group is requested, after earlier batches. Requesting
        the next group confirms that the previous one was recorded: the number of messages in flight
        or not yet recorded never exceeds the window. Closing the iterator confirms the rest.
        Connection errors become outcomes and are never raised.
        """

    def poll(self) -> list[InboundEvent]:
        """Return the events that arrived since the last call."""

    def close(self) -> None:
        """Disconnect, after the submissions in flight have ended or timed out."""
