"""Reads deliver_sm PDUs: delivery reports, and segments of inbound messages."""

from collections.abc import Mapping
from typing import Final, NamedTuple, Protocol

import smpp34

from consent_tokens.consent.phone import NumberFormat, PhoneNumber
from consent_tokens.gateways.base import DeliveryReport, UnreadableInbound, UnreadableReason
from consent_tokens.gateways.inbound_text import TextPart, read_text
from consent_tokens.gateways.smpp.config import CarrierProfile
from consent_tokens.gateways.smpp.pdu import TLV_MESSAGE_PAYLOAD, UDHI
from consent_tokens.gateways.smpp.reassembly import Segment
from consent_tokens.gateways.smpp.reports import is_report, parse_report

# information elements (3GPP TS 23.040, 9.2.3.24)
CONCATENATED_8, CONCATENATED_16, SINGLE_SHIFT, LOCKING_SHIFT = 0x00, 0x08, 0x24, 0x25
TLV_SAR_REFERENCE, TLV_SAR_TOTAL, TLV_SAR_PART = 0x020C, 0x020E, 0x020F  # 5.3.2.22 to 24
NUMBER_FORMATS: Final = {1: NumberFormat.INTERNATIONAL, 2: NumberFormat.NATIONAL}  # TON (5.2.5)


class DeliverSm(Protocol):
    """The fields of a deliver_sm that are read."""

    @property
    def source_addr(self) -> str: ...
    @property
    def source_addr_ton(self) -> int: ...
    @property
    def destination_addr(self) -> str: ...
    @property
    def esm_class(self) -> int: ...
    @property
    def data_coding(self) -> int: ...
    @property
    def short_message(self) -> bytes: ...
    @property
    def tlvs(self) -> list[smpp34.Tlv]: ...


class _Header(NamedTuple):
    """What a user data header says: which segment this is, and its national language tables."""

    octets: int = 0  # its length, with the length octet
    place: tuple[int, int, int] | None = None  # reference, total and part
    single: int = 0
    locking: int = 0


def parse_deliver_sm(
    pdu: DeliverSm, profile: CarrierProfile
) -> DeliveryReport | Segment | UnreadableInbound | None:
    """Return what a deliver_sm is; None for a report of an interim status."""
    tlvs = {tlv.tag: tlv.value for tlv in pdu.tlvs}
    octets = pdu.short_message or tlvs.get(TLV_MESSAGE_PAYLOAD, b"")
    header = _parse_header(octets) if pdu.esm_class & UDHI and octets else _Header()
    content = TextPart(octets[header.octets :], header.octets, header.locking, header.single)
    text = _report_text(content, pdu.data_coding)
    if is_report(pdu.esm_class, tlvs, text):
        return parse_report(tlvs, text, profile)
    try:
        number = PhoneNumber.from_carrier(
            pdu.source_addr,
            profile.region,
            NUMBER_FORMATS.get(pdu.source_addr_ton, NumberFormat.UNKNOWN),
        )
    except ValueError:
        return UnreadableInbound(UnreadableReason.NUMBER)
    reference, total, part = header.place or _sar_parameters(tlvs)
    return Segment(
        number=number,
        source=pdu.destination_addr,
        content=content,
        data_coding=pdu.data_coding,
        reference=reference,
        total=total,
        part=part,
    )


def _report_text(content: TextPart, data_coding: int) -> str:
    """Return the text that a report would be: most are ASCII, whatever data_coding says."""
    octets = content.octets.rstrip(b"\0")
    if octets.isascii() and b"\0" not in octets:
        return octets.decode("ascii")
    return read_text([content], data_coding).text


def _sar_parameters(tlvs: Mapping[int, bytes]) -> tuple[int, int, int]:
    """Return reference, total and part from the sar_* parameters; without them (0, 1, 1)."""
    tags = (TLV_SAR_REFERENCE, TLV_SAR_TOTAL, TLV_SAR_PART)
    if not all(tag in tlvs for tag in tags):
        return 0, 1, 1
    reference, total, part = (int.from_bytes(tlvs[tag], "big") for tag in tags)
    return (reference, total, part) if 1 <= part <= total else (0, 1, 1)


def _parse_header(octets: bytes) -> _Header:
    """Return what a user data header says (3GPP TS 23.040, 9.2.3.24)."""
    length = 1 + octets[0]
    header, place = octets[1:length], None
    single = locking = 0
    while len(header) > 1:
        element, size = header[0], header[1]
        data, header = header[2 : 2 + size], header[2 + size :]
        if (element, len(data)) in {(CONCATENATED_8, 3), (CONCATENATED_16, 4)}:
            total, part = data[-2], data[-1]
            if 1 <= part <= total:
                place = int.from_bytes(data[:-2], "big"), total, part
        elif (element, len(data)) == (SINGLE_SHIFT, 1):
            single = data[0]
        elif (element, len(data)) == (LOCKING_SHIFT, 1):
            locking = data[0]
    return _Header(length, place, single, locking)
