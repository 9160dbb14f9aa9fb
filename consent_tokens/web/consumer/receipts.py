"""`/receipts/{id}`: a receipt, signed, and how to check it."""

from typing import Any

from flask import Response, json

from consent_tokens.crypto import jws
from consent_tokens.services.consents.receipts import receipt_at
from consent_tokens.store.receipts import Receipt
from consent_tokens.web.consumer import blueprint, page
from consent_tokens.web.request_context import world

doors = blueprint("receipts")


@doors.get("/receipts/<handle>")
def look(handle: str) -> Response:
    """Show a receipt."""
    found = receipt_at(world(), handle)
    return page(
        "receipt.html",
        handle=handle,
        receipt=found,
        said=_said(found),
        at=found.at,
        zone=world().zone,
    )


@doors.get("/receipts/<handle>.json")
def as_file(handle: str) -> Response:
    """Hand over a receipt: what it says, and the JWS that proves it."""
    found = receipt_at(world(), handle)
    body = {
        "receipt": _said(found),
        "jws": found.jws,
        "keys": f"{world().base_url}/.well-known/jwks.json",
    }
    answer = Response(json.dumps(body, indent=2), content_type="application/json")
    answer.headers["Content-Disposition"] = f'attachment; filename="receipt-{handle}.json"'
    return answer


def _said(found: Receipt) -> Any:  # noqa: ANN401 - JSON
    return json.loads(jws.payload_of(found.jws))
