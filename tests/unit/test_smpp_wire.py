"""What the gateway and the process that speaks SMPP for it say to each other arrives whole."""

import time
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consent_tokens.consent.phone import PhoneNumber
from consent_tokens.gateways.base import (
    Deadline,
    DeliveryReport,
    Faulty,
    Heard,
    Inbound,
    Outcome,
    Rejected,
    Submission,
    Submitted,
    Throttled,
    Uncertain,
    Unsent,
)
from consent_tokens.gateways.smpp.wire import (
    Say,
    got,
    got_heard,
    got_outcome,
    got_submission,
    put,
    put_heard,
    put_outcome,
    put_submission,
)
from consent_tokens.relay.composition import compose
from tests.written import NUMBERS

OUTCOMES = (
    Submitted("0a-1"), Submitted(None), Throttled(), Unsent(), Uncertain(), Rejected("smpp_0xb"),
    Faulty("ValueError"),
)  # fmt: skip
HEARD = (
    DeliveryReport("0a-1", was_delivered=True, code="DELIVRD"),
    DeliveryReport("0a\n2", was_delivered=False, code="UNDELIV", is_gone=True),
    Inbound(number=PhoneNumber.parse(NUMBERS[0]), source="1069", text="退订\n"),
)


@given(st.text(max_size=400), st.sampled_from(NUMBERS), st.integers(0, 255))
def test_a_submission_arrives_whole(text: str, number: str, tag: int) -> None:
    sent = Submission(
        number=PhoneNumber.parse(number), source="1069 \n", composed=compose(clean(text)), tag=tag,
        valid_until=datetime(2026, 11, 11, 12, tzinfo=UTC), deadline=Deadline(12.5, time.monotonic),
    )  # fmt: skip
    line = put(Say.SUBMIT, [put_submission(7, sent)])
    assert line.count(b"\n") == 1, "a line is a line, whatever is in it"
    say, (row,) = got(line)
    assert (say, got_submission(row, time.monotonic)) == (Say.SUBMIT, (7, sent))


def clean(text: str) -> str:
    return text.encode("utf-16", "ignore").decode("utf-16")


@pytest.mark.parametrize("outcome", OUTCOMES)
def test_an_outcome_arrives_as_it_was(outcome: Outcome) -> None:
    _, ((_, *told),) = got(put(Say.ANSWERS, [(1, *put_outcome(outcome))]))
    assert got_outcome(*told) == outcome


def test_every_kind_of_outcome_is_tried_above() -> None:
    assert {type(outcome) for outcome in OUTCOMES} == set(Outcome.__args__)


def test_an_outcome_of_no_known_name_is_uncertain() -> None:
    assert got_outcome("perhaps", None) == Uncertain()


@pytest.mark.parametrize("heard", HEARD)
def test_what_came_in_arrives_as_it_was(heard: Heard) -> None:
    _, row = got(put(Say.HEARD, put_heard(heard)))
    assert got_heard(row) == heard
