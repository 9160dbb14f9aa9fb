"""Erasure of a recipient's data, and what happens when a phone number gets a new owner."""

from collections.abc import Callable, Sequence
from datetime import datetime

from consent_tokens.consent.grant import EndReason, Grant
from consent_tokens.consent.one_time_code import LOGIN_INTENT
from consent_tokens.consent.phone import PhoneNumber
from consent_tokens.evidence.events import Event, EventKind, grant_event
from consent_tokens.evidence.journal import EntryKind, RecipientErased
from consent_tokens.policies import OtpPolicy
from consent_tokens.services.consents.recipients import forget_waiting
from consent_tokens.services.consents.revocation import revoke
from consent_tokens.services.consents.sent_texts import erase_sent_texts
from consent_tokens.services.integrity.journal_outbox import (
    enqueue_entry,
    ensure_writable,
    flush_journal,
)
from consent_tokens.services.number_verification import ChallengeSecret, verify_code
from consent_tokens.services.runtime import Runtime
from consent_tokens.store import (
    complaints,
    decision_inputs,
    events,
    grants,
    invitations,
    merchant_consents,
    message_links,
    messages,
    preferences,
    receipts,
    recipients,
    sessions,
)
from consent_tokens.store.database import Transaction


def revoke_all(runtime: Runtime, partition: int, reason: EndReason) -> int:
    """Revoke every live grant of a recipient; return how many there were.

    Raises JournalUnavailableError, and what the database raises.
    """
    found = runtime.database.read(lambda transaction: grants.of_recipient(transaction, partition))
    live = [grant for grant in found if not grant.is_ended]
    for grant in live:
        revoke(runtime, grant.key, reason, is_spread=True)
    return len(live)


def erase_recipient(
    runtime: Runtime, partition: int, reason: EndReason = EndReason.CONSUMER
) -> int:
    """Revoke every grant and delete the recipient's personal data (PIPL, Art. 47).

    The erasure is in the revocation journal when this returns, so that a backup that is restored
    later is erased again. Returns how many grants were live. The evidence that remains, as long as
    the law requires it (Art. 47), is stored under a random partition that nothing links to the
    phone number any more. Raises as `revoke_all` does.
    """
    ensure_writable(runtime)
    revoked = revoke_all(runtime, partition, reason)
    is_former_owner = reason is EndReason.NUMBER

    def work(transaction: Transaction) -> None:
        delete_data(transaction, partition, is_former_owner=is_former_owner)
        erased = RecipientErased(partition, is_former_owner)
        enqueue_entry(runtime, transaction, EntryKind.ERASED, erased)

    runtime.database.run(work)
    flush_journal(runtime)
    runtime.database.truncate_wal()
    return revoked


def delete_data(transaction: Transaction, partition: int, *, is_former_owner: bool) -> None:
    """Delete the personal data of a recipient, within a transaction."""
    erase_sent_texts(transaction, partition, is_former_owner=is_former_owner)
    messages.delete_texts_of(transaction, partition)
    sessions.delete_of_recipient(transaction, partition)
    for table in (
        preferences,
        invitations,
        merchant_consents,
        receipts,
        message_links,
        decision_inputs,
    ):
        table.delete_of_recipient(transaction, partition)
    complaints.delete_statements(transaction, partition)
    recipients.delete_recipient(transaction, partition)


def claim_number(
    runtime: Runtime, policy: OtpPolicy, secret: ChallengeSecret | None, code: str
) -> bool:
    """Erase what a former owner of a number agreed to, without showing it to the new owner.

    Returns whether the code is right, and so proves who owns the number now. Merchants are notified
    of each revoked grant, as of any other revocation.
    """

    def work(transaction: Transaction) -> tuple[bool, int | None]:
        number = verify_code(runtime, policy, transaction, secret, intent=LOGIN_INTENT, code=code)
        if number is None:
            return False, None
        forget_waiting(runtime, transaction, number)
        return True, recipients.find(transaction, runtime.blind_index(number))

    is_verified, partition = runtime.database.run(work)
    if partition is not None:
        _revoke_former_owner(runtime, partition)
    return is_verified


def number_reassigned(runtime: Runtime, number: PhoneNumber, since: datetime) -> int:
    """Revoke the grants given before a number was reassigned at `since`; return how many."""

    def work(transaction: Transaction) -> int | None:
        forget_waiting(runtime, transaction, number)
        return recipients.find(transaction, runtime.blind_index(number))

    partition = runtime.database.run(work)
    if partition is None:
        return 0
    return _revoke_former_owner(runtime, partition, lambda granted_at: granted_at < since)


def number_deactivated(runtime: Runtime, partition: int) -> int:
    """Erase the recipient of a number that is no longer in service; return how many were live.

    Idempotent: a second report finds nobody.
    """
    is_known = runtime.database.read(
        lambda transaction: recipients.is_known(transaction, partition)
    )
    return _revoke_former_owner(runtime, partition) if is_known else 0


def _revoke_former_owner(
    runtime: Runtime,
    partition: int,
    is_former: Callable[[datetime], bool] = lambda _granted_at: True,
) -> int:
    """Revoke a former owner's grants; erase the recipient too, unless the new owner has grants.

    Returns how many were live. Grants that had ended before are hidden from the new owner.
    """
    found = runtime.database.read(lambda transaction: grants.of_recipient(transaction, partition))
    former = [grant for grant in found if is_former(grant.granted_at)]
    if len(former) < len(found):  # the new owner's grants are in the same partition, and stay
        return _hide_former_owner(runtime, partition, former)
    event = Event(partition=partition, at=runtime.clock.now(), kind=EventKind.NUMBER_REASSIGNED)
    runtime.database.run(lambda transaction: runtime.record(transaction, event))
    return erase_recipient(runtime, partition, EndReason.NUMBER)


def _hide_former_owner(runtime: Runtime, partition: int, former: Sequence[Grant]) -> int:
    """Revoke those of a former owner's grants that live, and hide those that had ended."""
    live = [grant for grant in former if not grant.is_ended]
    for grant in live:
        revoke(runtime, grant.key, EndReason.NUMBER, is_spread=True)
    now = runtime.clock.now()

    def work(transaction: Transaction) -> None:
        hidden = events.reassigned_grants_of(transaction, partition)
        kind, reason = EventKind.NUMBER_REASSIGNED, EndReason.NUMBER.value
        shown = [each for each in former if each.is_ended and each.key.id not in hidden]
        runtime.record(transaction, *(grant_event(each, kind, now, reason) for each in shown))

    runtime.database.run(work)
    return len(live)
