"""Read and update a recipient's preferences, which apply to all merchants from the next message."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final
from zoneinfo import ZoneInfo

from consent_tokens.consent.preferences import Preferences, stricter_of
from consent_tokens.consent.timezones import Timezones
from consent_tokens.evidence.events import Event, EventKind
from consent_tokens.evidence.journal import EntryKind, PreferencesSet
from consent_tokens.services.integrity.journal_outbox import (
    enqueue_entry,
    ensure_writable,
    flush_journal,
    tag_of,
)
from consent_tokens.services.outbox.in_flight_wait import wait_until_not_in_flight
from consent_tokens.services.outbox.service_messages import WITHHELD
from consent_tokens.services.rollups.counting import count_refused
from consent_tokens.services.runtime import Runtime
from consent_tokens.store import grants, outbox, preferences, recipients
from consent_tokens.store.database import Transaction

FROM_JOURNAL: Final = "journal"  # the reason in the event of a replayed change
NO_TIMEZONE: Final = ZoneInfo("UTC")  # of preferences without hours, of a recipient without grants


@dataclass(frozen=True, slots=True)
class PreferenceUpdate:
    """What a recipient's preferences were, and what was saved."""

    before: Preferences
    after: Preferences


def update_preferences(
    runtime: Runtime,
    partition: int,
    change_name: str,
    change: Callable[[Preferences, Timezones], Preferences],
    *,
    default_timezone: ZoneInfo,
) -> PreferenceUpdate:
    """Change a recipient's preferences; return the old and the new ones.

    `change` gets the time zones of the newest consent as well. `change_name` is recorded in the
    event. The recipient's grants are locked, as they are while a message is decided, so each
    decision uses the old or the new preferences; messages that were leased under the old ones are
    waited for. The change is in the revocation journal when this returns. Raises
    JournalUnavailableError, DatabaseBusyError if messages stay in flight.
    """
    ensure_writable(runtime)

    def work(transaction: Transaction) -> PreferenceUpdate:
        before = _lock(transaction, partition)
        timezones = timezones_of(transaction, partition, default_timezone)
        after = change(before, timezones)
        if after != before:
            _save(runtime, transaction, partition, change_name, after, timezones)
            entry = PreferencesSet(partition, tag_of(runtime, transaction, partition), after)
            enqueue_entry(runtime, transaction, EntryKind.PREFERENCES, entry)
            recipients.delete_if_unused(transaction, partition)
        return PreferenceUpdate(before, after)

    updated = runtime.database.run(work)
    flush_journal(runtime)
    wait_until_not_in_flight(
        runtime,
        lambda transaction: outbox.in_flight_to_recipient(
            transaction, partition, runtime.clock.now()
        ),
    )
    return updated


def restore_preferences(
    runtime: Runtime,
    transaction: Transaction,
    partition: int,
    journalled: Preferences,
    *,
    may_widen: bool,
) -> bool:
    """Set the preferences that the journal holds; return whether that changed them.

    Unless it `may_widen`, each part that is stricter now stays as it is.
    """
    before = _lock(transaction, partition)
    after = journalled if may_widen else stricter_of(before, journalled)
    if after == before:
        return False
    timezones = timezones_of(transaction, partition, NO_TIMEZONE)
    _save(runtime, transaction, partition, FROM_JOURNAL, after, timezones)
    recipients.delete_if_unused(transaction, partition)
    return True


def _lock(transaction: Transaction, partition: int) -> Preferences:
    """Return a recipient's preferences; their grants are locked until the transaction ends."""
    grants.lock(transaction, [each.key for each in grants.of_recipient(transaction, partition)])
    return preferences.lock(transaction, [partition])().get(partition, Preferences())


def _save(
    runtime: Runtime,
    transaction: Transaction,
    partition: int,
    change_name: str,
    changed: Preferences,
    timezones: Timezones,
) -> None:
    """Save preferences, with the event of the change and what follows from it."""
    now = runtime.clock.now()
    preferences.save(transaction, partition, changed, timezones)
    if changed.no_invitations:
        refused = outbox.refuse_queued_invitations(transaction, partition, WITHHELD, now)
        count_refused(runtime, transaction, refused, now, WITHHELD)
    runtime.record(
        transaction,
        Event(partition=partition, at=now, kind=EventKind.PREFERENCES_CHANGED, reason=change_name),
    )


def find_preferences(runtime: Runtime, partition: int) -> Preferences:
    """Return a recipient's preferences."""
    return runtime.database.read(lambda transaction: preferences.find(transaction, partition))


def find_timezones(runtime: Runtime, partition: int, default: ZoneInfo) -> Timezones:
    """Return the time zones of a recipient's newest consent, else the default."""
    return runtime.database.read(lambda transaction: timezones_of(transaction, partition, default))


def timezones_of(transaction: Transaction, partition: int, default: ZoneInfo) -> Timezones:
    """Return the time zones of a recipient's newest consent, else the default."""
    return grants.newest_timezones(transaction, partition) or (default,)
