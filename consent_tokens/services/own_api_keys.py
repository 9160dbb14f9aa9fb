"""The API keys that a merchant manages: with an API key, or as a person of its team.

None can do more than the key that it is created with; people may create keys that do everything.
"""

from collections.abc import Collection
from typing import Final

from consent_tokens.errors import ConflictError, InvalidError, NotFoundError, UnauthenticatedError
from consent_tokens.evidence.events import EventKind
from consent_tokens.relay.admission.api_access import ApiAccess, ApiKey
from consent_tokens.services.api_keys import MAX_LIVE_KEYS, add_new, record
from consent_tokens.services.runtime import Runtime
from consent_tokens.store import api_keys, checkpoints
from consent_tokens.store.database import Transaction

MORE: Final = "must not be more than those of the key that you use"


def list_of_merchant(runtime: Runtime, merchant_id: str) -> list[ApiKey]:
    """Return all keys of a merchant, its test keys too, the oldest first."""
    return runtime.database.read(lambda at: api_keys.of_merchant(at, merchant_id))


def list_managed(runtime: Runtime, caller: ApiKey) -> list[ApiKey]:
    """Return the keys that a key manages, the oldest first."""
    return runtime.database.read(lambda transaction: _managed(transaction, caller))


def get_managed(runtime: Runtime, caller: ApiKey, key_id: str) -> ApiKey:
    """Return a key that a key manages. Raises NotFoundError."""
    return runtime.database.read(lambda transaction: _find(transaction, caller, key_id))


def create_narrower(
    runtime: Runtime, transaction: Transaction, caller: ApiKey, new: ApiKey
) -> ApiKey:
    """Store a new key that may do no more than the key that it is created with; return it.

    Raises InvalidError naming in what it would be more, ConflictError if the merchant has
    MAX_LIVE_KEYS, and UnauthenticatedError if the caller was revoked meanwhile.
    """
    own = api_keys.lock(transaction, caller.id)
    if own is None or own.revoked_at is not None:
        raise UnauthenticatedError("revoked", caller.id)
    if excess := new.access.excess_over(own.access):
        raise InvalidError({name: [MORE] for name in excess})
    return _create(runtime, transaction, caller.merchant_id, new)


def create_as_person(
    runtime: Runtime, transaction: Transaction, merchant_id: str, actor_id: str, new: ApiKey
) -> ApiKey:
    """Store a new key that a person of a merchant creates; return it. Raises ConflictError."""
    checkpoints.lock_admission(transaction)  # or two of them exceed MAX_LIVE_KEYS
    return _create(runtime, transaction, merchant_id, new, actor_id)


def _create(
    runtime: Runtime,
    transaction: Transaction,
    merchant_id: str,
    new: ApiKey,
    actor_id: str | None = None,
) -> ApiKey:
    """Store a new key; the merchant is the sandbox if a test key creates it."""
    listed = api_keys.of_merchant(transaction, merchant_id)
    if sum(each.is_live_at(runtime.clock.now()) for each in listed) >= MAX_LIVE_KEYS:
        raise ConflictError(f"there are {MAX_LIVE_KEYS} keys already")
    add_new(runtime, transaction, new, actor_id)
    return new


def revoke_managed(
    runtime: Runtime, transaction: Transaction, caller: ApiKey, key_id: str, *, keep_created: bool
) -> ApiKey:
    """Revoke a key that a key manages, and, unless they are kept, the keys created with it.

    Raises NotFoundError, also if it is revoked already.
    """
    _find(transaction, caller, key_id)
    revoke_all(runtime, transaction, key_id, keep_created=keep_created)
    return _find(transaction, caller, key_id)


def revoke_as_person(
    runtime: Runtime, merchant_id: str, actor_id: str, key_id: str, *, keep_created: bool
) -> None:
    """Revoke a key of a merchant as a person of its team, as `revoke_all`. Raises NotFoundError."""

    def work(transaction: Transaction) -> None:
        of_id(api_keys.of_merchant(transaction, merchant_id), key_id)
        revoke_all(runtime, transaction, key_id, keep_created=keep_created, actor_id=actor_id)

    runtime.database.run(work)
    clear_cache(runtime)


def revoke_all(
    runtime: Runtime,
    transaction: Transaction,
    key_id: str,
    *,
    keep_created: bool,
    actor_id: str | None = None,
) -> None:
    """Revoke a key and, unless they are kept, those created with it. Raises NotFoundError.

    `actor_id` is who did, if a person of the merchant did.
    """
    key = api_keys.lock(transaction, key_id)
    if key is None or key.revoked_at is not None:
        raise NotFoundError("no live API key of that id")
    listed = api_keys.of_merchant(transaction, key.merchant_id)
    others = [] if keep_created else _descendants(listed, key_id)
    for each in (key, *others):
        if api_keys.revoke(transaction, each.id, runtime.clock.now()):
            record(runtime, transaction, each, EventKind.API_KEY_REVOKED, actor_id)


def revoke_api_key(runtime: Runtime, key_id: str, *, keep_created: bool = False) -> None:
    """Revoke an API key as the operator, as `revoke_all`. Raises NotFoundError.

    Other processes may accept the key for API_KEY_CACHE_SECONDS more.
    """
    runtime.database.run(
        lambda transaction: revoke_all(runtime, transaction, key_id, keep_created=keep_created)
    )
    clear_cache(runtime)


def clear_cache(runtime: Runtime) -> None:
    """Verify all keys anew in this process, because one was revoked."""
    runtime.api_key_cache.clear()


def _managed(transaction: Transaction, caller: ApiKey) -> list[ApiKey]:
    """Return all keys of the merchant for an unlimited key; else itself, and those of its own.

    Those of a merchant's sandbox are the merchant's too.
    """
    listed = api_keys.of_merchant(transaction, caller.merchant_id)
    if caller.access == ApiAccess(is_test=caller.access.is_test):
        return listed
    ids = {caller.id, *(each.id for each in _descendants(listed, caller.id))}
    return [each for each in listed if each.id in ids]


def _find(transaction: Transaction, caller: ApiKey, key_id: str) -> ApiKey:
    return of_id(_managed(transaction, caller), key_id)


def of_id(listed: Collection[ApiKey], key_id: str) -> ApiKey:
    """Return the key of these that has an id. Raises NotFoundError."""
    found = next((each for each in listed if each.id == key_id), None)
    if found is None:
        raise NotFoundError("no API key of that id")
    return found


def _descendants(listed: Collection[ApiKey], key_id: str) -> list[ApiKey]:
    """Return the keys created with a key, those created with these, and so on."""
    found: list[ApiKey] = []
    parents = {key_id}
    while parents:
        children = [each for each in listed if each.created_by in parents]
        found += children
        parents = {each.id for each in children}
    return found
