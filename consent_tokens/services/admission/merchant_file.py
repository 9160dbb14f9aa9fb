"""The operator's list of merchants, and what is known of one.

Everything here is read but for notes, which reviewers write for each other.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from consent_tokens.consent.purposes import PurposeClass
from consent_tokens.evidence.events import EventKind
from consent_tokens.services.admission.actors import (
    Act,
    Action,
    Actor,
    check_reason,
    record_act,
    require_right,
)
from consent_tokens.services.admission.control_groups import ListedProposal, list_proposals
from consent_tokens.services.admission.review_file import ReviewFile, read_review_file
from consent_tokens.services.merchant_records import get_merchant
from consent_tokens.services.runtime import Runtime
from consent_tokens.store import (
    console_lists,
    control_groups,
    merchants,
    operators,
    reviews,
    sender_applications,
)
from consent_tokens.store.console_lists import Search
from consent_tokens.store.database import Transaction
from consent_tokens.store.merchants import Merchant, MerchantStatus
from consent_tokens.store.reviews import Review
from consent_tokens.store.sender_applications import SenderApplication, SenderApplicationStatus
from consent_tokens.store.templates import TemplateVersion

__all__ = [
    "MAX_EXPORTED",
    "MERCHANT_STATUSES",
    "ListedMerchant",
    "MerchantFile",
    "Search",
    "Suspension",
    "add_note",
    "list_merchants",
    "operator_names",
    "read_merchant_file",
]

MAX_EXPORTED: Final = 50_000  # rows of a CSV file
MAX_TEMPLATES: Final = 50  # on the page of a merchant; the list of templates has all
MAX_DECISIONS: Final = 100
MERCHANT_STATUSES: Final = tuple(MerchantStatus)


@dataclass(frozen=True, slots=True)
class ListedMerchant:
    """A merchant in the list."""

    merchant: Merchant
    senders: int  # that are not revoked
    templates: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Suspension:
    """What of a merchant is suspended: a class, or the whole; who did it, and why."""

    suspended: PurposeClass | None
    since: datetime | None
    by: str | None
    reason: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class MerchantFile:
    """What an operator is shown of a merchant."""

    review: ReviewFile
    twins: list[ListedProposal]
    group: list[Merchant]  # others of its control group
    sender_applications: list[SenderApplication]  # that are not admitted
    templates: Sequence[TemplateVersion]
    template_count: int
    decisions: list[Review]  # the newest first
    suspensions: list[Suspension]
    notes: list[Review]  # the newest first

    @property
    def merchant(self) -> Merchant:
        """Return the merchant."""
        return self.review.merchant


def list_merchants(runtime: Runtime, wanted: Search) -> tuple[list[ListedMerchant], int]:
    """Return a page of merchants, and how many match."""

    def query(transaction: Transaction) -> tuple[list[ListedMerchant], int]:
        found, total = console_lists.find_merchants(transaction, wanted)
        ids = [each.id for each in found]
        senders, templates = console_lists.count_by_merchant(transaction, ids)
        listed = [
            ListedMerchant(each, senders.get(each.id, 0), templates.get(each.id, 0))
            for each in found
        ]
        return listed, total

    return runtime.database.read(query)


def read_merchant_file(runtime: Runtime, merchant_id: str) -> MerchantFile:
    """Return what an operator is shown of a merchant. Raises NotFoundError."""
    review = read_review_file(runtime, merchant_id)
    twins = list_proposals(runtime, merchant_id)

    def query(transaction: Transaction) -> MerchantFile:
        merchant = review.merchant
        templates, count = console_lists.find_templates(
            transaction,
            Search(sort="submitted", is_descending=True, offset=0, limit=MAX_TEMPLATES),
            merchant_id,
        )
        members = [
            each for each in control_groups.members(transaction, merchant_id) if each != merchant_id
        ]
        own = _decisions_on(transaction, merchant)
        subjects = [
            merchant_id,
            *(f"{merchant_id}:{each}" for each in PurposeClass),
            *(each.id for each in review.senders),
            *(f"{each.template.id}:{each.template.version}" for each in templates),
        ]
        return MerchantFile(
            review=review,
            twins=twins,
            group=list(merchants.find_many(transaction, members).values()),
            sender_applications=[
                each
                for each in sender_applications.of_merchant(transaction, merchant_id)
                if each.status is not SenderApplicationStatus.ADMITTED
            ],
            templates=templates,
            template_count=count,
            decisions=[
                each
                for each in reviews.newest_of(transaction, subjects, MAX_DECISIONS)
                if each.action != Action.NOTE
            ],
            suspensions=_suspensions(merchant, own),
            notes=[each for each in own if each.action == Action.NOTE],
        )

    return runtime.database.read(query)


def _decisions_on(transaction: Transaction, merchant: Merchant) -> list[Review]:
    """Return what was decided and noted about a merchant itself, the newest first."""
    subjects = [merchant.id, *(f"{merchant.id}:{each}" for each in PurposeClass)]
    return reviews.newest_of(transaction, subjects, MAX_DECISIONS)


def _suspensions(merchant: Merchant, decisions: Sequence[Review]) -> list[Suspension]:
    """Return what is suspended now, the whole first."""
    suspended: list[PurposeClass | None] = [*sorted(merchant.suspended_classes)]
    if merchant.status is MerchantStatus.SUSPENDED:
        suspended.insert(0, None)
    return [_suspension(merchant, each, decisions) for each in suspended]


def _suspension(
    merchant: Merchant, suspended: PurposeClass | None, decisions: Sequence[Review]
) -> Suspension:
    subject = merchant.id if suspended is None else f"{merchant.id}:{suspended}"
    last = next(
        (
            each
            for each in decisions
            if each.subject_id == subject and each.action == Action.SUSPEND
        ),
        None,
    )
    return Suspension(
        suspended=suspended,
        since=last.at if last else None,
        by=last.operator_id if last else None,
        reason=last.reason if last else None,
    )


def add_note(runtime: Runtime, actor: Actor, merchant_id: str, text: str) -> None:
    """Add a note about a merchant, which the merchant does not read.

    Raises ForbiddenError, InvalidError, NotFoundError.
    """
    require_right(actor, Action.NOTE)
    checked = check_reason(text)

    def work(transaction: Transaction) -> None:
        act = Act(
            merchant=get_merchant(transaction, merchant_id),
            kind=EventKind.MERCHANT_NOTED,
            action=Action.NOTE,
            reason=checked,
        )
        record_act(runtime, transaction, actor, act)

    runtime.database.run(work)


def operator_names(runtime: Runtime) -> Mapping[str, str]:
    """Return the names of operators by id, disabled ones too."""
    return runtime.database.read(operators.names)
