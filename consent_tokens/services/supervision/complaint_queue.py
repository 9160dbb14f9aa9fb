"""Complaints as the operator's people work on them: queue, owner, decision with a ground.

Complaints that a template's texts are adverts are one entry: they are decided together.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from consent_tokens.errors import ConflictError, InvalidError
from consent_tokens.evidence.complaints import Complaint, ComplaintStatus, Ground, Verdict
from consent_tokens.evidence.events import EventKind, complaint_event
from consent_tokens.services.admission.actors import Action, Actor, check_reason, require_right
from consent_tokens.services.complaint_additions import (
    read_shown_text,
    read_statement,
    record_reading,
)
from consent_tokens.services.complaints import decide_within, find_complaint
from consent_tokens.services.runtime import Runtime
from consent_tokens.store import complaint_queue, complaints, merchants, operators, templates
from consent_tokens.store.database import Transaction
from consent_tokens.store.operators import Role

MAX_LISTED: Final = 1000  # undecided complaints of the queue: those that are due first
MAX_DECIDED: Final = 200


class QueuePart(StrEnum):
    """Which complaints are listed."""

    OPEN = "open"
    MINE = "mine"
    DECIDED = "decided"


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueEntry:
    """One line of the queue: a complaint, or all about one template, with the first to be due."""

    id: str  # public id of the complaint
    complaint: Complaint
    count: int
    merchant: str  # its name; empty if the text was not sent through this service
    owner: str  # name of the operator who has taken it; empty: nobody
    is_overdue: bool


@dataclass(frozen=True, slots=True)
class Additions:
    """What a consumer added to a complaint, for the operator who decides on it."""

    text: str | None  # the text that it is about, if the consumer shows it
    statement: str
    has_picture: bool


def list_queue(runtime: Runtime, actor_id: str, part: QueuePart) -> list[QueueEntry]:
    """Return the entries of a part of the queue: those first that are due, or decided last."""
    now = runtime.clock.now()

    def query(transaction: Transaction) -> list[QueueEntry]:
        if part is QueuePart.DECIDED:
            latest = complaint_queue.list_latest_changed(transaction, MAX_DECIDED)
            groups = [[each] for each in latest if not each.is_open]
        else:
            groups = _merged(complaint_queue.list_undecided(transaction, MAX_LISTED))
        found = _entries(runtime, transaction, groups, now)
        return [each for each in found if part is not QueuePart.MINE or _is_of(each, actor_id)]

    return runtime.database.read(query)


def _is_of(entry: QueueEntry, actor_id: str) -> bool:
    return entry.complaint.owner_id == actor_id


def _merged(found: Sequence[Complaint]) -> list[list[Complaint]]:
    """Return complaints in groups that are decided together, in the order of their first."""
    groups: dict[object, list[Complaint]] = {}
    for each in found:
        is_shared = each.verdict is Verdict.CLASS_DISPUTED and each.template_id
        groups.setdefault(each.template_id if is_shared else each.key, []).append(each)
    return list(groups.values())


def _entries(
    runtime: Runtime, transaction: Transaction, groups: Sequence[list[Complaint]], now: datetime
) -> list[QueueEntry]:
    of_merchants = {group[0].merchant_id for group in groups} - {None}
    names = merchants.find_many(transaction, sorted(each for each in of_merchants if each))
    people = operators.names(transaction)
    return [
        QueueEntry(
            id=runtime.ids.complaint.encode(group[0].key),
            complaint=group[0],
            count=len(group),
            merchant=names[group[0].merchant_id].name if group[0].merchant_id in names else "",
            owner=people.get(group[0].owner_id or "", group[0].owner_id or ""),
            is_overdue=group[0].is_open and group[0].decide_by < now,
        )
        for group in groups
    ]


def take(runtime: Runtime, actor: Actor, public_id: str) -> None:
    """Make an actor the owner of a complaint, and of those that are decided with it.

    The consumer then sees that a person looks at it. Raises ForbiddenError, NotFoundError, and
    ConflictError if it is decided or somebody else's.
    """
    require_right(actor, Action.UPHOLD_DISPUTE)

    def work(transaction: Transaction) -> None:
        group = _lock_open(runtime, transaction, public_id)
        _require_free(group, actor)
        _set_owner(runtime, transaction, actor, group, EventKind.COMPLAINT_TAKEN)

    runtime.database.run(work)


def release(runtime: Runtime, actor: Actor, public_id: str) -> None:
    """Give a complaint back to the queue; an admin may give back somebody else's.

    Raises as `take` does.
    """
    require_right(actor, Action.UPHOLD_DISPUTE)

    def work(transaction: Transaction) -> None:
        group = _lock_open(runtime, transaction, public_id)
        if actor.role is not Role.ADMIN:
            _require_free(group, actor)
        _set_owner(runtime, transaction, actor, group, EventKind.COMPLAINT_RELEASED)

    runtime.database.run(work)


def offered_grounds(complaint: Complaint) -> list[Ground]:
    """Return the grounds on which a complaint may be decided."""
    is_of_class = complaint.verdict is Verdict.CLASS_DISPUTED
    return [each for each in Ground if each.is_of_class is is_of_class]


def decide(
    runtime: Runtime, actor: Actor, public_id: str, *, ground: str, remark: str
) -> tuple[Complaint, int]:
    """Decide a complaint on a ground, and those that are decided with it; return how many.

    Raises ForbiddenError, NotFoundError, InvalidError of `ground` or `reason`, and ConflictError if
    it is decided or somebody else's.
    """
    require_right(actor, Action.UPHOLD_DISPUTE)
    remark = check_reason(remark)

    def work(transaction: Transaction) -> tuple[Complaint, int]:
        group = _lock_open(runtime, transaction, public_id)
        _require_free(group, actor)
        chosen = next((each for each in offered_grounds(group[0]) if each == ground), None)
        if chosen is None:
            raise InvalidError({"ground": ["not_offered"]})
        decided = decide_within(
            runtime, transaction, public_id, chosen.status, actor=actor, reason=remark
        )
        keys = [each.key for each in group]
        complaint_queue.set_ground(transaction, keys, chosen, remark)
        complaint_queue.set_owner(transaction, keys, actor.id)
        return decided, len(group)

    return runtime.database.run(work)


def read_additions(runtime: Runtime, actor: Actor, public_id: str) -> Additions:
    """Return what the consumer added, to the owner of an open complaint; reading it is recorded.

    Raises ForbiddenError for anybody else, NotFoundError, ConflictError if it is decided.
    """
    complaint = _own(runtime, actor, public_id)
    text = read_shown_text(runtime, actor, complaint)
    statement, picture = read_statement(runtime, complaint)
    if statement:
        record_reading(runtime, actor, complaint, "statement")
    return Additions(text, statement, bool(picture))


def read_picture(runtime: Runtime, actor: Actor, public_id: str) -> bytes:
    """Return the picture of a complaint; as `read_additions`. Empty if there is none."""
    complaint = _own(runtime, actor, public_id)
    _statement, picture = read_statement(runtime, complaint)
    if picture:
        record_reading(runtime, actor, complaint, "picture")
    return picture


def _own(runtime: Runtime, actor: Actor, public_id: str) -> Complaint:
    require_right(actor, Action.UPHOLD_DISPUTE)
    found = runtime.database.read(lambda at: find_complaint(runtime, at, public_id))
    if not found.is_open or found.owner_id != actor.id:
        raise ConflictError("only the owner of an open complaint reads what was added to it")
    return found


def _lock_open(runtime: Runtime, transaction: Transaction, public_id: str) -> list[Complaint]:
    """Return a complaint and those that are decided with it, locked."""
    found = find_complaint(runtime, transaction, public_id)
    if found.template_id and found.verdict is Verdict.CLASS_DISPUTED:
        templates.lock(transaction, found.template_id)
        others = complaints.open_disputes(transaction, found.template_id)
    else:
        others = []
    complaint_queue.lock(transaction, found.key)
    found = find_complaint(runtime, transaction, public_id)
    if not found.is_open:
        raise ConflictError("this complaint was decided")
    return [found, *(each for each in others if each.key != found.key)]


def _require_free(group: Sequence[Complaint], actor: Actor) -> None:
    if {each.owner_id for each in group} - {None, actor.id}:
        raise ConflictError("somebody else has taken this complaint")


def _set_owner(
    runtime: Runtime,
    transaction: Transaction,
    actor: Actor,
    group: Sequence[Complaint],
    kind: EventKind,
) -> None:
    is_taken = kind is EventKind.COMPLAINT_TAKEN
    # of disputes about a class the status says whether their template is reviewed
    status = ComplaintStatus.IN_REVIEW if is_taken else ComplaintStatus.RECEIVED
    complaint_queue.set_owner(
        transaction,
        [each.key for each in group],
        actor.id if is_taken else None,
        None if group[0].verdict is Verdict.CLASS_DISPUTED else status,
    )
    now = runtime.clock.now()
    runtime.record(
        transaction,
        *(complaint_event(each, kind, now, None, actor=actor.id) for each in group),
    )
