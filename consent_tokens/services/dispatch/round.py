"""Messages leave: lease, decide again, open, submit, record.

Transactions with the line between them. In the first, messages are taken into the hands of this
dispatcher, and in that same step their grants are read again and their keys taken: what was revoked
by then does not leave (promises 2 and 3). Numbers are opened after it, for the time of one
submission. The others record what became of them, a window's worth at a time.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import chain
from typing import Final, NamedTuple, TypeAlias

import structlog

from consent_tokens import metrics as meters
from consent_tokens.app_context import World
from consent_tokens.crypto.sealing import unwrap
from consent_tokens.errors import (
    KeyUnavailableError,
    SealBrokenError,
    StoreBusyError,
    StoreUnavailableError,
    StoreUncertainError,
)
from consent_tokens.evidence.complaints import essence
from consent_tokens.gateways.base import (
    Deadline,
    Faulty,
    Outcome,
    Rejected,
    Submission,
    Submitted,
    Throttled,
    Uncertain,
    Unsent,
)
from consent_tokens.relay.composition import compose, dress
from consent_tokens.relay.message import Message, MessageState, Rank
from consent_tokens.relay.message import Outcome as Became
from consent_tokens.services.dispatch.lease import Departure, Room, take
from consent_tokens.services.dispatch.outcomes import after, conclude, is_suspect
from consent_tokens.services.integrity.readiness import trust
from consent_tokens.services.number_verification import open_service_message
from consent_tokens.services.outbox.fingerprints import print_of
from consent_tokens.services.outbox.in_flight import LEASE_SECONDS
from consent_tokens.store import fingerprints
from consent_tokens.store.database import Transaction
from consent_tokens.tokens.mint import Binding, open_number

log = structlog.get_logger()

MOST_AT_ONCE: Final = 500
RECORD_AGAIN_SECONDS: Final = 0.5
# a dispatcher that was held up for longer hands nothing over: its lease is about to be another's
HANDS_OVER_WITHIN: Final = LEASE_SECONDS / 2

_Open: TypeAlias = tuple[Message, Submission]
_Answered: TypeAlias = tuple[Message, Outcome, bytes | None]  # with its fingerprint, if it left


class _Names(NamedTuple):
    """What a message and its grant are called outside."""

    link: str
    grant: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Dispatched:
    """What one round did: how many it took up, what became of each, and how the line took it."""

    taken: int
    became: Mapping[MessageState, int]
    submitted: Mapping[str | None, int]  # segments that the gateway took, by merchant
    throttled: int  # messages for which it asked for patience
    seconds: float  # that the line took


def begin(world: World, room: Room) -> "Round":
    """Take up what is due, and hand it to the gateway, which begins at once.

    Raises what `trust` and the store raise; nothing left then.
    """
    trust(world)
    begun = world.clock.elapsed()
    departures, concluded = world.store.run(lambda transaction: take(world, transaction, room))
    until = begun + HANDS_OVER_WITHIN
    return Round(
        world=world,
        taken=len(departures) + len(concluded),
        has_suspects=any(is_suspect(each.message) for each in departures),
        _concluded=concluded,
        _until=until,
        _handed=world.clock.elapsed(),
        _parts=_handed_over(world, departures, Deadline(until, world.clock.elapsed)),
    )


@dataclass(slots=True, kw_only=True)
class Round:
    """What was taken up together, and is with the line until it is settled."""

    world: World
    taken: int
    has_suspects: bool  # they go alone, one after another: no other round may be in their way
    _concluded: list[Became]
    _until: float
    _handed: float
    _parts: Iterator[list[_Answered]]

    def settle(self) -> Dispatched:
        """Write down what became of each message, a part at a time, as the answers come.

        Each part is written down before the next is asked for: so what a crash leaves in doubt is
        never more than the window of the line (promise 7). Raises what the store raises if it stays
        away.
        """
        answers: list[_Answered] = []
        for part in self._parts:
            self._concluded += self._written_down(part)
            answers += part
        seconds = self.world.clock.elapsed() - self._handed
        return _summed_up(self._concluded, answers, seconds)

    def _written_down(self, part: Sequence[_Answered]) -> list[Became]:
        """Record answers; a database that is away is waited for while they are in our hands.

        To record them twice changes nothing: the second time they are not in our hands any more.
        """
        while True:
            try:
                return self.world.store.run(partial(_record, self.world, part))
            except (StoreBusyError, StoreUncertainError, StoreUnavailableError) as fault:
                if self.world.clock.elapsed() > self._until:
                    raise
                log.warning("record_delayed", code=fault.code, messages=len(part))
                self.world.clock.pause(RECORD_AGAIN_SECONDS)


def _summed_up(
    concluded: Sequence[Became], answers: Sequence[_Answered], seconds: float
) -> Dispatched:
    became = Counter(outcome.state for outcome in concluded)
    for state, count in became.items():
        meters.CONCLUDED.labels(state.value).inc(count)
    if answers:
        meters.SUBMITTED_IN.observe(seconds)
    submitted: Counter[str | None] = Counter()
    for message, answer, _ in answers:
        if isinstance(answer, Submitted):
            submitted[message.merchant_id] += message.segments
    return Dispatched(
        taken=len(concluded),
        became=became,
        submitted=submitted,
        throttled=sum(isinstance(answer, Throttled) for _, answer, _ in answers),
        seconds=seconds,
    )


def _handed_over(
    world: World, departures: Sequence[Departure], deadline: Deadline
) -> Iterator[list[_Answered]]:
    """Open each number, hand the messages to the gateway, and return what it answers, in parts."""
    unsubmitted: list[_Answered] = []
    together: list[_Open] = []
    alone: list[_Open] = []
    links = world.keyring.handles.link.hide_all([each.message.address for each in departures])
    granted = [each.message.grant or each.message.address for each in departures]
    handles = world.keyring.handles.grant.hide_all(granted)
    for departure, link, handle in zip(departures, links, handles, strict=True):
        match _opened(world, departure, _Names(link, handle), deadline):
            case Submission() as submission:
                part = alone if is_suspect(departure.message) else together
                part.append((departure.message, submission))
            case answer:
                unsubmitted.append((departure.message, answer, None))
    begun = _answers(world, together)  # goes on by itself; the others begin when it is their turn
    later = (part for each in alone for part in _answers(world, [each]))
    return chain([unsubmitted] if unsubmitted else [], begun, later)


def _answers(world: World, opened: Sequence[_Open]) -> Iterator[list[_Answered]]:
    """Hand messages to the gateway, and return what it answers, in groups as the answers come."""
    if not opened:
        return iter([])
    groups = world.gateway.submit([submission for _, submission in opened])
    return (
        [_left(world, *opened[place], outcome) for place, outcome in answers] for answers in groups
    )


def _left(world: World, message: Message, submission: Submission, outcome: Outcome) -> _Answered:
    """Return an answer with the fingerprint of the text, if that is or may be on its way."""
    has_left = isinstance(outcome, Submitted | Uncertain) and message.grant is not None
    if not has_left or not world.store.has_wishes:
        return message, outcome, None
    digest = print_of(world, submission.number, submission.source, submission.essence)
    return message, outcome, digest


def _opened(
    world: World, departure: Departure, names: _Names, deadline: Deadline
) -> Submission | Outcome:
    """Return a message with its number open: from here on it lives for one submission."""
    try:
        return _open(world, departure, names, deadline)
    except SealBrokenError as fault:
        return Rejected(fault.code)
    except KeyUnavailableError:
        return Unsent()  # until the operator has mended it, or the message has expired
    except Exception as fault:  # noqa: BLE001 - one message's fault must not delay the others
        log.critical("message_faulty", fault=type(fault).__name__)
        return Faulty(type(fault).__name__)


def _open(world: World, departure: Departure, names: _Names, deadline: Deadline) -> Submission:
    message, sender = departure.message, departure.sender
    key = unwrap(departure.wrapped_key, world.keyring.unwrapping)
    core = ""
    if departure.grant is None:
        number, text = open_service_message(world, message, key)
    else:
        binding = Binding(world.base_url, names.grant, departure.grant.merchant_id)
        number = open_number(message.box or b"", key, binding)
        signature = sender.signature if sender else ""
        core = essence(f"{signature}\n{message.text}")
        text = dress(
            message.text or "",
            signature=signature,
            language=departure.grant.language,
            # the link of a message lies nowhere: it is computed when it leaves
            link=f"{world.base_url}/m/{names.link}" if message.rank is Rank.MARKETING else None,
        )
    return Submission(
        number=number,
        source=sender.source if sender else world.service_sender,
        composed=compose(text),
        tag=message.address.number & 0xFF,
        valid_until=message.valid_until,
        deadline=deadline,
        essence=core,
    )


def _record(world: World, answers: Sequence[_Answered], transaction: Transaction) -> list[Became]:
    now = world.clock.now()
    pairs = [(message, after(message, answer, now)) for message, answer, _ in answers]
    conclude(world, transaction, pairs, now)
    left = [(digest, message.address) for message, _, digest in answers if digest]
    fingerprints.add(transaction, left, now)
    return [outcome for _, outcome in pairs]
