"""How templates stand: what a merchant and a reviewer are shown of them."""

from collections.abc import Sequence
from dataclasses import dataclass

from consent_tokens.crypto.message_link_ids import PLACEHOLDER_LINK_ID
from consent_tokens.errors import NotFoundError
from consent_tokens.listing import ListFilter, Position
from consent_tokens.relay.decision import class_of
from consent_tokens.relay.pacing import Pacing
from consent_tokens.relay.templates.marks import Ruling, rulings_on
from consent_tokens.relay.templates.preview import Preview, preview
from consent_tokens.relay.templates.template import Template, TemplateStatus
from consent_tokens.services.runtime import Runtime
from consent_tokens.store import (
    link_domains,
    merchants,
    pacings,
    reviews,
    senders,
    template_moves,
    templates,
)
from consent_tokens.store.database import Transaction
from consent_tokens.store.merchants import Merchant
from consent_tokens.store.reviews import Review
from consent_tokens.store.senders import Sender, first_usable
from consent_tokens.store.template_moves import TemplateMove
from consent_tokens.store.templates import TemplateVersion


@dataclass(frozen=True, slots=True, kw_only=True)
class TemplateStanding:
    """The newest version of a template, and what a merchant and a reviewer are shown of it."""

    version: TemplateVersion
    approved_version: int | None  # whose texts leave now
    preview: Preview
    rulings: tuple[Ruling, ...]
    move: TemplateMove | None = None  # the last to another purpose
    pacing: Pacing | None = None  # of the version whose texts leave; None: it is not paced


def subject_of(template: Template) -> str:
    """Return the name of a version of a template in events and reviews: `tpl_...:2`."""
    return f"{template.id}:{template.version}"


def read_template(runtime: Runtime, merchant_id: str | None, template_id: str) -> TemplateStanding:
    """Return a template, of one merchant or any. Raises NotFoundError."""

    def query(transaction: Transaction) -> TemplateStanding:
        versions = templates.versions_of(transaction, template_id)
        if not versions or merchant_id not in {None, versions[0].template.merchant_id}:
            raise NotFoundError("no template of that id")
        return standings_of(runtime, transaction, versions[:1])[0]

    return runtime.database.read(query)


def list_templates(
    runtime: Runtime,
    wanted: ListFilter,
    *,
    merchant_id: str | None = None,
) -> list[TemplateStanding]:
    """Return a page of templates, of one merchant or all, the oldest first."""

    def query(transaction: Transaction) -> list[TemplateStanding]:
        versions = templates.list_newest(transaction, wanted, merchant_id)
        return standings_of(runtime, transaction, versions)

    return runtime.database.read(query)


def position_of(standing: TemplateStanding) -> Position:
    """Return the place of a template in lists."""
    version = standing.version
    return version.submitted_at, templates.number_of(version.template.id)


def read_versions(
    runtime: Runtime, template_id: str
) -> tuple[list[TemplateVersion], dict[str, list[Review]]]:
    """Return the versions of a template, the newest first, and the reviews of each by subject.

    Raises NotFoundError.
    """

    def query(
        transaction: Transaction,
    ) -> tuple[list[TemplateVersion], dict[str, list[Review]]]:
        versions = templates.versions_of(transaction, template_id)
        if not versions:
            raise NotFoundError("no template of that id")
        subjects = [subject_of(each.template) for each in versions]
        return versions, {each: reviews.of_subject(transaction, each) for each in subjects}

    return runtime.database.read(query)


def standings_of(
    runtime: Runtime, transaction: Transaction, versions: Sequence[TemplateVersion]
) -> list[TemplateStanding]:
    """Return how these versions stand, in their order."""
    merchant_ids = sorted({each.template.merchant_id for each in versions})
    domains = link_domains.of_merchants(transaction, merchant_ids)
    found = merchants.find_many(transaction, merchant_ids)
    of_merchants = {each: senders.of_merchant(transaction, each) for each in merchant_ids}
    ids = [each.template.id for each in versions]
    moves = template_moves.last_of(transaction, ids)
    in_use = templates.for_relay(transaction, ids)
    paced = {
        (each.subject_id, each.version): each for each in pacings.of_subjects(transaction, ids)
    }

    def standing(version: TemplateVersion) -> TemplateStanding:
        template = version.template
        used = in_use[template.id]
        is_approved = used.status is TemplateStatus.APPROVED
        return TemplateStanding(
            version=version,
            approved_version=used.version if is_approved else None,
            preview=longest_text(
                runtime,
                template,
                found[template.merchant_id],
                of_merchants[template.merchant_id],
                domains.get(template.merchant_id, frozenset()),
            ),
            rulings=rulings_on(template.text),
            pacing=paced.get((used.id, used.version)),
            move=moves.get(template.id),
        )

    return [standing(each) for each in versions]


def longest_text(
    runtime: Runtime,
    template: Template,
    merchant: Merchant,
    of_merchant: Sequence[Sender],
    domains: frozenset[str],
) -> Preview:
    """Return the longest text of a template, as it leaves from the sender that it would have."""
    purpose_class = class_of(template.purpose)
    sender = first_usable(of_merchant, purpose_class, runtime.clock.now())
    return preview(
        template,
        signature=sender.signature if sender else merchant.name,
        link_domains=domains,
        opt_out_link=runtime.service.opt_out_link(purpose_class, PLACEHOLDER_LINK_ID),
        is_limited=purpose_class.is_limited,
    )
