"""Export the evidence on a message or a complaint: one operator asks, another approves.

Whoever asked downloads it, for DOWNLOADABLE after the approval. Each download is an event in the
partition of the consumer whom it is about, with the SHA-256 of the file.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from hashlib import sha256
from typing import Final

import msgspec

from consent_tokens.errors import NotFoundError
from consent_tokens.evidence.events import Event, EventKind
from consent_tokens.services.admission.actors import Action, Actor, require_right
from consent_tokens.services.people import proposals
from consent_tokens.services.people.proposals import ProposedKind
from consent_tokens.services.runtime import Runtime
from consent_tokens.services.supervision.evidence_file import Subject, evidence_of, subject_of
from consent_tokens.store import proposed_actions
from consent_tokens.store.database import Transaction
from consent_tokens.store.proposed_actions import Proposal

DOWNLOADABLE: Final = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class ExportedFile:
    """A file of evidence, and the SHA-256 (hex) by which its event knows it."""

    name: str
    content: bytes  # JSON
    digest: str


def propose_export(runtime: Runtime, actor: Actor, subject_id: str, reason: str) -> Proposal:
    """Ask for the evidence on a message or a complaint, by public id.

    Raises ForbiddenError, InvalidError without a reason, NotFoundError, and ConflictError if it is
    asked for already.
    """
    require_right(actor, Action.EXPORT_EVIDENCE)
    runtime.database.read(lambda at: subject_of(runtime, at, subject_id))
    return proposals.propose(runtime, actor, ProposedKind.EXPORT_EVIDENCE, subject_id, reason)


def ensure_exportable(
    runtime: Runtime, transaction: Transaction, _actor: Actor, proposal: Proposal
) -> None:
    """Carry out the approval of an export: there is something to download. Raises NotFoundError."""
    subject_of(runtime, transaction, proposal.subject_id)


def downloadable(runtime: Runtime, actor: Actor) -> Sequence[Proposal]:
    """Return what an actor asked for and may download now, the newest first."""
    since = runtime.clock.now() - DOWNLOADABLE
    return runtime.database.read(
        lambda at: proposed_actions.list_approved(at, ProposedKind.EXPORT_EVIDENCE, actor.id, since)
    )


def download(runtime: Runtime, actor: Actor, proposal_id: str) -> ExportedFile:
    """Return the evidence that was approved for this actor, and record that it was downloaded.

    Raises ForbiddenError, and NotFoundError if nothing of that id was approved for the actor within
    DOWNLOADABLE, or is recorded any more.
    """
    require_right(actor, Action.EXPORT_EVIDENCE)
    found = next((each for each in downloadable(runtime, actor) if each.id == proposal_id), None)
    if found is None:
        raise NotFoundError("no evidence to download")
    subject = runtime.database.read(lambda at: subject_of(runtime, at, found.subject_id))
    members = {
        "issuer": runtime.service.issuer,
        "exported_at": runtime.clock.now(),
        "exported_by": found.proposed_by,
        "approved_by": found.decided_by,
        "proposal": found.id,
        "reason": found.reason,
        **evidence_of(runtime, subject),
    }
    content = msgspec.json.format(msgspec.json.encode(members), indent=2)
    digest = sha256(content).hexdigest()
    runtime.database.run(lambda at: _record(runtime, at, actor, subject, digest))
    return ExportedFile(f"evidence-{found.subject_id}.json", content, digest)


def _record(
    runtime: Runtime, transaction: Transaction, actor: Actor, subject: Subject, digest: str
) -> None:
    event = Event(
        partition=subject.partition,
        at=runtime.clock.now(),
        kind=EventKind.EVIDENCE_EXPORTED,
        merchant_id=subject.merchant_id,
        grant_id=subject.grant_id,
        message_id=subject.message_id,
        reason=digest,
        actor=actor.id,
    )
    runtime.record(transaction, event)
