"""`/receipts/{receipt_id}`: a signed receipt in plain words, and the check of its signature."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Self

from flask import Response, json

from consent_tokens.consent.notice import describe_frequency_cap
from consent_tokens.consent.purposes import Purpose
from consent_tokens.consent.scope import FrequencyCap
from consent_tokens.consent.timezones import Timezones, parse_timezones
from consent_tokens.crypto import jws
from consent_tokens.evidence.receipts import MAX_RECEIPT_FILE_LENGTH, Receipt, ReceiptFault
from consent_tokens.services.consents.receipts import check_receipt, find_receipt
from consent_tokens.web.consumer import blueprint, page
from consent_tokens.web.consumer import form_fields as form
from consent_tokens.web.consumer.locale import language
from consent_tokens.web.request_context import runtime

bp = blueprint("receipts")


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceiptContent:
    """What a receipt says, from its payload."""

    kind: str
    state: str
    at: datetime
    valid_until: datetime | None
    stopped_messages: int
    merchant: str
    purposes: list[str]
    limits: dict[str, Any]
    notice: dict[str, str]
    timezone: Timezones

    @property
    def frequency_cap(self) -> str:
        """Return the frequency cap in words; empty if it binds none of the purposes."""
        purposes = [Purpose(each) for each in self.purposes]
        if not any(each.is_limited for each in purposes):
            return ""
        cap = FrequencyCap(self.limits["max"], timedelta(days=self.limits["days"]))
        return describe_frequency_cap(cap, purposes, language())

    @classmethod
    def from_payload(cls, payload: dict[str, Any]) -> Self:
        """Return the content of a payload that this service signed."""
        event, processing = payload["events"][0], payload["processing"]
        until = event.get("valid_until")
        return cls(
            kind=payload["receipt_kind"],
            state=event["state"],
            at=datetime.fromisoformat(event["at"]),
            valid_until=datetime.fromisoformat(until) if until else None,
            stopped_messages=event.get("queued_messages_stopped", 0),
            merchant=payload["parties"][0]["name"],
            purposes=processing["purposes"],
            limits=processing["limits"],
            notice=payload["notice"],
            timezone=parse_timezones(processing["limits"]["tz"]),
        )


@bp.get("/receipts/<receipt_id>")
def show(receipt_id: str) -> Response:
    """Show a receipt."""
    receipt = find_receipt(runtime(), receipt_id)
    return page(
        "receipt.html",
        receipt_id=receipt_id,
        receipt=receipt,
        content=ReceiptContent.from_payload(_payload(receipt)),
    )


@bp.get("/receipts/check")
def ask_for_receipt() -> Response:
    """Ask for a receipt that was saved, to check it."""
    return page("receipt_check.html", fault=None, content=None, entered="")


@bp.post("/receipts/check")
def check() -> Response:
    """Verify a receipt with the published keys, and say in words what it covers."""
    text = form.text("receipt", MAX_RECEIPT_FILE_LENGTH)
    checked = check_receipt(runtime(), text)
    if isinstance(checked, ReceiptFault):
        return page("receipt_check.html", 422, fault=checked, content=None, entered=text)
    content = ReceiptContent.from_payload(checked)
    return page("receipt_check.html", fault=None, content=content, entered="")


@bp.get("/receipts/<receipt_id>.json")
def download(receipt_id: str) -> Response:
    """Return a receipt as a file: its payload, the JWS, and where the keys are."""
    receipt = find_receipt(runtime(), receipt_id)
    body = {
        "receipt": _payload(receipt),
        "jws": receipt.jws,
        "keys": f"{runtime().service.base_url}/.well-known/jwks.json",
    }
    response = Response(json.dumps(body, indent=2), content_type="application/json")
    response.headers["Content-Disposition"] = f'attachment; filename="receipt-{receipt_id}.json"'
    return response


def _payload(receipt: Receipt) -> Any:  # noqa: ANN401 - JSON
    return json.loads(jws.payload_of(receipt.jws))
