"""Read and update a recipient's preferences, which apply to all merchants from the next message."""

from collections.abc import Callable
from zoneinfo import ZoneInfo

from consent_tokens.consent.preferences import Preferences
from consent_tokens.evidence.events import Event, EventKind
from consent_tokens.services.outbox.in_flight_wait import wait_until_not_in_flight
from consent_tokens.services.runtime import Runtime
from consent_tokens.store import grants, outbox, preferences, recipients
from consent_tokens.store.database import Transaction


def update_preferences(
    runtime: Runtime,
    partition: int,
    change_name: str,
    change: Callable[[Preferences], Preferences],
    *,
    default_timezone: ZoneInfo,
) -> Preferences:
    """Change a recipient's preferences and return the new ones.

    `change_name` is recorded in the event. The recipient's grants are locked, as they are while a
    message is decided, so each decision uses the old or the new preferences; messages that were
    leased under the old ones are waited for. Raises DatabaseBusyError if they stay in flight.
    """

    def work(transaction: Transaction) -> Preferences:
        grants.lock(transaction, [each.key for each in grants.of_recipient(transaction, partition)])
        before = preferences.find(transaction, partition)
        after = change(before)
        if after != before:
            timezone = timezone_of(transaction, partition, default_timezone)
            preferences.save(transaction, partition, after, timezone)
            _record_change(runtime, transaction, partition, change_name, after)
        return after

    updated = runtime.database.run(work)
    wait_until_not_in_flight(
        runtime,
        lambda transaction: outbox.in_flight_to_recipient(
            transaction, partition, runtime.clock.now()
        ),
    )
    return updated


def _record_change(
    runtime: Runtime,
    transaction: Transaction,
    partition: int,
    change_name: str,
    changed: Preferences,
) -> None:
    """Record the event of a change, and what follows from it."""
    now = runtime.clock.now()
    if changed.no_invitations:
        outbox.refuse_queued_invitations(transaction, partition, now)
    runtime.record(
        transaction,
        Event(partition=partition, at=now, kind=EventKind.PREFERENCES_CHANGED, reason=change_name),
    )
    recipients.delete_if_unused(transaction, partition)


def find_preferences(runtime: Runtime, partition: int) -> Preferences:
    """Return a recipient's preferences."""
    return runtime.database.read(lambda transaction: preferences.find(transaction, partition))


def find_timezone(runtime: Runtime, partition: int, default: ZoneInfo) -> ZoneInfo:
    """Return the time zone of a recipient's newest consent, else the default."""
    return runtime.database.read(lambda transaction: timezone_of(transaction, partition, default))


def timezone_of(transaction: Transaction, partition: int, default: ZoneInfo) -> ZoneInfo:
    """Return the time zone of a recipient's newest consent, else the default."""
    return grants.newest_timezone(transaction, partition) or default
