"""Messages that arrive at the same time share a transaction, and a lone one waits for nobody."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
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


def test_a_message_without_a_thread_is_committed_by_whoever_leads_for_it() -> None:
    queue, sizes = committing()
    turns: list[str] = []
    outcomes: list[object] = []
    for name in ("first", "second"):
        queue.enqueue(cast("Any", object()), partial(turns.append, name), outcomes.append)
    assert (turns, outcomes) == (["first"], [])
    queue.lead()
    assert (turns, sizes, outcomes) == (["first"], [2], [RESULT, RESULT])


def test_an_error_is_that_of_the_message_that_causes_it() -> None:
    good, bad = cast("Any", "good"), cast("Any", "bad")

    def accept_all(submissions: Sequence[Submission]) -> Sequence[Done[SubmissionResult]]:
        if bad in submissions:
            raise ZeroDivisionError
        return [RESULT for _ in submissions]

    queue, outcomes = GroupCommit(accept_all), list[object]()
    for each in (good, bad, good):
        queue.enqueue(each, lambda: None, outcomes.append)
    queue.lead()
    assert [isinstance(each, ZeroDivisionError) for each in outcomes] == [False, True, False]


def test_who_cannot_be_told_keeps_nobody_else_from_being_told() -> None:
    """What is told after the commit may fail: a log on a full disk, a client that is gone."""
    sizes: list[int] = []
    told: list[object] = []

    def accept_all(submissions: Sequence[Submission]) -> Sequence[Done[SubmissionResult]]:
        sizes.append(len(submissions))
        return [RESULT for _ in submissions]

    def fail(_what: object) -> None:
        raise OSError(28, "No space left on device")

    queue = GroupCommit(accept_all, on_outcomes=fail)
    submission = cast("Any", object())
    queue.enqueue(submission, lambda: None, fail)
    queue.enqueue(submission, lambda: None, told.append)
    queue.lead()
    assert (sizes, told) == ([2], [RESULT])
    assert queue.accept(submission) == RESULT
