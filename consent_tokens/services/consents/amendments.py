"""A consumer agrees to less, pauses, goes on, or lets it last longer. Never to more than was asked.

The token in the merchant's hands says the most that was ever agreed; the row says what is agreed
now, and the relay honours the smaller of the two. What was before is kept (promise 10).
"""

from collections.abc import Callable
from datetime import datetime, timedelta
from enum import StrEnum
from functools import partial
from typing import Final

from consent_tokens.app_context import AppContext
from consent_tokens.consent.grant import Grant, GrantStatus
from consent_tokens.consent.request import MAX_VALID_DAYS
from consent_tokens.consent.scope import ScopeReduction
from consent_tokens.crypto.opaque_ids import RowKey, new_partition
from consent_tokens.errors import ConflictError, InvalidError, NotFoundError
from consent_tokens.evidence.events import Event, EventKind
from consent_tokens.services.outbox.in_flight import wait_until_not_in_flight
from consent_tokens.services.webhooks import enqueue, grant_changed_event
from consent_tokens.store import events, grants, messages
from consent_tokens.store.database import Transaction

EXTENSIONS: Final = tuple(timedelta(days=days) for days in (30, 90, 180))  # by so much at a time
BATCH_SIZE: Final = 200


class Amendment(StrEnum):
    """What was done to a grant."""

    NARROWED = "narrowed"
    PAUSED = "paused"
    RESUMED = "resumed"
    EXTENDED = "prolonged"


_Change = Callable[[Grant, datetime], Grant]


def own_grant_key(world: AppContext, home: int, handle: str) -> RowKey:
    """Return where a recipient's own grant lives. Raises NotFoundError, for others' too."""
    address = world.keyring.ids.grant.decode(handle)
    if address is None or address.partition != home:
        raise NotFoundError("no consent of yours")
    return address


def narrow(world: AppContext, key: RowKey, reduction: ScopeReduction) -> Grant:
    """Return a grant with less in it. Raises InvalidError, NotFoundError, ConflictError."""
    return _commit(world, key, partial(narrow_within, world, key=key, reduction=reduction))


def narrow_within(
    world: AppContext, transaction: Transaction, key: RowKey, reduction: ScopeReduction
) -> Grant:
    """Narrow a grant within a transaction; the same deed for a page and for a reply."""

    def change(grant: Grant, now: datetime) -> Grant:
        ends = now + timedelta(days=reduction.days) if reduction.days is not None else None
        try:
            return grant.with_scope(now, grant.scope.narrowed_by(reduction, ends=ends))
        except ValueError as fault:
            raise InvalidError({"scope": [str(fault)]}) from None

    return _amend(world, transaction, key, change, Amendment.NARROWED)


def pause(world: AppContext, key: RowKey, until: datetime | None = None) -> Grant:
    """Return a grant, paused: until a moment, or until its consumer says so.

    Raises NotFoundError, ConflictError if it is over.
    """

    def deed(transaction: Transaction) -> Grant:
        _need_tables(world)
        grants.set_pause_end(transaction, key, until)
        return _amend(world, transaction, key, Grant.paused, Amendment.PAUSED)

    return _commit(world, key, deed)


def resume(world: AppContext, key: RowKey) -> Grant:
    """Return a paused grant, live again. Raises NotFoundError, ConflictError if it is over."""
    return world.database.run(partial(resume_within, world, key=key))


def resume_within(world: AppContext, transaction: Transaction, key: RowKey) -> Grant:
    """End a pause within a transaction."""
    _need_tables(world)
    grants.set_pause_end(transaction, key, None)
    return _amend(world, transaction, key, Grant.resumed, Amendment.RESUMED)


def extend(world: AppContext, key: RowKey, by: timedelta) -> Grant:
    """Return a grant that lasts longer. Raises InvalidError, NotFoundError, ConflictError.

    The merchant's token still ends when it says: it has to be renewed.
    """
    if by not in EXTENSIONS:
        raise InvalidError({"days": ["not_offered"]})

    def change(grant: Grant, now: datetime) -> Grant:
        ends = min(grant.scope.ends_at + by, now + timedelta(days=MAX_VALID_DAYS))
        return grant.with_scope(now, grant.scope.with_end(ends))

    return world.database.run(
        lambda transaction: _amend(world, transaction, key, change, Amendment.EXTENDED)
    )


def resume_due_pauses(world: AppContext, transaction: Transaction, now: datetime) -> int:
    """End the pauses whose day has come; return how many."""
    over = grants.due_pauses(transaction, now, BATCH_SIZE)
    for address in over:
        held = grants.lock_one(transaction, address)
        if held and held.grant.status_at(now) is GrantStatus.PAUSED:
            resume_within(world, transaction, address)
        else:  # it was ended, or is live again already
            grants.set_pause_end(transaction, address, None)
    return len(over)


def _amend(
    world: AppContext, transaction: Transaction, key: RowKey, change: _Change, amendment: Amendment
) -> Grant:
    _need_tables(world)
    now = world.clock.now()
    held = grants.lock_one(transaction, key)
    if held is None:
        raise NotFoundError("no consent of yours")
    if held.wrapped_key is None:
        raise ConflictError("this consent is over")
    before, after = held.grant, change(held.grant, now)
    if before == after:
        return after
    drawn = new_partition(world.random.token_bytes(8))
    grants.record_change(transaction, before, after, what=amendment.value, at=now, drawn=drawn)
    line = Event(
        partition=after.home,
        at=now,
        kind=EventKind.GRANT_CHANGED,
        merchant_id=after.merchant_id,
        grant_id=after.number,
        reason=amendment.value,
    )
    events.record(transaction, [line], world.random.token_bytes)
    enqueue(world, transaction, [grant_changed_event(world, after)], now)
    return after


def _commit(world: AppContext, key: RowKey, deed: Callable[[Transaction], Grant]) -> Grant:
    """Do it, and wait for what a dispatcher holds: it counts for the very next message."""
    changed = world.database.run(deed)
    wait_until_not_in_flight(
        world,
        lambda transaction: messages.in_flight_under_grant(transaction, key, world.clock.now()),
    )
    return changed


def _need_tables(world: AppContext) -> None:
    if not world.database.has_wishes:
        raise ConflictError("the database has yet to be upgraded")
