"""A recipient's wishes over all merchants; each counts for the very next message."""

from collections.abc import Callable
from zoneinfo import ZoneInfo

from consent_tokens.app_context import AppContext
from consent_tokens.consent.preferences import Preferences
from consent_tokens.crypto.opaque_ids import RowKey
from consent_tokens.errors import ConflictError
from consent_tokens.evidence.events import Event, EventKind
from consent_tokens.services.outbox.in_flight import wait_until_not_in_flight
from consent_tokens.store import events, grants, messages, recipients
from consent_tokens.store import preferences as wishes
from consent_tokens.store.database import Transaction


def update_preferences(
    world: AppContext, home: int, change_name: str, change: Callable[[Preferences], Preferences]
) -> Preferences:
    """Return a recipient's wishes, changed; `what` names the change in the evidence.

    All grants of the home are held meanwhile: whoever judges a message holds its grant, so it
    reads these wishes or has read the ones before, and what it holds in its hands is waited for.
    """
    if not world.database.has_wishes:
        raise ConflictError("the database has yet to be upgraded")
    now = world.clock.now()

    def deed(transaction: Transaction) -> Preferences:
        found = grants.of_recipient(transaction, home)
        grants.lock(transaction, [RowKey(home, grant.number) for grant in found])
        before = wishes.find(transaction, home)
        after = change(before)
        if after != before:
            wishes.save(transaction, home, after, timezone_of(world, transaction, home))
            if after.no_invitations:
                messages.refuse_queued_invitations(transaction, home, now)
            line = Event(
                partition=home, at=now, kind=EventKind.PREFERENCES_CHANGED, reason=change_name
            )
            events.record(transaction, [line], world.random.token_bytes)
            recipients.delete_if_unused(transaction, home, has_wishes=True)
        return after

    changed = world.database.run(deed)
    wait_until_not_in_flight(
        world,
        lambda transaction: messages.in_flight_to_recipient(transaction, home, world.clock.now()),
    )
    return changed


def find_preferences(world: AppContext, home: int) -> Preferences:
    """Return a recipient's wishes."""
    if not world.database.has_wishes:
        return Preferences()
    return world.database.read(lambda transaction: wishes.find(transaction, home))


def timezone_of(world: AppContext, transaction: Transaction, home: int) -> ZoneInfo:
    """Return whose clock a recipient's days go by: that of their newest consent, else ours."""
    found = grants.of_recipient(transaction, home)
    return found[0].scope.send_window.timezone if found else world.default_timezone
