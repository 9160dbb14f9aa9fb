"""The keys that this database belongs to.

The id key and the index key never change: the database knows their fingerprint, and a process with
others refuses to work. The keys that rotate are recorded by their ids: a process that lacks one
which rows may need, or holds one that was withdrawn, is not ready.
"""

from datetime import datetime, timedelta
from typing import Final

from consent_tokens.crypto.key_files import KeyKind
from consent_tokens.crypto.keyring import KeyName, Keyring
from consent_tokens.errors import KeyMissingError, KeysChangedError, KeyWithdrawnError
from consent_tokens.services.runtime import Runtime
from consent_tokens.store import checkpoints, key_records, wrapped_keys
from consent_tokens.store.database import Transaction
from consent_tokens.store.key_records import KeyRecord

# what is missing of these cannot be read, or not be known again; a session key that is gone signs
# people out, no more
NEEDED: Final = frozenset({KeyKind.SIGNING, KeyKind.WRAPPING, KeyKind.TOKEN_MAC})
WITHDRAWN_GRACE: Final = timedelta(seconds=60)  # for processes to notice that a key was withdrawn


def ensure_key_set(runtime: Runtime) -> None:
    """Return if the keys are those of this database, and complete; record new ones.

    Raises KeysChangedError, KeyMissingError, KeyWithdrawnError.
    """
    ensure_own_database(runtime)
    keyring, now = runtime.keyring, runtime.clock.now()
    if runtime.keys.fault:
        raise KeyMissingError(runtime.keys.fault)
    records = runtime.database.read(key_records.all_records)
    if fault := _fault(keyring, records, now):
        keyring = runtime.keys.latest()  # another process may have changed them just now
        fault = _fault(keyring, records, now)
    if fault:
        raise fault  # without recording the keys that this process alone has
    if new := keyring.names - {_name(each) for each in records}:
        runtime.database.run(lambda transaction: _record(transaction, new, now))


def ensure_compared(runtime: Runtime) -> None:
    """Call `ensure_own_database` unless it has succeeded in this process.

    Before anything is done under keys that may be wrong: a number would not be found, and its stop
    with it. A process may have started while the database was away.
    """
    if not runtime.readiness.is_own_database:
        ensure_own_database(runtime)


def ensure_own_database(runtime: Runtime) -> None:
    """Remember the fingerprint of the keys; raise KeysChangedError if the database has another."""
    keyring, state = runtime.keyring, runtime.readiness
    state.is_own_database = False
    stored = runtime.database.read(
        lambda transaction: checkpoints.find(transaction, checkpoints.KEYS)
    )
    if stored is None:
        runtime.database.run(lambda transaction: _adopt(transaction, keyring))
    elif stored != keyring.fingerprint:
        raise KeysChangedError(
            "this database belongs to another id key or index key: set CONSENT_KEYS_DIR to the "
            "folder of its keys, or put them back from their backup"
        )
    state.is_own_database = True


def _adopt(transaction: Transaction, keyring: Keyring) -> None:
    """Remember the keys, on first start or after an upgrade."""
    wrapped = wrapped_keys.any_live_key(transaction)
    if wrapped and wrapped[: wrapped_keys.KID_BYTES] not in keyring.unwrapping:
        raise KeysChangedError(
            "the grants of this database are under a wrapping key that is not there"
        )
    checkpoints.save(transaction, checkpoints.KEYS, keyring.fingerprint)


def _record(transaction: Transaction, names: frozenset[KeyName], now: datetime) -> None:
    for kind, kid in sorted(names):
        key_records.add(
            transaction,
            KeyRecord(kind=kind, kid=kid, created_at=now, created_by=None, starts_at=now),
        )


def _fault(
    keyring: Keyring, records: list[KeyRecord], now: datetime
) -> KeyMissingError | KeyWithdrawnError | None:
    for each in records:
        is_held = _name(each) in keyring.names
        if each.withdrawn_at is not None:
            if is_held and now - each.withdrawn_at > WITHDRAWN_GRACE:
                return KeyWithdrawnError(
                    f"the {each.kind} key {each.kid} was withdrawn, and its file is there: "
                    "run `keys withdraw` for it again"
                )
        elif not is_held and each.kind in NEEDED and each.starts_at <= now:
            return KeyMissingError(
                f"the {each.kind} key {each.kid} is missing: put its file back, or run "
                "`keys withdraw` for it if it is lost"
            )
    return None


def _name(record: KeyRecord) -> KeyName:
    return KeyName(KeyKind(record.kind), record.kid)
