"""A snapshot of the preferences that apply to the messages of one transaction."""

from bisect import insort
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from consent_tokens.consent.preferences import NO_PREFERENCES, WEEK, Preferences
from consent_tokens.relay.message import Priority
from consent_tokens.row_key import RowKey
from consent_tokens.store import messages, preferences, recipient_locks
from consent_tokens.store.database import Transaction
from consent_tokens.store.grants import LockedGrant
from consent_tokens.store.round_trips import Asked


@dataclass(slots=True)
class PreferenceSnapshot:
    """Preferences by partition, locked until the transaction ends.

    Recipients without preferences, which is most of them, are absent.
    """

    preferences: Mapping[int, Preferences]
    # of all merchants, ascending; only for recipients with a limit, their own or of a rule
    marketing_sends: dict[int, list[datetime]]

    @classmethod
    def load(  # noqa: PLR0913 - each of the last four has a default
        cls,
        transaction: Transaction,
        locked: Mapping[RowKey, LockedGrant],
        now: datetime,
        *,
        excluding: Collection[int] = (),
        submitted_only: bool = False,
        counted: Collection[int] = (),
        asked: Asked[Mapping[int, Preferences]] | None = None,
    ) -> "PreferenceSnapshot":
        """Lock and read the preferences of the recipients of `locked` grants.

        Messages whose ids are in `excluding` are not counted against the recipients' limits; with
        `submitted_only`, neither are messages that are still queued. Those in `counted` have a
        limit over all merchants by a rule; they are locked too. `asked` is what preferences.lock
        returned, if it was called already.
        """
        if not locked:
            return cls({}, {})
        asked = asked or preferences.lock(transaction, {key.partition for key in locked})
        found = asked()
        by_rule = {key.partition for key in locked if key.partition in counted}
        recipient_locks.lock(transaction, by_rule, now)
        own = {partition for partition, each in found.items() if each.rate_limits}
        limited = own | by_rule
        sends = messages.marketing_sends_of(transaction, limited, now - WEEK)
        of_all = {
            partition: [
                send.send_at
                for send in sends.get(partition, ())
                if send.message_id not in excluding and (send.is_submitted or not submitted_only)
            ]
            for partition in limited
        }
        return cls(found, of_all)

    def preferences_of(self, grant: RowKey | None) -> Preferences:
        """Return the preferences of a grant's recipient; NO_PREFERENCES without a grant."""
        return self.preferences.get(grant.partition, NO_PREFERENCES) if grant else NO_PREFERENCES

    def marketing_sends_of(self, grant: RowKey | None) -> Sequence[datetime]:
        """Return the sends that count against the recipient's own limits, ascending."""
        return self.marketing_sends.get(grant.partition, ()) if grant else ()

    def count(self, grant: RowKey, priority: Priority, send_at: datetime) -> None:
        """Count one more message against the recipient's own limits."""
        if priority is Priority.MARKETING and grant.partition in self.marketing_sends:
            insort(self.marketing_sends[grant.partition], send_at)
