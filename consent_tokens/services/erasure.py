"""A consumer goes, or a number changes hands: what is kept leads to nobody any more."""

from collections.abc import Callable
from datetime import datetime

from consent_tokens.consent.grant import EndReason
from consent_tokens.consent.one_time_code import LOGIN_INTENT
from consent_tokens.consent.phone import PhoneNumber
from consent_tokens.evidence.events import Event, EventKind
from consent_tokens.policies import OtpPolicy
from consent_tokens.row_key import RowKey
from consent_tokens.services.consents.revocation import revoke
from consent_tokens.services.number_verification import ChallengeSecret, verify_code
from consent_tokens.services.runtime import Runtime
from consent_tokens.store import (
    complaints,
    fingerprints,
    grants,
    invitations,
    messages,
    preferences,
    receipts,
    recipients,
    sessions,
)
from consent_tokens.store.database import Transaction


def revoke_all(runtime: Runtime, partition: int, reason: EndReason) -> int:
    """End every consent of a recipient; return how many were live."""
    found = runtime.database.read(lambda transaction: grants.of_recipient(transaction, partition))
    live = [grant for grant in found if not grant.is_ended]
    for grant in live:
        revoke(runtime, RowKey(partition, grant.key.id), reason)
    return len(live)


def erase_recipient(
    runtime: Runtime, partition: int, reason: EndReason = EndReason.CONSUMER
) -> int:
    """End every consent, and forget all that leads to the number or was written to it (PIPL 47).

    What stays names nobody: rows at random addresses, with nothing that leads there.
    """
    ended = revoke_all(runtime, partition, reason)
    runtime.database.run(lambda transaction: _delete_data(transaction, partition))
    runtime.database.truncate_wal()
    return ended


def _delete_data(transaction: Transaction, partition: int) -> None:
    messages.delete_texts_of(transaction, partition)
    sessions.delete_of_recipient(transaction, partition)
    for table in (preferences, invitations, receipts, fingerprints):
        table.delete_of_recipient(transaction, partition)
    complaints.delete_statements(transaction, partition)
    recipients.delete_recipient(transaction, partition)


def claim_number(
    runtime: Runtime, policy: OtpPolicy, secret: ChallengeSecret | None, code: str
) -> bool:
    """End what a former owner of a number agreed to, without showing it; whether the code proved.

    Merchants learn that it ended, as of any other end.
    """

    def work(transaction: Transaction) -> tuple[bool, int | None]:
        number = verify_code(runtime, policy, transaction, secret, intent=LOGIN_INTENT, code=code)
        if number is None:
            return False, None
        return True, recipients.find(transaction, runtime.blind_index(number))

    is_proved, partition = runtime.database.run(work)
    if partition is not None:
        _end_former_owner(runtime, partition)
    return is_proved


def number_reassigned(runtime: Runtime, number: PhoneNumber, since: datetime) -> int:
    """End what was agreed to before a number was given to somebody else; return how many."""
    partition = runtime.database.read(
        lambda transaction: recipients.find(transaction, runtime.blind_index(number))
    )
    if partition is None:
        return 0
    return _end_former_owner(runtime, partition, lambda granted: granted < since)


def number_deactivated(runtime: Runtime, partition: int) -> int:
    """End every consent of a number that no longer exists; return how many.

    Told again, it changes nothing: nothing is live there any more.
    """
    found = runtime.database.read(lambda transaction: grants.of_recipient(transaction, partition))
    return (
        _end_former_owner(runtime, partition) if any(not grant.is_ended for grant in found) else 0
    )


def _end_former_owner(
    runtime: Runtime, partition: int, is_before: Callable[[datetime], bool] = lambda _granted: True
) -> int:
    found = runtime.database.read(lambda transaction: grants.of_recipient(transaction, partition))
    if any(not is_before(grant.granted_at) for grant in found if not grant.is_ended):
        # who has the number now has agreed to something, too: that stays, in the same home
        before = [each for each in found if not each.is_ended and is_before(each.granted_at)]
        for grant in before:
            revoke(runtime, RowKey(partition, grant.key.id), EndReason.NUMBER)
        return len(before)
    event = Event(partition=partition, at=runtime.clock.now(), kind=EventKind.NUMBER_REASSIGNED)
    runtime.database.run(lambda transaction: runtime.record(transaction, event))
    return erase_recipient(runtime, partition, EndReason.NUMBER)
