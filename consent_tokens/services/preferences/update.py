"""Change what a consumer has set over all merchants; it holds from the very next message on."""

from collections.abc import Callable
from zoneinfo import ZoneInfo

from consent_tokens.consent.preferences import Preferences
from consent_tokens.evidence.events import Event, EventKind
from consent_tokens.services.outbox.in_flight import wait_until_not_in_flight
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
    """Return a recipient's preferences after a change; `change_name` is kept in the event.

    All grants of the recipient are locked meanwhile. Whoever decides on a message locks its grant,
    so it reads these preferences or has read the ones before; what was leased under the ones before
    is waited for.
    """
    now = runtime.clock.now()

    def work(transaction: Transaction) -> Preferences:
        grants.lock(transaction, [each.key for each in grants.of_recipient(transaction, partition)])
        before = preferences.find(transaction, partition)
        after = change(before)
        if after != before:
            timezone = timezone_of(transaction, partition, default_timezone)
            preferences.save(transaction, partition, after, timezone)
            if after.no_invitations:
                outbox.refuse_queued_invitations(transaction, partition, now)
            runtime.record(
                transaction,
                Event(
                    partition=partition,
                    at=now,
                    kind=EventKind.PREFERENCES_CHANGED,
                    reason=change_name,
                ),
            )
            recipients.delete_if_unused(transaction, partition)
        return after

    changed = runtime.database.run(work)
    wait_until_not_in_flight(
        runtime,
        lambda transaction: outbox.in_flight_to_recipient(
            transaction, partition, runtime.clock.now()
        ),
    )
    return changed


def find_preferences(runtime: Runtime, partition: int) -> Preferences:
    """Return a recipient's preferences."""
    return runtime.database.read(lambda transaction: preferences.find(transaction, partition))


def find_timezone(runtime: Runtime, partition: int, default: ZoneInfo) -> ZoneInfo:
    """Return the time zone of a recipient's newest consent, else the default."""
    return runtime.database.read(lambda transaction: timezone_of(transaction, partition, default))


def timezone_of(transaction: Transaction, partition: int, default: ZoneInfo) -> ZoneInfo:
    """Return the time zone of a recipient's newest consent, else the default."""
    return grants.newest_timezone(transaction, partition) or default
