"""What is recorded of messages that waited and will not be sent."""

from collections.abc import Sequence
from datetime import datetime

from consent_tokens.evidence.events import EventKind, message_event
from consent_tokens.relay.message import Message, MessageStatus
from consent_tokens.services import webhooks
from consent_tokens.services.rollups.counting import count_refused
from consent_tokens.services.runtime import Runtime
from consent_tokens.store.database import Transaction


def record_refused(
    runtime: Runtime,
    transaction: Transaction,
    refused: Sequence[Message],
    now: datetime,
    reason: str,
    *,
    is_spread: bool = False,
) -> None:
    """Record that these messages are refused for a reason, and tell their merchants.

    `is_spread` is for one act that ends consents at several merchants: see `webhooks.enqueue`.
    """
    runtime.record(
        transaction,
        *(message_event(each, EventKind.MESSAGE_REFUSED, now, reason) for each in refused),
    )
    count_refused(runtime, transaction, refused, now, reason)
    outcome = MessageStatus.REFUSED, reason
    webhooks.enqueue(
        runtime,
        transaction,
        [
            webhooks.message_status_event(
                runtime, each.key, each.merchant_id, each.reference, outcome
            )
            for each in refused
        ],
        now,
        is_spread=is_spread,
    )
