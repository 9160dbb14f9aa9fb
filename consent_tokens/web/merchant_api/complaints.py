"""`/v1/complaints`: that consumers complained, and why; never who."""

from typing import Any

from consent_tokens.services.idempotency import ApiResponse
from consent_tokens.store import complaints
from consent_tokens.store.complaints import Complaint
from consent_tokens.store.database import Transaction
from consent_tokens.web.merchant_api import blueprint, json_response, merchant_id
from consent_tokens.web.merchant_api.paging import Page, requested_page
from consent_tokens.web.request_context import world

doors = blueprint("complaints")


@doors.get("/complaints")
@json_response
def list_complaints() -> ApiResponse:
    """List the complaints about the merchant, the oldest first."""
    merchant, page = merchant_id(), requested_page()

    def question(transaction: Transaction) -> ApiResponse:
        if not world().database.has_wishes:
            return ApiResponse(200, {"items": [], "next": None})
        found = complaints.of_merchant(
            transaction, merchant, after=page.after, limit=page.limit + 1
        )
        last = found[page.limit - 1] if len(found) > page.limit else None
        cursor = Page.cursor(last.filed_at, last.key.id) if last else None
        return ApiResponse(
            200, {"items": [render(each) for each in found[: page.limit]], "next": cursor}
        )

    return world().database.read(question)


def render(found: Complaint) -> dict[str, Any]:
    """Return a complaint as its merchant sees it: nothing in it singles out a message."""
    return {
        "id": world().keyring.ids.complaint.encode(found.key),
        "reason": found.reason.value,
        "verdict": found.verdict.value,
        "state": found.status.value,
        "purpose": found.purpose,
        "filed_on": found.filed_at.date().isoformat(),
        "changed_on": found.changed_at.date().isoformat(),
    }
