"""What a merchant still has to do before its first text can leave."""

from dataclasses import dataclass

from consent_tokens.listing import ListFilter
from consent_tokens.services.merchant_records import get_merchant
from consent_tokens.services.runtime import Runtime
from consent_tokens.store import api_keys, requests, senders, templates
from consent_tokens.store.database import Transaction


@dataclass(frozen=True, slots=True, kw_only=True)
class FirstSteps:
    """Which of the first steps a merchant has done."""

    has_key: bool  # that works
    has_sender: bool  # from which texts may leave
    has_template: bool  # submitted, whatever was decided
    has_asked: bool  # a customer

    @property
    def is_done(self) -> bool:
        """Whether all are done."""
        return self.has_key and self.has_sender and self.has_template and self.has_asked


def read_first_steps(runtime: Runtime, merchant_id: str) -> FirstSteps:
    """Return which of the first steps a merchant has done. Raises NotFoundError."""
    now, one = runtime.clock.now(), ListFilter(limit=1)

    def query(transaction: Transaction) -> FirstSteps:
        partition = get_merchant(transaction, merchant_id).partition
        keys = api_keys.of_merchant(transaction, merchant_id)
        own = senders.of_merchant(transaction, merchant_id)
        return FirstSteps(
            has_key=any(each.is_live_at(now) for each in keys),
            has_sender=any(each.is_live_at(now) for each in own),
            has_template=bool(templates.list_newest(transaction, one, merchant_id)),
            has_asked=requests.latest_of_merchant(transaction, partition) is not None,
        )

    return runtime.database.read(query)
