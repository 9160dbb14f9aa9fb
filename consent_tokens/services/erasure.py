"""A consumer goes, or a number changes hands: what is kept leads to nobody any more."""

from collections.abc import Callable
from datetime import datetime

from consent_tokens.app_context import AppContext
from consent_tokens.consent.grant import EndReason
from consent_tokens.consent.one_time_code import LOGIN_INTENT
from consent_tokens.consent.phone import PhoneNumber
from consent_tokens.consent.preferences import Preferences
from consent_tokens.crypto.keyed_hashes import blind_index
from consent_tokens.crypto.opaque_ids import RowKey
from consent_tokens.evidence.events import Event, EventKind
from consent_tokens.services.consents.revocation import revoke
from consent_tokens.services.number_verification import ChallengeSecret, verify_code
from consent_tokens.store import (
    complaints,
    events,
    fingerprints,
    grants,
    invitations,
    messages,
    receipts,
    recipients,
    sessions,
)
from consent_tokens.store import preferences as wishes
from consent_tokens.store.database import Transaction


def revoke_all(world: AppContext, home: int, by: EndReason) -> int:
    """End every consent of a recipient; return how many were live."""
    found = world.database.read(lambda transaction: grants.of_recipient(transaction, home))
    live = [grant for grant in found if not grant.is_ended]
    for grant in live:
        revoke(world, RowKey(home, grant.number), by)
    return len(live)


def erase_recipient(world: AppContext, home: int, by: EndReason = EndReason.CONSUMER) -> int:
    """End every consent, and forget all that leads to the number or was written to it (PIPL 47).

    What stays names nobody: rows at random addresses, with nothing that leads there.
    """
    ended = revoke_all(world, home, by)
    world.database.run(lambda transaction: _delete_data(world, transaction, home))
    world.database.truncate_wal()
    return ended


def _delete_data(world: AppContext, transaction: Transaction, home: int) -> None:
    messages.delete_texts_of(transaction, home)
    sessions.delete_of_recipient(transaction, home)
    if world.database.has_wishes:
        wishes.save(transaction, home, Preferences(), world.default_timezone)
        for forget_all in (
            invitations.delete_of_recipient,
            receipts.delete_of_recipient,
            fingerprints.delete_of_recipient,
        ):
            forget_all(transaction, home)
        complaints.delete_statements(transaction, home)
    recipients.delete_recipient(transaction, home)


def claim_number(world: AppContext, secret: ChallengeSecret | None, code: str) -> bool:
    """End what a former owner of a number agreed to, without showing it; whether the code proved.

    Merchants learn that it ended, as of any other end.
    """

    def deed(transaction: Transaction) -> tuple[bool, int | None]:
        number = verify_code(world, transaction, secret, intent=LOGIN_INTENT, code=code)
        if number is None:
            return False, None
        return True, recipients.find(transaction, _index(world, number))

    is_proved, home = world.database.run(deed)
    if home is not None:
        _end_former_owner(world, home)
    return is_proved


def number_reassigned(world: AppContext, number: PhoneNumber, since: datetime) -> int:
    """End what was agreed to before a number was given to somebody else; return how many."""
    home = world.database.read(
        lambda transaction: recipients.find(transaction, _index(world, number))
    )
    if home is None:
        return 0
    return _end_former_owner(world, home, lambda granted: granted < since)


def number_deactivated(world: AppContext, home: int) -> int:
    """End every consent of a number that no longer exists; return how many.

    Told again, it changes nothing: nothing is live there any more.
    """
    found = world.database.read(lambda transaction: grants.of_recipient(transaction, home))
    return _end_former_owner(world, home) if any(not grant.is_ended for grant in found) else 0


def _end_former_owner(
    world: AppContext, home: int, is_before: Callable[[datetime], bool] = lambda _granted: True
) -> int:
    found = world.database.read(lambda transaction: grants.of_recipient(transaction, home))
    if any(not is_before(grant.granted_at) for grant in found if not grant.is_ended):
        # who has the number now has agreed to something, too: that stays, in the same home
        before = [each for each in found if not each.is_ended and is_before(each.granted_at)]
        for grant in before:
            revoke(world, RowKey(home, grant.number), EndReason.NUMBER)
        return len(before)
    line = Event(partition=home, at=world.clock.now(), kind=EventKind.NUMBER_REASSIGNED)
    world.database.run(
        lambda transaction: events.record(transaction, [line], world.random.token_bytes)
    )
    return erase_recipient(world, home, EndReason.NUMBER)


def _index(world: AppContext, number: PhoneNumber) -> bytes:
    return blind_index(number.reveal(), world.keyring.index)
