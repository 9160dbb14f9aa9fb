"""A simulated carrier with phones, for development, demos and tests.

Keeps numbers and texts in memory, and loses them on exit: not for production.
"""

import threading
from collections import OrderedDict, deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from consent_tokens.consent.phone import PhoneNumber
from consent_tokens.gateways.base import (
    DeliveryReport,
    InboundEvent,
    MobileOriginated,
    ReportedOutcome,
    Sessions,
    Submission,
    SubmitResult,
    Submitted,
    Unsent,
)
from consent_tokens.relay.composition import decode

MAX_PHONES: Final = 200
MAX_TEXTS_PER_PHONE: Final = 50


@dataclass(frozen=True, slots=True)
class SimulatedText:
    """One SMS on a simulated phone; `is_mine` if the phone sent it."""

    source: str
    text: str
    is_mine: bool = False


@dataclass
class Simulator:
    """Accepts every message, reports it as delivered, and lets the phones reply."""

    run: str = "simulated"  # prefix of the ids that it gives, different in each run
    _phones: OrderedDict[str, deque[SimulatedText]] = field(default_factory=OrderedDict, repr=False)
    _events: deque[InboundEvent] = field(default_factory=deque, repr=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)
    _submitted: int = 0
    _on_event: Callable[[], None] = field(default=lambda: None, repr=False)

    @property
    def name(self) -> str:
        """Return the kind of gateway, for logs and metrics."""
        return "simulator"

    @property
    def is_up(self) -> bool:
        """Whether it can submit a message now: always."""
        return True

    @property
    def sessions(self) -> Sessions:
        """Return its one connection, which is always up."""
        return Sessions(1, 1)

    def open(self, on_event: Callable[[], None], inherited_fds: Sequence[int] = ()) -> None:
        """Keep the callback. There are no child processes."""
        del inherited_fds
        self._on_event = on_event

    def submit(self, submissions: Sequence[Submission]) -> Iterator[list[SubmitResult]]:
        """Deliver the texts to the simulated phones, in one group."""
        results: list[SubmitResult] = []
        with self._lock:
            for index, submission in enumerate(submissions):
                if submission.deadline.is_past:
                    results.append((index, Unsent()))
                    continue
                self._submitted += 1
                gateway_id = f"{self.run}-{self._submitted}"
                self._append(
                    submission.number.reveal(),
                    SimulatedText(submission.source, decode(submission.composed)),
                )
                self._events.append(
                    DeliveryReport(gateway_id, ReportedOutcome.DELIVERED, "DELIVRD")
                )
                results.append((index, Submitted(gateway_id)))
        self._on_event()
        yield results

    def reply(self, number: PhoneNumber, source: str, text: str) -> None:
        """Send a text from a simulated phone to a sender."""
        with self._lock:
            self._append(number.reveal(), SimulatedText(source, text, is_mine=True))
            self._events.append(MobileOriginated(number=number, source=source, text=text))
        self._on_event()

    def phones(self) -> list[tuple[PhoneNumber, list[SimulatedText]]]:
        """Return the phones, most recently used first, each with its texts in order."""
        with self._lock:
            return [
                (PhoneNumber.parse(digits), list(texts))
                for digits, texts in reversed(self._phones.items())
            ]

    def poll(self) -> list[InboundEvent]:
        """Return the reports and replies since the last call."""
        with self._lock:
            events = list(self._events)
            self._events.clear()
            return events

    def close(self) -> None:
        """Delete all phones and events."""
        with self._lock:
            self._phones.clear()
            self._events.clear()

    def _append(self, digits: str, text: SimulatedText) -> None:
        self._phones.setdefault(digits, deque(maxlen=MAX_TEXTS_PER_PHONE)).append(text)
        self._phones.move_to_end(digits)
        if len(self._phones) > MAX_PHONES:
            self._phones.popitem(last=False)
