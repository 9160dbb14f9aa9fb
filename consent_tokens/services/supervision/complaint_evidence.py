"""The evidence on a complaint, gathered from the records: what its decision rests on."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from consent_tokens.evidence.complaints import Complaint, Verdict
from consent_tokens.relay.templates.template import TemplateStatus
from consent_tokens.row_key import RowKey
from consent_tokens.services.complaints import find_complaint
from consent_tokens.services.runtime import Runtime
from consent_tokens.services.supervision.message_view import (
    ConsentView,
    EventView,
    MessageView,
    consent_of,
    events_of,
    view_of,
)
from consent_tokens.store import (
    complaint_queue,
    complaints,
    merchants,
    messages,
    operators,
    templates,
)
from consent_tokens.store.database import Transaction
from consent_tokens.store.merchants import Merchant

MAX_OTHERS: Final = 100


@dataclass(frozen=True, slots=True)
class DisputedTemplate:
    """A template whose class is in question, and how many complaints have which verdict."""

    id: str
    text: str  # with its variables, without their values
    purpose: str
    status: TemplateStatus
    verdicts: Mapping[Verdict, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class ComplaintEvidence:
    """A complaint with all that the records say of it. None where nothing is recorded any more."""

    id: str
    complaint: Complaint
    owner: str  # name; empty: nobody
    merchant: Merchant | None
    message: MessageView | None
    events: Sequence[EventView]
    consent: ConsentView | None
    template: DisputedTemplate | None
    others: Sequence[tuple[str, Complaint]]  # that are decided with it, with their public ids

    @property
    def has_additions(self) -> bool:
        """Whether its consumer added anything to read."""
        return self.complaint.has_additions


def gather_evidence(runtime: Runtime, public_id: str) -> ComplaintEvidence:
    """Return the evidence on a complaint. Raises NotFoundError."""

    def query(transaction: Transaction) -> ComplaintEvidence:
        complaint = find_complaint(runtime, transaction, public_id)
        partition, message_id = complaint.key.partition, complaint.message_id
        key = RowKey(partition, message_id) if message_id is not None else None
        message = messages.find(transaction, key) if key else None
        merchant_id, owner_id = complaint.merchant_id, complaint.owner_id or ""
        owner = operators.find(transaction, owner_id) if owner_id else None
        return ComplaintEvidence(
            id=public_id,
            complaint=complaint,
            owner=owner.name if owner else owner_id,
            merchant=merchants.find(transaction, merchant_id) if merchant_id else None,
            message=view_of(runtime, message) if message else None,
            events=events_of(transaction, key) if key else [],
            consent=consent_of(runtime, transaction, message.grant_key, message.send_at)
            if message
            else None,
            template=_template(transaction, complaint.template_id),
            others=_others(runtime, transaction, complaint),
        )

    return runtime.database.read(query)


def _others(
    runtime: Runtime, transaction: Transaction, complaint: Complaint
) -> list[tuple[str, Complaint]]:
    if complaint.template_id is None or not complaint.is_open:
        return []
    found = complaints.open_disputes(transaction, complaint.template_id)
    others = [each for each in found if each.key != complaint.key]
    others.sort(key=lambda each: (not each.has_additions, each.filed_at, each.key))
    return [(runtime.ids.complaint.encode(each.key), each) for each in others[:MAX_OTHERS]]


def _template(transaction: Transaction, template_id: str | None) -> DisputedTemplate | None:
    versions = templates.versions_of(transaction, template_id) if template_id else []
    if template_id is None or not versions:
        return None
    newest = versions[0].template
    return DisputedTemplate(
        template_id,
        newest.text,
        newest.purpose,
        newest.status,
        complaint_queue.count_verdicts_of_template(transaction, template_id),
    )
