"""Places of accepted messages in the parts of new templates: counted while they are accepted.

the rows of templates whose part has places left are locked before anything else of the transaction,
so that no two transactions take the same places. A full part is only read: what is accepted beyond
it is held back, and no row is written for it. A transaction without such templates costs one
statement; one of demonstrations alone, none.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final, TypeAlias

from consent_tokens.policies import PacingPolicy
from consent_tokens.relay.decision import is_limited
from consent_tokens.relay.pacing import (
    Pacing,
    PacingKind,
    PacingStatus,
    day_of,
    group_of,
    new_pacing,
)
from consent_tokens.relay.templates.template import Template
from consent_tokens.services.submission.message_request import MessageRequest
from consent_tokens.services.submission.standing import Standing, Standings
from consent_tokens.store import control_groups, pacings
from consent_tokens.store.database import Transaction
from consent_tokens.store.merchants import Merchant

ACTIVE_FOR: Final = timedelta(days=8)  # after its last text a pacing is looked at: stops come late
ACTIVE_AT_LEAST: Final = timedelta(days=7)
KEPT_DAYS: Final = 30  # of a sender's free texts
_Key: TypeAlias = tuple[str, int]  # subject and version


@dataclass(slots=True)
class _Place:
    """What is left of a pacing, and taken of it by this transaction."""

    pacing: Pacing
    group_id: str
    free: int
    taken: int = 0
    is_held_for: bool = False


@dataclass(slots=True)
class Paces:
    """The pacings of the messages of one transaction."""

    now: datetime
    _places: Mapping[_Key, _Place] = field(default_factory=dict)
    _unproven: dict[str, int] = field(default_factory=dict)  # texts that a group has left today
    _used: Counter[str] = field(default_factory=Counter)  # of them by this transaction

    @classmethod
    def load(
        cls,
        transaction: Transaction,
        policy: PacingPolicy,
        standings: Standings,
        requests: Sequence[tuple[str, MessageRequest]],
        now: datetime,
    ) -> "Paces":
        """Read the pacings of messages, each with its merchant's id; lock those with places."""
        paced = {each.id for each in standings.merchants.values() if is_paced(each)}
        named: set[str] = set()
        free: dict[str, str] = {}  # merchants by sender
        for merchant_id, request in requests if paced else ():
            if merchant_id not in paced:
                continue
            if request.template is not None:
                named.add(request.template.id)
            elif is_limited(request.purpose):
                sender = standings.of(merchant_id, request.purpose, request.sender_id).sender
                if sender is not None:
                    free[sender.id] = merchant_id
        if not named and not free:
            return cls(now)
        found = [
            each
            for each in pacings.of_subjects(transaction, named | free.keys())
            if each.merchant_id in paced  # a merchant may name a template of another
        ]
        today = day_of(now)
        known = {each.subject_id for each in found if each.version == today}
        found += [
            _start(transaction, subject_id, free[subject_id], now)
            for subject_id in sorted(free.keys() - known)
        ]
        return cls._locked(transaction, policy, standings, found, now)

    @classmethod
    def _locked(
        cls,
        transaction: Transaction,
        policy: PacingPolicy,
        standings: Standings,
        found: Iterable[Pacing],
        now: datetime,
    ) -> "Paces":
        places: dict[_Key, _Place] = {}
        for each in sorted(found, key=lambda pacing: (pacing.subject_id, pacing.version)):
            pacing = each
            if each.free_places(policy):
                pacing = pacings.lock(transaction, each.subject_id, each.version) or each
            merchant = standings.merchants.get(pacing.merchant_id)
            places[pacing.subject_id, pacing.version] = _Place(
                pacing,
                group_of(pacing.merchant_id, merchant.control_group if merchant else None),
                pacing.free_places(policy),
            )
        groups = {
            each.group_id for each in places.values() if each.free and each.pacing.is_budgeted
        }
        day = day_of(now)
        unproven = {
            group: policy.group_budget - pacings.lock_unproven(transaction, group, day)
            for group in sorted(groups)
        }
        return cls(now, places, unproven)

    def of(
        self, request: MessageRequest, standing: Standing, template: Template | None
    ) -> Pacing | None:
        """Return the pacing of a message; None if it is not paced (any more)."""
        if not self._places:
            return None
        place = self._places.get(self._key(request, standing, template))
        if place is None or place.pacing.status is PacingStatus.PROVEN:
            return None
        return place.pacing

    def _key(self, request: MessageRequest, standing: Standing, template: Template | None) -> _Key:
        if request.template is None:
            sender = standing.sender
            return (sender.id, day_of(self.now)) if sender else ("", 0)
        return (template.id, template.version) if template else ("", 0)

    def has_place(self, pacing: Pacing) -> bool:
        """Whether a part has a place left, and the control group an unproven text."""
        place = self._places[pacing.subject_id, pacing.version]
        if place.free <= place.taken:
            return False
        left = self._unproven.get(place.group_id, 0) - self._used[place.group_id]
        return left > 0 or not pacing.is_budgeted

    def take(self, pacing: Pacing) -> None:
        """Take a place for an accepted message, or note that it is held back."""
        place = self._places[pacing.subject_id, pacing.version]
        if not self.has_place(pacing):
            place.is_held_for = True
            return
        place.taken += 1
        if pacing.is_budgeted:
            self._used[place.group_id] += 1

    def save(self, transaction: Transaction) -> None:
        """Write what was taken."""
        for place in self._places.values():
            if place.taken:
                pacings.take(transaction, place.pacing, place.taken, self.now + ACTIVE_FOR)
            elif place.is_held_for and place.pacing.active_until < self.now + ACTIVE_AT_LEAST:
                pacings.keep_active(transaction, place.pacing, self.now + ACTIVE_FOR)
        for group_id, used in sorted(self._used.items()):
            if used:
                pacings.count_unproven(transaction, group_id, day_of(self.now), used)


def is_paced(merchant: Merchant) -> bool:
    """Whether the texts of a merchant are paced: not those that reach nobody."""
    return not merchant.is_demonstration and not merchant.is_sandbox


def _start(transaction: Transaction, sender_id: str, merchant_id: str, now: datetime) -> Pacing:
    """Begin the pacing of a sender's free texts of today: they are one template, new each day."""
    today = day_of(now)
    pacings.delete_before(transaction, sender_id, today - KEPT_DAYS)
    group = control_groups.members(transaction, merchant_id)
    pacing = new_pacing(
        sender_id,
        today,
        merchant_id=merchant_id,
        kind=PacingKind.LIMITED,
        is_budgeted=not pacings.has_clean_record(transaction, group, now),
        now=now,
    )
    pacings.add(transaction, pacing)
    return pacing
