"""What goes over an SMPP line, in the words of the specification (SMPP 3.4, issue 1.2)."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, Final

import smpp34

from consent_tokens.consent.phone import PhoneNumber
from consent_tokens.gateways.base import (
    DeliveryReport,
    Rejected,
    Submission,
    SubmitOutcome,
    Submitted,
    Throttled,
)
from consent_tokens.gateways.smpp.config import CarrierProfile
from consent_tokens.gateways.smpp.reassembly import Segment
from consent_tokens.relay.composition import Coding, decode_octets

INTERNATIONAL, ISDN = 1, 1  # TON and NPI of E.164 numbers (5.2.5 and 5.2.6)
DATA_GSM, DATA_ASCII, DATA_LATIN1, DATA_UCS2 = 0, 1, 3, 8  # data_coding (5.2.19)
UDHI: Final = 0x40  # esm_class (5.2.12): the text begins with a user data header
MESSAGE_TYPE_MASK, DELIVERY_RECEIPT = 0x3C, 0x04  # esm_class: what a deliver_sm is
REQUEST_DELIVERY_RECEIPT: Final = 1  # registered_delivery (5.2.17)
SYSTEM_ERROR, QUEUE_FULL, THROTTLED = 0x08, 0x14, 0x58  # command_status (5.1.3)
RETRIABLE_STATUSES: Final = frozenset({SYSTEM_ERROR, QUEUE_FULL, THROTTLED})
MESSAGE_STATES: Final = {2: "DELIVRD", 3: "EXPIRED", 4: "DELETED", 5: "UNDELIV", 8: "REJECTD"}
INTERIM_STATUSES: Final = frozenset({"ENROUTE", "ACCEPTD", "UNKNOWN"})
REPORT = re.compile(
    rb"id:(?P<id>\S+).*?stat:(?P<stat>[A-Z0-9:_-]+)(?:.*?err:(?P<err>[A-Z0-9]+))?",
    re.DOTALL | re.IGNORECASE,
)
GSM_UNKNOWN_SUBSCRIBER: Final = b"\x03\x00\x01"  # network GSM, MAP error 1 (3GPP TS 29.002, 17.6)
TLV_RECEIPTED_MESSAGE_ID, TLV_MESSAGE_PAYLOAD, TLV_MESSAGE_STATE = 0x1E, 0x0424, 0x0427  # 5.3.2
TLV_NETWORK_ERROR = 0x0423
TLV_SAR_REFERENCE, TLV_SAR_TOTAL, TLV_SAR_PLACE = 0x020C, 0x020E, 0x020F
CONCATENATED_8, CONCATENATED_16 = 0x00, 0x08  # information elements (3GPP TS 23.040, 9.2.3.24)


def submit_sm_arguments(submission: Submission, profile: CarrierProfile) -> list[dict[str, Any]]:
    """Return the arguments of each submit_sm of one message, in order."""
    is_ucs2 = submission.composed.coding is Coding.UCS2
    segments = submission.composed.segments
    common: dict[str, Any] = {
        "destination_addr": submission.number.reveal().removeprefix("+"),
        "dest_addr_ton": INTERNATIONAL,
        "dest_addr_npi": ISDN,
        "source_addr": submission.source,
        "data_coding": DATA_UCS2 if is_ucs2 else DATA_GSM,
        "registered_delivery": REQUEST_DELIVERY_RECEIPT,
    }
    if profile.vendor_tlvs:
        common["tlvs"] = [smpp34.Tlv(tag, value) for tag, value in profile.vendor_tlvs]
    if profile.sends_validity_period:
        common["validity_period"] = absolute_time(submission.valid_until)
    if len(segments) == 1:
        common["short_message"] = segments[0]
        return [common]
    if profile.uses_message_payload:
        whole = smpp34.Tlv(TLV_MESSAGE_PAYLOAD, b"".join(segments))
        return [common | {"tlvs": [*common.get("tlvs", ()), whole]}]
    common["esm_class"] = UDHI
    headers = (
        bytes([5, 0, 3, submission.tag, len(segments), place])
        for place in range(1, len(segments) + 1)
    )
    return [
        common | {"short_message": header + segment}
        for header, segment in zip(headers, segments, strict=True)
    ]


@lru_cache(maxsize=1024)
def absolute_time(moment: datetime) -> str:
    """Return a moment as SMPP writes it: YYMMDDhhmmsstnnp, in UTC (7.1.1)."""
    return f"{moment.astimezone(UTC):%y%m%d%H%M%S}000+"


def parse_submit_response(answer: smpp34.SubmitSmResp) -> SubmitOutcome:
    """Return what a submit_sm_resp says: taken, later, or never."""
    if answer.is_success:
        return Submitted(answer.message_id or None)
    if answer.command_status in RETRIABLE_STATUSES:
        return Throttled()
    return Rejected(f"smpp_{answer.command_status:#x}")


def parse_delivery_report(
    event: smpp34.DeliverSmEvent, profile: CarrierProfile | None = None
) -> DeliveryReport | None:
    """Return the final report in a deliver_sm: by TLV if it has any, else in the usual text (B)."""
    tlvs = _tlvs(event)
    gone = profile.deactivated_codes if profile else frozenset()
    is_gone = tlvs.get(TLV_NETWORK_ERROR) == GSM_UNKNOWN_SUBSCRIBER
    state, named = tlvs.get(TLV_MESSAGE_STATE), tlvs.get(TLV_RECEIPTED_MESSAGE_ID)
    if named and state:
        code = MESSAGE_STATES.get(int.from_bytes(state, "big"))
        return _report(named.rstrip(b"\0"), code, is_gone=is_gone) if code else None
    match = REPORT.search(_message_octets(event, tlvs))
    if match is None:
        return None
    code = match["stat"].decode("ascii").upper()
    error = f"err:{(match['err'] or b'').decode('ascii').lower()}"
    is_gone = is_gone or code.lower() in gone or error in gone
    return None if code in INTERIM_STATUSES else _report(match["id"], code, is_gone=is_gone)


def is_delivery_report(event: smpp34.DeliverSmEvent) -> bool:
    """Whether a deliver_sm tells what became of a message, rather than bringing one."""
    return event.esm_class & MESSAGE_TYPE_MASK == DELIVERY_RECEIPT


def parse_segment(event: smpp34.DeliverSmEvent) -> Segment | None:
    """Return the piece of an inbound message in a deliver_sm; None if it comes from no number."""
    try:
        number = PhoneNumber.parse("+" + event.source_addr.lstrip("+"))
    except ValueError:
        return None
    tlvs = _tlvs(event)
    octets = _message_octets(event, tlvs)
    reference, total, place = _sar_parameters(tlvs)
    if event.esm_class & UDHI and octets:
        header, octets = octets[1 : 1 + octets[0]], octets[1 + octets[0] :]
        reference, total, place = _concatenation_header(header) or (reference, total, place)
    return Segment(
        number=number,
        source=event.destination_addr,
        text=_decode_text(octets, event.data_coding),
        reference=reference,
        total=total,
        part=place,
    )


def _report(gateway_id: bytes, code: str, *, is_gone: bool) -> DeliveryReport:
    named = gateway_id.decode("ascii", errors="replace")
    was_delivered = code == "DELIVRD"
    return DeliveryReport(
        named,
        was_delivered=was_delivered,
        status_text=code[:40],
        is_deactivated=is_gone and not was_delivered,
    )


def _tlvs(event: smpp34.DeliverSmEvent) -> dict[int, bytes]:
    return {tlv.tag: tlv.value for tlv in event.tlvs}


def _message_octets(event: smpp34.DeliverSmEvent, tlvs: Mapping[int, bytes]) -> bytes:
    return event.short_message or tlvs.get(TLV_MESSAGE_PAYLOAD, b"")


def _sar_parameters(tlvs: Mapping[int, bytes]) -> tuple[int, int, int]:
    """Return reference, total and place by the sar_* parameters; one of one without them."""
    asked = (TLV_SAR_REFERENCE, TLV_SAR_TOTAL, TLV_SAR_PLACE)
    if not all(tag in tlvs for tag in asked):
        return 0, 1, 1
    reference, total, place = (int.from_bytes(tlvs[tag], "big") for tag in asked)
    return (reference, total, place) if 1 <= place <= total else (0, 1, 1)


def _concatenation_header(header: bytes) -> tuple[int, int, int] | None:
    """Return reference, total and place in a user data header (TS 23.040, 9.2.3.24.1 and .8)."""
    while len(header) > 1:
        element, length = header[0], header[1]
        data, header = header[2 : 2 + length], header[2 + length :]
        if (element, len(data)) in {(CONCATENATED_8, 3), (CONCATENATED_16, 4)}:
            total, place = data[-2], data[-1]
            if 1 <= place <= total:
                return int.from_bytes(data[:-2], "big"), total, place
    return None


def _decode_text(octets: bytes, data_coding: int) -> str:
    if data_coding == DATA_UCS2:
        return decode_octets(octets, Coding.UCS2)
    if data_coding in {DATA_ASCII, DATA_LATIN1}:
        return octets.decode("latin-1")
    return decode_octets(octets, Coding.GSM7)
