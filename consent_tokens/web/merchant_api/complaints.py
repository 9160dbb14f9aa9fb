"""`/v1/complaints`: that consumers complained, and why; never who."""

from typing import Any

from consent_tokens.services.idempotency import Answer
from consent_tokens.store import complaints
from consent_tokens.store.complaints import Complaint
from consent_tokens.store.database import Transaction
from consent_tokens.web.merchant_api import blueprint, for_merchant, merchant_id
from consent_tokens.web.merchant_api.paging import Page, page_asked
from consent_tokens.web.request_context import world

doors = blueprint("complaints")


@doors.get("/complaints")
@for_merchant
def list_complaints() -> Answer:
    """List the complaints about the merchant, the oldest first."""
    merchant, page = merchant_id(), page_asked()

    def question(transaction: Transaction) -> Answer:
        if not world().store.has_wishes:
            return Answer(200, {"items": [], "next": None})
        found = complaints.of_merchant(
            transaction, merchant, after=page.after, limit=page.limit + 1
        )
        last = found[page.limit - 1] if len(found) > page.limit else None
        cursor = Page.cursor(last.at, last.address.number) if last else None
        return Answer(
            200, {"items": [rendered(each) for each in found[: page.limit]], "next": cursor}
        )

    return world().store.read(question)


def rendered(found: Complaint) -> dict[str, Any]:
    """Return a complaint as its merchant sees it: nothing in it singles out a message."""
    return {
        "id": world().keyring.handles.complaint.hide(found.address),
        "reason": found.why.value,
        "verdict": found.verdict.value,
        "state": found.state.value,
        "purpose": found.purpose,
        "filed_on": found.at.date().isoformat(),
        "changed_on": found.changed.date().isoformat(),
    }
