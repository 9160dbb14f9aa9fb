"""What waits for a person of the operator, by kind: the counts beside the navigation."""

from collections.abc import Mapping

from consent_tokens.services.runtime import Runtime
from consent_tokens.store import waiting
from consent_tokens.store.database import Transaction


def count_waiting(runtime: Runtime) -> Mapping[str, int]:
    """Return how many applications, senders, templates, appeals, complaints and proposals wait."""
    now = runtime.clock.now()

    def query(transaction: Transaction) -> Mapping[str, int]:
        return waiting.count(transaction, now)

    return runtime.database.read(query)
