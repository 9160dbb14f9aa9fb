"""The preferences of the recipients whose messages are decided together, and what they used up."""

from bisect import insort
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from consent_tokens.consent.preferences import NO_PREFERENCES, WEEK, Preferences
from consent_tokens.relay.message import Priority
from consent_tokens.row_key import RowKey
from consent_tokens.store import messages, preferences
from consent_tokens.store.database import Transaction
from consent_tokens.store.grants import LockedGrant


@dataclass(slots=True)
class PreferenceSnapshot:
    """Preferences by partition, locked until the transaction ends; most recipients set none."""

    preferences: Mapping[int, Preferences]
    marketing_sends: dict[int, list[datetime]]  # over all merchants, where a limit needs them

    @classmethod
    def load(
        cls,
        transaction: Transaction,
        locked: Mapping[RowKey, LockedGrant],
        now: datetime,
        *,
        but: Collection[int] = (),
        submitted_only: bool = False,
    ) -> "PreferenceSnapshot":
        """Read the preferences of these recipients, once their grants are locked.

        The messages in `but` do not count; with `submitted_only` those that still wait do not.
        """
        if not locked:
            return cls({}, {})
        found = preferences.lock(transaction, {key.partition for key in locked})
        limited = [partition for partition, each in found.items() if each.rate_limits]
        sends = messages.marketing_sends_of(transaction, limited, now - WEEK)
        counted = {
            partition: [
                send.send_at
                for send in sends.get(partition, ())
                if send.message_id not in but and (send.is_submitted or not submitted_only)
            ]
            for partition in limited
        }
        return cls(found, counted)

    def preferences_of(self, grant: RowKey | None) -> Preferences:
        """Return the preferences of the recipient behind a grant."""
        return self.preferences.get(grant.partition, NO_PREFERENCES) if grant else NO_PREFERENCES

    def marketing_sends_of(self, grant: RowKey | None) -> Sequence[datetime]:
        """Return what counts against the recipient's own limits, in ascending order."""
        return self.marketing_sends.get(grant.partition, ()) if grant else ()

    def count(self, grant: RowKey, priority: Priority, send_at: datetime) -> None:
        """Count one more message."""
        if priority is Priority.MARKETING and grant.partition in self.marketing_sends:
            insort(self.marketing_sends[grant.partition], send_at)
