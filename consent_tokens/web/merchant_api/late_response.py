"""The response to a single message, which is committed with others: no thread waits for it.

Flask gets a response whose status and body follow, and the app adds its headers to it. Each thread
that waited took its turn under the interpreter's lock twice more for a message
(docs/decisions/, number 64).
"""

from collections.abc import Callable, Iterable, Iterator
from contextvars import Context, copy_context
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus

from flask import Response

from consent_tokens.services.submission.group_commit import (
    GroupCommit,
    Outcome,
    Submission,
)
from consent_tokens.web import problems
from consent_tokens.web.merchant_api.blueprint import headers_of
from consent_tokens.web.wsgi import Environ, LateBody, StartResponse, Work


class LateResponse(Response):
    """The response to a message that is submitted once the app has returned."""

    default_mimetype = None  # no Content-Type: that of the answer is not known yet

    def __init__(self, group_commit: GroupCommit, submission: Submission) -> None:
        super().__init__()
        self.group_commit = group_commit
        self.submission = submission

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Return the body to come."""
        return _Body(self, environ, start_response, copy_context())


@dataclass(frozen=True, slots=True)
class _Body(LateBody):
    """The body of a response to come. What is done later is done in the context of its request."""

    response: LateResponse
    environ: Environ
    start_response: StartResponse
    context: Context

    def __iter__(self) -> Iterator[bytes]:
        """Submit the message, wait, and return the body."""
        try:
            outcome: Outcome = self.response.group_commit.accept(self._submission())
        except Exception as error:  # noqa: BLE001 - it is answered
            outcome = error
        return iter(self._complete(outcome))

    def follow(
        self, run: Callable[[Work], None], on_ready: Callable[[Callable[[], Iterable[bytes]]], None]
    ) -> None:
        """Submit the message, and have `on_ready` called once it is committed."""
        group_commit = self.response.group_commit
        group_commit.enqueue(
            self._submission(),
            on_turn=partial(run, group_commit.lead),
            on_done=lambda outcome: on_ready(partial(self._complete, outcome)),
        )

    def _submission(self) -> Submission:
        submission = self.response.submission
        return submission._replace(
            render=lambda result: self.context.run(submission.render, result)
        )

    def _complete(self, outcome: Outcome) -> Iterable[bytes]:
        return self.context.run(self._answer, outcome)

    def _answer(self, outcome: Outcome) -> Iterable[bytes]:
        """Call `start_response`, and return the body."""
        if isinstance(outcome, Exception):
            problem = problems.handle_exception(outcome)
            problem.headers.extend(self.response.headers)
            return problem(self.environ, self.start_response)
        # without a Response of its own, which takes 20 microseconds to build and to send
        answer = outcome.response
        length = ("Content-Length", str(len(answer.body)))
        headers = [*headers_of(answer), length, *self.response.headers]
        self.start_response(f"{answer.status} {HTTPStatus(answer.status).phrase}", headers)
        return [answer.body]
