"""Consent and withdrawal receipts for consumers, as payloads of a JWS.

Follows ISO/IEC TS 27560:2023 (consent record and receipt): header, notice, parties, processing,
events. A receipt does not contain the phone number.
"""

import json
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

from consent_tokens.consent.grant import EndReason, Grant
from consent_tokens.consent.notice import Notice
from consent_tokens.consent.purposes import in_catalogue_order
from consent_tokens.consent.scope import SMS, format_time_of_day
from consent_tokens.crypto.encoding import encode
from consent_tokens.row_key import RowKey

SCHEMA: Final = "ISO/IEC TS 27560:2023"
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
