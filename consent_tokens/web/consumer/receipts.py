"""`/receipts/{receipt_id}`: a signed receipt, and how to verify it."""

from typing import Any

from flask import Response, json

from consent_tokens.consent.timezones import parse_timezones
from consent_tokens.crypto import jws
from consent_tokens.evidence.receipts import Receipt
from consent_tokens.services.consents.receipts import find_receipt
from consent_tokens.web.consumer import blueprint, page
from consent_tokens.web.request_context import runtime

bp = blueprint("receipts")


@bp.get("/receipts/<receipt_id>")
def show(receipt_id: str) -> Response:
    """Show a receipt."""
    receipt = find_receipt(runtime(), receipt_id)
    payload = _payload(receipt)
    return page(
        "receipt.html",
        receipt_id=receipt_id,
        receipt=receipt,
        payload=payload,
        timezone=parse_timezones(payload["processing"]["limits"]["tz"]),
    )


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
