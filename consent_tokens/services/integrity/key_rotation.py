"""Rotate and withdraw keys while the service runs, and list what depends on each.

A new key is in the folder, and a signing key in the published key set, before it is used: for so
long that every process holds it and every verifier that caches the key set has fetched it.
"""

import os
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Final, TypeAlias

import structlog
from msgspec import Struct, structs

from consent_tokens.crypto.key_files import (
    KeyFile,
    KeyKind,
    add_key_file,
    delete_key_file,
    file_in_use,
    key_files,
)
from consent_tokens.crypto.keyring import KeyName, name_of
from consent_tokens.errors import ConflictError, KeyUnavailableError, NotFoundError
from consent_tokens.services.runtime import Runtime
from consent_tokens.store import key_records, token_macs, wrapped_keys
from consent_tokens.store.database import Transaction
from consent_tokens.store.key_records import KeyRecord

log = structlog.get_logger()

# how long before its first use a key is created. A verifier may cache the key set for 5 minutes;
# a process looks at the folder every 5 seconds
LEAD_TIMES: Final[Mapping[KeyKind, timedelta]] = {
    KeyKind.SIGNING: timedelta(minutes=10),
    KeyKind.WRAPPING: timedelta(minutes=1),
    KeyKind.SESSION: timedelta(minutes=1),
    KeyKind.TOKEN_MAC: timedelta(minutes=1),
}
HANDOVER: Final = timedelta(seconds=60)  # in which a process may still use the key before
MIN_PREFIX: Final = 6  # characters of a key id that name it


class KeyStatus(StrEnum):
    """What a key is used for at present."""

    PENDING = "pending"  # published, and not in use yet
    IN_USE = "in_use"
    OLDER = "older"  # verifies and opens what it was used for
    MISSING = "missing"  # recorded, and its file is not there
    WITHDRAWN = "withdrawn"


class KeyState(Struct, frozen=True, kw_only=True):
    """A key, and how much depends on it.

    `needed_by` counts, for a wrapping key, the rows with a data key under it; for a signing key,
    the live grants that were made while it signed; for a session key, the consumers signed in; for
    a key of token MACs, the grants whose MAC is under it.
    """

    kind: KeyKind
    kid: str
    status: KeyStatus
    starts_at: datetime
    ends_at: datetime | None = None  # when the next one came into use
    needed_by: int = 0
    path: Path | None = None
    record: KeyRecord | None = None


OnRecord: TypeAlias = Callable[[Transaction, KeyState], None]


def list_keys(runtime: Runtime) -> list[KeyState]:
    """Return all keys that rotate, by kind, the oldest first. Reads every row with a data key."""

    def query(transaction: Transaction) -> list[KeyState]:
        counts = wrapped_keys.count_by_kid(transaction)
        sessions = wrapped_keys.count_sessions(transaction)
        macs = token_macs.count_by_kid(transaction)

        def needed_by(state: KeyState) -> int:
            match state.kind:
                case KeyKind.SIGNING:
                    return _count_signed(transaction, state, None)
                case KeyKind.WRAPPING:
                    return counts[bytes.fromhex(state.kid)]
                case KeyKind.SESSION:
                    return _sessions_under(state, sessions)
                case KeyKind.TOKEN_MAC:
                    return macs.get(bytes.fromhex(state.kid), 0)

        states = states_within(runtime, transaction)
        return [structs.replace(each, needed_by=needed_by(each)) for each in states]

    return runtime.database.read(query)


def list_states(runtime: Runtime) -> list[KeyState]:
    """Return all keys that rotate, without what depends on them. Raises KeyUnavailableError."""
    return runtime.database.read(lambda transaction: states_within(runtime, transaction))


def states_within(runtime: Runtime, transaction: Transaction) -> list[KeyState]:
    """Return what `list_states` does, as a transaction sees it."""
    records = {_record_name(each): each for each in key_records.all_records(transaction)}
    return [state for kind in KeyKind for state in _states(runtime, kind, records)]


def with_need(runtime: Runtime, state: KeyState, limit: int | None = None) -> KeyState:
    """Return a key with how much depends on it, counted up to `limit`.

    Of a wrapping or token MAC key it reads rows until so many are found, which may be all.
    """

    def query(transaction: Transaction) -> int:
        match state.kind:
            case KeyKind.SIGNING:
                return _count_signed(transaction, state, limit)
            case KeyKind.WRAPPING:
                return wrapped_keys.count_under(transaction, bytes.fromhex(state.kid), limit)
            case KeyKind.SESSION:
                return _sessions_under(state, wrapped_keys.count_sessions(transaction))
            case KeyKind.TOKEN_MAC:
                return token_macs.count_under(transaction, bytes.fromhex(state.kid), limit)

    return structs.replace(state, needed_by=runtime.database.read(query))


def _sessions_under(state: KeyState, sessions: int) -> int:
    return sessions if state.status in {KeyStatus.IN_USE, KeyStatus.OLDER} else 0


def rotate(
    runtime: Runtime,
    kind: KeyKind,
    *,
    by: str,
    at_once: bool,
    on_record: OnRecord = lambda _transaction, _state: None,
) -> KeyState:
    """Create a key that replaces the one in use after the lead time of its kind, or at once.

    `on_record` is called in the transaction that records it. Raises KeyUnavailableError.
    """
    now = runtime.clock.now()
    starts_at = now if at_once else now + LEAD_TIMES[kind]
    try:
        file = add_key_file(_folder(runtime), kind, starts_at, runtime.random.token_bytes)
    except OSError as error:
        raise KeyUnavailableError(f"no key can be created: {error}") from error
    kid = name_of(file).kid
    record = KeyRecord(kind=kind, kid=kid, created_at=now, created_by=by, starts_at=starts_at)
    status = KeyStatus.IN_USE if at_once else KeyStatus.PENDING
    state = KeyState(
        kind=kind, kid=kid, status=status, starts_at=starts_at, path=file.path, record=record
    )

    def work(transaction: Transaction) -> None:
        key_records.add(transaction, record)
        on_record(transaction, state)

    runtime.database.run(work)
    log.info("key_created", kind=kind.value, kid=kid, by=by)
    return state


def find_state(runtime: Runtime, prefix: str) -> KeyState:
    """Return the key whose id begins with `prefix`. Raises NotFoundError."""
    found = [each for each in list_states(runtime) if each.kid.startswith(prefix)]
    if len(prefix) < MIN_PREFIX or len(found) != 1:
        raise NotFoundError(f"no key, or more than one, has an id that begins with {prefix}")
    return found[0]


def find_withdrawable(runtime: Runtime, prefix: str, limit: int | None = None) -> KeyState:
    """Return the key whose id begins with `prefix`, if it may be withdrawn.

    What needs it is counted up to `limit`. Raises NotFoundError, and ConflictError if it is in use
    or rows need it.
    """
    state = find_state(runtime, prefix)
    check_not_in_use(state)
    if state.status is KeyStatus.WITHDRAWN and state.path is None:
        raise ConflictError("the key was withdrawn before")
    state = with_need(runtime, state, limit)
    if state.kind is KeyKind.WRAPPING and state.path is not None:
        _check_wrapping(runtime, state)
    return state


def check_not_in_use(state: KeyState) -> None:
    """Raise ConflictError if a key is in use."""
    if state.status is KeyStatus.IN_USE:
        raise ConflictError(
            f"the key is in use: replace it first, with `keys rotate {state.kind} --now`"
        )


def record_withdrawal(
    runtime: Runtime, transaction: Transaction, state: KeyState, *, by: str
) -> None:
    """Record that a key is withdrawn; its file is to be deleted next.

    A process that runs drops it within seconds.
    """
    now = runtime.clock.now()
    if state.record is None:
        key_records.add(
            transaction,
            KeyRecord(
                kind=state.kind, kid=state.kid, created_at=now, created_by=None,
                starts_at=state.starts_at,
            ),
        )  # fmt: skip
    key_records.withdraw(transaction, state.kind, state.kid, at=now, by=by)
    log.warning("key_withdrawn", kind=state.kind.value, kid=state.kid, by=by)


def delete_withdrawn(state: KeyState) -> None:
    """Delete the file of a key that is withdrawn, if it is there. Raises KeyUnavailableError."""
    if state.path is not None:
        try:
            delete_key_file(state.path)
        except OSError as error:
            raise KeyUnavailableError(f"{state.path} cannot be deleted: {error}") from error


def can_change_keys(runtime: Runtime) -> bool:
    """Whether this process may create and delete files in the folder of the keys."""
    folder = runtime.keys.folder
    if folder is None:
        return False
    folders = [folder, *(folder / kind for kind in KeyKind if (folder / kind).exists())]
    return all(os.access(each, os.W_OK | os.X_OK) for each in folders)


def _check_wrapping(runtime: Runtime, state: KeyState) -> None:
    if state.needed_by:
        raise ConflictError(
            f"{state.needed_by} rows have data keys under it: a dispatcher wraps them again under "
            "the newest key; `keys list` shows how many are left"
        )
    if state.ends_at is not None and runtime.clock.now() - state.ends_at < HANDOVER:
        raise ConflictError("it was in use less than a minute ago: try again after that")


def _folder(runtime: Runtime) -> Path:
    if runtime.keys.folder is None:
        raise KeyUnavailableError("the keys are not in a folder")
    return runtime.keys.folder


def _states(
    runtime: Runtime, kind: KeyKind, records: Mapping[KeyName, KeyRecord]
) -> list[KeyState]:
    """Return the keys of one kind: those with a file, and those of which only a record is left."""
    now = runtime.clock.now()
    files = key_files(_folder(runtime), kind)
    held = {name_of(file): file for file in files}
    states = [
        KeyState(
            kind=kind,
            kid=name.kid,
            status=_status(file, files, now, records.get(name)),
            starts_at=file.starts_at,
            ends_at=_end(file, files, now),
            path=file.path,
            record=records.get(name),
        )
        for name, file in held.items()
    ]
    gone = [
        KeyState(
            kind=kind,
            kid=name.kid,
            status=KeyStatus.WITHDRAWN if record.withdrawn_at else KeyStatus.MISSING,
            starts_at=record.starts_at,
            record=record,
        )
        for name, record in records.items()
        if name.kind is kind and name not in held
    ]
    return gone + states


def _status(
    file: KeyFile, files: Sequence[KeyFile], now: datetime, record: KeyRecord | None
) -> KeyStatus:
    if record is not None and record.withdrawn_at is not None:
        return KeyStatus.WITHDRAWN
    current = file_in_use(files, now)
    if file == current:
        return KeyStatus.IN_USE
    is_before = files.index(file) < files.index(current)
    return KeyStatus.OLDER if is_before else KeyStatus.PENDING


def _end(file: KeyFile, files: Sequence[KeyFile], now: datetime) -> datetime | None:
    later = [each.starts_at for each in files[files.index(file) + 1 :] if each.starts_at <= now]
    return min(later, default=None)


def _count_signed(transaction: Transaction, state: KeyState, limit: int | None) -> int:
    if state.status is KeyStatus.PENDING:
        return 0
    end = state.ends_at + HANDOVER if state.ends_at else None
    return wrapped_keys.count_live_grants(transaction, state.starts_at, end, limit)


def _record_name(record: KeyRecord) -> KeyName:
    return KeyName(KeyKind(record.kind), record.kid)
