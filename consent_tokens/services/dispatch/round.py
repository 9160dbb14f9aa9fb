"""One round of a dispatcher: lease, decide again, decrypt the numbers, submit, record.

The first transaction leases messages, decides each again and reads the keys of their grants, so
a message whose grant was revoked by then is not submitted (promises 2 and 3). It draws the links,
which are on disk before a text leaves. Numbers are decrypted after it, in memory only. Outcomes are
recorded in groups, by further transactions or by that which leases another round.
"""

from collections import Counter
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Final, NamedTuple, TypeAlias

import structlog

from consent_tokens import metrics
from consent_tokens.errors import (
    CommitUncertainError,
    DatabaseBusyError,
    DatabaseUnavailableError,
)
from consent_tokens.gateways.base import (
    Deadline,
    Gateway,
    Submission,
    SubmitOutcome,
    Submitted,
    Throttled,
    Uncertain,
)
from consent_tokens.policies import LinkMode, RelayPolicy
from consent_tokens.relay.decision import class_of
from consent_tokens.relay.message import Message, MessageOutcome, MessageStatus
from consent_tokens.row_key import RowKey
from consent_tokens.services.dispatch.lease import LeasedMessage, LeaseQuota, lease_messages
from consent_tokens.services.dispatch.opening import Opener
from consent_tokens.services.dispatch.outcomes import (
    insert_evidence,
    is_quarantined,
    outcome_of,
    settle,
)
from consent_tokens.services.integrity.readiness import ensure_ready
from consent_tokens.services.outbox.in_flight_wait import LEASE_SECONDS
from consent_tokens.services.outbox.message_links import draw_links
from consent_tokens.services.outbox.sent_text_fingerprints import fingerprint_of
from consent_tokens.services.runtime import Runtime
from consent_tokens.store import fingerprints
from consent_tokens.store.database import Transaction

log = structlog.get_logger()

BATCH_SIZE: Final = 500  # messages in one round, at most
RECORD_RETRY_SECONDS: Final = 0.5
# past half its lease a dispatcher submits nothing, because another may take over
SUBMIT_WITHIN_SECONDS: Final = LEASE_SECONDS / 2

_Opened: TypeAlias = tuple[Message, Submission]
_Result: TypeAlias = tuple[Message, SubmitOutcome, bytes | None]  # and the text's fingerprint


class _Leased(NamedTuple):
    """What the transaction that leases returns."""

    messages: list[LeasedMessage]
    completed: list[MessageOutcome]  # of those that may not be submitted
    links: Mapping[RowKey, str]  # ids, by message
    recorded: list[MessageOutcome]  # of the round before


@dataclass(frozen=True, slots=True, kw_only=True)
class RoundResult:
    """The counts of one round."""

    leased: int  # messages
    outcomes: Mapping[MessageStatus, int]  # messages by status
    submitted: Mapping[str | None, int]  # segments that the gateway accepted, by merchant id
    throttled: int  # messages that the gateway throttled
    seconds: float  # from the first submission until the last answer was read


def start_round(
    runtime: Runtime,
    gateway: Gateway,
    policy: RelayPolicy,
    quota: LeaseQuota,
    previous: "Round | None" = None,
) -> "Round":
    """Lease due messages and pass them to the gateway, which submits them in the background.

    The last answers to `previous` are recorded in the transaction that leases. Raises
    NotReadyError, and what the database raises; nothing has been submitted then.
    """
    ensure_ready(runtime)
    if previous is not None:
        previous.record_all_but_last()
    started = runtime.clock.monotonic()

    def lease(transaction: Transaction) -> _Leased:
        recorded = previous.record_last(transaction) if previous is not None else []
        leased, completed = lease_messages(runtime, policy, transaction, quota)
        links = draw_links(runtime, transaction, list(_with_own_link(runtime, leased)))
        return _Leased(leased, completed, links, recorded)

    leased, completed, links, recorded = runtime.database.run(lease)
    if previous is not None:
        previous.confirm_last(recorded)
    submit_until = started + SUBMIT_WITHIN_SECONDS
    deadline = Deadline(submit_until, runtime.clock.monotonic)
    return Round(
        runtime=runtime,
        leased=len(leased) + len(completed),
        has_quarantined=any(is_quarantined(each.message) for each in leased),
        _unanswered=len(leased),
        _outcomes=completed,
        _submit_until=submit_until,
        _submitted_at=runtime.clock.monotonic(),
        _groups=_submit_all(runtime, gateway, leased, links, deadline),
    )


def _with_own_link(runtime: Runtime, leased: Iterable[LeasedMessage]) -> Iterator[Message]:
    """Return the merchants' messages whose text ends with a link of its own."""
    for each in leased:
        mode = runtime.service.link_mode(class_of(each.message.purpose), each.links)
        if each.grant is not None and mode is LinkMode.PER_MESSAGE:
            yield each.message


@dataclass(slots=True, kw_only=True)
class Round:
    """Messages that were leased together, and are in flight until `finish` returns."""

    runtime: Runtime
    leased: int
    has_quarantined: bool  # then no other round may be in flight
    _unanswered: int  # messages
    _outcomes: list[MessageOutcome]
    _submit_until: float  # monotonic seconds
    _submitted_at: float
    _groups: Generator[list[_Result], None, None]  # closing it frees the gateway's window
    _results: list[_Result] = field(default_factory=list)
    _last: list[_Result] = field(default_factory=list)  # the last answers, not recorded yet
    _answered_at: float | None = None  # when they were read

    def finish(self) -> RoundResult:
        """Record the outcome of each message, in groups as the gateway answers.

        Each group is recorded before the next is read, so a crash leaves at most the gateway's
        window uncertain (promise 7). Raises what the database raises if it stays unavailable.
        """
        self.record_all_but_last()
        with closing(self._groups):
            if self._last:
                self.confirm_last(self._record(self._last))
        seconds = (self._answered_at or self._submitted_at) - self._submitted_at
        return _summarize(self._outcomes, self._results, seconds)

    def record_all_but_last(self) -> None:
        """Wait for the answers, and record all but the last group of them. Raises as `finish`."""
        try:
            while self._unanswered:
                group = next(self._groups)
                self._unanswered -= len(group)
                self._results += group
                if self._unanswered:
                    self._outcomes += self._record(group)
                else:
                    self._last, self._answered_at = group, self.runtime.clock.monotonic()
        except BaseException:
            self._unanswered = 0
            self._groups.close()
            raise

    def record_last(self, transaction: Transaction) -> list[MessageOutcome]:
        """Record the last group in a transaction of the caller; return its outcomes.

        The caller confirms them after the commit. Without that, `finish` records the group again.
        """
        if not self._last:
            return []
        settled = _settle_group(self.runtime, self._last, transaction)
        _insert_evidence(self.runtime, transaction, settled)
        return [outcome for _, outcome in settled.pairs]

    def confirm_last(self, recorded: Sequence[MessageOutcome]) -> None:
        """Take the last group as recorded, and free its places in the gateway's window."""
        self._outcomes += recorded
        self._last = []
        self._groups.close()

    def _record(self, group: Sequence[_Result]) -> list[MessageOutcome]:
        """Record outcomes; while the database is unavailable, retry until half the lease is over.

        Idempotent: once recorded, a message is no longer leased.
        """
        while True:
            try:
                settled = self.runtime.database.run(
                    partial(_settle_group, self.runtime, group),
                    partial(_insert_evidence, self.runtime),
                )
                return [outcome for _, outcome in settled.pairs]
            except (DatabaseBusyError, CommitUncertainError, DatabaseUnavailableError) as error:
                if self.runtime.clock.monotonic() > self._submit_until:
                    raise
                log.warning("record_delayed", reason=error.error_code, messages=len(group))
                self.runtime.clock.sleep(RECORD_RETRY_SECONDS)


def _summarize(
    outcomes: Sequence[MessageOutcome], results: Sequence[_Result], seconds: float
) -> RoundResult:
    by_status = Counter(outcome.status for outcome in outcomes)
    for status, count in by_status.items():
        metrics.MESSAGES_COMPLETED.labels(status.value).inc(count)
    if results:
        metrics.SUBMIT_SECONDS.observe(seconds)
    submitted: Counter[str | None] = Counter()
    for message, outcome, _ in results:
        if isinstance(outcome, Submitted):
            submitted[message.merchant_id] += message.segments
    return RoundResult(
        leased=len(outcomes),
        outcomes=by_status,
        submitted=submitted,
        throttled=sum(isinstance(outcome, Throttled) for _, outcome, _ in results),
        seconds=seconds,
    )


def _submit_all(
    runtime: Runtime,
    gateway: Gateway,
    leased: Sequence[LeasedMessage],
    links: Mapping[RowKey, str],
    deadline: Deadline,
) -> Generator[list[_Result], None, None]:
    """Decrypt the numbers, submit the messages, and return the gateway's answers in groups."""
    failed: list[_Result] = []
    batch: list[_Opened] = []
    quarantined: list[_Opened] = []
    keys = [each.message.grant_key or each.message.key for each in leased]
    grant_ids = runtime.ids.grant.encode_all(keys)
    opener = Opener.of(runtime, deadline)
    for each, grant_id in zip(leased, grant_ids, strict=True):
        match opener.open_or_fail(each, links.get(each.message.key, ""), grant_id):
            case Submission() as submission:
                group = quarantined if is_quarantined(each.message) else batch
                group.append((each.message, submission))
            case outcome:
                failed.append((each.message, outcome, None))
    # the batch is submitted from here on; the quarantined messages follow, one at a time
    answered = _submit_group(runtime, gateway, batch)
    later = (group for each in quarantined for group in _submit_group(runtime, gateway, [each]))
    return _in_turn([failed] if failed else [], answered, later)


def _in_turn(*groups: Iterable[list[_Result]]) -> Generator[list[_Result], None, None]:
    """Yield all groups; closing this closes what it stopped in."""
    for each in groups:
        yield from each


def _submit_group(
    runtime: Runtime, gateway: Gateway, opened: Sequence[_Opened]
) -> Iterator[list[_Result]]:
    """Submit messages to the gateway, and return its answers in groups as they come."""
    if not opened:
        return iter([])
    groups = gateway.submit([submission for _, submission in opened])
    return (
        [_with_fingerprint(runtime, *opened[index], outcome) for index, outcome in group]
        for group in groups
    )


def _with_fingerprint(
    runtime: Runtime, message: Message, submission: Submission, outcome: SubmitOutcome
) -> _Result:
    """Return a result with the text's fingerprint, if it was or may have been sent."""
    may_be_sent = isinstance(outcome, Submitted | Uncertain) and message.grant_key is not None
    if not may_be_sent:
        return message, outcome, None
    fingerprint = fingerprint_of(
        runtime, submission.number, submission.source, submission.comparable_text
    )
    return message, outcome, fingerprint


class _Recording(NamedTuple):
    """A group of answers that is being recorded."""

    pairs: list[tuple[Message, MessageOutcome]]
    recorded: list[tuple[Message, MessageOutcome]]  # without messages whose lease was lost
    fingerprints: list[tuple[bytes, RowKey]]
    now: datetime


def _settle_group(
    runtime: Runtime, results: Sequence[_Result], transaction: Transaction
) -> _Recording:
    """Record the outcomes themselves."""
    now = runtime.clock.now()
    pairs = [(message, outcome_of(message, outcome, now)) for message, outcome, _ in results]
    recorded = settle(runtime, transaction, pairs, now)
    sent = [(fingerprint, message.key) for message, _, fingerprint in results if fingerprint]
    return _Recording(pairs, recorded, sent, now)


def _insert_evidence(runtime: Runtime, transaction: Transaction, group: _Recording) -> None:
    """Insert what is kept of the outcomes; may be sent in one round trip, with the commit."""
    insert_evidence(runtime, transaction, group.recorded, group.now)
    fingerprints.add(transaction, group.fingerprints, group.now)
