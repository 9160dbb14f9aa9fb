"""A merchant looks at its own grants and tokens, and has a token renewed."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from consent_tokens.app_context import AppContext
from consent_tokens.consent.grant import Grant, GrantStatus
from consent_tokens.crypto.opaque_ids import RowKey
from consent_tokens.crypto.sealing import unwrap
from consent_tokens.errors import ConflictError, NotFoundError, TokenError
from consent_tokens.evidence.events import Event, EventKind
from consent_tokens.relay.frequency_cap import next_allowed_at, remaining
from consent_tokens.relay.message import Priority
from consent_tokens.services.consents.decisions import binding_of
from consent_tokens.store import events, grants, messages
from consent_tokens.store.database import Transaction
from consent_tokens.tokens.claims import Claims
from consent_tokens.tokens.mint import mint, open_number, seal_number
from consent_tokens.tokens.verify import verify


@dataclass(frozen=True, slots=True)
class GrantStanding:
    """A grant as its merchant sees it: with what is left of the cap, and when it is free again."""

    grant: Grant
    grant_id: str
    status: GrantStatus
    remaining: int
    next_at: datetime | None


def claims_of_merchant(world: AppContext, merchant_id: str, token: str) -> Claims | None:
    """Return what a token of this merchant says; None if it is none, or another's."""
    try:
        claims = verify(token, world.keyring.verifying, issuer=world.base_url)
    except TokenError:
        return None
    return claims if claims.merchant_id == merchant_id else None


def get_grant(
    world: AppContext, transaction: Transaction, merchant_id: str, handle: str
) -> GrantStanding:
    """Return how a merchant's grant stands. Raises NotFoundError, for others' too."""
    address = world.keyring.ids.grant.decode(handle)
    grant = grants.find(transaction, address) if address else None
    if grant is None or grant.merchant_id != merchant_id:
        raise NotFoundError("no grant of that handle")
    return describe_grants(world, transaction, [grant])[0]


def describe_grants(
    world: AppContext, transaction: Transaction, found: Sequence[Grant]
) -> list[GrantStanding]:
    """Return how grants stand."""
    now = world.clock.now()
    addresses = [RowKey(grant.home, grant.number) for grant in found]
    longest = max((grant.scope.frequency_cap.window for grant in found), default=None)
    taken: dict[RowKey, list[datetime]] = defaultdict(list)
    if longest is not None:
        for address, slots in messages.counted_sends(transaction, addresses, now - longest).items():
            taken[address] = [slot.send_at for slot in slots if slot.priority is Priority.MARKETING]
    return [
        _describe(world, grant, taken[address], now)
        for grant, address in zip(found, addresses, strict=True)
    ]


def renew_token(
    world: AppContext, transaction: Transaction, merchant_id: str, token: str
) -> tuple[str, str]:
    """Return a fresh token for a live one, with the scope as it is now, and the grant's handle.

    Raises TokenError, NotFoundError for another's, ConflictError if the grant is over.
    """
    now = world.clock.now()
    claims = verify(token, world.keyring.verifying, issuer=world.base_url)
    address = world.keyring.ids.grant.decode(claims.jti)
    held = grants.lock_one(transaction, address) if address else None
    if claims.merchant_id != merchant_id or address is None:
        raise NotFoundError("no grant of yours")
    if held is None or held.wrapped_key is None or held.grant.status_at(now) in ENDED:
        raise ConflictError("the grant is over")
    binding = binding_of(world, held.grant)
    key = unwrap(held.wrapped_key, world.keyring.unwrapping)
    number = open_number(claims.sealed_number, key, binding)
    fresh = mint(
        held.grant,
        binding,
        sealed_number=seal_number(number, key, binding, world.random.token_bytes(12)),
        notice=claims.notice,
        now=now,
        key=world.keyring.signing,
    )
    line = Event(
        partition=address.partition,
        at=now,
        kind=EventKind.TOKEN_RENEWED,
        merchant_id=merchant_id,
        grant_id=address.id,
    )
    events.record(transaction, [line], world.random.token_bytes)
    return fresh, binding.jti


ENDED = frozenset({GrantStatus.REVOKED, GrantStatus.EXPIRED})


def _describe(
    world: AppContext, grant: Grant, taken: Sequence[datetime], now: datetime
) -> GrantStanding:
    state = grant.status_at(now)
    handle = world.keyring.ids.grant.encode(RowKey(grant.home, grant.number))
    if state in ENDED:
        return GrantStanding(grant, handle, state, 0, None)
    cap, hours = grant.scope.frequency_cap, grant.scope.send_window
    at, before = now, None
    while at != before:  # until both hours and cap leave it where it is
        before = at
        at = next_allowed_at(cap, taken, hours.next_open(at))
    next_at = at if at < grant.scope.ends_at else None
    return GrantStanding(grant, handle, state, remaining(cap, taken, now), next_at)
