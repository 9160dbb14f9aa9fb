"""Check a template before it is submitted: faults, marks, and the longest text that it makes."""

from dataclasses import dataclass

from consent_tokens.errors import NotFoundError
from consent_tokens.relay.templates.check import TemplateFault
from consent_tokens.relay.templates.marks import Ruling, marks, rulings_on
from consent_tokens.relay.templates.preview import Preview
from consent_tokens.services.admission.template_standings import longest_text
from consent_tokens.services.admission.templates import (
    Submission,
    draft_of,
    faults_of,
    new_template,
)
from consent_tokens.services.merchant_records import get_merchant
from consent_tokens.services.runtime import Runtime
from consent_tokens.store import link_domains, senders, templates
from consent_tokens.store.database import Transaction
from consent_tokens.store.merchants import Merchant
from consent_tokens.store.templates import TemplateVersion


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckedSubmission:
    """What a submission would be answered with; it has faults, or a preview."""

    faults: list[TemplateFault]
    preview: Preview | None
    marks: tuple[str, ...]  # what the automatic check would show to the reviewer
    rulings: tuple[Ruling, ...]  # that the text may fall under


def check_submission(
    runtime: Runtime, merchant_id: str, submission: Submission
) -> CheckedSubmission:
    """Return what `templates.submit` would say to a submission; nothing is stored.

    How often a refused text was submitted is not looked at. Raises NotFoundError for a template of
    another merchant.
    """

    def query(transaction: Transaction) -> CheckedSubmission:
        merchant = get_merchant(transaction, merchant_id)
        earlier = _earlier(transaction, merchant_id, submission.template_id)
        faults = faults_of(transaction, merchant, submission, earlier)
        return CheckedSubmission(
            faults=faults,
            preview=None if faults else _preview(runtime, transaction, merchant, submission),
            marks=() if faults else marks(draft_of(submission)),
            rulings=rulings_on(submission.text),
        )

    return runtime.database.read(query)


def _earlier(
    transaction: Transaction, merchant_id: str, template_id: str | None
) -> list[TemplateVersion]:
    if template_id is None:
        return []
    found = templates.versions_of(transaction, template_id)
    if not found or found[0].template.merchant_id != merchant_id:
        raise NotFoundError("no template of that id")
    return found


def _preview(
    runtime: Runtime, transaction: Transaction, merchant: Merchant, submission: Submission
) -> Preview:
    return longest_text(
        runtime,
        new_template(runtime, merchant.id, submission, []),
        merchant,
        senders.of_merchant(transaction, merchant.id),
        link_domains.of_merchant(transaction, merchant.id),
    )
