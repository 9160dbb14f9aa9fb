"""The one way in for a message: readiness, backpressure, verify, accept, wake the dispatcher.

The API, the batch call and the demonstration shop all submit here.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial

from consent_tokens.errors import ConsentTokensError, OutboxFullError
from consent_tokens.policies import RelayPolicy
from consent_tokens.relay.decision import is_marketing
from consent_tokens.services.idempotency import ApiResponse, IdempotencyKey, run_once
from consent_tokens.services.integrity.readiness import ensure_ready
from consent_tokens.services.runtime import Runtime
from consent_tokens.services.submission.accept import (
    MessageRequest,
    SubmissionResult,
    accept_all,
    verify_request,
)
from consent_tokens.services.submission.backpressure import Backpressure
from consent_tokens.services.submission.group_commit import GroupCommit, Submission

Item = MessageRequest | ConsentTokensError  # of a batch: a message, or why it can be none
ItemResult = SubmissionResult | ConsentTokensError


@dataclass(slots=True)
class Submitter:
    """Submits messages for one process."""

    runtime: Runtime
    policy: RelayPolicy
    _backpressure: Backpressure = field(init=False)
    _group_commit: GroupCommit = field(init=False)

    def __post_init__(self) -> None:
        self._backpressure = Backpressure(self.runtime, self.policy.outbox_limit)
        self._group_commit = GroupCommit(self._accept_all)

    def submit(
        self,
        merchant_id: str,
        request: MessageRequest,
        render: Callable[[SubmissionResult], ApiResponse],
        key: IdempotencyKey | None = None,
    ) -> ApiResponse:
        """Submit one message and return its rendered answer.

        Raises NotReadyError, OutboxFullError, IdempotencyKeyReusedError, and what the database
        raises.
        """
        ensure_ready(self.runtime)
        if is_marketing(request.purpose) and self._backpressure.is_saturated():
            raise OutboxFullError
        submission = merchant_id, verify_request(self.runtime, request)
        if key is None:
            response = render(self._group_commit.accept(submission))
        else:
            accept = partial(accept_all, self.runtime, self.policy, submissions=[submission])
            response = run_once(self.runtime, key, lambda each: accept(each)[0], render)
        self.runtime.wake_dispatcher.set()
        return response

    def submit_batch(
        self,
        merchant_id: str,
        items: Sequence[Item],
        render: Callable[[list[ItemResult]], ApiResponse],
        key: IdempotencyKey | None = None,
    ) -> ApiResponse:
        """Submit several messages in one transaction; each is decided on its own.

        What is an error already is passed on in its place. Raises NotReadyError, OutboxFullError if
        the outbox is full and no item is transactional, IdempotencyKeyReusedError, and what the
        database raises.
        """
        ensure_ready(self.runtime)
        if self._backpressure.is_saturated():
            items = [_without_marketing(item) for item in items]
            if all(isinstance(item, OutboxFullError) for item in items):
                raise OutboxFullError
        checked = [
            item if isinstance(item, ConsentTokensError) else verify_request(self.runtime, item)
            for item in items
        ]
        submissions = [
            (merchant_id, item) for item in checked if not isinstance(item, ConsentTokensError)
        ]

        def render_all(results: list[SubmissionResult]) -> ApiResponse:
            rest = iter(results)
            return render(
                [item if isinstance(item, ConsentTokensError) else next(rest) for item in checked]
            )

        accept = partial(accept_all, self.runtime, self.policy, submissions=submissions)
        response = run_once(self.runtime, key, accept, render_all)
        self.runtime.wake_dispatcher.set()
        return response

    def _accept_all(self, submissions: Sequence[Submission]) -> list[SubmissionResult]:
        return self.runtime.database.run(
            partial(accept_all, self.runtime, self.policy, submissions=submissions)
        )


def _without_marketing(item: Item) -> Item:
    """Return an item, or OutboxFullError in place of marketing."""
    is_rejected = isinstance(item, MessageRequest) and is_marketing(item.purpose)
    return OutboxFullError() if is_rejected else item
