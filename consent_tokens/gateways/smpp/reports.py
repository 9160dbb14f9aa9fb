"""Reads delivery reports in deliver_sm PDUs: their optional parameters, and their text.

The text is that of SMPP 3.4, appendix B, as carriers really write it: other words, other blanks,
UCS-2. The words and codes of Chinese carriers are in the status lists that SMS providers publish:
MK, MI, MN, CB and others: not delivered; MA:0001, HD:0001, SC:0016, BLACK: on a blacklist.
"""

import re
import unicodedata
from collections.abc import Mapping
from typing import Final

from consent_tokens.gateways.base import (
    DeliveryReport,
    ReportedOutcome,
    UnreadableInbound,
    UnreadableReason,
)
from consent_tokens.gateways.smpp.config import CarrierProfile
from consent_tokens.gateways.smpp.message_ids import comparable_id

MESSAGE_TYPE_MASK: Final = 0x3C  # esm_class of a deliver_sm (5.2.12)
REPORT_TYPES: Final = frozenset({0x04, 0x20})  # delivery receipt, intermediate notification
TLV_RECEIPTED_MESSAGE_ID, TLV_NETWORK_ERROR, TLV_MESSAGE_STATE = 0x1E, 0x0423, 0x0427  # 5.3.2
GSM_UNKNOWN_SUBSCRIBER: Final = b"\x03\x00\x01"  # network GSM, MAP error 1 (3GPP TS 29.002, 17.6)
# message_state (5.2.28, and SMPP 5.0, 4.7.15) as the words of appendix B
MESSAGE_STATES: Final = {
    0: "ENROUTE", 1: "ENROUTE", 2: "DELIVRD", 3: "EXPIRED", 4: "DELETED", 5: "UNDELIV",
    6: "ACCEPTD", 7: "UNKNOWN", 8: "REJECTD", 9: "UNDELIV",
}  # fmt: skip
MAX_STATUS_LENGTH: Final = 40  # the column messages.reason
INTERIM: Final = frozenset(
    {"ENROUTE", "EN_ROUTE", "ACCEPTD", "ACCEPTED", "BUFFERED", "SCHEDULED", "UNKNOWN"}
)
DELIVERED: Final = frozenset({
    "DELIVRD", "DELIVERED", "DELIVERD", "DELIVRED", "DELIVED", "DELIV", "DELIVERED_TO_HANDSET",
    "DELIVEREDTOTERMINAL", "SUCCESS", "OK", "0", "00", "000", "0000",
})  # fmt: skip
UNDELIVERABLE: Final = frozenset({
    "UNDELIV", "UNDELIVERED", "UNDELIVERABLE", "UNDELIVRD", "UNDELIVERD", "UNDELIVD", "EXPIRED",
    "EXPIRD", "DELETED", "REJECTD", "REJECTED", "REJECT", "FAILED", "FAIL",
})  # fmt: skip
REFUSED: Final = frozenset(
    {"SC:0016", "MA:0001", "MA:0023", "HD:0001", "BLOCKED", "PUBLOKD", "UNSUBSCRIBE"}
)
BLACKLIST = re.compile(r"BLACK|BLKL")
CARRIER_CODE = re.compile(r"[A-Z]{2,4}[:_]?-?\d{1,6}")  # a code of an error: MK:0001, SGIP:-23
START: Final = r"(?<![a-z0-9])"  # also behind `_`: message_id
LABEL = re.compile(rf"{START}(id|sub|dlvrd|submit ?date|done ?date|stat|err)\s*[:=]", re.IGNORECASE)
MIN_LABELS: Final = 2  # what has so many is a report, not what a consumer wrote
TEXT_LABEL = re.compile(r"\btext\s*[:=]", re.IGNORECASE)
NO_LABEL: Final = r"(?!(?:sub|dlvrd|submit|done|stat|err|text)\b[\w ]*[:=])"
VALUE: Final = rf"\s*[:=][\s\"']*{NO_LABEL}"
ID = re.compile(rf"{START}id{VALUE}([^\s,;\"']+)", re.IGNORECASE)
STATUS = re.compile(rf"{START}stat{VALUE}([\w:+-]+)", re.IGNORECASE)  # ID:0076 is a code
ERROR = re.compile(rf"{START}err{VALUE}(\w+)", re.IGNORECASE)


def is_report(esm_class: int, tlvs: Mapping[int, bytes], text: str) -> bool:
    """Whether a deliver_sm is a delivery report: by its type, its parameters, or its text.

    Carriers leave out the type. What is a report in one of these ways is never a reply.
    """
    return (
        esm_class & MESSAGE_TYPE_MASK in REPORT_TYPES
        or TLV_RECEIPTED_MESSAGE_ID in tlvs
        or TLV_MESSAGE_STATE in tlvs
        or has_report_form(text)
    )


def has_report_form(text: str) -> bool:
    """Whether a text has the labels of a report; the text of the message in it does not count."""
    labels = {label.lower() for label in LABEL.findall(_without_message(text))}
    return len(labels) >= MIN_LABELS and not labels.isdisjoint({"id", "stat"})


def parse_report(
    tlvs: Mapping[int, bytes], text: str, profile: CarrierProfile
) -> DeliveryReport | UnreadableInbound | None:
    """Return a delivery report; None if its status is an interim one."""
    fields = _without_message(text)
    message_id = _message_id(tlvs, fields, profile)
    word = _status_word(tlvs, fields)
    if message_id is None or word is None:
        return UnreadableInbound(UnreadableReason.REPORT)
    if word in INTERIM:
        return None
    error = ERROR.search(fields)
    codes = {word.lower(), f"err:{error[1].lower()}" if error else ""}
    outcome = _outcome(word, codes, profile)
    is_deactivated = tlvs.get(TLV_NETWORK_ERROR) == GSM_UNKNOWN_SUBSCRIBER or not (
        profile.deactivated_codes.isdisjoint(codes)
    )
    return DeliveryReport(
        message_id,
        outcome,
        word[:MAX_STATUS_LENGTH],
        is_deactivated=is_deactivated and outcome is not ReportedOutcome.DELIVERED,
    )


def _without_message(text: str) -> str:
    """Return a report's text without the beginning of the message, which it ends with."""
    plain = unicodedata.normalize("NFKC", text).replace("\0", " ")
    return TEXT_LABEL.split(plain, maxsplit=1)[0]


def _message_id(tlvs: Mapping[int, bytes], fields: str, profile: CarrierProfile) -> str | None:
    named = tlvs.get(TLV_RECEIPTED_MESSAGE_ID, b"").rstrip(b"\0").decode("ascii", "replace")
    if not named:
        match = ID.search(fields)
        named = match[1] if match else ""
    return comparable_id(named, profile.report_id_base)


def _status_word(tlvs: Mapping[int, bytes], fields: str) -> str | None:
    """Return the word of the status; that of message_state, unless the text is more exact."""
    match = STATUS.search(fields)
    written = match[1].upper() if match else None
    state = tlvs.get(TLV_MESSAGE_STATE)
    word = MESSAGE_STATES.get(int.from_bytes(state, "big")) if state else None
    is_exact = written is not None and written not in INTERIM | DELIVERED | UNDELIVERABLE
    return written if word is None or (word in UNDELIVERABLE and is_exact) else word


def _outcome(word: str, codes: set[str], profile: CarrierProfile) -> ReportedOutcome:
    if word in DELIVERED:
        return ReportedOutcome.DELIVERED
    if word in REFUSED or BLACKLIST.search(word) or not profile.refused_codes.isdisjoint(codes):
        return ReportedOutcome.REFUSED
    if word in UNDELIVERABLE or CARRIER_CODE.fullmatch(word):
        return ReportedOutcome.UNDELIVERABLE
    is_known_failure = not profile.deactivated_codes.isdisjoint(codes)
    return ReportedOutcome.UNDELIVERABLE if is_known_failure else ReportedOutcome.UNKNOWN
