"""SMPP PDUs, read and written to the letter of the specification."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, timezone
from itertools import permutations

import pytest

from consent_tokens.consent.phone import PhoneNumber
from consent_tokens.errors import SettingError
from consent_tokens.gateways.base import (
    Deadline,
    DeliveryReport,
    MobileOriginated,
    ReportedOutcome,
    Submission,
    UnreadableInbound,
    UnreadableReason,
)
from consent_tokens.gateways.inbound_text import TextPart
from consent_tokens.gateways.smpp.config import BindConfig, CarrierProfile
from consent_tokens.gateways.smpp.inbound import parse_deliver_sm
from consent_tokens.gateways.smpp.message_ids import IdBase, comparable_id
from consent_tokens.gateways.smpp.pdu import absolute_time, submit_sm_arguments
from consent_tokens.gateways.smpp.reassembly import (
    MAX_INCOMPLETE,
    REASSEMBLY_TIMEOUT_SECONDS,
    Reassembler,
    Segment,
)
from consent_tokens.relay.composition import compose
from tests.number_scan import NUMBERS


@dataclass
class Tlv:
    tag: int
    value: bytes

    def as_int(self) -> int:
        return int.from_bytes(self.value, "big")


@dataclass
class Event:
    """A deliver_sm, as far as it is looked at."""

    short_message: bytes = b""
    esm_class: int = 0
    data_coding: int = 0
    source_addr: str = "8613912340917"
    destination_addr: str = "1069000112"
    source_addr_ton: int = 1
    tlvs: list[Tlv] = field(default_factory=list)


DELIVERED, UNDELIVERABLE = ReportedOutcome.DELIVERED, ReportedOutcome.UNDELIVERABLE
REPORT = (
    b"id:%s sub:001 dlvrd:001 submit date:2111111200 done date:2111111201 stat:%s err:000 text:x"
)


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        (Event(REPORT % (b"a1", b"DELIVRD"), 4), DeliveryReport("a1", DELIVERED, "DELIVRD")),
        (Event(REPORT % (b"a1", b"UNDELIV"), 4), DeliveryReport("a1", UNDELIVERABLE, "UNDELIV")),
        (Event(REPORT % (b"a1", b"ENROUTE"), 4), None),
        (Event(b"nonsense", 4), UnreadableInbound(UnreadableReason.REPORT)),
        (Event(b"", 4, tlvs=[Tlv(0x1E, b"b2\0"), Tlv(0x427, b"\x02")]),
         DeliveryReport("b2", DELIVERED, "DELIVRD")),
        (Event(b"", 4, tlvs=[Tlv(0x1E, b"b2\0"), Tlv(0x427, b"\x05")]),
         DeliveryReport("b2", UNDELIVERABLE, "UNDELIV")),
        (Event(b"", 4, tlvs=[Tlv(0x424, REPORT % (b"c3", b"EXPIRED"))]),
         DeliveryReport("c3", UNDELIVERABLE, "EXPIRED")),
    ],
)  # fmt: skip
def test_reports_are_read_in_both_forms(event: Event, expected: object) -> None:
    assert parse_deliver_sm(event, CarrierProfile()) == expected  # type: ignore[arg-type]  # as much of one as is read


def test_what_comes_from_no_number_is_counted() -> None:
    heard = parse_deliver_sm(Event(b"x", source_addr="SHOP"), CarrierProfile())  # type: ignore[arg-type]  # see above
    assert heard == UnreadableInbound(UnreadableReason.NUMBER)


@pytest.mark.parametrize(
    ("text", "base", "expected"),
    [
        ("00a1F", IdBase.TEXT, "a1f"),
        ("000", IdBase.TEXT, "0"),
        (" 7\0", IdBase.TEXT, "7"),
        ("", IdBase.TEXT, None),
        ("0x", IdBase.HEXADECIMAL, "x"),
        ("a00001", IdBase.HEXADECIMAL, "10485761"),
        ("0010485761", IdBase.DECIMAL, "10485761"),
        ("a-1", IdBase.HEXADECIMAL, "a-1"),
        ("1_0", IdBase.DECIMAL, "1_0"),
    ],
)
def test_ids_are_compared_without_what_carriers_change(
    text: str, base: IdBase, expected: str | None
) -> None:
    assert comparable_id(text, base) == expected


@pytest.mark.parametrize(
    ("event", "place"),
    [
        (Event(b"\x05\x00\x03\x07\x02\x01TD", 0x40), (7, 2, 1)),
        (Event(b"\x06\x08\x04\x01\x07\x03\x02TD", 0x40), (263, 3, 2)),
        (Event(b"\x0a\x05\x02\x00\x00\x00\x03\x07\x02\x02TD", 0x40), (7, 2, 2)),
        (Event(b"\x05\x00\x03\x07\x02\x03TD", 0x40), (0, 1, 1)),  # the third of two
        (Event(b"\x05\x00", 0x40), (0, 1, 1)),
        (Event(b"T", tlvs=[Tlv(0x20C, b"\1"), Tlv(0x20E, b"\3"), Tlv(0x20F, b"\1")]), (1, 3, 1)),
        (Event(b"TD", tlvs=[Tlv(0x20C, b"\1\2"), Tlv(0x20E, b"\3")]), (0, 1, 1)),
    ],
)  # fmt: skip
def test_a_piece_says_which_it_is(event: Event, place: tuple[int, int, int]) -> None:
    piece = parse_deliver_sm(event, CarrierProfile())  # type: ignore[arg-type]  # see above
    assert isinstance(piece, Segment)
    assert (piece.reference, piece.total, piece.part) == place


def piece(place: int, text: str, *, reference: int = 1, total: int = 3) -> Segment:
    return Segment(
        number=PhoneNumber(NUMBERS[0]), source="1069", content=TextPart(text.encode("utf-16-be")),
        data_coding=8, reference=reference, total=total, part=place,
    )  # fmt: skip


@pytest.mark.parametrize("order", list(permutations([1, 2, 3])))
def test_pieces_make_the_whole_in_whatever_order_they_come(order: tuple[int, ...]) -> None:
    pieces, words = Reassembler(), {1: "退", 2: "订", 3: "。"}
    assert [pieces.add(piece(place, words[place]), 0) for place in order[:2]] == [None, None]
    assert pieces.add(piece(2, "订", reference=2), 0) is None  # of another message
    whole = pieces.add(piece(order[2], words[order[2]]), 0)
    assert whole == MobileOriginated(number=PhoneNumber(NUMBERS[0]), source="1069", text="退订。")


def texts(heard: list[MobileOriginated | UnreadableInbound]) -> list[str]:
    return [each.text for each in heard if isinstance(each, MobileOriginated)]


def test_what_does_not_come_is_not_waited_for_for_ever() -> None:
    pieces = Reassembler()
    pieces.add(piece(1, "退订"), 0)
    assert pieces.expire(REASSEMBLY_TIMEOUT_SECONDS) == []
    assert texts(pieces.expire(REASSEMBLY_TIMEOUT_SECONDS + 1)) == ["退订"]
    assert pieces.expire(REASSEMBLY_TIMEOUT_SECONDS + 2) == []


def test_unfinished_messages_are_not_hoarded() -> None:
    pieces = Reassembler()
    for reference in range(MAX_INCOMPLETE + 3):
        pieces.add(piece(1, f"number {reference}", reference=reference), 0)
    assert texts(pieces.expire(1)) == ["number 0", "number 1", "number 2"]


def submission(text: str) -> Submission:
    return Submission(
        number=PhoneNumber(NUMBERS[0]), source="106900", composed=compose(text), tag=9,
        valid_until=datetime(2026, 11, 11, 20, 30, tzinfo=timezone(timedelta(hours=8))),
        deadline=Deadline(1.0, lambda: 0.0),
    )  # fmt: skip


def test_a_short_text_goes_in_one_submission_with_its_validity() -> None:
    (part,) = submit_sm_arguments(submission("hello"), CarrierProfile())
    assert part["short_message"] == b"hello"
    assert part["validity_period"] == "261111123000000+"
    assert (part["data_coding"], part["registered_delivery"]) == (0, 1)
    assert "esm_class" not in part


def test_a_long_text_goes_in_segments_or_whole_as_the_carrier_wants_it() -> None:
    parts = list(
        submit_sm_arguments(submission("长" * 100), CarrierProfile(sends_validity_period=False))
    )
    assert [part["short_message"][:6] for part in parts] == [
        b"\5\0\3\x09\2\1", b"\5\0\3\x09\2\2",
    ]  # fmt: skip
    assert {part["esm_class"] for part in parts} == {0x40}
    assert not any("validity_period" in part for part in parts)
    (whole,) = submit_sm_arguments(
        submission("长" * 100), CarrierProfile(uses_message_payload=True)
    )
    (tlv,) = whole["tlvs"]
    assert (tlv.tag, tlv.value.decode("utf-16-be")) == (0x0424, "长" * 100)
    assert "short_message" not in whole


def test_what_a_carrier_wants_of_its_own_goes_with_every_part() -> None:
    profile = CarrierProfile(vendor_tlvs=((0x1400, b"1101"), (0x1401, b"1107")))
    for part in submit_sm_arguments(submission("长" * 100), profile):
        assert [(tlv.tag, tlv.value) for tlv in part["tlvs"]] == list(profile.vendor_tlvs)


def test_moments_are_told_in_utc() -> None:
    assert absolute_time(datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)) == "260102030405000+"


def test_a_url_configures_binds() -> None:
    url = (
        "smpps://esme%40x:pa%3Ass@smsc:3550?bind=pair&binds=3&window=10&payload=1&validity=0"
        "&system_type=VMA&tlv.0x1400=1101&tlv.0x1401=1107"
    )
    binds = BindConfig.parse_all(url)
    assert len(binds) == 3
    bind = binds[0]
    assert (bind.host, bind.port, bind.system_id, bind.password) == (
        "smsc",
        3550,
        "esme@x",
        "pa:ss",
    )
    assert (bind.is_tls, bind.is_transmitter_receiver_pair, bind.window, bind.system_type) == (
        True,
        True,
        10,
        "VMA",
    )
    assert bind.profile == CarrierProfile(
        uses_message_payload=True, sends_validity_period=False,
        vendor_tlvs=((0x1400, b"1101"), (0x1401, b"1107")),
    )  # fmt: skip
    assert "pa:ss" not in repr(bind)


@pytest.mark.parametrize(
    "option",
    [
        "bind=rx",
        "binds=0",
        "binds=17",
        "window=x",
        "window=",
        "tlv.0x0424=x",
        "tlv.y=x",
        "what=1",
        "region=XX",
        "msg-id-type=4",
    ],
)
def test_an_option_that_makes_no_sense_is_refused(option: str) -> None:
    with pytest.raises(SettingError, match="CONSENT_GATEWAY_URL"):
        BindConfig.parse_all(f"smpp://esme:secret@host?{option}")
