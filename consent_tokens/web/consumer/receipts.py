"""`/receipts/{id}`: a receipt, signed, and how to check it."""

from typing import Any

from flask import Response, json

from consent_tokens.crypto import jws
from consent_tokens.services.consents.receipts import find_receipt
from consent_tokens.store.receipts import Receipt
from consent_tokens.web.consumer import blueprint, page
from consent_tokens.web.request_context import world

doors = blueprint("receipts")


@doors.get("/receipts/<handle>")
def show(handle: str) -> Response:
    """Show a receipt."""
    found = find_receipt(world(), handle)
    return page(
        "receipt.html",
        handle=handle,
        receipt=found,
        said=_payload(found),
        at=found.issued_at,
        zone=world().default_timezone,
    )


@doors.get("/receipts/<handle>.json")
def download(handle: str) -> Response:
    """Hand over a receipt: what it says, and the JWS that proves it."""
    found = find_receipt(world(), handle)
    body = {
        "receipt": _payload(found),
        "jws": found.jws,
        "keys": f"{world().base_url}/.well-known/jwks.json",
    }
    answer = Response(json.dumps(body, indent=2), content_type="application/json")
    answer.headers["Content-Disposition"] = f'attachment; filename="receipt-{handle}.json"'
    return answer


def _payload(found: Receipt) -> Any:  # noqa: ANN401 - JSON
    return json.loads(jws.payload_of(found.jws))
