"""Prometheus metrics of the relay. No label identifies a consumer, a merchant or a phone number."""

from typing import Final

from prometheus_client import Counter, Histogram

MESSAGES_ACCEPTED: Final = Counter(
    "consent_messages_accepted", "Messages accepted into the outbox."
)
MESSAGES_REFUSED: Final = Counter(
    "consent_messages_refused", "Messages that the relay refused, by refusal code.", ["reason"]
)
MESSAGES_COMPLETED: Final = Counter(
    "consent_messages_completed", "Messages processed by the dispatcher, by status.", ["status"]
)
SUBMIT_SECONDS: Final = Histogram(
    "consent_submit_seconds",
    "Time that the gateway took to answer the submissions of one round.",
    buckets=(0.005, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30),
)
GATEWAY_EVENTS: Final = Counter(
    "consent_gateway_events", "Delivery reports and inbound messages received.", ["kind"]
)
WEBHOOK_CALLS: Final = Counter("consent_webhooks", "Calls to merchants' webhooks.", ["outcome"])
DISPATCH_WITHHELD: Final = Counter(
    "consent_dispatch_withheld",
    "Rounds not started because the service was not ready, by error code.",
    ["reason"],
)
