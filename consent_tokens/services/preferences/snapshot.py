"""What recipients wish, and how much of it is used up, for messages that are judged together."""

from bisect import insort
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from consent_tokens.app_context import AppContext
from consent_tokens.consent.preferences import NO_PREFERENCES, WEEK, Preferences
from consent_tokens.crypto.opaque_ids import RowKey
from consent_tokens.relay.message import Priority
from consent_tokens.store import messages
from consent_tokens.store import preferences as wishes
from consent_tokens.store.database import Transaction
from consent_tokens.store.grants import LockedGrant


@dataclass(slots=True)
class PreferenceSnapshot:
    """Wishes by home, held until the transaction ends; most homes have none."""

    preferences: Mapping[int, Preferences]
    marketing_sends: dict[
        int, list[datetime]
    ]  # of class marketing over all merchants, where limits need it

    @classmethod
    def load(
        cls,
        world: AppContext,
        transaction: Transaction,
        held: Mapping[RowKey, LockedGrant],
        now: datetime,
        *,
        but: Collection[int] = (),
        submitted_only: bool = False,
    ) -> "PreferenceSnapshot":
        """Read what these recipients wish, once their grants are held.

        `but` are messages that do not count, and with `only_left` those that still wait do not.
        """
        if not held or not world.database.has_wishes:
            return cls({}, {})
        found = wishes.lock(transaction, {address.partition for address in held})
        limited = [home for home, wished in found.items() if wished.rate_limits]
        taken = messages.marketing_sends_of(transaction, limited, now - WEEK)
        slots = {
            home: [
                slot.send_at
                for slot in taken.get(home, ())
                if slot.message_id not in but and (slot.is_submitted or not submitted_only)
            ]
            for home in limited
        }
        return cls(found, slots)

    def preferences_of(self, grant: RowKey | None) -> Preferences:
        """Return what the recipient behind a grant wishes."""
        return self.preferences.get(grant.partition, NO_PREFERENCES) if grant else NO_PREFERENCES

    def marketing_sends_of(self, grant: RowKey | None) -> Sequence[datetime]:
        """Return what counts against the recipient's own limits, ascending."""
        return self.marketing_sends.get(grant.partition, ()) if grant else ()

    def count(self, grant: RowKey, rank: Priority, leaves: datetime) -> None:
        """Count one more message."""
        if rank is Priority.MARKETING and grant.partition in self.marketing_sends:
            insort(self.marketing_sends[grant.partition], leaves)
