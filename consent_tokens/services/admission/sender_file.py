"""What a reviewer is shown of an application for a sender."""

from dataclasses import dataclass

from consent_tokens.errors import InvalidError, NotFoundError
from consent_tokens.relay.admission.sender_rules import SignatureSource
from consent_tokens.services.admission import senders as admission
from consent_tokens.services.admission.senders import SenderDetails
from consent_tokens.services.merchant_records import get_merchant
from consent_tokens.services.runtime import Runtime
from consent_tokens.store import reviews, sender_applications, senders
from consent_tokens.store.database import Transaction
from consent_tokens.store.merchants import Merchant
from consent_tokens.store.reviews import Review
from consent_tokens.store.sender_applications import SenderApplication
from consent_tokens.store.senders import Sender


@dataclass(frozen=True, slots=True, kw_only=True)
class SenderFile:
    """An application for a sender, its merchant, and what stands in the way of admitting it."""

    application: SenderApplication
    merchant: Merchant
    others: list[Sender]  # of the merchant, revoked ones too
    faults: dict[str, list[str]]  # by field: why it could not be admitted now
    reviews: list[Review]  # the newest first


def read_sender_file(runtime: Runtime, application_id: str) -> SenderFile:
    """Return what a reviewer is shown of an application for a sender. Raises NotFoundError."""

    def query(transaction: Transaction) -> SenderFile:
        found = sender_applications.find(transaction, application_id)
        if found is None:
            raise NotFoundError("no application of that id")
        merchant = get_merchant(transaction, found.sender.merchant_id)
        return SenderFile(
            application=found,
            merchant=merchant,
            others=senders.of_merchant(transaction, merchant.id),
            faults=_faults(runtime, transaction, merchant, found) if not found.decided_at else {},
            reviews=reviews.newest_of(transaction, [application_id], 100),
        )

    return runtime.database.read(query)


def _faults(
    runtime: Runtime, transaction: Transaction, merchant: Merchant, found: SenderApplication
) -> dict[str, list[str]]:
    """Return why a sender could not be admitted now, by field."""
    details = SenderDetails(source=SignatureSource(found.source), evidence=found.evidence)
    try:
        admission.check(runtime, transaction, merchant, found.sender, details)
    except InvalidError as error:
        return dict(error.fields)
    return {}
