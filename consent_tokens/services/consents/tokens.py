"""A merchant looks at its own grants and tokens, and has a token renewed."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from consent_tokens.app_context import World
from consent_tokens.consent.grant import Grant, GrantState
from consent_tokens.crypto.opaque_ids import Address
from consent_tokens.crypto.sealing import unwrap
from consent_tokens.errors import ConflictError, NotFoundError, TokenError
from consent_tokens.evidence.events import Event, Kind
from consent_tokens.relay.frequency_cap import next_free, remaining
from consent_tokens.relay.message import Rank
from consent_tokens.services.consents.decisions import binding_of
from consent_tokens.store import events, grants, messages
from consent_tokens.store.database import Transaction
from consent_tokens.tokens.claims import Claims
from consent_tokens.tokens.mint import mint, open_number, seal_number
from consent_tokens.tokens.verify import verify


@dataclass(frozen=True, slots=True)
class Standing:
    """A grant as its merchant sees it: with what is left of the cap, and when it is free again."""

    grant: Grant
    handle: str
    state: GrantState
    remaining: int
    next_at: datetime | None


def own_claims(world: World, merchant_id: str, token: str) -> Claims | None:
    """Return what a token of this merchant says; None if it is none, or another's."""
    try:
        claims = verify(token, world.keyring.verifying, issuer=world.base_url)
    except TokenError:
        return None
    return claims if claims.merchant_id == merchant_id else None


def standing_of(world: World, transaction: Transaction, merchant_id: str, handle: str) -> Standing:
    """Return how a merchant's grant stands. Raises NotFoundError, for others' too."""
    address = world.keyring.handles.grant.find(handle)
    grant = grants.find(transaction, address) if address else None
    if grant is None or grant.merchant_id != merchant_id:
        raise NotFoundError("no grant of that handle")
    return standings(world, transaction, [grant])[0]


def standings(world: World, transaction: Transaction, found: Sequence[Grant]) -> list[Standing]:
    """Return how grants stand."""
    now = world.clock.now()
    addresses = [Address(grant.home, grant.number) for grant in found]
    longest = max((grant.scope.cap.within for grant in found), default=None)
    taken: dict[Address, list[datetime]] = defaultdict(list)
    if longest is not None:
        for address, slots in messages.slots(transaction, addresses, now - longest).items():
            taken[address] = [slot.leaves for slot in slots if slot.rank is Rank.MARKETING]
    return [
        _standing(world, grant, taken[address], now)
        for grant, address in zip(found, addresses, strict=True)
    ]


def renew(world: World, transaction: Transaction, merchant_id: str, token: str) -> tuple[str, str]:
    """Return a fresh token for a live one, with the scope as it is now, and the grant's handle.

    Raises TokenError, NotFoundError for another's, ConflictError if the grant is over.
    """
    now = world.clock.now()
    claims = verify(token, world.keyring.verifying, issuer=world.base_url)
    address = world.keyring.handles.grant.find(claims.handle)
    held = grants.lock_one(transaction, address) if address else None
    if claims.merchant_id != merchant_id or address is None:
        raise NotFoundError("no grant of yours")
    if held is None or held.wrapped_key is None or held.grant.standing(now) in _OVER:
        raise ConflictError("the grant is over")
    binding = binding_of(world, held.grant)
    key = unwrap(held.wrapped_key, world.keyring.unwrapping)
    number = open_number(claims.box, key, binding)
    fresh = mint(
        held.grant,
        binding,
        box=seal_number(number, key, binding, world.chance.draw(12)),
        notice=claims.notice,
        now=now,
        key=world.keyring.signing,
    )
    line = Event(
        home=address.home,
        at=now,
        kind=Kind.TOKEN_RENEWED,
        merchant_id=merchant_id,
        grant=address.number,
    )
    events.record(transaction, [line], world.chance.draw)
    return fresh, binding.handle


_OVER = frozenset({GrantState.REVOKED, GrantState.EXPIRED})


def _standing(world: World, grant: Grant, taken: Sequence[datetime], now: datetime) -> Standing:
    state = grant.standing(now)
    handle = world.keyring.handles.grant.hide(Address(grant.home, grant.number))
    if state in _OVER:
        return Standing(grant, handle, state, 0, None)
    cap, hours = grant.scope.cap, grant.scope.hours
    at, before = now, None
    while at != before:  # until both hours and cap leave it where it is
        before = at
        at = next_free(cap, taken, hours.next_open(at))
    next_at = at if at < grant.scope.ends else None
    return Standing(grant, handle, state, remaining(cap, taken, now), next_at)
