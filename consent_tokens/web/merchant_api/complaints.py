"""`/v1/complaints`: how many consumers complained on a day, and why; never who."""

from datetime import UTC, datetime, time
from typing import Any

from consent_tokens.services.complaints import complaints_of_merchant
from consent_tokens.web.merchant_api.answers import ComplaintPage
from consent_tokens.web.merchant_api.blueprint import ApiBlueprint
from consent_tokens.web.merchant_api.paging import list_page
from consent_tokens.web.merchant_api.schemas import PageQuery, RequestedPage
from consent_tokens.web.request_context import runtime

bp = ApiBlueprint("complaints", "What consumers complained about.")


@bp.get("/complaints")
@bp.query(PageQuery())
@bp.answer(200, ComplaintPage())
def list_complaints(merchant_id: str, query: RequestedPage) -> dict[str, Any]:
    """Count the complaints about the merchant by day, purpose and reason; of days that are over."""
    return list_page(
        merchant_id,
        "complaints",
        query,
        lambda wanted: complaints_of_merchant(
            runtime(), merchant_id, after=wanted.after, limit=wanted.limit
        ),
        lambda each: (datetime.combine(each.day, time(), UTC), each.place),
    )
