"""What a new consent does to the earlier ones to the same merchant (decision 23).

For the purposes that it covers the new one counts instead of the earlier ones: no two live grants
of a recipient to one merchant cover the same purpose.
"""

from dataclasses import dataclass, field

from consent_tokens.consent.grant import EndReason, Grant
from consent_tokens.consent.purposes import Purpose
from consent_tokens.consent.scope import ScopeReduction
from consent_tokens.services.consents.amendments import narrow_within
from consent_tokens.services.consents.revocation import revoke_within
from consent_tokens.services.runtime import Runtime
from consent_tokens.store import grants
from consent_tokens.store.database import Transaction


@dataclass(slots=True)
class Replacement:
    """What a new consent replaced, and which earlier grants are live beside it."""

    ended: list[Grant] = field(default_factory=list)
    narrowed: list[Grant] = field(default_factory=list)  # as they are now
    kept: list[Grant] = field(default_factory=list)  # not changed
    purposes: frozenset[Purpose] = frozenset()  # for which the new one counts instead

    @property
    def changed_ids(self) -> list[int]:
        """Return the ids of the grants that ended or were narrowed."""
        return [each.key.id for each in [*self.ended, *self.narrowed]]

    @property
    def purposes_kept(self) -> frozenset[Purpose]:
        """Return the purposes that earlier grants still cover."""
        return frozenset().union(*(each.scope.purposes for each in [*self.narrowed, *self.kept]))


def replace_earlier(runtime: Runtime, transaction: Transaction, new: Grant) -> Replacement:
    """Take the purposes of a new grant out of the earlier ones to its merchant.

    One that has no other purpose is revoked. The merchant's grants are locked already
    (`store.merchant_consents`).
    """
    now, replacement = runtime.clock.now(), Replacement()
    partition, merchant_id = new.key.partition, new.merchant_id
    for each in grants.of_recipient_to_merchant(transaction, partition, merchant_id):
        if each.key == new.key or not each.is_live_at(now):
            continue
        covered = each.scope.purposes & new.scope.purposes
        left = each.scope.purposes - covered
        replacement.purposes |= covered
        if not covered:
            replacement.kept.append(each)
        elif left:
            reduction = ScopeReduction(purposes=left)
            narrowed = narrow_within(runtime, transaction, each.key, reduction)
            replacement.narrowed.append(narrowed)
        else:
            revoke_within(runtime, transaction, each.key, EndReason.REPLACED, replaced_by=new)
            replacement.ended.append(each)
    return replacement


def read_replacement(transaction: Transaction, new: Grant) -> Replacement:
    """Return what a grant replaced when it was given: what `replace_earlier` returned then.

    `narrowed` and `kept` are as they are now, and without those that have ended since.
    """
    replacement = Replacement()
    partition, merchant_id = new.key.partition, new.merchant_id
    scopes_before = {
        change.grant_key: change.scope
        for change in reversed(grants.changes_of(transaction, partition))
        if change.changed_at >= new.granted_at
    }
    for each in grants.of_recipient_to_merchant(transaction, partition, merchant_id):
        had_ended = each.is_ended and each.status_since < new.granted_at
        if each.key == new.key or each.granted_at > new.granted_at or had_ended:
            continue
        covered = scopes_before.get(each.key, each.scope).purposes & new.scope.purposes
        replacement.purposes |= covered
        if each.is_ended:
            replacement.ended.append(each)
        else:
            (replacement.narrowed if covered else replacement.kept).append(each)
    return replacement
