"""A consumer agrees to less, pauses, goes on, or lets it last longer. Never to more than was asked.

The token in the merchant's hands says the most that was ever agreed; the row says what is agreed
now, and the relay honours the smaller of the two. What was before is kept (promise 10).
"""

from collections.abc import Callable
from datetime import datetime, timedelta
from enum import StrEnum
from functools import partial
from typing import Final

from consent_tokens.app_context import World
from consent_tokens.consent.grant import Grant, GrantState
from consent_tokens.consent.request import MOST_VALID_DAYS
from consent_tokens.consent.scope import Less
from consent_tokens.crypto.opaque_ids import Address, new_home
from consent_tokens.errors import ConflictError, InvalidError, NotFoundError
from consent_tokens.evidence.events import Event, Kind
from consent_tokens.services.outbox.in_flight import wait_for_hands
from consent_tokens.services.webhooks import announce, of_change
from consent_tokens.store import events, grants, messages
from consent_tokens.store.database import Transaction

LONGER: Final = tuple(timedelta(days=days) for days in (30, 90, 180))  # by so much at a time
AT_ONCE: Final = 200


class What(StrEnum):
    """What was done to a grant."""

    NARROWED = "narrowed"
    PAUSED = "paused"
    RESUMED = "resumed"
    PROLONGED = "prolonged"


_Change = Callable[[Grant, datetime], Grant]


def own(world: World, home: int, handle: str) -> Address:
    """Return where a recipient's own grant lives. Raises NotFoundError, for others' too."""
    address = world.keyring.handles.grant.find(handle)
    if address is None or address.home != home:
        raise NotFoundError("no consent of yours")
    return address


def narrow(world: World, address: Address, less: Less) -> Grant:
    """Return a grant with less in it. Raises InvalidError, NotFoundError, ConflictError."""
    return _done(world, address, partial(narrow_in, world, address=address, less=less))


def narrow_in(world: World, transaction: Transaction, address: Address, less: Less) -> Grant:
    """Narrow a grant within a transaction; the same deed for a page and for a reply."""

    def change(grant: Grant, now: datetime) -> Grant:
        ends = now + timedelta(days=less.days) if less.days is not None else None
        try:
            return grant.rescoped(now, grant.scope.narrowed(less, ends=ends))
        except ValueError as fault:
            raise InvalidError({"scope": [str(fault)]}) from None

    return _change(world, transaction, address, change, What.NARROWED)


def pause(world: World, address: Address, until: datetime | None = None) -> Grant:
    """Return a grant, paused: until a moment, or until its consumer says so.

    Raises NotFoundError, ConflictError if it is over.
    """

    def deed(transaction: Transaction) -> Grant:
        _need_tables(world)
        grants.put_pause_end(transaction, address, until)
        return _change(world, transaction, address, Grant.paused, What.PAUSED)

    return _done(world, address, deed)


def resume(world: World, address: Address) -> Grant:
    """Return a paused grant, live again. Raises NotFoundError, ConflictError if it is over."""
    return world.store.run(partial(resume_in, world, address=address))


def resume_in(world: World, transaction: Transaction, address: Address) -> Grant:
    """End a pause within a transaction."""
    _need_tables(world)
    grants.put_pause_end(transaction, address, None)
    return _change(world, transaction, address, Grant.resumed, What.RESUMED)


def prolong(world: World, address: Address, by: timedelta) -> Grant:
    """Return a grant that lasts longer. Raises InvalidError, NotFoundError, ConflictError.

    The merchant's token still ends when it says: it has to be renewed.
    """
    if by not in LONGER:
        raise InvalidError({"days": ["not_offered"]})

    def change(grant: Grant, now: datetime) -> Grant:
        ends = min(grant.scope.ends + by, now + timedelta(days=MOST_VALID_DAYS))
        return grant.rescoped(now, grant.scope.until(ends))

    return world.store.run(
        lambda transaction: _change(world, transaction, address, change, What.PROLONGED)
    )


def end_pauses(world: World, transaction: Transaction, now: datetime) -> int:
    """End the pauses whose day has come; return how many."""
    over = grants.pauses_over(transaction, now, AT_ONCE)
    for address in over:
        held = grants.lock_one(transaction, address)
        if held and held.grant.standing(now) is GrantState.PAUSED:
            resume_in(world, transaction, address)
        else:  # it was ended, or is live again already
            grants.put_pause_end(transaction, address, None)
    return len(over)


def _change(
    world: World, transaction: Transaction, address: Address, change: _Change, what: What
) -> Grant:
    _need_tables(world)
    now = world.clock.now()
    held = grants.lock_one(transaction, address)
    if held is None:
        raise NotFoundError("no consent of yours")
    if held.wrapped_key is None:
        raise ConflictError("this consent is over")
    before, after = held.grant, change(held.grant, now)
    if before == after:
        return after
    drawn = new_home(world.chance.draw(8))
    grants.put_change(transaction, before, after, what=what.value, at=now, drawn=drawn)
    line = Event(
        home=after.home,
        at=now,
        kind=Kind.GRANT_CHANGED,
        merchant_id=after.merchant_id,
        grant=after.number,
        code=what.value,
    )
    events.record(transaction, [line], world.chance.draw)
    announce(world, transaction, [of_change(world, after)], now)
    return after


def _done(world: World, address: Address, deed: Callable[[Transaction], Grant]) -> Grant:
    """Do it, and wait for what a dispatcher holds: it counts for the very next message."""
    changed = world.store.run(deed)
    wait_for_hands(
        world, lambda transaction: messages.under_way(transaction, address, world.clock.now())
    )
    return changed


def _need_tables(world: World) -> None:
    if not world.store.has_wishes:
        raise ConflictError("the database has yet to be upgraded")
