"""A carrier in a box: phones that can be looked at, for development, demos and tests.

It keeps numbers and texts in memory only, and forgets them on exit: unfit for production.
"""

import threading
from collections import OrderedDict, deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from consent_tokens.consent.phone import PhoneNumber
from consent_tokens.gateways.base import (
    Answer,
    DeliveryReport,
    Heard,
    Inbound,
    Submission,
    Submitted,
    Unsent,
)
from consent_tokens.relay.composition import read

MOST_PHONES: Final = 200
MOST_TEXTS: Final = 50  # on one phone


@dataclass(frozen=True, slots=True)
class Text:
    """One SMS as a simulated phone shows it; `is_mine` if the phone sent it."""

    source: str
    text: str
    is_mine: bool = False


@dataclass
class Simulator:
    """Takes everything, reports everything as delivered, and lets the phones reply."""

    run: str = "simulated"  # names this run in the ids it gives, so that no two runs share one
    _phones: OrderedDict[str, deque[Text]] = field(default_factory=OrderedDict, repr=False)
    _heard: deque[Heard] = field(default_factory=deque, repr=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)
    _taken: int = 0
    _tell: Callable[[], None] = field(default=lambda: None, repr=False)

    @property
    def name(self) -> str:
        """Return which kind it is."""
        return "simulator"

    @property
    def is_up(self) -> bool:
        """Whether it would take a message now: always."""
        return True

    def open(self, heard: Callable[[], None], holds: Sequence[int] = ()) -> None:
        """Remember whom to tell. Here is all of it: nothing outlives this process."""
        del holds
        self._tell = heard

    def submit(self, submissions: Sequence[Submission]) -> Iterator[list[Answer]]:
        """Put the texts on the simulated phones, all at once."""
        answers: list[Answer] = []
        with self._lock:
            for place, submission in enumerate(submissions):
                if submission.deadline.is_past:
                    answers.append((place, Unsent()))
                    continue
                self._taken += 1
                gateway_id = f"{self.run}-{self._taken}"
                self._put(
                    submission.number.reveal(), Text(submission.source, read(submission.composed))
                )
                self._heard.append(DeliveryReport(gateway_id, was_delivered=True, code="DELIVRD"))
                answers.append((place, Submitted(gateway_id)))
        self._tell()
        yield answers

    def reply(self, number: PhoneNumber, source: str, text: str) -> None:
        """Send a text from a simulated phone to a sender."""
        with self._lock:
            self._put(number.reveal(), Text(source, text, is_mine=True))
            self._heard.append(Inbound(number=number, source=source, text=text))
        self._tell()

    def phones(self) -> list[tuple[PhoneNumber, list[Text]]]:
        """Return the phones, the one that got a text last first, with their texts in order."""
        with self._lock:
            return [
                (PhoneNumber.parse(digits), list(texts))
                for digits, texts in reversed(self._phones.items())
            ]

    def take(self) -> list[Heard]:
        """Return the reports and replies since the last call."""
        with self._lock:
            heard = list(self._heard)
            self._heard.clear()
            return heard

    def close(self) -> None:
        """Forget everything."""
        with self._lock:
            self._phones.clear()
            self._heard.clear()

    def _put(self, digits: str, text: Text) -> None:
        self._phones.setdefault(digits, deque(maxlen=MOST_TEXTS)).append(text)
        self._phones.move_to_end(digits)
        if len(self._phones) > MOST_PHONES:
            self._phones.popitem(last=False)
