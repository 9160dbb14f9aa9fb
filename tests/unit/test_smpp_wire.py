"""Frames between the gateway and its SMPP client process arrive whole."""

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
    InboundEvent,
    MobileOriginated,
    Rejected,
    ReportedOutcome,
    Submission,
    SubmitOutcome,
    Submitted,
    Throttled,
    Uncertain,
    UnreadableInbound,
    UnreadableReason,
    Unsent,
)
from consent_tokens.gateways.smpp.ipc import (
    InboundMessage,
    ReportReceived,
    Submit,
    SubmitResults,
    Unreadable,
    decode_command,
    decode_event,
    decode_notification,
    decode_submission,
    encode_event,
    encode_frame,
    encode_submission,
)
from consent_tokens.relay.composition import compose
from tests.number_scan import NUMBERS

OUTCOMES = (
    Submitted("0a-1"), Submitted("2", ("1", None, "2")),
    Submitted(None), Throttled(), Unsent(), Uncertain(), Rejected("smpp_0xb"),
    Faulty("ValueError"),
)  # fmt: skip
EVENTS = (
    DeliveryReport("0a-1", ReportedOutcome.DELIVERED, "DELIVRD"),
    DeliveryReport("0a\n2", ReportedOutcome.UNDELIVERABLE, "UNDELIV", is_deactivated=True),
    MobileOriginated(number=PhoneNumber.parse(NUMBERS[0]), source="1069", text="退订\n"),
    MobileOriginated(
        number=PhoneNumber.parse(NUMBERS[0]), source="1069", text="R", alternatives=("刀", "\n")
    ),
    UnreadableInbound(UnreadableReason.TEXT),
)


@given(st.text(max_size=400), st.sampled_from(NUMBERS), st.integers(0, 255))
def test_a_submission_arrives_whole(text: str, number: str, tag: int) -> None:
    sent = Submission(
        number=PhoneNumber.parse(number), source="1069 \n", composed=compose(clean(text)), tag=tag,
        valid_until=datetime(2026, 11, 11, 12, tzinfo=UTC), deadline=Deadline(12.5, time.monotonic),
    )  # fmt: skip
    line = encode_frame(Submit([encode_submission(7, sent)]))
    assert line.count(b"\n") == 1, "a line is a line, whatever is in it"
    said = decode_command(line)
    assert isinstance(said, Submit)
    (message,) = said.messages
    assert (message.ticket, decode_submission(message, time.monotonic)) == (7, sent)
    assert f"{said} {message!r}" == "Submit SubmitRequest", "numbers do not print"


def clean(text: str) -> str:
    return text.encode("utf-16", "ignore").decode("utf-16")


@pytest.mark.parametrize("outcome", OUTCOMES)
def test_an_outcome_arrives_as_it_was(outcome: SubmitOutcome) -> None:
    assert decode_notification(encode_frame(SubmitResults([(1, outcome)]))) == SubmitResults(
        [(1, outcome)]
    )


def test_every_kind_of_outcome_is_tried_above() -> None:
    assert {type(outcome) for outcome in OUTCOMES} == set(SubmitOutcome.__args__)


@pytest.mark.parametrize("line", [b"", b"{}", b'["SubmitResults",[[1,["Perhaps"]]]]', b'["Sung"]'])
def test_what_is_not_understood_is_an_error(line: bytes) -> None:
    with pytest.raises(DecodeError):
        decode_notification(line)


@pytest.mark.parametrize("event", EVENTS)
def test_what_came_in_arrives_as_it_was(event: InboundEvent) -> None:
    said = decode_notification(encode_frame(encode_event(event)))
    assert isinstance(said, ReportReceived | InboundMessage | Unreadable)
    assert decode_event(said) == event
