"""Messages leave: lease, decide again, open, submit, record.

Two transactions with the line between them. In the first a message is taken into the hands of this
dispatcher, and in that same step its grant is read again and its key taken: what was revoked by
then does not leave (promises 2 and 3). The number is opened after it, for the time of one
submission. The second records what became of it.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import structlog

from consent_tokens import meters
from consent_tokens.crypto.sealing import unwrap
from consent_tokens.errors import KeyUnavailableError, SealBrokenError
from consent_tokens.flow.answer import binding_of
from consent_tokens.flow.conclude import after, conclude, is_suspect
from consent_tokens.flow.end import LEASE_SECONDS
from consent_tokens.flow.prove import open_service_message
from consent_tokens.flow.take import Departure, Room, take
from consent_tokens.flow.trust import trust
from consent_tokens.gateways.base import (
    Faulty,
    Rejected,
    Submission,
    Submitted,
    Throttled,
    Unsent,
)
from consent_tokens.gateways.base import (
    Outcome as Answer,
)
from consent_tokens.relay.composition import compose, dress
from consent_tokens.relay.message import Message, MessageState, Outcome, Rank
from consent_tokens.store.engine import Transaction
from consent_tokens.tokens.mint import open_number
from consent_tokens.world import World

log = structlog.get_logger()

MOST_AT_ONCE: Final = 500
# a dispatcher that was held up for longer hands nothing over: its lease is about to be another's
HANDS_OVER_WITHIN: Final = LEASE_SECONDS / 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Dispatched:
    """What one round did: how many it took up, what became of each, and how the line took it."""

    taken: int
    became: Mapping[MessageState, int]
    submitted: Mapping[str | None, int]  # segments that the gateway took, by merchant
    throttled: int  # messages for which it asked for patience
    seconds: float  # that the line took


def dispatch(world: World, room: Room | None = None) -> Dispatched:
    """Let what is due leave. Raises what `trust` and the store raise; nothing left then."""
    trust(world)
    begun = world.clock.elapsed()
    departures, concluded = world.store.run(
        lambda transaction: take(world, transaction, room or Room(most=MOST_AT_ONCE))
    )
    handed = world.clock.elapsed()
    answers = _hand_over(world, departures, begun + HANDS_OVER_WITHIN)
    seconds = world.clock.elapsed() - handed
    if answers:
        meters.SUBMITTED_IN.observe(seconds)
        concluded += world.store.run(lambda transaction: _record(world, transaction, answers))
    became = Counter(outcome.state for outcome in concluded)
    for state, count in became.items():
        meters.CONCLUDED.labels(state.value).inc(count)
    submitted: Counter[str | None] = Counter()
    for message, answer in answers:
        if isinstance(answer, Submitted):
            submitted[message.merchant_id] += message.segments
    return Dispatched(
        taken=len(concluded),
        became=became,
        submitted=submitted,
        throttled=sum(isinstance(answer, Throttled) for _, answer in answers),
        seconds=seconds,
    )


def _hand_over(
    world: World, departures: Sequence[Departure], deadline: float
) -> list[tuple[Message, Answer]]:
    """Open each number, hand the messages to the gateway, and return what it answered."""

    def may_go() -> bool:
        return world.clock.elapsed() < deadline

    answers: list[tuple[Message, Answer]] = []
    together: list[tuple[Message, Submission]] = []
    alone: list[tuple[Message, Submission]] = []
    links = world.keyring.handles.link.hide_all([each.message.address for each in departures])
    for departure, link in zip(departures, links, strict=True):
        match _opened(world, departure, link, may_go):
            case Submission() as submission:
                part = alone if is_suspect(departure.message) else together
                part.append((departure.message, submission))
            case answer:
                answers.append((departure.message, answer))
    for part in [together, *([each] for each in alone)]:
        answers += _submitted(world, part)
    return answers


def _submitted(
    world: World, part: Sequence[tuple[Message, Submission]]
) -> list[tuple[Message, Answer]]:
    if not part:
        return []
    outcomes = world.gateway.submit([submission for _, submission in part])
    return [(message, outcome) for (message, _), outcome in zip(part, outcomes, strict=True)]


def _opened(
    world: World, departure: Departure, link: str, may_go: Callable[[], bool]
) -> Submission | Answer:
    """Return a message with its number open: from here on it lives for one submission."""
    try:
        return _open(world, departure, link, may_go)
    except SealBrokenError as fault:
        return Rejected(fault.code)
    except KeyUnavailableError:
        return Unsent()  # until the operator has mended it, or the message has expired
    except Exception as fault:  # noqa: BLE001 - one message's fault must not delay the others
        log.critical("message_faulty", fault=type(fault).__name__)
        return Faulty(type(fault).__name__)


def _open(world: World, departure: Departure, link: str, may_go: Callable[[], bool]) -> Submission:
    message, sender = departure.message, departure.sender
    key = unwrap(departure.wrapped_key, world.keyring.unwrapping)
    if departure.grant is None:
        number, text = open_service_message(world, message, key)
    else:
        number = open_number(message.box or b"", key, binding_of(world, departure.grant))
        text = dress(
            message.text or "",
            signature=sender.signature if sender else "",
            language=departure.grant.language,
            # the link of a message lies nowhere: it is computed when it leaves
            link=f"{world.base_url}/m/{link}" if message.rank is Rank.MARKETING else None,
        )
    return Submission(
        number=number,
        source=sender.source if sender else world.service_sender,
        composed=compose(text),
        tag=message.address.number & 0xFF,
        valid_until=message.valid_until,
        may_go=may_go,
    )


def _record(
    world: World, transaction: Transaction, answers: Sequence[tuple[Message, Answer]]
) -> list[Outcome]:
    now = world.clock.now()
    pairs = [(message, after(message, answer, now)) for message, answer in answers]
    conclude(world, transaction, pairs, now)
    return [outcome for _, outcome in pairs]
