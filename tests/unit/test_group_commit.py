"""Messages that arrive at the same time share a transaction, and a lone one waits for nobody."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, cast

import pytest

from consent_tokens.services.idempotency import ApiResponse, Done
from consent_tokens.services.submission import group_commit
from consent_tokens.services.submission.group_commit import GroupCommit, Submission
from consent_tokens.services.submission.message_request import SubmissionResult

RESULT: Done[SubmissionResult] = Done(ApiResponse(202, b"{}"))


def committing() -> tuple[GroupCommit, list[int]]:
    """Return a queue whose transactions only record the sizes of their groups."""
    sizes: list[int] = []

    def accept_all(submissions: Sequence[Submission]) -> Sequence[Done[SubmissionResult]]:
        sizes.append(len(submissions))
        return [RESULT for _ in submissions]

    return GroupCommit(accept_all), sizes


def submit(queue: GroupCommit, count: int, threads: int) -> None:
    submission = cast("Any", object())
    with ThreadPoolExecutor(threads) as pool:
        done = pool.map(lambda _: queue.accept(submission), range(count))
        assert list(done) == [RESULT] * count


def test_a_message_that_arrives_alone_is_committed_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(group_commit, "GATHER_SECONDS", 60)
    queue, sizes = committing()
    submit(queue, 10, threads=1)
    assert sizes == [1] * 10


def test_the_leader_waits_for_as_many_as_there_were(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(group_commit, "GATHER_SECONDS", 60)
    queue, sizes = committing()
    queue._expected = 8
    submit(queue, 8, threads=8)
    assert sizes == [8]


def test_those_that_do_not_come_are_not_waited_for_again() -> None:
    queue, sizes = committing()
    queue._expected = 8
    submit(queue, 1, threads=1)
    assert (sizes, queue._expected) == ([1], 1)


def test_each_of_many_is_answered_in_some_group() -> None:
    queue, sizes = committing()
    submit(queue, 500, threads=16)
    assert sum(sizes) == 500
