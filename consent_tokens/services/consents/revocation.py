"""Revoke a grant, or all grants of a merchant: by consumer or merchant, or when time is over.

Revocation destroys the grant's key, so that nobody can open its number any more (promise 3). A
consumer stops a merchant, not one of its grants (promise 12).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from consent_tokens.consent.grant import EndReason, Grant
from consent_tokens.evidence.events import EventKind, grant_event
from consent_tokens.evidence.journal import EntryKind, GrantRevoked
from consent_tokens.evidence.receipts import Propagation
from consent_tokens.evidence.rollups import Measure, counted_for, for_message
from consent_tokens.policies import ConsentPolicy
from consent_tokens.relay.decision import Reason
from consent_tokens.relay.message import STOPPED
from consent_tokens.row_key import RowKey
from consent_tokens.services import webhooks
from consent_tokens.services.consents.invitations import decline_open_invitations
from consent_tokens.services.consents.receipts import issue_withdrawal_receipt
from consent_tokens.services.consents.tokens import claims_of_merchant
from consent_tokens.services.integrity.journal_outbox import (
    enqueue_entry,
    ensure_writable,
    flush_journal,
)
from consent_tokens.services.outbox.in_flight_wait import wait_until_not_in_flight
from consent_tokens.services.refusals import record_refused
from consent_tokens.services.rollups.counting import count_one
from consent_tokens.services.runtime import Runtime
from consent_tokens.store import (
    grants,
    merchant_consents,
    messages,
    outbox,
    paced_messages,
    requests,
)
from consent_tokens.store.database import Transaction

# by which a consumer says no to the merchant; a replayed journal does not know by whom it was
REVOKED: Final = Reason.CONSENT_REVOKED.value  # of what waited under a grant
STOPS: Final = frozenset({EndReason.CONSUMER, EndReason.REPLY, EndReason.JOURNAL})
COUNTED_FOR: Final = timedelta(days=7)  # after a text, a stop is a reaction to it


@dataclass(frozen=True, slots=True)
class Revocation:
    """An ended grant, and how many of its messages were in flight at that moment."""

    grant: Grant
    submitted_meanwhile: int


@dataclass(frozen=True, slots=True)
class MerchantStop:
    """The grants that a stop ended, and how many of their messages were in flight then."""

    ended: Sequence[Grant]
    submitted_meanwhile: int


def revoke(
    runtime: Runtime, key: RowKey, reason: EndReason, *, is_spread: bool = False
) -> Revocation | None:
    """End a grant for good, and return once that is final; None if there is no such grant.

    When this returns, nothing leaves under the grant that the gateway does not already have, and
    nobody can open its number, even with all other keys (promise 3): its key is destroyed, and no
    message of it is in flight any more. Revoking an ended grant changes nothing.

    `is_spread` is for one act that ends consents at several merchants: see `webhooks.enqueue`.
    Raises JournalUnavailableError, because a restored database would forget the revocation.
    """
    ensure_writable(runtime)
    ended = runtime.database.run(
        lambda transaction: revoke_within(runtime, transaction, key, reason, is_spread=is_spread)
    )
    if ended is None:
        return None
    return Revocation(ended, finish_revocation(runtime, key.partition, [key.id]))


def revoke_merchant(
    runtime: Runtime, policy: ConsentPolicy, partition: int, merchant_id: str
) -> MerchantStop:
    """End every grant of a recipient to a merchant, in one transaction, for the consumer.

    Declines the merchant's open invitations, too, and begins its cooldown (promise 12). Returns as
    `revoke` does, once no message of any of the merchant's grants is in flight; also where another
    stop ended them first. Raises as `revoke` does.
    """
    ensure_writable(runtime)

    def work(transaction: Transaction) -> tuple[list[Grant], list[int]]:
        merchant_consents.lock(transaction, partition, merchant_id)
        found = grants.of_recipient_to_merchant(transaction, partition, merchant_id)
        decline_open_invitations(runtime, policy, transaction, partition, [merchant_id])
        ended = [
            revoke_within(runtime, transaction, each.key, EndReason.CONSUMER)
            for each in found
            if not each.is_ended
        ]
        return [each for each in ended if each], [each.key.id for each in found]

    ended, grant_ids = runtime.database.run(work)
    return MerchantStop(ended, finish_revocation(runtime, partition, grant_ids))


def finish_revocation(runtime: Runtime, partition: int, grant_ids: Sequence[int]) -> int:
    """Make committed revocations final: in the journal, and with no message in flight.

    Returns how many messages of these grants were in flight at first. Raises as `revoke` does.
    """
    flush_journal(runtime)
    runtime.database.truncate_wal()
    return wait_until_not_in_flight(
        runtime,
        lambda transaction: outbox.in_flight_under_grants(
            transaction, partition, grant_ids, runtime.clock.now()
        ),
    )


def revoke_by_token(runtime: Runtime, merchant_id: str, token: str) -> None:
    """End the grant of a merchant's token; any other token changes nothing (RFC 7009, 2.2).

    Raises as `revoke` does.
    """
    claims = claims_of_merchant(runtime, merchant_id, token)
    key = runtime.ids.grant.decode(claims.jti) if claims else None
    if key is not None:
        revoke(runtime, key, EndReason.MERCHANT)


def revoke_within(
    runtime: Runtime,
    transaction: Transaction,
    key: RowKey,
    reason: EndReason,
    *,
    is_spread: bool = False,
    replaced_by: Grant | None = None,
) -> Grant | None:
    """End a grant within a transaction; for pages, API calls and replies alike.

    `replaced_by` is the newer consent that counts instead: the merchant is notified of it.
    """
    now = runtime.clock.now()
    found = grants.find(transaction, key)
    if found is None:
        return None
    if reason in STOPS:  # before the grant, as whoever adds a grant does
        merchant_consents.lock(transaction, key.partition, found.merchant_id)
    locked = grants.lock_one(transaction, key)
    if locked is None:
        return None
    ended = locked.grant.ended(now, reason)
    if ended != locked.grant:
        grants.record_end(transaction, ended)
        if reason in STOPS:
            _record_stop(runtime, transaction, ended, reason, is_spread=is_spread)
        requests.delete_token_of(transaction, key)
        kind = EventKind.GRANT_ENDED
        runtime.record(transaction, grant_event(ended, kind, ended.status_since, reason.value))
        count_one(runtime, transaction, Measure.LOST, counted_for(ended.merchant_id), reason.value)
        if reason not in {EndReason.EXPIRY, EndReason.JOURNAL}:
            enqueue_entry(runtime, transaction, EntryKind.REVOKED, GrantRevoked(key))
        event = webhooks.grant_event(runtime, ended, reason, replaced_by)
        webhooks.enqueue(runtime, transaction, [event], now, is_spread=is_spread)
        refused = outbox.refuse_queued(transaction, key, REVOKED, now)
        record_refused(runtime, transaction, refused, now, REVOKED, is_spread=is_spread)
        last = messages.last_submitted_at(transaction, key)
        issue_withdrawal_receipt(
            runtime,
            transaction,
            ended,
            reason,
            Propagation(stopped_messages=len(refused), last_submitted_at=last),
        )
    return ended


def _record_stop(
    runtime: Runtime, transaction: Transaction, ended: Grant, reason: EndReason, *, is_spread: bool
) -> None:
    """Record a stop, and count it for the text that the consumer got last from the merchant.

    A stop of all merchants at once is about no text of one, so it paces no template; in the rollups
    it counts as other stops do, so that they do not show it (promise 5). A replayed one was counted
    before. Of the consents that one stop ends, only the first is a stop more in the rollups.
    """
    now, partition, merchant_id = ended.status_since, ended.key.partition, ended.merchant_id
    last_stop = merchant_consents.last_stop(transaction, partition, [merchant_id])
    merchant_consents.record_stop(transaction, partition, merchant_id, now)
    if reason is EndReason.JOURNAL:
        return
    text = paced_messages.last_text(transaction, partition, merchant_id, now - COUNTED_FOR)
    if text and not is_spread:  # its template may be paced: relay/pacing.py
        paced_messages.add_reaction(transaction, text.key, STOPPED)
    if last_stop is None or last_stop < ended.granted_at:
        of = for_message(text) if text else counted_for(merchant_id)
        count_one(runtime, transaction, Measure.STOPS, of)
