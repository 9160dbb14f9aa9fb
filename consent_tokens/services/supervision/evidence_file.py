"""What a file of evidence holds: what the records say of one message and of a complaint about it.

No text of a message, no number, and nothing that a consumer wrote.
"""

from typing import Any, Final, NamedTuple

from consent_tokens.errors import NotFoundError
from consent_tokens.evidence.complaints import Complaint
from consent_tokens.row_key import RowKey
from consent_tokens.services.complaints import find_complaint
from consent_tokens.services.consents.views import scope_json
from consent_tokens.services.decisions.explain import ExplainedDecision
from consent_tokens.services.runtime import Runtime
from consent_tokens.services.supervision.message_view import ConsentView
from consent_tokens.services.supervision.messages import MessageEvidence, read_message
from consent_tokens.store import complaints, grants, message_search, receipts
from consent_tokens.store.database import Transaction
from consent_tokens.store.merchants import Merchant

FORMAT: Final = "consent-tokens-evidence-1"


class Subject(NamedTuple):
    """What evidence is about: a message, or a complaint about what may not be recorded."""

    partition: int
    merchant_id: str | None
    grant_id: int | None
    message_id: int | None
    complaint: Complaint | None


def subject_of(runtime: Runtime, transaction: Transaction, subject_id: str) -> Subject:
    """Return the message or complaint with a public id. Raises NotFoundError."""
    key = runtime.ids.message.decode(subject_id)
    message = message_search.find(transaction, key) if key else None
    if message is not None:
        reported = complaints.find_by_message(transaction, message.key)
        return Subject(
            message.key.partition, message.merchant_id, message.grant_id, message.key.id, reported
        )
    found = find_complaint(runtime, transaction, subject_id)
    return Subject(found.key.partition, found.merchant_id, found.grant_id, found.message_id, found)


def evidence_of(runtime: Runtime, subject: Subject) -> dict[str, Any]:
    """Return the evidence as members of JSON: times are of UTC, None is what is not recorded."""
    complaint = subject.complaint
    members: dict[str, Any] = {
        "format": FORMAT,
        "complaint": complaint and _complaint(runtime, complaint),
    }
    if subject.message_id is None:
        return members | {"message": None}
    key = RowKey(subject.partition, subject.message_id)
    try:
        evidence = read_message(runtime, runtime.ids.message.encode(key))
    except NotFoundError:  # past its retention
        return members | {"message": None}
    return members | _message(runtime, evidence, subject)


def _message(runtime: Runtime, evidence: MessageEvidence, subject: Subject) -> dict[str, Any]:
    return {
        "message": evidence.message,
        "merchant": evidence.merchant and _merchant(evidence.merchant),
        "events": evidence.events,
        "decisions": [_decision(each) for each in evidence.decisions],
        "consent": evidence.consent and _consent(runtime, evidence.consent, subject),
    }


def _merchant(merchant: Merchant) -> dict[str, Any]:
    return {
        "id": merchant.id,
        "name": merchant.name,
        "legal_name": merchant.identity.legal_name,
        "registration": merchant.identity.registration,
        "status": merchant.status,
        "admitted_at": merchant.admitted_at,
    }


def _decision(decision: ExplainedDecision) -> dict[str, Any]:
    """Return a decision with its steps; of rules what names them and where they are written."""
    return {
        "at": decision.at,
        "decision": decision.decision,
        "rules_version": decision.rules_version,
        "rules": [
            {"id": each.id, "source": each.source, "article": each.article, "words": each.words}
            for each in decision.rules
        ],
        "steps": [
            {
                "check": each.check,
                "outcome": each.outcome,
                "reason": each.reason,
                "compared": each.compared,
                "source": each.source,
            }
            for each in decision.steps
        ],
        "decided_again_it_is_the_same": decision.is_same,
    }


def _consent(runtime: Runtime, consent: ConsentView, subject: Subject) -> dict[str, Any]:
    """Return the consent as it was then, and its receipts, which the service's keys verify."""
    key = RowKey(subject.partition, subject.grant_id or 0)

    def query(transaction: Transaction) -> dict[str, Any]:
        return {
            "id": consent.id,
            "status": consent.status,
            "granted_at": consent.granted_at,
            "status_since": consent.status_since,
            "scope": scope_json(consent.scope),
            "notice": consent.notice
            and {
                "language": consent.notice.language,
                "text": consent.notice.text,
                "sha256": consent.notice.digest.hex(),
            },
            "changes": [
                {"at": each.changed_at, "what": each.amendment, "before": scope_json(each.scope)}
                for each in grants.changes_of(transaction, key.partition)
                if each.grant_key == key
            ],
            "receipts": [each.jws for each in receipts.of_grant(transaction, key)],
        }

    return runtime.database.read(query)


def _complaint(runtime: Runtime, complaint: Complaint) -> dict[str, Any]:
    return {
        "id": runtime.ids.complaint.encode(complaint.key),
        "filed_at": complaint.filed_at,
        "reason": complaint.reason,
        "verdict": complaint.verdict,
        "status": complaint.status,
        "ground": complaint.ground,
        "changed_at": complaint.changed_at,
    }
