"""What a reviewer reads of a merchant: application, documents, senders, and who decided."""

from dataclasses import dataclass

from consent_tokens.relay.admission.api_access import ApiKey
from consent_tokens.services.merchant_records import get_merchant
from consent_tokens.services.runtime import Runtime
from consent_tokens.store import (
    api_keys,
    applications,
    link_domains,
    merchants,
    reviews,
    senders,
)
from consent_tokens.store.applications import Application, Document
from consent_tokens.store.database import Transaction
from consent_tokens.store.merchants import Merchant
from consent_tokens.store.reviews import Review
from consent_tokens.store.senders import Sender


@dataclass(frozen=True, slots=True, kw_only=True)
class ReviewFile:
    """A merchant, and all that its admission left."""

    merchant: Merchant
    application: Application | None
    documents: list[Document]  # without their content
    link_domains: list[str]
    weight: int
    senders: list[Sender]
    api_keys: list[ApiKey]
    reviews: list[Review]


def read_review_file(runtime: Runtime, merchant_id: str) -> ReviewFile:
    """Return what a reviewer reads of a merchant. Raises NotFoundError."""

    def query(transaction: Transaction) -> ReviewFile:
        merchant = get_merchant(transaction, merchant_id)
        return ReviewFile(
            merchant=merchant,
            application=applications.find(transaction, merchant_id),
            documents=applications.documents_of(transaction, merchant_id),
            link_domains=sorted(link_domains.of_merchant(transaction, merchant_id)),
            weight=merchants.weights(transaction).get(merchant_id, 1),
            senders=senders.of_merchant(transaction, merchant_id),
            api_keys=api_keys.of_merchant(transaction, merchant_id),
            reviews=reviews.of_subject(transaction, merchant_id),
        )

    return runtime.database.read(query)
