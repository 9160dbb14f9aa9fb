"""Put back, one by one, what the revocation journal says: preferences, invitations, grants' terms.

Each function states what was so after an act, and so may run twice. Unless an entry may widen, what
is stricter in the database stays: an entry that is not known to be the last word of the consumer
takes back, and gives nothing back.
"""

from datetime import datetime
from typing import Final

from msgspec.structs import replace as replace_struct

from consent_tokens.consent.grant import EndReason, Grant, GrantStatus
from consent_tokens.consent.request import RequestStatus
from consent_tokens.consent.scope import Scope, frequency_cap_of, send_window_of
from consent_tokens.evidence.journal import (
    EntryKind,
    GrantAmended,
    InvitationRecorded,
    JournalEntry,
    PreferencesSet,
)
from consent_tokens.services.consents.amendments import Amendment, record_amendment
from consent_tokens.services.consents.revocation import revoke_within
from consent_tokens.services.preferences.update import restore_preferences
from consent_tokens.services.runtime import Runtime
from consent_tokens.store import grants, invitations, journal_entries, requests
from consent_tokens.store.database import Transaction
from consent_tokens.store.invitations import Invitation

ENDED: Final = frozenset({GrantStatus.REVOKED, GrantStatus.EXPIRED})


def restore_waiting(
    runtime: Runtime, transaction: Transaction, partition: int, tag: str
) -> list[JournalEntry]:
    """Apply the replayed entries that wait for a recipient's tag; return those that changed it."""
    waiting = [JournalEntry.parse(text) for text in journal_entries.take_waiting(transaction, tag)]
    return [
        entry
        for entry in waiting
        if restore_of_recipient(runtime, transaction, partition, entry, may_widen=False)
    ]


def restore_of_recipient(
    runtime: Runtime,
    transaction: Transaction,
    partition: int,
    entry: JournalEntry,
    *,
    may_widen: bool,
) -> bool:
    """Apply preferences or an invitation to a recipient; return whether that changed anything."""
    match entry.change:
        case PreferencesSet(preferences=preferences):
            return restore_preferences(
                runtime, transaction, partition, preferences, may_widen=may_widen
            )
        case InvitationRecorded() as recorded:
            return _restore_invitation(runtime, transaction, partition, recorded, entry.at)
        case _:
            return False


def restore_terms(
    runtime: Runtime,
    transaction: Transaction,
    terms: GrantAmended,
    kind: EntryKind,
    *,
    may_widen: bool,
) -> bool:
    """Apply the terms of a grant; return whether that changed it.

    A grant that has ended, or that the database does not have, stays so. If nothing is left of the
    scope, the grant is revoked.
    """
    now = runtime.clock.now()
    locked = grants.lock_one(transaction, terms.key)
    if locked is None or locked.wrapped_key is None or locked.grant.status_at(now) in ENDED:
        return False
    before = locked.grant
    scope = _scope(before.scope, terms, may_widen=may_widen)
    if scope is None:
        revoke_within(runtime, transaction, terms.key, EndReason.JOURNAL)
        return True
    paused_until = grants.pause_end_of(transaction, terms.key)
    is_paused, until = _pause(before, paused_until, terms, may_widen=may_widen)
    after = before.with_scope(now, scope)
    after = after.paused(now) if is_paused else after.resumed(now)
    grants.set_pause_end(transaction, terms.key, until)
    if after != before:
        record_amendment(runtime, transaction, before, after, Amendment(kind))
    return after != before or until != paused_until


def _scope(current: Scope, terms: GrantAmended, *, may_widen: bool) -> Scope | None:
    """Return the scope of the terms, within the current one unless it may widen; None if empty."""
    window = current.send_window
    purposes, limit, ends_at = terms.purposes, terms.limit, terms.ends_at
    opens, closes = terms.opens, terms.closes
    if not may_widen:
        purposes &= current.purposes
        limit, ends_at = min(limit, current.frequency_cap.limit), min(ends_at, current.ends_at)
        opens, closes = max(opens, window.opens), min(closes, window.closes)
    if not purposes or opens >= closes:
        return None
    try:
        send_window = send_window_of(opens, closes, window.timezone_names)
    except ValueError:  # never open in all of its time zones
        return None
    return replace_struct(
        current,
        purposes=purposes,
        frequency_cap=frequency_cap_of(limit, current.frequency_cap.window.days),
        send_window=send_window,
        ends_at=ends_at,
    )


def _pause(
    before: Grant, paused_until: datetime | None, terms: GrantAmended, *, may_widen: bool
) -> tuple[bool, datetime | None]:
    """Return whether a grant is to be paused, and until when; None is without an end."""
    was_paused = before.status is GrantStatus.PAUSED
    if may_widen or not was_paused:
        return terms.is_paused, terms.paused_until
    if not terms.is_paused:
        return True, paused_until
    if paused_until is None or terms.paused_until is None:
        return True, None
    return True, max(paused_until, terms.paused_until)


def _restore_invitation(
    runtime: Runtime,
    transaction: Transaction,
    partition: int,
    recorded: InvitationRecorded,
    at: datetime,
) -> bool:
    """Let an invitation bar others again, unless its merchant was granted a consent after it."""
    if recorded.next_allowed_at <= runtime.clock.now():
        return False
    live = [each for each in grants.of_recipient(transaction, partition) if not each.is_ended]
    if any(each.merchant_id == recorded.merchant_id and each.granted_at > at for each in live):
        return False
    key = recorded.key._replace(partition=partition)
    before = invitations.find(transaction, key)
    after = Invitation(
        key=key,
        merchant_id=recorded.merchant_id,
        request_key=recorded.request_key,
        invited_at=recorded.invited_at,
        next_allowed_at=max(
            recorded.next_allowed_at, before.next_allowed_at if before else recorded.invited_at
        ),
        is_open=recorded.is_open and (before is None or before.is_open),
    )
    if after == before:
        return False
    if before is None:
        invitations.add(transaction, after)
    else:
        invitations.update_bar(transaction, after)
    if not after.is_open:
        _decline_request(runtime, transaction, after)
    return True


def _decline_request(runtime: Runtime, transaction: Transaction, refused: Invitation) -> None:
    """Close the consent request of a refused invitation, if it is still open."""
    now = runtime.clock.now()
    request = requests.lock(transaction, refused.request_key)
    if request is not None and request.status_at(now) is RequestStatus.PENDING:
        requests.record_decision(transaction, request.declined(now))
