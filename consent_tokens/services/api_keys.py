"""API keys of merchants: create, revoke and verify them."""

import hmac
import re
from collections.abc import Collection
from datetime import datetime
from hashlib import sha256
from math import inf
from typing import Final

from consent_tokens.crypto.encoding import encode
from consent_tokens.errors import InvalidError, UnauthenticatedError
from consent_tokens.evidence.events import EventKind
from consent_tokens.relay.admission.api_access import (
    ALL_SCOPES,
    MAX_NETWORKS,
    MAX_RATE,
    ApiAccess,
    ApiKey,
    ApiScope,
    Network,
    parse_networks,
)
from consent_tokens.relay.sandbox import is_sandbox, owner_id, sandbox_id
from consent_tokens.services.merchant_records import get_merchant, record_event
from consent_tokens.services.runtime import CachedKey, Runtime
from consent_tokens.services.sandboxes import ensure_sandbox
from consent_tokens.store import api_keys
from consent_tokens.store.database import Transaction

API_KEY_CACHE_SECONDS: Final = 2.0  # how long a revoked key may still be accepted by a process
API_KEY_RENEW_SECONDS: Final = 1.0  # then one request reads it again, while others use it
API_KEY_CACHE_SIZE: Final = 10_000  # keys
MAX_ERROR_LENGTH: Final = 100  # characters of what is wrong with a network
MAX_LIVE_KEYS: Final = 100  # of a merchant, where it creates them itself
FULL_ACCESS: Final = ApiAccess()
API_KEY = re.compile(r"ctk_(?:test_)?(?P<id>[0-9a-f]{16})_(?P<secret>[A-Za-z0-9_-]{43})")


def parse_access(
    *,
    scopes: Collection[str] | None,
    networks: Collection[str] | None,
    expires_at: datetime | None,
    now: datetime,
    rate: int | None = None,
    is_test: bool = False,
) -> ApiAccess:
    """Return what a new key may do; None is no bound. Raises InvalidError.

    `networks` are in CIDR notation, `rate` is in requests a minute.
    """
    errors: dict[str, list[str]] = {}
    parsed: tuple[Network, ...] | None = None
    try:
        parsed = None if networks is None else parse_networks(networks)
    except ValueError as error:
        errors["networks"] = [f"{error}"[:MAX_ERROR_LENGTH]]
    if networks is not None and not 1 <= len(networks) <= MAX_NETWORKS:
        errors["networks"] = [f"must be 1 to {MAX_NETWORKS}"]
    if scopes is not None and (not scopes or set(scopes) - set(ApiScope)):
        errors["scopes"] = [f"must be of {', '.join(ApiScope)}"]
    if expires_at is not None and expires_at <= now:
        errors["expires_at"] = ["must be in the future"]
    if rate is not None and not 1 <= rate <= MAX_RATE:
        errors["rate"] = [f"must be 1 to {MAX_RATE}"]
    if errors:
        raise InvalidError(errors)
    return ApiAccess(
        scopes=ALL_SCOPES if scopes is None else frozenset(map(ApiScope, scopes)),
        networks=parsed,
        expires_at=expires_at,
        rate=rate,
        is_test=is_test,
    )


def authenticate(runtime: Runtime, text: str, client_ip: str) -> ApiKey:
    """Return the API key with this text, which a client uses from an IP address.

    Only the SHA-256 of a key is stored, which is enough for a secret of 256 random bits. It is
    compared in constant time, also for an unknown key id. A verified key is cached for
    API_KEY_CACHE_SECONDS. Raises UnauthenticatedError, also after its expiry, and from a network
    that it is not for.
    """
    match = API_KEY.fullmatch(text)
    if match is None:
        raise UnauthenticatedError("malformed")
    key = _verified_key(runtime, f"key_{match['id']}", sha256(text.encode("ascii")).digest())
    access = key.access
    if access.expires_at is not None and access.is_expired_at(runtime.clock.now()):
        raise UnauthenticatedError("expired", key.id)
    if access.is_test != is_sandbox(key.merchant_id):  # what it sends must not leave
        raise UnauthenticatedError("test", key.id)
    if not access.allows_client(client_ip):
        raise UnauthenticatedError("network", key.id)
    return key


def _verified_key(runtime: Runtime, key_id: str, digest: bytes) -> ApiKey:
    """Return the live key of an id, if it has this digest. Raises UnauthenticatedError."""
    now = runtime.clock.monotonic()
    cached = runtime.api_key_cache.get(digest)
    if cached and 0 <= now - cached.read_at < API_KEY_CACHE_SECONDS:
        if now < cached.renew_at:
            return cached.key
        cached.renew_at = inf  # this request does
    key = runtime.database.read(lambda transaction: api_keys.find(transaction, key_id))
    is_equal = hmac.compare_digest(key.digest if key else bytes(32), digest)
    if key is None or not is_equal or key.revoked_at is not None:
        runtime.api_key_cache.pop(digest, None)
        raise _refused_key(key, is_equal=is_equal)
    if len(runtime.api_key_cache) >= API_KEY_CACHE_SIZE:
        runtime.api_key_cache.clear()
    runtime.api_key_cache[digest] = CachedKey(key, now, now + API_KEY_RENEW_SECONDS)
    return key


def _refused_key(key: ApiKey | None, *, is_equal: bool) -> UnauthenticatedError:
    """Return the error of a key that is well-formed, and not valid."""
    if key is None:
        return UnauthenticatedError("unknown")
    return UnauthenticatedError("revoked" if is_equal else "wrong", key.id)


def new_api_key(
    runtime: Runtime,
    merchant_id: str,
    access: ApiAccess = FULL_ACCESS,
    created_by: str | None = None,
) -> tuple[ApiKey, str]:
    """Return a new API key and its text; nothing is stored. A test key acts for the sandbox."""
    key_id = runtime.random.token_bytes(8).hex()
    prefix = "ctk_test" if access.is_test else "ctk"
    text = f"{prefix}_{key_id}_{encode(runtime.random.token_bytes(32))}"
    key = ApiKey(
        id=f"key_{key_id}",
        merchant_id=sandbox_id(merchant_id) if access.is_test else merchant_id,
        digest=sha256(text.encode("ascii")).digest(),
        created_at=runtime.clock.now(),
        access=access,
        created_by=created_by,
    )
    return key, text


def add_new(
    runtime: Runtime, transaction: Transaction, key: ApiKey, actor_id: str | None = None
) -> None:
    """Store a new API key, with the event of its creation; with a test key its sandbox.

    Raises NotFoundError as `record`.
    """
    if key.access.is_test:
        ensure_sandbox(runtime, transaction, owner_id(key.merchant_id))
    api_keys.add(transaction, key)
    record(runtime, transaction, key, EventKind.API_KEY_CREATED, actor_id)


def record(
    runtime: Runtime,
    transaction: Transaction,
    key: ApiKey,
    kind: EventKind,
    actor_id: str | None = None,
) -> None:
    """Record an event of an API key. Raises NotFoundError if there is no such merchant."""
    merchant = get_merchant(transaction, key.merchant_id)
    record_event(runtime, transaction, merchant, kind, key.id, actor_id)
