"""What is counted, for Prometheus. No label names a consumer, a merchant or a number."""

from typing import Final

from prometheus_client import Counter, Histogram

MESSAGES_ACCEPTED: Final = Counter("consent_messages_accepted", "Messages taken into the outbox.")
MESSAGES_REFUSED: Final = Counter(
    "consent_messages_refused", "Messages that the relay refused.", ["code"]
)
MESSAGES_COMPLETED: Final = Counter(
    "consent_messages_concluded", "What became of messages taken up by the dispatcher.", ["state"]
)
SUBMIT_SECONDS: Final = Histogram(
    "consent_submit_seconds",
    "How long the gateway took for what was handed to it in one round.",
    buckets=(0.005, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30),
)
GATEWAY_EVENTS: Final = Counter(
    "consent_gateway_heard", "What came back from the gateway.", ["kind"]
)
WEBHOOK_CALLS: Final = Counter("consent_webhooks", "Calls to merchants' webhooks.", ["outcome"])
DISPATCH_WITHHELD: Final = Counter(
    "consent_dispatch_withheld", "Rounds in which nothing left because it was not safe.", ["code"]
)
