"""Consent and withdrawal receipts for consumers, as payloads of a JWS.

Follows ISO/IEC TS 27560:2023 (consent record and receipt): header, notice, parties, processing,
events. A receipt does not contain the phone number.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

from consent_tokens.consent.grant import EndReason, Grant
from consent_tokens.consent.notice import Notice
from consent_tokens.consent.purposes import in_catalogue_order
from consent_tokens.consent.scope import SMS, format_time_of_day
from consent_tokens.crypto import jws
from consent_tokens.crypto.encoding import decode, encode
from consent_tokens.crypto.keys import VerifyingKey
from consent_tokens.errors import TokenSignatureError
from consent_tokens.row_key import RowKey

SCHEMA: Final = "ISO/IEC TS 27560:2023"
MAX_RECEIPT_FILE_LENGTH: Final = 30_000  # characters of a saved file: the JWS and its payload
END_STATES: Final = {EndReason.EXPIRY: "expired", EndReason.REPLACED: "replaced"}


class ReceiptKind(StrEnum):
    """Whether a receipt is for a consent or for its withdrawal."""

    CONSENT = "consent"
    WITHDRAWAL = "withdrawal"


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """One signed receipt, with a row key of its own in the recipient's partition."""

    key: RowKey
    kind: str
    grant_id: int
    issued_at: datetime
    jws: str


class ReceiptFault(StrEnum):
    """Why a text is not a receipt that this service signed."""

    NOT_A_RECEIPT = "not_a_receipt"
    UNKNOWN_KEY = "unknown_key"  # of no published key, or not of the type of receipts
    ALTERED = "altered"  # the signature does not fit, or the file says other than what is signed


@dataclass(frozen=True, slots=True, kw_only=True)
class Parties:
    """The parties and ids that a receipt names, and the notice that was shown."""

    issuer: str
    base_url: str  # where the consumer pages are
    receipt: str  # public id of the receipt
    grant: str  # public id of the grant
    merchant: str  # name
    notice: Notice


@dataclass(frozen=True, slots=True, kw_only=True)
class Propagation:
    """How far a withdrawal had taken effect when it was recorded."""

    stopped_messages: int  # queued messages that were refused
    last_submitted_at: datetime | None  # of the last message before it


def consent_receipt(grant: Grant, parties: Parties) -> bytes:
    """Return the payload of a receipt for a consent."""
    event = {
        "state": "given",
        "at": grant.granted_at.isoformat(),
        "by": "consumer",
        "valid_until": grant.scope.ends_at.isoformat(),
    }
    return _payload(ReceiptKind.CONSENT, grant, parties, event, grant.granted_at)


def withdrawal_receipt(
    grant: Grant, parties: Parties, reason: EndReason, propagation: Propagation
) -> bytes:
    """Return the payload of a receipt for the end of a grant."""
    last = propagation.last_submitted_at
    event = {
        "state": END_STATES.get(reason, "withdrawn"),
        "at": grant.status_since.isoformat(),
        "by": reason.value,
        "key_destroyed": True,
        "queued_messages_stopped": propagation.stopped_messages,
        "last_handed_over_before": last.isoformat() if last else None,
    }
    return _payload(ReceiptKind.WITHDRAWAL, grant, parties, event, grant.status_since)


def verify_receipt(text: str, keys: Iterable[VerifyingKey]) -> dict[str, Any] | ReceiptFault:
    """Return the payload of a receipt, if one of `keys` signed it (RFC 7515, 5.2; RFC 8037, 3.1).

    `text` is the JWS in compact form, or the JSON file in which the service hands it out.
    """
    compact, claimed = _saved_receipt(text)
    head, _, rest = compact.partition(".")
    body, _, signature = rest.partition(".")
    if not (head and body and signature):
        return ReceiptFault.NOT_A_RECEIPT
    key = {jws.header(each.kid, jws.RECEIPT_TYPE): each for each in keys}.get(head)
    if key is None:
        return ReceiptFault.UNKNOWN_KEY
    try:
        jws.check_signature(decode(signature), f"{head}.{body}".encode("ascii"), key)
        payload: dict[str, Any] = json.loads(decode(body))
    except (TokenSignatureError, ValueError):
        return ReceiptFault.ALTERED
    return ReceiptFault.ALTERED if claimed not in (None, payload) else payload


def _saved_receipt(text: str) -> tuple[str, object]:
    """Return the JWS in a text, and the payload that the file shows beside it, if any."""
    try:
        file = json.loads(text)
    except (ValueError, RecursionError):
        return "".join(text.split()), None
    if not isinstance(file, dict) or not isinstance(file.get("jws"), str):
        return "", None
    return file["jws"], file.get("receipt")


def _payload(
    kind: ReceiptKind, grant: Grant, parties: Parties, event: dict[str, Any], at: datetime
) -> bytes:
    scope = grant.scope
    body = {
        "iss": parties.issuer,
        "jti": parties.receipt,
        "iat": int(at.timestamp()),
        "schema_version": SCHEMA,
        "receipt_kind": kind.value,
        "record_id": parties.grant,
        "notice": {
            "language": parties.notice.language,
            "text": parties.notice.text,
            "sha256": encode(parties.notice.digest),
        },
        "parties": [
            {"role": "pii_controller", "id": grant.merchant_id, "name": parties.merchant},
            {"role": "pii_processor", "id": parties.issuer},
        ],
        "processing": {
            "purposes": [purpose.value for purpose in in_catalogue_order(scope.purposes)],
            "lawful_basis": "consent",
            "pii": ["mobile number, sealed: the controller never holds it"],
            "channels": [SMS],
            "limits": {
                "max": scope.frequency_cap.limit,
                "days": scope.frequency_cap.window.days,
                "from": format_time_of_day(scope.send_window.opens),
                "to": format_time_of_day(scope.send_window.closes),
                "tz": scope.send_window.timezone_names,
            },
        },
        "events": [event],
        "withdrawal_method": f"{parties.base_url}/my",
    }
    return json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()
