"""Undo a narrowing or a pause, by an amendment of its own: restore the terms before it, exactly.

Nothing is taken out of the history: it says that the grant was narrowed, and then widened. Only the
last change of a grant can be undone, so that a later no always counts, and only while the grant is
live: a revocation is final (promise 3). Where it is in doubt, it is refused, and the narrower terms
stay.
"""

from collections.abc import Mapping, Sequence
from functools import partial

from consent_tokens.consent.grant import Grant
from consent_tokens.errors import ConflictError
from consent_tokens.row_key import RowKey
from consent_tokens.services.consents.amendments import (
    Amended,
    Amendment,
    enqueue_terms,
    record_amendment,
)
from consent_tokens.services.integrity.journal_outbox import ensure_writable, flush_journal
from consent_tokens.services.runtime import Runtime
from consent_tokens.store import grants, merchant_consents
from consent_tokens.store.database import Transaction
from consent_tokens.store.grants import GrantChange


def change_ids(runtime: Runtime, amended: Sequence[Amended]) -> list[str]:
    """Return the public ids of the changes of an act; empty if it changed nothing."""
    return [
        runtime.ids.change.encode(RowKey(each.grant.key.partition, each.change_id))
        for each in amended
        if each.change_id is not None
    ]


def undo(runtime: Runtime, partition: int, public_ids: Sequence[str]) -> list[Grant]:
    """Undo all changes of one act of a recipient, and return the grants, or change nothing.

    A grant gets the scope that it had before it was narrowed, or is live as before it was paused.
    Raises ConflictError if a change is not the recipient's own, is not the last one of its grant,
    or would have two live grants cover one purpose; if a grant has ended; and
    JournalUnavailableError.
    """
    decoded = [runtime.ids.change.decode(each) for each in public_ids]
    keys = [each for each in decoded if each is not None and each.partition == partition]
    if not keys or len(keys) != len(public_ids):
        raise ConflictError("no change of yours")
    ensure_writable(runtime)
    undone = runtime.database.run(partial(_undo_all, runtime, keys))
    flush_journal(runtime)
    return undone


def _undo_all(runtime: Runtime, keys: Sequence[RowKey], transaction: Transaction) -> list[Grant]:
    changes = grants.find_changes(transaction, keys)
    if len(changes) != len(keys):
        raise ConflictError("this change is not kept")
    changed = grants.find_many(transaction, [each.grant_key for each in changes.values()])
    for partition, merchant_id in sorted(
        {(each.key.partition, each.merchant_id) for each in changed.values()}
    ):
        merchant_consents.lock(transaction, partition, merchant_id)
    locked = grants.lock(transaction, list(changed))
    if any(each.wrapped_key is None for each in locked.values()):
        raise ConflictError("this consent has ended")
    live = {key: each.grant for key, each in locked.items()}
    return [_undo_one(runtime, transaction, live, key, changes[key]) for key in keys]


def _undo_one(
    runtime: Runtime,
    transaction: Transaction,
    live: Mapping[RowKey, Grant],
    key: RowKey,
    change: GrantChange,
) -> Grant:
    """Restore the terms of a locked grant before its last change."""
    if change.grant_key not in live or not grants.is_last_change(transaction, key, change):
        raise ConflictError("this consent was changed since")
    before, now = live[change.grant_key], runtime.clock.now()
    match change.amendment:
        case Amendment.NARROWED:
            _check_not_covered(runtime, transaction, before, change)
            after, amendment = before.with_scope(now, change.scope), Amendment.WIDENED
        case Amendment.PAUSED:
            grants.set_pause_end(transaction, before.key, None)
            after, amendment = before.resumed(now), Amendment.RESUMED
        case _:
            raise ConflictError("only a narrowing or a pause can be undone")
    record_amendment(runtime, transaction, before, after, amendment)
    enqueue_terms(runtime, transaction, after, amendment)
    return after


def _check_not_covered(
    runtime: Runtime, transaction: Transaction, narrowed: Grant, change: GrantChange
) -> None:
    """Raise ConflictError if another live grant to the merchant covers a purpose that was given up.

    A consent that was given since counts for it (decision 23).
    """
    given_up, now = change.scope.purposes - narrowed.scope.purposes, runtime.clock.now()
    partition = narrowed.key.partition
    for each in grants.of_recipient_to_merchant(transaction, partition, narrowed.merchant_id):
        is_other = each.key != narrowed.key and each.is_live_at(now)
        if is_other and each.scope.purposes & given_up:
            raise ConflictError("a newer consent covers this")
