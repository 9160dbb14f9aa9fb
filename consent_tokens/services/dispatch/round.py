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
from consent_tokens.app_context import AppContext
from consent_tokens.crypto.sealing import unwrap
from consent_tokens.errors import (
    CommitUncertainError,
    DatabaseBusyError,
    DatabaseUnavailableError,
    KeyUnavailableError,
    SealBrokenError,
)
from consent_tokens.evidence.complaints import comparable_text
from consent_tokens.gateways.base import (
    Deadline,
    Faulty,
    Rejected,
    Submission,
    SubmitOutcome,
    Submitted,
    Throttled,
    Uncertain,
    Unsent,
)
from consent_tokens.relay.composition import compose, with_signature_and_opt_out
from consent_tokens.relay.message import Message, MessageStatus, Priority
from consent_tokens.relay.message import MessageOutcome as Became
from consent_tokens.services.dispatch.lease import LeasedMessage, LeaseQuota, lease_messages
from consent_tokens.services.dispatch.outcomes import complete, is_quarantined, outcome_of
from consent_tokens.services.integrity.readiness import ensure_ready
from consent_tokens.services.number_verification import open_service_message
from consent_tokens.services.outbox.fingerprints import fingerprint_of
from consent_tokens.services.outbox.in_flight import LEASE_SECONDS
from consent_tokens.store import fingerprints
from consent_tokens.store.database import Transaction
from consent_tokens.tokens.mint import Binding, open_number

log = structlog.get_logger()

BATCH_SIZE: Final = 500
RECORD_RETRY_SECONDS: Final = 0.5
# a dispatcher that was held up for longer hands nothing over: its lease is about to be another's
SUBMIT_WITHIN_SECONDS: Final = LEASE_SECONDS / 2

_Opened: TypeAlias = tuple[Message, Submission]
_Answered: TypeAlias = tuple[
    Message, SubmitOutcome, bytes | None
]  # with its fingerprint, if it left


class _OpaqueIds(NamedTuple):
    """What a message and its grant are called outside."""

    link: str
    grant: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RoundResult:
    """What one round did: how many it took up, what became of each, and how the line took it."""

    leased: int
    outcomes: Mapping[MessageStatus, int]
    submitted: Mapping[str | None, int]  # segments that the gateway took, by merchant
    throttled: int  # messages for which it asked for patience
    seconds: float  # that the line took


def start_round(world: AppContext, room: LeaseQuota) -> "Round":
    """Take up what is due, and hand it to the gateway, which begins at once.

    Raises what `trust` and the store raise; nothing left then.
    """
    ensure_ready(world)
    begun = world.clock.monotonic()
    departures, concluded = world.database.run(
        lambda transaction: lease_messages(world, transaction, room)
    )
    until = begun + SUBMIT_WITHIN_SECONDS
    return Round(
        world=world,
        leased=len(departures) + len(concluded),
        has_quarantined=any(is_quarantined(each.message) for each in departures),
        _outcomes=concluded,
        _submit_until=until,
        _submitted_at=world.clock.monotonic(),
        _groups=_submit_all(world, departures, Deadline(until, world.clock.monotonic)),
    )


@dataclass(slots=True, kw_only=True)
class Round:
    """What was taken up together, and is with the line until it is settled."""

    world: AppContext
    leased: int
    has_quarantined: bool  # they go alone, one after another: no other round may be in their way
    _outcomes: list[Became]
    _submit_until: float
    _submitted_at: float
    _groups: Iterator[list[_Answered]]

    def finish(self) -> RoundResult:
        """Write down what became of each message, a part at a time, as the answers come.

        Each part is written down before the next is asked for: so what a crash leaves in doubt is
        never more than the window of the line (promise 7). Raises what the store raises if it stays
        away.
        """
        answers: list[_Answered] = []
        for part in self._groups:
            self._outcomes += self._record(part)
            answers += part
        seconds = self.world.clock.monotonic() - self._submitted_at
        return _result(self._outcomes, answers, seconds)

    def _record(self, part: Sequence[_Answered]) -> list[Became]:
        """Record answers; a database that is away is waited for while they are in our hands.

        To record them twice changes nothing: the second time they are not in our hands any more.
        """
        while True:
            try:
                return self.world.database.run(partial(_record_group, self.world, part))
            except (DatabaseBusyError, CommitUncertainError, DatabaseUnavailableError) as fault:
                if self.world.clock.monotonic() > self._submit_until:
                    raise
                log.warning("record_delayed", code=fault.error_code, messages=len(part))
                self.world.clock.sleep(RECORD_RETRY_SECONDS)


def _result(
    concluded: Sequence[Became], answers: Sequence[_Answered], seconds: float
) -> RoundResult:
    became = Counter(outcome.status for outcome in concluded)
    for state, count in became.items():
        meters.MESSAGES_COMPLETED.labels(state.value).inc(count)
    if answers:
        meters.SUBMIT_SECONDS.observe(seconds)
    submitted: Counter[str | None] = Counter()
    for message, answer, _ in answers:
        if isinstance(answer, Submitted):
            submitted[message.merchant_id] += message.segments
    return RoundResult(
        leased=len(concluded),
        outcomes=became,
        submitted=submitted,
        throttled=sum(isinstance(answer, Throttled) for _, answer, _ in answers),
        seconds=seconds,
    )


def _submit_all(
    world: AppContext, departures: Sequence[LeasedMessage], deadline: Deadline
) -> Iterator[list[_Answered]]:
    """Open each number, hand the messages to the gateway, and return what it answers, in parts."""
    unsubmitted: list[_Answered] = []
    together: list[_Opened] = []
    alone: list[_Opened] = []
    links = world.keyring.ids.message_link.encode_all([each.message.key for each in departures])
    granted = [each.message.grant_key or each.message.key for each in departures]
    handles = world.keyring.ids.grant.encode_all(granted)
    for departure, link, handle in zip(departures, links, handles, strict=True):
        match _open_or_fail(world, departure, _OpaqueIds(link, handle), deadline):
            case Submission() as submission:
                part = alone if is_quarantined(departure.message) else together
                part.append((departure.message, submission))
            case answer:
                unsubmitted.append((departure.message, answer, None))
    begun = _submit_group(
        world, together
    )  # goes on by itself; the others begin when it is their turn
    later = (part for each in alone for part in _submit_group(world, [each]))
    return chain([unsubmitted] if unsubmitted else [], begun, later)


def _submit_group(world: AppContext, opened: Sequence[_Opened]) -> Iterator[list[_Answered]]:
    """Hand messages to the gateway, and return what it answers, in groups as the answers come."""
    if not opened:
        return iter([])
    groups = world.gateway.submit([submission for _, submission in opened])
    return (
        [_with_fingerprint(world, *opened[place], outcome) for place, outcome in answers]
        for answers in groups
    )


def _with_fingerprint(
    world: AppContext, message: Message, submission: Submission, outcome: SubmitOutcome
) -> _Answered:
    """Return an answer with the fingerprint of the text, if that is or may be on its way."""
    has_left = isinstance(outcome, Submitted | Uncertain) and message.grant_key is not None
    if not has_left or not world.database.has_wishes:
        return message, outcome, None
    digest = fingerprint_of(world, submission.number, submission.source, submission.comparable_text)
    return message, outcome, digest


def _open_or_fail(
    world: AppContext, departure: LeasedMessage, names: _OpaqueIds, deadline: Deadline
) -> Submission | SubmitOutcome:
    """Return a message with its number open: from here on it lives for one submission."""
    try:
        return _open_message(world, departure, names, deadline)
    except SealBrokenError as fault:
        return Rejected(fault.error_code)
    except KeyUnavailableError:
        return Unsent()  # until the operator has mended it, or the message has expired
    except Exception as fault:  # noqa: BLE001 - one message's fault must not delay the others
        log.critical("message_faulty", fault=type(fault).__name__)
        return Faulty(type(fault).__name__)


def _open_message(
    world: AppContext, departure: LeasedMessage, names: _OpaqueIds, deadline: Deadline
) -> Submission:
    message, sender = departure.message, departure.sender
    key = unwrap(departure.wrapped_key, world.keyring.unwrapping)
    core = ""
    if departure.grant is None:
        number, text = open_service_message(world, message, key)
    else:
        binding = Binding(world.base_url, names.grant, departure.grant.merchant_id)
        number = open_number(message.sealed_number or b"", key, binding)
        signature = sender.signature if sender else ""
        core = comparable_text(f"{signature}\n{message.text}")
        text = with_signature_and_opt_out(
            message.text or "",
            signature=signature,
            language=departure.grant.language,
            # the link of a message lies nowhere: it is computed when it leaves
            link=f"{world.base_url}/m/{names.link}"
            if message.priority is Priority.MARKETING
            else None,
        )
    return Submission(
        number=number,
        source=sender.source if sender else world.service_sender,
        composed=compose(text),
        tag=message.key.id & 0xFF,
        valid_until=message.valid_until,
        deadline=deadline,
        comparable_text=core,
    )


def _record_group(
    world: AppContext, answers: Sequence[_Answered], transaction: Transaction
) -> list[Became]:
    now = world.clock.now()
    pairs = [(message, outcome_of(message, answer, now)) for message, answer, _ in answers]
    complete(world, transaction, pairs, now)
    left = [(digest, message.key) for message, _, digest in answers if digest]
    fingerprints.add(transaction, left, now)
    return [outcome for _, outcome in pairs]
