"""No place in the window of an SMPP gateway stays taken, and nothing waits for one for ever."""

import threading
import time
from datetime import UTC, datetime

import pytest

from consent_tokens.consent.phone import PhoneNumber
from consent_tokens.gateways.base import Deadline, Submission, SubmitResult, Unsent
from consent_tokens.gateways.smpp.gateway import SmppGateway
from consent_tokens.relay.composition import compose
from consent_tokens.services.dispatch.lease import LeaseQuota
from consent_tokens.services.dispatch.round import start_round
from tests.number_scan import NUMBERS
from tests.service import PROMOTIONS, Service

WINDOW = 1
URL = f"smpp://u:p@127.0.0.1:1?window={WINDOW}"  # never opened: it answers that nothing was sent
FAIL = """
CREATE TRIGGER no_outcome BEFORE UPDATE ON messages WHEN OLD.status = 'sending'
BEGIN SELECT RAISE(ABORT, 'a fault'); END
"""


def submission(seconds: float) -> Submission:
    return Submission(
        number=PhoneNumber.parse(NUMBERS[0]),
        source="10690001",
        composed=compose("hello"),
        tag=1,
        valid_until=datetime(2100, 1, 1, tzinfo=UTC),
        deadline=Deadline(time.monotonic() + seconds, time.monotonic),
    )


def first_answer(gateway: SmppGateway, seconds: float) -> list[SubmitResult]:
    """Submit one message with a deadline; return its answer, or nothing if none comes."""
    answers: list[SubmitResult] = []
    groups = gateway.submit([submission(seconds)])
    thread = threading.Thread(target=lambda: answers.extend(next(groups)), daemon=True)
    thread.start()
    thread.join(5)
    return answers


def test_a_round_whose_outcomes_cannot_be_recorded_leaves_the_window_free(small: Service) -> None:
    merchant, consumer = small.merchant(), small.consumer()
    token = small.obtain_token(merchant, consumer, PROMOTIONS)
    small.work()
    assert merchant.send(token, PROMOTIONS, "a book").status_code == 202
    gateway, context = SmppGateway(URL), small.context
    started = start_round(context.runtime, gateway, context.relay, LeaseQuota(limit=1))
    with small.runtime.database.engine.begin() as transaction:
        transaction.exec_driver_sql(FAIL)
    with pytest.raises(Exception, match="a fault") as held:
        started.finish()
    assert first_answer(gateway, 60) == [(0, Unsent())]
    assert held.tb.tb_next  # it kept all frames that it came through


def test_what_waits_for_a_place_in_the_window_is_unsent_at_its_deadline() -> None:
    gateway = SmppGateway(URL)
    unrecorded = gateway.submit([submission(60)] * (WINDOW + 1))
    assert len(next(unrecorded)) == WINDOW
    assert first_answer(gateway, 0.01) == [(0, Unsent())]
    assert next(unrecorded) == [(WINDOW, Unsent())], "the others of the window go on"
