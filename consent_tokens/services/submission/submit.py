"""Submission: check readiness and backpressure, verify, accept, and wake the dispatcher.

The single entry point for messages: the API, its batch call and the demonstration shop use it.
"""

import threading
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager, ExitStack, nullcontext
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from consent_tokens import metrics
from consent_tokens.errors import ConsentTokensError, OutboxFullError
from consent_tokens.policies import RelayPolicy
from consent_tokens.relay.decision import Refused, is_limited
from consent_tokens.services.idempotency import (
    ApiResponse,
    Done,
    IdempotencyKey,
    Worked,
    run_each_once,
    run_once,
)
from consent_tokens.services.integrity.readiness import ensure_ready
from consent_tokens.services.runtime import Runtime
from consent_tokens.services.submission.accept import (
    accept_all,
    ask_standings,
    decide_all,
    verify_requests,
)
from consent_tokens.services.submission.backpressure import Backpressure
from consent_tokens.services.submission.group_commit import (
    GroupCommit,
    Outcome,
    Render,
    Submission,
)
from consent_tokens.services.submission.message_request import (
    MessageRequest,
    SubmissionResult,
    VerifiedRequest,
)
from consent_tokens.store.database import Transaction


class _TriedOutError(Exception):
    """Rolls a trial back; carries what was decided."""

    def __init__(self, results: Sequence[SubmissionResult]) -> None:
        super().__init__("tried out")
        self.results = results


Item = MessageRequest | ConsentTokensError  # of a batch: a message, or why it is not valid
ItemResult = SubmissionResult | ConsentTokensError


@dataclass(slots=True)
class Submitter:
    """The entry point for messages; one per process, shared by its threads."""

    runtime: Runtime
    policy: RelayPolicy
    _backpressure: Backpressure = field(init=False)
    group_commit: GroupCommit = field(init=False)  # of single messages
    _turn: AbstractContextManager[Any] = field(init=False)  # of a batch

    def __post_init__(self) -> None:
        # SQLite has one writer, and threads that compute at the same time hinder each other. Where
        # they wait for a server meanwhile, as on PostgreSQL, they do so less (decision 58).
        self._turn = threading.Lock() if self.runtime.database.is_sqlite else nullcontext()
        self._backpressure = Backpressure(self.runtime, self.policy.outbox_limit)
        self.group_commit = GroupCommit(self._accept_all, self._on_outcomes)

    def submit(
        self,
        merchant_id: str,
        request: MessageRequest,
        render: Render,
        key: IdempotencyKey | None = None,
    ) -> ApiResponse:
        """Submit one message and return the decision, rendered before the commit.

        Raises NotReadyError, OutboxFullError, IdempotencyKeyReusedError, and what the database
        raises; nothing has been accepted then.
        """
        submission = self.prepare(merchant_id, request, render, key)
        return self.group_commit.accept(submission).response

    def prepare(
        self,
        merchant_id: str,
        request: MessageRequest,
        render: Render,
        key: IdempotencyKey | None = None,
    ) -> Submission:
        """Return a message for `group_commit`.

        Raises OutboxFullError, and what the database raises.
        """
        if is_limited(request.purpose) and self._backpressure.is_saturated():
            raise OutboxFullError
        return Submission(merchant_id, request, render, key)

    def submit_batch(
        self,
        merchant_id: str,
        items: Sequence[Item],
        render: Callable[[list[ItemResult]], ApiResponse],
        key: IdempotencyKey | None = None,
    ) -> ApiResponse:
        """Submit several messages in one transaction; each is decided separately.

        An item that is an error is its own result, in its place. With a full outbox, marketing
        items result in OutboxFullError. Raises NotReadyError, OutboxFullError if that is the result
        of every item, IdempotencyKeyReusedError, and what the database raises; nothing has been
        accepted then.
        """
        ensure_ready(self.runtime)
        if self._backpressure.is_saturated():
            items = [_without_marketing(item) for item in items]
            if all(isinstance(item, OutboxFullError) for item in items):
                raise OutboxFullError
        requests = [item for item in items if not isinstance(item, ConsentTokensError)]

        turn = ExitStack()

        def render_all(results: list[SubmissionResult]) -> ApiResponse:
            remaining = iter(results)
            response = render(
                [
                    item if isinstance(item, ConsentTokensError) else next(remaining)
                    for item in items
                ]
            )
            turn.close()  # the next batch proves its tokens while this one waits for the disk
            return response

        with turn:
            turn.enter_context(self._turn)
            submissions = self._verified(merchant_id, requests)
            accept = partial(accept_all, self.runtime, self.policy, submissions=submissions)
            done = run_once(self.runtime, key, accept, render_all)
        _count(done.result or [])
        self.runtime.wake_dispatcher.set()
        return done.response

    def submit_part(
        self,
        merchant_id: str,
        requests: Sequence[MessageRequest],
        claim: Callable[[Transaction], bool],
        record: Callable[[Transaction, Sequence[SubmissionResult]], None],
    ) -> bool:
        """Submit messages in one transaction with what is recorded of them, once `claim` says yes.

        Returns what `claim` said. Raises as `submit_batch`; nothing has been accepted then.
        """
        ensure_ready(self.runtime)
        if any(is_limited(each.purpose) for each in requests) and self._backpressure.is_saturated():
            raise OutboxFullError
        submissions = self._verified(merchant_id, requests)

        def work(transaction: Transaction) -> Sequence[SubmissionResult] | None:
            if not claim(transaction):
                return None
            results = accept_all(self.runtime, self.policy, transaction, submissions)
            record(transaction, results)
            return results

        results = self.runtime.database.run(work)
        _count(results or [])
        self.runtime.wake_dispatcher.set()
        return results is not None

    def try_out(
        self, merchant_id: str, requests: Sequence[MessageRequest]
    ) -> Sequence[SubmissionResult]:
        """Return what would be decided on messages now; nothing of it is stored.

        It is decided as by `submit_part`, and rolled back. Raises NotReadyError, and what the
        database raises.
        """
        ensure_ready(self.runtime)
        submissions = self._verified(merchant_id, requests)

        def work(transaction: Transaction) -> None:
            raise _TriedOutError(
                accept_all(self.runtime, self.policy, transaction, submissions, is_trial=True)
            )

        try:
            self.runtime.database.run(work)
        except _TriedOutError as tried:
            return tried.results
        raise AssertionError("unreachable: a trial is rolled back")

    def _verified(
        self, merchant_id: str, requests: Sequence[MessageRequest]
    ) -> list[tuple[str, VerifiedRequest]]:
        """Return messages of a merchant with what their tokens prove."""
        verified = verify_requests(self.runtime, [(merchant_id, each) for each in requests])
        return [(merchant_id, each) for each in verified]

    def _accept_all(self, submissions: Sequence[Submission]) -> Sequence[Outcome]:
        ensure_ready(self.runtime)  # once for the group: it reads the head of the journal
        verified = verify_requests(
            self.runtime, [(each.merchant_id, each.request) for each in submissions]
        )

        def ask(transaction: Transaction) -> Callable[[Sequence[int]], Worked[SubmissionResult]]:
            merchant_ids = [each.merchant_id for each in submissions]
            standings = ask_standings(self.runtime, transaction, merchant_ids)

            def work(places: Sequence[int]) -> Worked[SubmissionResult]:
                new = [(submissions[place], verified[place]) for place in places]
                messages = [(each.merchant_id, request) for each, request in new]
                results, insert = decide_all(
                    self.runtime, self.policy, transaction, messages, standings()
                )
                done = [
                    Done(each.render(result), result)
                    for (each, _), result in zip(new, results, strict=True)
                ]
                return Worked(done, insert)

            return work

        return run_each_once(self.runtime, [each.key for each in submissions], ask)

    def _on_outcomes(self, outcomes: Sequence[Outcome]) -> None:
        """Count what was decided, and have it sent."""
        self.runtime.wake_dispatcher.set()
        _count([each.result for each in outcomes if isinstance(each, Done)])


def _count(results: Iterable[SubmissionResult | None]) -> None:
    """Count the decisions on messages; None is one that an earlier request had."""
    decided = [each for each in results if each is not None]
    for result in decided:
        if isinstance(result.decision, Refused):
            metrics.MESSAGES_REFUSED.labels(result.decision.reason.value).inc()
    metrics.MESSAGES_ACCEPTED.inc(sum(result.key is not None for result in decided))


def _without_marketing(item: Item) -> Item:
    """Return an item, or OutboxFullError if it is marketing."""
    is_rejected = isinstance(item, MessageRequest) and is_limited(item.purpose)
    return OutboxFullError() if is_rejected else item
