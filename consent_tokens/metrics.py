"""Prometheus metrics of the relay. No label identifies a consumer, a merchant or a phone number."""

import os
from pathlib import Path
from typing import Final

from prometheus_client import Counter, Histogram, values
from prometheus_client.metrics import MetricWrapperBase

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
INBOUND_UNMATCHED: Final = Counter(
    "consent_inbound_unmatched",
    "Inbound messages and reports that belong to nobody or cannot be read, by reason.",
    ["reason"],
)
WEBHOOK_CALLS: Final = Counter("consent_webhooks", "Calls to merchants' webhooks.", ["outcome"])
AUTHENTICATION_FAILURES: Final = Counter(
    "consent_authentication_failures", "Calls of the merchant API without a valid key.", ["reason"]
)
LINK_MISSES: Final = Counter("consent_link_misses", "Links of texts that lead nowhere.")
REQUESTS_REFUSED: Final = Counter(
    "consent_requests_refused",
    "Requests that no view looked at, by HTTP status: 408 late, 413 too large, 503 queue full.",
    ["status"],
)
DISPATCH_WITHHELD: Final = Counter(
    "consent_dispatch_withheld",
    "Rounds not started because the service was not ready, by error code.",
    ["reason"],
)
RULES_SHADOW: Final = Counter(
    "consent_rules_shadow",
    "Accepted messages that a rule in shadow would not have let leave then, by its id.",
    ["rule"],
)
RULES_RELOADS: Final = Counter(
    "consent_rules_reloads",
    "Changed rule packs: `read`, or `invalid`, which keeps those before.",
    ["outcome"],
)

TEMPLATES_HELD: Final = Counter(
    "consent_templates_held", "Templates held because one value was in too many of their texts."
)

PACING_CHANGES: Final = Counter(
    "consent_pacing_changes",
    "Changes of how new templates may leave: advanced, held, waiting, resumed, dropped, finished.",
    ["change"],
)
TEMPLATES_DISPUTED: Final = Counter(
    "consent_templates_disputed", "Reviews started because people reported texts as adverts."
)
MANY_TEXTS_PER_EVENT: Final = Counter(
    "consent_many_texts_per_event",
    "Merchants that had far more texts for each event on a day than is usual.",
)
ALL: Final[tuple[MetricWrapperBase, ...]] = (
    MESSAGES_ACCEPTED,
    MESSAGES_REFUSED,
    MESSAGES_COMPLETED,
    SUBMIT_SECONDS,
    GATEWAY_EVENTS,
    WEBHOOK_CALLS,
    AUTHENTICATION_FAILURES,
    LINK_MISSES,
    REQUESTS_REFUSED,
    DISPATCH_WITHHELD,
    TEMPLATES_HELD,
    RULES_RELOADS,
    TEMPLATES_DISPUTED,
    MANY_TEXTS_PER_EVENT,
    PACING_CHANGES,
    RULES_SHADOW,
)


def share_between_processes(folder: Path) -> None:
    """Count in files of a folder from here on, one for each process (multiprocess mode).

    Call it before anything is counted and before the processes are forked. prometheus_client
    itself decides by the environment when it is imported, which is before settings are read.
    """
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(folder)  # noqa: TID251 - written, not read
    values.ValueClass = values.MultiProcessValue()  # type: ignore[no-untyped-call]  # it has no types
    for metric in ALL:
        if not metric._labelnames:  # noqa: SLF001 - those with labels make their values when used
            metric._metric_init()  # type: ignore[no-untyped-call]  # noqa: SLF001 - no public way
