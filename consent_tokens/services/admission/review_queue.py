"""The queue of reviews: what waits for a reviewer, and until when it should be decided."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from consent_tokens.relay.templates.template import TemplateStatus
from consent_tokens.services.runtime import Runtime
from consent_tokens.store import (
    console_lists,
    merchants,
    objections,
    pacings,
    sender_applications,
    senders,
    template_moves,
    templates,
)
from consent_tokens.store.database import Transaction

MAX_LISTED: Final = 500  # of each kind


class ReviewKind(StrEnum):
    """What waits for a reviewer."""

    APPLICATIONS = "applications"  # of merchants
    SENDERS = "senders"
    TEMPLATES = "templates"
    HELD = "held"  # templates that leave nothing until somebody has looked at them
    PACING = "pacing"  # new templates, and free texts of senders, whose rest is held back
    APPEALS = "appeals"  # of merchants, against another purpose of a template
    OBJECTIONS = "objections"  # of merchants, to a refusal or suspension


# the service's own targets: no law sets them
TARGETS: Final[Mapping[ReviewKind, timedelta]] = MappingProxyType(
    {
        ReviewKind.APPLICATIONS: timedelta(days=5),
        ReviewKind.SENDERS: timedelta(days=5),
        ReviewKind.TEMPLATES: timedelta(days=1),
        ReviewKind.HELD: timedelta(days=1),
        ReviewKind.PACING: timedelta(days=1),
        ReviewKind.APPEALS: timedelta(days=5),
        ReviewKind.OBJECTIONS: timedelta(days=5),
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitingReview:
    """Something that waits for a reviewer; `id` is of the merchant, sender, template, objection."""

    kind: ReviewKind
    id: str
    title: str
    merchant_id: str
    merchant_name: str
    since: datetime
    marks: int = 0  # what the automatic check marked

    @property
    def due_at(self) -> datetime:
        """Return until when it should be decided."""
        return self.since + TARGETS[self.kind]


def list_reviews(runtime: Runtime) -> list[WaitingReview]:
    """Return up to MAX_LISTED of each kind, what is due first first."""

    def query(transaction: Transaction) -> list[WaitingReview]:
        found = [
            *_applications(transaction),
            *_senders(transaction),
            *_templates(transaction),
            *_pacings(transaction),
            *_appeals(transaction),
            *_objections(transaction),
        ]
        return _named(transaction, found)

    return sorted(runtime.database.read(query), key=lambda each: (each.due_at, each.id))


def _applications(transaction: Transaction) -> Iterator[WaitingReview]:
    for merchant_id, since in console_lists.submitted_applications(transaction, MAX_LISTED):
        yield _review(ReviewKind.APPLICATIONS, merchant_id, merchant_id, since)


def _senders(transaction: Transaction) -> Iterator[WaitingReview]:
    for each in sender_applications.list_submitted(transaction)[:MAX_LISTED]:
        sender = each.sender
        yield _review(
            ReviewKind.SENDERS, sender.id, sender.merchant_id, sender.admitted_at,
            title=f"{sender.source} {sender.signature}",
        )  # fmt: skip


def _templates(transaction: Transaction) -> Iterator[WaitingReview]:
    for each in console_lists.waiting_templates(transaction, MAX_LISTED):
        template = each.template
        is_held = template.status is TemplateStatus.HELD
        yield _review(
            ReviewKind.HELD if is_held else ReviewKind.TEMPLATES,
            template.id,
            template.merchant_id,
            (each.decided_at if is_held else None) or each.submitted_at,
            title=template.text,
            marks=len(each.findings),
        )


def _pacings(transaction: Transaction) -> Iterator[WaitingReview]:
    found = pacings.list_unproven(transaction, None, MAX_LISTED)
    waiting = [(each, each.waiting_since) for each in found if each.waiting_since is not None]
    titles = _paced_texts(transaction, [each.subject_id for each, _ in waiting])
    for each, since in waiting:
        yield _review(
            ReviewKind.PACING,
            each.subject_id,
            each.merchant_id,
            since,
            title=titles.get(each.subject_id, each.subject_id),
        )


def _paced_texts(transaction: Transaction, ids: Sequence[str]) -> dict[str, str]:
    """Return the texts of templates; of senders, port and signature. By their ids."""
    versions = templates.for_relay(transaction, ids)
    found = senders.find_many(transaction, ids)
    return {id_: each.text for id_, each in versions.items()} | {
        id_: f"{each.source} {each.signature}" for id_, each in found.items()
    }


def _appeals(transaction: Transaction) -> Iterator[WaitingReview]:
    moves = template_moves.with_open_appeal(transaction, MAX_LISTED)
    versions = templates.for_relay(transaction, [each.template_id for each in moves])
    for each in moves:
        template = versions[each.template_id]
        since = each.appealed_at or each.decided_at
        yield _review(
            ReviewKind.APPEALS, template.id, template.merchant_id, since, title=template.text
        )


def _objections(transaction: Transaction) -> Iterator[WaitingReview]:
    for each in objections.list_open(transaction, MAX_LISTED):
        yield _review(
            ReviewKind.OBJECTIONS, each.id, each.merchant_id, each.made_at, title=each.words
        )


def _review(
    kind: ReviewKind,
    review_id: str,
    merchant_id: str,
    since: datetime,
    *,
    title: str = "",
    marks: int = 0,
) -> WaitingReview:
    """Return a review without the name of its merchant, which `_named` adds."""
    return WaitingReview(
        kind=kind, id=review_id, title=title, merchant_id=merchant_id, merchant_name="",
        since=since, marks=marks,
    )  # fmt: skip


def _named(transaction: Transaction, found: Iterable[WaitingReview]) -> list[WaitingReview]:
    reviews = list(found)
    known = merchants.find_many(transaction, [each.merchant_id for each in reviews])
    return [
        replace(each, merchant_name=name, title=each.title or name)
        for each in reviews
        for name in (known[each.merchant_id].name,)
    ]


@dataclass(frozen=True, slots=True)
class Neighbours:
    """What is before and after a review in the queue; None at its ends."""

    before: WaitingReview | None
    after: WaitingReview | None


def neighbours(reviews: list[WaitingReview], kinds: Iterable[ReviewKind], id_: str) -> Neighbours:
    """Return what is beside a review of these kinds; for one that is decided, what is first."""
    wanted = frozenset(kinds)
    places = [place for place, each in enumerate(reviews) if each.id == id_ and each.kind in wanted]
    if not places:
        return Neighbours(None, reviews[0] if reviews else None)
    place = places[0]
    after = reviews[place + 1] if place + 1 < len(reviews) else None
    return Neighbours(reviews[place - 1] if place else None, after)
