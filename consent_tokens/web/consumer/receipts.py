"""`/receipts/{id}`: a receipt, signed, and how to check it."""

from typing import Any

from flask import Response, json

from consent_tokens.crypto import jws
from consent_tokens.evidence.receipts import Receipt
from consent_tokens.services.consents.receipts import find_receipt
from consent_tokens.web.consumer import blueprint, page
from consent_tokens.web.request_context import app_context, runtime

bp = blueprint("receipts")


@bp.get("/receipts/<receipt_id>")
def show(receipt_id: str) -> Response:
    """Show a receipt."""
    found = find_receipt(runtime(), receipt_id)
    return page(
        "receipt.html",
        receipt_id=receipt_id,
        receipt=found,
        said=_payload(found),
        at=found.issued_at,
        zone=app_context().consent.default_timezone,
    )


@bp.get("/receipts/<receipt_id>.json")
def download(receipt_id: str) -> Response:
    """Hand over a receipt: what it says, and the JWS that proves it."""
    found = find_receipt(runtime(), receipt_id)
    body = {
        "receipt": _payload(found),
        "jws": found.jws,
        "keys": f"{runtime().service.base_url}/.well-known/jwks.json",
    }
    answer = Response(json.dumps(body, indent=2), content_type="application/json")
    answer.headers["Content-Disposition"] = f'attachment; filename="receipt-{receipt_id}.json"'
    return answer


def _payload(found: Receipt) -> Any:  # noqa: ANN401 - JSON
    return json.loads(jws.payload_of(found.jws))
