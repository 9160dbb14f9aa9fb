"""Whatever a connection returns or raises, each message gets one outcome."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

import pytest
import smpp34

from consent_tokens.consent.phone import PhoneNumber
from consent_tokens.gateways.base import (
    Deadline,
    Faulty,
    Submission,
    SubmitOutcome,
    Uncertain,
    Unsent,
)
from consent_tokens.gateways.smpp.config import BindConfig
from consent_tokens.gateways.smpp.session import Session
from consent_tokens.relay.composition import compose
from tests.number_scan import NUMBERS


async def later(fault: BaseException) -> Any:  # noqa: ANN401 - never returns
    await asyncio.sleep(0)
    raise fault


def at_once(fault: BaseException) -> Any:  # noqa: ANN401 - never returns
    raise fault


FAULTS = (
    (smpp34.SmppError("gone"), Uncertain()),
    (OSError(), Uncertain()),
    (RuntimeError("what nobody thought of"), Uncertain()),
    (asyncio.CancelledError(), Uncertain()),
    (ValueError("too long"), Faulty("ValueError")),
    (OverflowError(), Faulty("OverflowError")),
)


def submission(text: str, seconds: float = 60) -> Submission:
    return Submission(
        number=PhoneNumber.parse(NUMBERS[0]), source="1069", composed=compose(text), tag=1,
        valid_until=datetime(2026, 11, 11, tzinfo=UTC),
        deadline=Deadline(time.monotonic() + seconds, time.monotonic),
    )  # fmt: skip


async def answer(
    submit: Callable[[BaseException], Awaitable[Any]], fault: BaseException, sent: Submission
) -> SubmitOutcome:
    """Return the outcome of a message, in a session that fails so."""

    class FailingConnection:
        def submit_sm(self, **_: object) -> Any:  # noqa: ANN401 - as of a connection
            return submit(fault)

    bind = Session(
        BindConfig.parse_all("smpp://a:b@localhost?window=1")[0], lambda *_: None, lambda: None
    )
    bind._connection = FailingConnection()  # type: ignore[assignment]  # that fails as the test says
    answers: asyncio.Queue[SubmitOutcome] = asyncio.Queue()
    if not bind.submit_now(sent, answers.put_nowait):
        return await bind.submit(sent)
    outcome = await answers.get()
    assert bind._in_flight == 0, "its place in the window is free again"
    return outcome


@pytest.mark.parametrize(("fault", "expected"), FAULTS)
@pytest.mark.parametrize("text", ["short", "in several segments " * 20])
def test_an_error_of_the_session_is_an_outcome(
    text: str, fault: BaseException, expected: SubmitOutcome
) -> None:
    assert asyncio.run(answer(later, fault, submission(text))) == expected
    if isinstance(fault, Exception):
        assert asyncio.run(answer(at_once, fault, submission(text))) == expected


def test_what_is_past_its_deadline_is_not_sent() -> None:
    past = submission("late", seconds=-1)
    assert asyncio.run(answer(at_once, AssertionError("it was sent"), past)) == Unsent()
