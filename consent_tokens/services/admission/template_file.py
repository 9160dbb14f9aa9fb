"""The operator's list of templates, and what a reviewer is shown of one."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from consent_tokens.errors import NotFoundError
from consent_tokens.relay.pacing import Pacing
from consent_tokens.relay.templates.template import TemplateStatus
from consent_tokens.services.admission.actors import Action, approvers
from consent_tokens.services.admission.template_standings import (
    TemplateStanding,
    standings_of,
    subject_of,
)
from consent_tokens.services.admission.template_values import MIN_TEXTS, SHARE
from consent_tokens.services.runtime import Runtime
from consent_tokens.store import (
    console_lists,
    control_groups,
    merchants,
    pacings,
    reviews,
    template_values,
    templates,
)
from consent_tokens.store.console_lists import Search
from consent_tokens.store.database import Transaction
from consent_tokens.store.merchants import Merchant
from consent_tokens.store.reviews import Review
from consent_tokens.store.template_values import Repetition
from consent_tokens.store.templates import TemplateVersion

__all__ = [
    "TEMPLATE_STATUSES",
    "ListedTemplate",
    "Search",
    "TemplateFile",
    "list_templates",
    "read_template_file",
]

TEMPLATE_STATUSES: Final = tuple(TemplateStatus)
MAX_REVIEWS: Final = 100


@dataclass(frozen=True, slots=True)
class ListedTemplate:
    """The newest version of a template in the operator's list."""

    version: TemplateVersion
    merchant_name: str
    approved_version: int | None  # whose texts leave now
    pacing: Pacing | None  # of that version


@dataclass(frozen=True, slots=True, kw_only=True)
class TemplateFile:
    """What a reviewer is shown of a template."""

    standing: TemplateStanding
    merchant: Merchant
    versions: list[TemplateVersion]  # the newest first
    former: TemplateVersion | None  # that the newest is compared with
    reviews: list[Review]  # of all versions, the newest first
    first_approvers: frozenset[str]  # of an essential one, until it is approved
    is_blocked: bool  # a text like it was withdrawn, or refused as abuse
    group: list[Merchant]  # others of the merchant's control group
    counted_texts: int
    repetitions: list[Repetition]  # the most frequent value of each variable

    @property
    def newest(self) -> TemplateVersion:
        """Return the newest version."""
        return self.versions[0]

    @property
    def is_held(self) -> bool:
        """Whether a version is held: nothing of the template leaves."""
        return any(each.template.status is TemplateStatus.HELD for each in self.versions)

    @property
    def hold_reason(self) -> str:
        """Return why it is held."""
        held = (e.reason for e in self.versions if e.template.status is TemplateStatus.HELD)
        return next((each for each in held if each), "")

    @property
    def holds_from(self) -> int:
        """Return in how many texts a value holds the template; 0 while too few are counted."""
        return self.counted_texts // SHARE + 1 if self.counted_texts >= MIN_TEXTS else 0


def list_templates(
    runtime: Runtime, wanted: Search, merchant_id: str = ""
) -> tuple[list[ListedTemplate], int]:
    """Return a page of the templates of all merchants, or one, and how many match."""

    def query(transaction: Transaction) -> tuple[list[ListedTemplate], int]:
        found, total = console_lists.find_templates(transaction, wanted, merchant_id)
        owners = merchants.find_many(transaction, [each.template.merchant_id for each in found])
        used = templates.for_relay(transaction, [each.template.id for each in found])
        ids = [each.template.id for each in found]
        paced = {
            (each.subject_id, each.version): each for each in pacings.of_subjects(transaction, ids)
        }
        listed = [
            ListedTemplate(
                each,
                owners[each.template.merchant_id].name,
                used[each.template.id].version
                if used[each.template.id].status is TemplateStatus.APPROVED
                else None,
                paced.get((each.template.id, used[each.template.id].version)),
            )
            for each in found
        ]
        return listed, total

    return runtime.database.read(query)


def read_template_file(runtime: Runtime, template_id: str) -> TemplateFile:
    """Return what a reviewer is shown of a template. Raises NotFoundError."""

    def query(transaction: Transaction) -> TemplateFile:
        versions = templates.versions_of(transaction, template_id)
        if not versions:
            raise NotFoundError("no template of that id")
        newest = versions[0]
        owner = newest.template.merchant_id
        members = control_groups.members(transaction, owner)
        known: Mapping[str, Merchant] = merchants.find_many(transaction, members)
        texts, repetitions = template_values.most_repeated(transaction, template_id)
        subjects = [subject_of(each.template) for each in versions]
        return TemplateFile(
            standing=standings_of(runtime, transaction, versions[:1])[0],
            merchant=known[owner],
            versions=versions,
            former=_former(versions),
            reviews=reviews.newest_of(transaction, subjects, MAX_REVIEWS),
            first_approvers=_first_approvers(transaction, newest),
            is_blocked=templates.is_blocked(transaction, newest.fingerprint, members),
            group=[each for each in known.values() if each.id != owner],
            counted_texts=texts,
            repetitions=repetitions,
        )

    return runtime.database.read(query)


def _former(versions: Sequence[TemplateVersion]) -> TemplateVersion | None:
    """Return the version before the newest: the last whose texts leave or left, if there is one."""
    earlier = versions[1:]
    used = {TemplateStatus.APPROVED, TemplateStatus.HELD}
    in_use = [each for each in earlier if each.template.status in used]
    return next(iter(in_use or earlier), None)


def _first_approvers(transaction: Transaction, newest: TemplateVersion) -> frozenset[str]:
    template = newest.template
    if not template.is_essential or template.status is not TemplateStatus.SUBMITTED:
        return frozenset()
    return approvers(transaction, subject_of(template), Action.APPROVE)
