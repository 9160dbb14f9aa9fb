"""Objections of merchants to a refusal or suspension; somebody else than who decided decides them.

An objection that is upheld has the template or sender reviewed again, and proposes to lift the
suspension: a second administrator approves that, as always.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final

from consent_tokens.errors import ConflictError, ForbiddenError, NotFoundError
from consent_tokens.evidence.events import EventKind
from consent_tokens.listing import ListFilter
from consent_tokens.relay.admission.objections import ObjectionKind
from consent_tokens.relay.templates.moves import AppealStatus
from consent_tokens.relay.templates.template import TemplateStatus
from consent_tokens.services.admission.actors import (
    Act,
    Action,
    Actor,
    check_reason,
    record_act,
    require_right,
)
from consent_tokens.services.admission.template_moves import APPEAL_DECISIONS, APPEAL_WITHIN
from consent_tokens.services.admission.template_standings import subject_of
from consent_tokens.services.merchant_records import get_merchant, record_event
from consent_tokens.services.people import lifting
from consent_tokens.services.runtime import Runtime
from consent_tokens.store import objections, reviews, sender_applications, templates
from consent_tokens.store.database import Transaction
from consent_tokens.store.merchants import Merchant, MerchantStatus
from consent_tokens.store.objections import Objection
from consent_tokens.store.reviews import Review
from consent_tokens.store.sender_applications import SenderApplicationStatus

OBJECTION_WITHIN: Final = APPEAL_WITHIN  # of the decision
MAX_LISTED: Final = 100  # of each kind
AGAINST: Final = frozenset({Action.REFUSE, Action.REFUSE_AS_ABUSE, Action.SUSPEND})


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """What may be objected to: a template's version, a sender, a merchant or its class."""

    kind: ObjectionKind
    id: str
    title: str  # text, port with signature, or class; empty for the whole merchant


@dataclass(frozen=True, slots=True, kw_only=True)
class Objectionable:
    """A decision against a merchant that it may object to."""

    subject: Subject
    review: Review


def list_objectionable(runtime: Runtime, merchant_id: str) -> list[Objectionable]:
    """Return the decisions that a merchant may object to: in force, recent, and not yet."""
    return runtime.database.read(lambda at: list(_objectionable(runtime, at, merchant_id)))


def list_objections(runtime: Runtime, merchant_id: str) -> list[Objection]:
    """Return the objections of a merchant, the newest first."""
    return runtime.database.read(lambda at: objections.of_merchant(at, merchant_id, MAX_LISTED))


def object_to(
    runtime: Runtime, merchant_id: str, person_id: str, review_id: str, words: str
) -> Objection:
    """Object to a decision, once.

    Raises NotFoundError if that cannot be objected to, and InvalidError without words.
    """

    def work(transaction: Transaction) -> Objection:
        found = {
            each.review.id: each for each in _objectionable(runtime, transaction, merchant_id)
        }.get(review_id)
        if found is None:
            raise NotFoundError("no decision that can be objected to")
        objection = Objection(
            id=f"obj_{runtime.random.token_bytes(8).hex()}",
            merchant_id=merchant_id,
            kind=found.subject.kind,
            subject_id=found.subject.id,
            review_id=review_id,
            decided_against_by=found.review.operator_id,
            words=check_reason(words),
            made_by=person_id,
            made_at=runtime.clock.now(),
            status=AppealStatus.OPEN,
        )
        if not objections.add(transaction, objection):
            raise NotFoundError("no decision that can be objected to")
        merchant = get_merchant(transaction, merchant_id)
        kind = EventKind.OBJECTION_MADE
        record_event(runtime, transaction, merchant, kind, objection.id, person_id)
        return objection

    return runtime.database.run(work)


def read_objection(runtime: Runtime, objection_id: str) -> tuple[Objection, Merchant, Review]:
    """Return an objection, its merchant, and the decision. Raises NotFoundError."""

    def query(transaction: Transaction) -> tuple[Objection, Merchant, Review]:
        found = objections.find(transaction, objection_id)
        if found is None:
            raise NotFoundError("no objection of that id")
        decisions = reviews.of_subject(transaction, found.subject_id)
        review = next(each for each in decisions if each.id == found.review_id)
        return found, get_merchant(transaction, found.merchant_id), review

    return runtime.database.read(query)


def decide(
    runtime: Runtime, actor: Actor, objection_id: str, decision: AppealStatus, reason: str
) -> Objection:
    """Uphold or dismiss an objection; the merchant reads the reason.

    Raises ForbiddenError for whoever decided against the merchant, InvalidError, NotFoundError, and
    ConflictError if it is decided already, or cannot be upheld because it is not refused any more.
    """
    action = APPEAL_DECISIONS[decision]
    require_right(actor, action)
    stated = check_reason(reason)

    def work(transaction: Transaction) -> Objection:
        found = objections.find(transaction, objection_id)
        if found is None:
            raise NotFoundError("no objection of that id")
        if actor.id == found.decided_against_by:
            raise ForbiddenError("an objection is decided by another person")
        decided = replace(
            found,
            status=decision,
            decided_by=actor.id,
            decided_at=runtime.clock.now(),
            reason=stated,
        )
        if not objections.decide(transaction, decided):
            raise ConflictError("the objection is decided already")
        merchant = get_merchant(transaction, found.merchant_id)
        if decision is AppealStatus.UPHELD:
            _undo(runtime, transaction, actor, merchant, decided)
        kind = EventKind.OBJECTION_DECIDED
        record_act(
            runtime, transaction, actor,
            Act(merchant=merchant, kind=kind, action=action, subject_id=found.subject_id,
                reason=stated),
        )  # fmt: skip
        return decided

    return runtime.database.run(work)


# --- what can be objected to ----------------------------------------------------------------------
def _objectionable(
    runtime: Runtime, transaction: Transaction, merchant_id: str
) -> Iterator[Objectionable]:
    subjects = list(_subjects(transaction, merchant_id))
    ids = [each.id for each in subjects]
    since = runtime.clock.now() - OBJECTION_WITHIN
    against = {
        review.subject_id: review  # the last one, which is in force
        for review in reviews.of_subjects(transaction, ids, AGAINST, since)
    }
    before = objections.objected(transaction, [each.id for each in against.values()])
    for subject in subjects:
        review = against.get(subject.id)
        if review and review.id not in before:
            yield Objectionable(subject=subject, review=review)


def _subjects(transaction: Transaction, merchant_id: str) -> Iterator[Subject]:
    """Yield what of a merchant is suspended or refused now."""
    merchant = get_merchant(transaction, merchant_id)
    if merchant.status is MerchantStatus.SUSPENDED:
        yield Subject(kind=ObjectionKind.SUSPENSION, id=merchant_id, title="")
    for each in sorted(merchant.suspended_classes):
        yield Subject(kind=ObjectionKind.SUSPENSION, id=f"{merchant_id}:{each}", title=each)
    for application in sender_applications.of_merchant(transaction, merchant_id):
        if application.status is SenderApplicationStatus.REFUSED:
            sender = application.sender
            title = f"{sender.source} {sender.signature}"
            yield Subject(kind=ObjectionKind.SENDER, id=sender.id, title=title)
    wanted = ListFilter(limit=MAX_LISTED, status=TemplateStatus.REFUSED)
    for version in templates.list_newest(transaction, wanted, merchant_id):
        template = version.template
        yield Subject(kind=ObjectionKind.TEMPLATE, id=subject_of(template), title=template.text)


# --- what an upheld objection does ----------------------------------------------------------------
def _undo(
    runtime: Runtime, transaction: Transaction, actor: Actor, merchant: Merchant, upheld: Objection
) -> None:
    match upheld.kind:
        case ObjectionKind.TEMPLATE:
            _review_template_again(runtime, transaction, upheld)
        case ObjectionKind.SENDER:
            now = runtime.clock.now()
            if not sender_applications.reopen(transaction, upheld.subject_id, now):
                raise ConflictError("the sender is not refused any more")
        case ObjectionKind.SUSPENSION:
            suspended = upheld.subject_id.removeprefix(merchant.id).removeprefix(":")
            reason = upheld.reason or ""
            lifting.lift_within(runtime, transaction, actor, merchant, reason, suspended)


def _review_template_again(runtime: Runtime, transaction: Transaction, upheld: Objection) -> None:
    template_id = upheld.subject_id.partition(":")[0]
    newest = templates.lock(transaction, template_id)[0]
    is_same = subject_of(newest.template) == upheld.subject_id
    if not is_same or newest.template.status is not TemplateStatus.REFUSED:
        raise ConflictError("the template is not refused any more, or has a newer version")
    now = runtime.clock.now()
    templates.set_status(transaction, [newest], TemplateStatus.SUBMITTED, now, None)
