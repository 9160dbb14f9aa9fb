"""`/v1/complaints`: that consumers complained, and why; never who."""

from typing import Any

from consent_tokens.evidence.complaints import Complaint
from consent_tokens.services.complaints import complaints_of_merchant
from consent_tokens.services.idempotency import ApiResponse
from consent_tokens.web.merchant_api import blueprint, json_response, merchant_id
from consent_tokens.web.merchant_api.paging import requested_page
from consent_tokens.web.request_context import runtime

bp = blueprint("complaints")


@bp.get("/complaints")
@json_response
def list_complaints() -> ApiResponse:
    """List the complaints about the merchant, the oldest first."""
    merchant, page = merchant_id(), requested_page()
    found = complaints_of_merchant(runtime(), merchant, after=page.after, limit=page.lookahead)
    return page.response(found, lambda each: (each.filed_at, each.key.id), render)


def render(complaint: Complaint) -> dict[str, Any]:
    """Return a complaint as its merchant sees it: nothing in it singles out a message."""
    return {
        "id": runtime().ids.complaint.encode(complaint.key),
        "reason": complaint.reason.value,
        "verdict": complaint.verdict.value,
        "status": complaint.status.value,
        "purpose": complaint.purpose,
        "filed_on": complaint.filed_at.date().isoformat(),
        "changed_on": complaint.changed_at.date().isoformat(),
    }
