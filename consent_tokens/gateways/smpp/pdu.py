"""Encodes and decodes SMPP PDUs (SMPP 3.4, issue 1.2; sections are of that specification)."""

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
MESSAGE_TYPE_MASK, DELIVERY_RECEIPT = 0x3C, 0x04  # esm_class of a deliver_sm
REQUEST_DELIVERY_RECEIPT: Final = 1  # registered_delivery (5.2.17)
SYSTEM_ERROR, QUEUE_FULL, THROTTLED = 0x08, 0x14, 0x58  # command_status (5.1.3)
RETRIABLE_STATUSES: Final = frozenset({SYSTEM_ERROR, QUEUE_FULL, THROTTLED})
MESSAGE_STATES: Final = {2: "DELIVRD", 3: "EXPIRED", 4: "DELETED", 5: "UNDELIV", 8: "REJECTD"}
MAX_STATUS_LENGTH: Final = 40  # the column messages.reason
INTERIM_STATUSES: Final = frozenset({"ENROUTE", "ACCEPTD", "UNKNOWN"})
REPORT = re.compile(
    rb"id:(?P<id>\S+).*?stat:(?P<stat>[A-Z0-9:_-]+)(?:.*?err:(?P<err>[A-Z0-9]+))?",
    re.DOTALL | re.IGNORECASE,
)
GSM_UNKNOWN_SUBSCRIBER: Final = b"\x03\x00\x01"  # network GSM, MAP error 1 (3GPP TS 29.002, 17.6)
TLV_RECEIPTED_MESSAGE_ID, TLV_MESSAGE_PAYLOAD, TLV_MESSAGE_STATE = 0x1E, 0x0424, 0x0427  # 5.3.2
TLV_NETWORK_ERROR = 0x0423
TLV_SAR_REFERENCE, TLV_SAR_TOTAL, TLV_SAR_PART = 0x020C, 0x020E, 0x020F
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
        bytes([5, 0, 3, submission.tag, len(segments), part])
        for part in range(1, len(segments) + 1)
    )
    return [
        common | {"short_message": header + segment}
        for header, segment in zip(headers, segments, strict=True)
    ]


@lru_cache(maxsize=1024)
def absolute_time(moment: datetime) -> str:
    """Return a time in SMPP's absolute format: YYMMDDhhmmsstnnp, in UTC (7.1.1)."""
    return f"{moment.astimezone(UTC):%y%m%d%H%M%S}000+"


def parse_submit_response(response: smpp34.SubmitSmResp) -> SubmitOutcome:
    """Return the outcome that a submit_sm_resp reports."""
    if response.is_success:
        return Submitted(response.message_id or None)
    if response.command_status in RETRIABLE_STATUSES:
        return Throttled()
    return Rejected(f"smpp_{response.command_status:#x}")


def parse_delivery_report(
    event: smpp34.DeliverSmEvent, profile: CarrierProfile | None = None
) -> DeliveryReport | None:
    """Return the final report in a deliver_sm: from its TLVs, else from its text (appendix B).

    Returns None for an interim status, and for text in another format.
    """
    tlvs = _tlvs(event)
    deactivated_codes = profile.deactivated_codes if profile else frozenset()
    is_deactivated = tlvs.get(TLV_NETWORK_ERROR) == GSM_UNKNOWN_SUBSCRIBER
    state, message_id = tlvs.get(TLV_MESSAGE_STATE), tlvs.get(TLV_RECEIPTED_MESSAGE_ID)
    if message_id and state:
        status = MESSAGE_STATES.get(int.from_bytes(state, "big"))
        if status is None:
            return None
        return _report(message_id.rstrip(b"\0"), status, is_deactivated=is_deactivated)
    match = REPORT.search(_message_octets(event, tlvs))
    if match is None:
        return None
    status = match["stat"].decode("ascii").upper()
    if status in INTERIM_STATUSES:
        return None
    error = f"err:{(match['err'] or b'').decode('ascii').lower()}"
    is_deactivated = is_deactivated or not deactivated_codes.isdisjoint({status.lower(), error})
    return _report(match["id"], status, is_deactivated=is_deactivated)


def is_delivery_report(event: smpp34.DeliverSmEvent) -> bool:
    """Whether a deliver_sm is a delivery report, not an inbound message."""
    return event.esm_class & MESSAGE_TYPE_MASK == DELIVERY_RECEIPT


def parse_segment(event: smpp34.DeliverSmEvent) -> Segment | None:
    """Return the segment of an inbound message in a deliver_sm; None if the source is no number."""
    try:
        number = PhoneNumber.parse("+" + event.source_addr.lstrip("+"))
    except ValueError:
        return None
    tlvs = _tlvs(event)
    octets = _message_octets(event, tlvs)
    reference, total, part = _sar_parameters(tlvs)
    if event.esm_class & UDHI and octets:
        header, octets = octets[1 : 1 + octets[0]], octets[1 + octets[0] :]
        reference, total, part = _concatenation_header(header) or (reference, total, part)
    return Segment(
        number=number,
        source=event.destination_addr,
        text=_decode_text(octets, event.data_coding),
        reference=reference,
        total=total,
        part=part,
    )


def _report(message_id: bytes, status: str, *, is_deactivated: bool) -> DeliveryReport:
    was_delivered = status == "DELIVRD"
    return DeliveryReport(
        message_id.decode("ascii", errors="replace"),
        was_delivered=was_delivered,
        status_text=status[:MAX_STATUS_LENGTH],
        is_deactivated=is_deactivated and not was_delivered,
    )


def _tlvs(event: smpp34.DeliverSmEvent) -> dict[int, bytes]:
    return {tlv.tag: tlv.value for tlv in event.tlvs}


def _message_octets(event: smpp34.DeliverSmEvent, tlvs: Mapping[int, bytes]) -> bytes:
    return event.short_message or tlvs.get(TLV_MESSAGE_PAYLOAD, b"")


def _sar_parameters(tlvs: Mapping[int, bytes]) -> tuple[int, int, int]:
    """Return reference, total and part from the sar_* parameters; without them (0, 1, 1)."""
    tags = (TLV_SAR_REFERENCE, TLV_SAR_TOTAL, TLV_SAR_PART)
    if not all(tag in tlvs for tag in tags):
        return 0, 1, 1
    reference, total, part = (int.from_bytes(tlvs[tag], "big") for tag in tags)
    return (reference, total, part) if 1 <= part <= total else (0, 1, 1)


def _concatenation_header(header: bytes) -> tuple[int, int, int] | None:
    """Return reference, total and part from a user data header (TS 23.040, 9.2.3.24.1 and .8)."""
    while len(header) > 1:
        element, length = header[0], header[1]
        data, header = header[2 : 2 + length], header[2 + length :]
        if (element, len(data)) in {(CONCATENATED_8, 3), (CONCATENATED_16, 4)}:
            total, part = data[-2], data[-1]
            if 1 <= part <= total:
                return int.from_bytes(data[:-2], "big"), total, part
    return None


def _decode_text(octets: bytes, data_coding: int) -> str:
    if data_coding == DATA_UCS2:
        return decode_octets(octets, Coding.UCS2)
    if data_coding in {DATA_ASCII, DATA_LATIN1}:
        return octets.decode("latin-1")
    return decode_octets(octets, Coding.GSM7)
