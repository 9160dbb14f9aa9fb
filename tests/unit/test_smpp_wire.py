"""What the gateway and the process that speaks SMPP for it say to each other arrives whole."""

import time
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import DecodeError

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
from consent_tokens.gateways.smpp.ipc import (
    Answers,
    CameIn,
    Reported,
    Submit,
    got_heard,
    got_submission,
    put,
    put_heard,
    put_submission,
    to_gateway,
    to_speaker,
)
from consent_tokens.relay.composition import compose
from tests.number_scan import NUMBERS

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
    line = put(Submit([put_submission(7, sent)]))
    assert line.count(b"\n") == 1, "a line is a line, whatever is in it"
    said = to_speaker(line)
    assert isinstance(said, Submit)
    (message,) = said.messages
    assert (message.ticket, got_submission(message, time.monotonic)) == (7, sent)
    assert f"{said} {message!r}" == "Submit ToSubmit", "numbers do not print"


def clean(text: str) -> str:
    return text.encode("utf-16", "ignore").decode("utf-16")


@pytest.mark.parametrize("outcome", OUTCOMES)
def test_an_outcome_arrives_as_it_was(outcome: Outcome) -> None:
    assert to_gateway(put(Answers([(1, outcome)]))) == Answers([(1, outcome)])


def test_every_kind_of_outcome_is_tried_above() -> None:
    assert {type(outcome) for outcome in OUTCOMES} == set(Outcome.__args__)


@pytest.mark.parametrize("line", [b"", b"{}", b'["Answers",[[1,["Perhaps"]]]]', b'["Sung"]'])
def test_what_is_not_understood_is_told_apart(line: bytes) -> None:
    with pytest.raises(DecodeError):
        to_gateway(line)


@pytest.mark.parametrize("heard", HEARD)
def test_what_came_in_arrives_as_it_was(heard: Heard) -> None:
    said = to_gateway(put(put_heard(heard)))
    assert isinstance(said, Reported | CameIn)
    assert got_heard(said) == heard
