"""Retention: expire grants that are past their end, and delete data past its retention period."""

from datetime import datetime
from typing import Final

from consent_tokens.consent.grant import EndReason
from consent_tokens.consent.one_time_code import CODE_LIFETIME
from consent_tokens.consent.request import TOKEN_RETRIEVAL_PERIOD
from consent_tokens.policies import RetentionPolicy
from consent_tokens.services.consents.amendments import resume_due_pauses
from consent_tokens.services.consents.requests import expire_requests
from consent_tokens.services.consents.revocation import revoke_within
from consent_tokens.services.consumer_sessions import SESSION_LIFETIME
from consent_tokens.services.idempotency import RESPONSE_TTL
from consent_tokens.services.runtime import Runtime
from consent_tokens.services.webhooks import RETENTION
from consent_tokens.store import (
    challenges,
    complaints,
    fingerprints,
    grants,
    idempotency,
    invitations,
    messages,
    preferences,
    recipients,
    requests,
    sessions,
    webhooks,
)
from consent_tokens.store.database import Transaction

BATCH_SIZE: Final = 200  # grants that one call expires, at most


def apply_retention(runtime: Runtime, policy: RetentionPolicy) -> int:
    """Expire grants and delete old data, in one transaction; return how many grants expired."""
    now = runtime.clock.now()

    def work(transaction: Transaction) -> int:
        expired = grants.past_expiry(transaction, now, BATCH_SIZE)
        for key in expired:
            revoke_within(runtime, transaction, key, EndReason.EXPIRY)
        requests.delete_tokens_before(transaction, now - TOKEN_RETRIEVAL_PERIOD)
        challenges.delete_before(transaction, now - CODE_LIFETIME)
        challenges.delete_idle_limits(transaction, now)
        sessions.delete_idle(transaction, now - SESSION_LIFETIME)
        idempotency.delete_before(transaction, now - RESPONSE_TTL)
        messages.delete_texts_before(transaction, now - policy.texts)
        webhooks.delete_before(transaction, now - RETENTION)
        _delete_expired(runtime, policy, transaction, now)
        return len(expired)

    count = runtime.database.run(work)
    runtime.database.truncate_wal()
    return count


def _delete_expired(
    runtime: Runtime, policy: RetentionPolicy, transaction: Transaction, now: datetime
) -> None:
    """Resume due pauses, expire requests; delete past invitations, quiet periods and records."""
    resume_due_pauses(runtime, transaction, now)
    expire_requests(runtime, transaction, now)
    for partition in {
        *invitations.delete_expired(transaction, now),
        *preferences.delete_past_quiet_periods(transaction, now),
    }:
        recipients.delete_if_unused(transaction, partition)
    fingerprints.delete_before(transaction, now - policy.records)
    complaints.delete_before(transaction, now - policy.records)
