"""What recipients wish, and how much of it is used up, for messages that are judged together."""

from bisect import insort
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from consent_tokens.app_context import World
from consent_tokens.consent.preferences import NO_WISHES, WEEK, Wishes
from consent_tokens.crypto.opaque_ids import Address
from consent_tokens.relay.message import Rank
from consent_tokens.store import messages
from consent_tokens.store import preferences as wishes
from consent_tokens.store.database import Transaction
from consent_tokens.store.grants import Held


@dataclass(slots=True)
class Wished:
    """Wishes by home, held until the transaction ends; most homes have none."""

    wishes: Mapping[int, Wishes]
    slots: dict[int, list[datetime]]  # of class marketing over all merchants, where limits need it

    @classmethod
    def opened(
        cls,
        world: World,
        transaction: Transaction,
        held: Mapping[Address, Held],
        now: datetime,
        *,
        but: Collection[int] = (),
        only_left: bool = False,
    ) -> "Wished":
        """Read what these recipients wish, once their grants are held.

        `but` are messages that do not count, and with `only_left` those that still wait do not.
        """
        if not held or not world.store.has_wishes:
            return cls({}, {})
        found = wishes.lock(transaction, {address.home for address in held})
        limited = [home for home, wished in found.items() if wished.limits]
        taken = messages.slots_in_homes(transaction, limited, now - WEEK)
        slots = {
            home: [
                slot.leaves
                for slot in taken.get(home, ())
                if slot.number not in but and (slot.has_left or not only_left)
            ]
            for home in limited
        }
        return cls(found, slots)

    def of(self, grant: Address | None) -> Wishes:
        """Return what the recipient behind a grant wishes."""
        return self.wishes.get(grant.home, NO_WISHES) if grant else NO_WISHES

    def slots_of(self, grant: Address | None) -> Sequence[datetime]:
        """Return what counts against the recipient's own limits, ascending."""
        return self.slots.get(grant.home, ()) if grant else ()

    def take(self, grant: Address, rank: Rank, leaves: datetime) -> None:
        """Count one more message."""
        if rank is Rank.MARKETING and grant.home in self.slots:
            insort(self.slots[grant.home], leaves)
