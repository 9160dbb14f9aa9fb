"""Encodes submissions, and reads their responses.

Sections are of SMPP 3.4, issue 1.2.
"""

from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, Final

import smpp34

from consent_tokens.gateways.base import (
    Rejected,
    Submission,
    SubmitOutcome,
    Submitted,
    Throttled,
)
from consent_tokens.gateways.smpp.config import CarrierProfile
from consent_tokens.gateways.smpp.connection import OK, Response
from consent_tokens.gateways.smpp.message_ids import comparable_id
from consent_tokens.relay.composition import Coding

INTERNATIONAL, ISDN = 1, 1  # TON and NPI of E.164 numbers (5.2.5 and 5.2.6)
DATA_GSM, DATA_UCS2 = 0, 8  # data_coding (5.2.19)
UDHI: Final = 0x40  # esm_class (5.2.12): the text begins with a user data header
REQUEST_DELIVERY_RECEIPT: Final = 1  # registered_delivery (5.2.17)
SYSTEM_ERROR, QUEUE_FULL, THROTTLED = 0x08, 0x14, 0x58  # command_status (5.1.3)
RETRIABLE_STATUSES: Final = frozenset({SYSTEM_ERROR, QUEUE_FULL, THROTTLED})
TLV_MESSAGE_PAYLOAD: Final = 0x0424  # 5.3.2.32


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


def parse_submit_response(response: Response, profile: CarrierProfile) -> SubmitOutcome:
    """Return the outcome that a submit_sm_resp reports."""
    if response.command_status == OK:
        return Submitted(comparable_id(response.message_id, profile.response_id_base))
    if response.command_status in RETRIABLE_STATUSES:
        return Throttled()
    return Rejected(f"smpp_{response.command_status:#x}")
