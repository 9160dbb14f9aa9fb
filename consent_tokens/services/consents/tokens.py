"""Consent tokens as the merchant handles them: fetch, introspect, renew."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from consent_tokens.consent.grant import Grant, GrantStatus
from consent_tokens.consent.phone import PhoneNumber
from consent_tokens.consent.purposes import Purpose
from consent_tokens.consent.request import ConsentRequest
from consent_tokens.crypto.keys import GrantKey
from consent_tokens.crypto.sealing import NONCE_BYTES
from consent_tokens.crypto.token_macs import TokenMac
from consent_tokens.errors import ConflictError, GoneError, NotFoundError, TokenError
from consent_tokens.evidence.events import Event, EventKind, grant_event
from consent_tokens.listing import ListFilter
from consent_tokens.relay.frequency_cap import next_allowed_at, remaining
from consent_tokens.relay.message import Priority
from consent_tokens.row_key import RowKey
from consent_tokens.services.runtime import Runtime
from consent_tokens.services.token_verification import (
    PresentedToken,
    VerifiedToken,
    verify_token,
)
from consent_tokens.store import grants, messages, requests, token_macs
from consent_tokens.store.database import Transaction
from consent_tokens.tokens.claims import Claims
from consent_tokens.tokens.mint import Binding, mint, open_number, seal_number

ENDED: Final = frozenset({GrantStatus.REVOKED, GrantStatus.EXPIRED})


@dataclass(frozen=True, slots=True)
class GrantStanding:
    """A grant's status, what is left of its cap, and when the next message may be sent."""

    grant: Grant
    grant_id: str  # public id
    status: GrantStatus
    remaining: int  # messages that the cap allows now
    next_at: datetime | None
    request: ConsentRequest | None = None  # that the grant is the yes to

    @property
    def request_key(self) -> RowKey | None:
        """Return the key of the consent request."""
        return self.request.key if self.request else None

    @property
    def reference(self) -> str | None:
        """Return the merchant's reference of the consent request."""
        return self.request.terms.reference if self.request else None


@dataclass(frozen=True, slots=True)
class IssuedToken:
    """A signed token, and the public id of its grant."""

    token: str
    grant_id: str


@dataclass(frozen=True, slots=True)
class Introspection:
    """What a live token is worth (RFC 7662)."""

    claims: Claims
    standing: GrantStanding

    @property
    def purposes(self) -> frozenset[Purpose]:
        """Return the purposes that both the token and its grant, as it is now, cover."""
        return self.standing.grant.scope.purposes & self.claims.scope.purposes

    @property
    def expires_at(self) -> datetime:
        """Return when the token or its grant ends, whichever is first."""
        return min(self.claims.scope.ends_at, self.standing.grant.scope.ends_at)


def claims_of_merchant(runtime: Runtime, merchant_id: str, token: str) -> Claims | None:
    """Return the claims of a token of this merchant; None if it is invalid or another's.

    Reads the MAC in a transaction of its own, so it is called outside those that write.
    """
    claims = verify_token(runtime, PresentedToken(merchant_id, token)).claims
    if isinstance(claims, TokenError) or claims.merchant_id != merchant_id:
        return None
    return claims


def get_grant(
    runtime: Runtime, transaction: Transaction, merchant_id: str, grant_id: str
) -> GrantStanding:
    """Return how a merchant's grant stands. Raises NotFoundError, also for another's."""
    key = runtime.ids.grant.decode(grant_id)
    grant = grants.find(transaction, key) if key else None
    if grant is None or grant.merchant_id != merchant_id:
        raise NotFoundError("no grant of that id")
    return describe_grants(runtime, transaction, [grant])[0]


def read_grant(runtime: Runtime, merchant_id: str, grant_id: str) -> GrantStanding:
    """Return how a merchant's grant stands. Raises NotFoundError, also for another's."""
    return runtime.database.read(
        lambda transaction: get_grant(runtime, transaction, merchant_id, grant_id)
    )


def list_grants(runtime: Runtime, merchant_id: str, wanted: ListFilter) -> list[GrantStanding]:
    """Return how a page of a merchant's grants stand, the oldest first."""
    now = runtime.clock.now()
    return runtime.database.read(
        lambda transaction: describe_grants(
            runtime, transaction, grants.of_merchant(transaction, merchant_id, wanted, now)
        )
    )


def introspect(
    runtime: Runtime, transaction: Transaction, merchant_id: str, claims: Claims | None
) -> Introspection | None:
    """Return what a token of a merchant is worth, by its verified claims.

    None if there are none, or if token or grant ended. Raises NotFoundError if the grant of a valid
    token is not in the database.
    """
    if claims is None:
        return None
    found = Introspection(claims, get_grant(runtime, transaction, merchant_id, claims.jti))
    is_live = found.standing.status not in ENDED and found.expires_at > runtime.clock.now()
    return found if is_live else None


def describe_grants(
    runtime: Runtime, transaction: Transaction, found: Sequence[Grant]
) -> list[GrantStanding]:
    """Return the standing of grants, in the same order."""
    now = runtime.clock.now()
    sends: dict[RowKey, list[datetime]] = defaultdict(list)
    asked = requests.of_grants(transaction, [grant.key for grant in found])
    if found:
        since = now - max(grant.scope.frequency_cap.window for grant in found)
        counted = messages.counted_sends(transaction, [grant.key for grant in found], since)()
        for key, each in counted.items():
            sends[key] = [send.send_at for send in each if send.priority is Priority.MARKETING]
    return [
        replace(_describe(runtime, grant, sends[grant.key], now), request=asked.get(grant.key))
        for grant in found
    ]


def fetch_token(runtime: Runtime, transaction: Transaction, request: ConsentRequest) -> IssuedToken:
    """Return the token that a granted request holds for its merchant.

    Raises ConflictError before the yes, GoneError after 24 hours or once the grant has ended.
    """
    now = runtime.clock.now()
    request.require_token_available(now)
    envelope, key = requests.find_token(transaction, request.key), request.grant_key
    if envelope is None or key is None:
        raise GoneError("the grant has ended, and its token with it")
    token = runtime.open_envelope(envelope, _token_associated_data(runtime, request))
    runtime.record(
        transaction,
        Event(
            partition=key.partition,
            at=now,
            kind=EventKind.TOKEN_FETCHED,
            merchant_id=request.merchant_id,
            grant_id=key.id,
        ),
    )
    return IssuedToken(token.decode("ascii"), runtime.ids.grant.encode(key))


def renew_token(
    runtime: Runtime, transaction: Transaction, merchant_id: str, verified: VerifiedToken
) -> IssuedToken:
    """Return a fresh token for a live one, with the scope as it is now, under the newest keys.

    Raises TokenError, NotFoundError for another's, ConflictError if the grant has ended.
    """
    now, claims = runtime.clock.now(), verified.claims
    if isinstance(claims, TokenError):
        raise claims
    key = runtime.ids.grant.decode(claims.jti)
    if claims.merchant_id != merchant_id or key is None:
        raise NotFoundError("no grant of yours")
    locked = grants.lock_one(transaction, key)
    if locked is None or locked.wrapped_key is None or locked.grant.status_at(now) in ENDED:
        raise ConflictError("the grant has ended")
    grant_key = runtime.unwrap(locked.wrapped_key, GrantKey)
    binding = binding_of(runtime, locked.grant)
    number = open_number(claims.sealed_number, grant_key, binding)
    token = mint_token(runtime, locked.grant, grant_key, number, notice_digest=claims.notice)
    token_macs.record_renewal(transaction, key, mac_of(runtime, token, key))
    runtime.record(transaction, grant_event(locked.grant, EventKind.TOKEN_RENEWED, now))
    return IssuedToken(token, binding.jti)


def mint_token(
    runtime: Runtime,
    grant: Grant,
    grant_key: GrantKey,
    number: PhoneNumber,
    *,
    notice_digest: bytes,
) -> str:
    """Return a signed token for a grant, with the number sealed under the grant's key."""
    binding, nonce = binding_of(runtime, grant), runtime.random.token_bytes(NONCE_BYTES)
    return mint(
        grant,
        binding,
        sealed_number=seal_number(number, grant_key, binding, nonce),
        notice=notice_digest,
        now=runtime.clock.now(),
        key=runtime.keyring.signing,
    )


def mac_of(runtime: Runtime, token: str, grant: RowKey) -> bytes:
    """Return the MAC of a grant's newest token, as it is stored with the grant."""
    return TokenMac.of(token, grant, runtime.keyring.token_mac).to_bytes()


def seal_token(runtime: Runtime, request: ConsentRequest, token: str) -> bytes:
    """Return a token sealed, as it is stored until its merchant fetches it."""
    return runtime.seal_envelope(token.encode("ascii"), _token_associated_data(runtime, request))


def binding_of(runtime: Runtime, grant: Grant) -> Binding:
    """Return what the sealed number of a grant is bound to."""
    grant_id = runtime.ids.grant.encode(grant.key)
    return Binding(runtime.service.issuer, grant_id, grant.merchant_id)


def _token_associated_data(runtime: Runtime, request: ConsentRequest) -> bytes:
    return f"token\n{runtime.ids.request.encode(request.key)}".encode()


def _describe(
    runtime: Runtime, grant: Grant, sends: Sequence[datetime], now: datetime
) -> GrantStanding:
    status = grant.status_at(now)
    grant_id = runtime.ids.grant.encode(grant.key)
    if status in ENDED:
        return GrantStanding(grant, grant_id, status, 0, None)
    cap, window = grant.scope.frequency_cap, grant.scope.send_window
    at, before = now, None
    while at != before:  # until neither send window nor cap moves it
        before = at
        at = next_allowed_at(cap, sends, window.next_open(at))
    next_at = at if at < grant.scope.ends_at else None
    return GrantStanding(grant, grant_id, status, remaining(cap, sends, now), next_at)
