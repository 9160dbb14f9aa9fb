"""A consumer goes, or a number changes hands: what is kept leads to nobody any more."""

from collections.abc import Callable
from datetime import datetime

from consent_tokens.app_context import World
from consent_tokens.consent.grant import EndedBy
from consent_tokens.consent.one_time_code import LOGIN
from consent_tokens.consent.phone import PhoneNumber
from consent_tokens.consent.preferences import Wishes
from consent_tokens.crypto.keyed_hashes import blind_index
from consent_tokens.crypto.opaque_ids import Address
from consent_tokens.evidence.events import Event, Kind
from consent_tokens.services.consents.revocation import end
from consent_tokens.services.number_verification import Secret, prove
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


def end_all(world: World, home: int, by: EndedBy) -> int:
    """End every consent of a recipient; return how many were live."""
    found = world.store.read(lambda transaction: grants.in_home(transaction, home))
    live = [grant for grant in found if not grant.is_over]
    for grant in live:
        end(world, Address(home, grant.number), by)
    return len(live)


def forget(world: World, home: int, by: EndedBy = EndedBy.CONSUMER) -> int:
    """End every consent, and forget all that leads to the number or was written to it (PIPL 47).

    What stays names nobody: rows at random addresses, with nothing that leads there.
    """
    ended = end_all(world, home, by)
    world.store.run(lambda transaction: _forget(world, transaction, home))
    world.store.scrub()
    return ended


def _forget(world: World, transaction: Transaction, home: int) -> None:
    messages.forget_texts_in(transaction, home)
    sessions.end_all(transaction, home)
    if world.store.has_wishes:
        wishes.put(transaction, home, Wishes(), world.zone)
        for forget_all in (invitations.forget_all, receipts.forget_all, fingerprints.forget_all):
            forget_all(transaction, home)
        complaints.forget_words(transaction, home)
    recipients.forget(transaction, home)


def new_owner(world: World, secret: Secret | None, code: str) -> bool:
    """End what a former owner of a number agreed to, without showing it; whether the code proved.

    Merchants learn that it ended, as of any other end.
    """

    def deed(transaction: Transaction) -> tuple[bool, int | None]:
        number = prove(world, transaction, secret, about=LOGIN, code=code)
        if number is None:
            return False, None
        return True, recipients.find(transaction, _index(world, number))

    is_proved, home = world.store.run(deed)
    if home is not None:
        _move_out(world, home)
    return is_proved


def reassigned(world: World, number: PhoneNumber, since: datetime) -> int:
    """End what was agreed to before a number was given to somebody else; return how many."""
    home = world.store.read(lambda transaction: recipients.find(transaction, _index(world, number)))
    if home is None:
        return 0
    return _move_out(world, home, lambda granted: granted < since)


def gone(world: World, home: int) -> int:
    """End every consent of a number that no longer exists; return how many.

    Told again, it changes nothing: nothing is live there any more.
    """
    found = world.store.read(lambda transaction: grants.in_home(transaction, home))
    return _move_out(world, home) if any(not grant.is_over for grant in found) else 0


def _move_out(
    world: World, home: int, is_before: Callable[[datetime], bool] = lambda _granted: True
) -> int:
    found = world.store.read(lambda transaction: grants.in_home(transaction, home))
    if any(not is_before(grant.granted) for grant in found if not grant.is_over):
        # who has the number now has agreed to something, too: that stays, in the same home
        before = [each for each in found if not each.is_over and is_before(each.granted)]
        for grant in before:
            end(world, Address(home, grant.number), EndedBy.NUMBER)
        return len(before)
    line = Event(home=home, at=world.clock.now(), kind=Kind.NUMBER_CHANGED)
    world.store.run(lambda transaction: events.record(transaction, [line], world.chance.draw))
    return forget(world, home, EndedBy.NUMBER)


def _index(world: World, number: PhoneNumber) -> bytes:
    return blind_index(number.reveal(), world.keyring.index)
