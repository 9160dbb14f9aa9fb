"""A recipient's wishes over all merchants; each counts for the very next message."""

from collections.abc import Callable
from zoneinfo import ZoneInfo

from consent_tokens.app_context import World
from consent_tokens.consent.preferences import Wishes
from consent_tokens.crypto.opaque_ids import Address
from consent_tokens.errors import ConflictError
from consent_tokens.evidence.events import Event, Kind
from consent_tokens.services.outbox.in_flight import wait_for_hands
from consent_tokens.store import events, grants, messages, recipients
from consent_tokens.store import preferences as wishes
from consent_tokens.store.database import Transaction


def wish(world: World, home: int, what: str, change: Callable[[Wishes], Wishes]) -> Wishes:
    """Return a recipient's wishes, changed; `what` names the change in the evidence.

    All grants of the home are held meanwhile: whoever judges a message holds its grant, so it
    reads these wishes or has read the ones before, and what it holds in its hands is waited for.
    """
    if not world.store.has_wishes:
        raise ConflictError("the database has yet to be upgraded")
    now = world.clock.now()

    def deed(transaction: Transaction) -> Wishes:
        found = grants.in_home(transaction, home)
        grants.lock(transaction, [Address(home, grant.number) for grant in found])
        before = wishes.find(transaction, home)
        after = change(before)
        if after != before:
            wishes.put(transaction, home, after, zone_of(world, transaction, home))
            if after.no_invitations:
                messages.stop_invitations(transaction, home, now)
            line = Event(home=home, at=now, kind=Kind.WISHES_CHANGED, code=what)
            events.record(transaction, [line], world.chance.draw)
            recipients.forget_if_idle(transaction, home, has_wishes=True)
        return after

    changed = world.store.run(deed)
    wait_for_hands(
        world, lambda transaction: messages.under_way_in(transaction, home, world.clock.now())
    )
    return changed


def wishes_of(world: World, home: int) -> Wishes:
    """Return a recipient's wishes."""
    if not world.store.has_wishes:
        return Wishes()
    return world.store.read(lambda transaction: wishes.find(transaction, home))


def zone_of(world: World, transaction: Transaction, home: int) -> ZoneInfo:
    """Return whose clock a recipient's days go by: that of their newest consent, else ours."""
    found = grants.in_home(transaction, home)
    return found[0].scope.hours.zone if found else world.zone
