"""The files of the keys: their names, and how they are listed, created, read and deleted.

    signing/0001.key                          of the first start
    signing/0002-from-20260301T101500Z.key    created by `keys rotate`, in use from that time (UTC)

A key is created before it is used, so that every process holds it, and verifiers have fetched its
public key, by the time when the first value under it appears. The time is in the name, so that it
survives a backup and needs no second file.
"""

import fcntl
import os
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Final, NamedTuple

import structlog

from consent_tokens.crypto.encoding import decode, encode
from consent_tokens.crypto.keys import KEY_BYTES

log = structlog.get_logger()

ACCESSIBLE_TO_OTHERS: Final = 0o077  # permission bits of group and others
OWNER_ONLY: Final = 0o600
FOLDER_MODE: Final = 0o700
NAME: Final = re.compile(r"(?P<number>\d{4,9})(-from-(?P<starts_at>\d{8}T\d{6}Z))?")
TIME_FORMAT: Final = "%Y%m%dT%H%M%SZ"
ALWAYS: Final = datetime.fromtimestamp(0, UTC)  # since when the first key is in use

TokenBytes = Callable[[int], bytes]  # returns that many random bytes


class KeyKind(StrEnum):
    """The kinds of keys that rotate. The others are one key for the life of an installation."""

    SIGNING = "signing"
    WRAPPING = "wrapping"
    SESSION = "session"
    TOKEN_MAC = "token_mac"  # noqa: S105 - a name, not a secret


# the first key of these kinds is beside the folder of the later ones
FIRST_FILES: Final = {KeyKind.SESSION: "session.key", KeyKind.TOKEN_MAC: "token_mac.key"}


class KeyFile(NamedTuple):
    """The file of one key, and since when it is in use."""

    kind: KeyKind
    path: Path
    starts_at: datetime


def key_files(folder: Path, kind: KeyKind) -> list[KeyFile]:
    """Return the files of a kind, the oldest first."""
    paths = sorted((folder / kind).glob("*.key"))
    first = folder / FIRST_FILES[kind] if kind in FIRST_FILES else None
    if first is not None and first.exists():
        paths.insert(0, first)
    return [KeyFile(kind, path, _starts_at(path)) for path in paths]


def _starts_at(path: Path) -> datetime:
    """Return the time that a file's name states. Raises ValueError if it is no time."""
    name = NAME.fullmatch(path.stem)
    if name is None or name["starts_at"] is None:
        return ALWAYS
    return datetime.strptime(name["starts_at"], TIME_FORMAT).replace(tzinfo=UTC)


def file_in_use(files: Sequence[KeyFile], now: datetime) -> KeyFile:
    """Return the newest file that is in use at `now`; if all are yet to come, the oldest."""
    due = [each for each in files if each.starts_at <= now]
    return due[-1] if due else files[0]


def in_use_last(files: Sequence[KeyFile], now: datetime) -> list[KeyFile]:
    """Return the files, of which there is at least one, with the one in use at `now` last."""
    current = file_in_use(files, now)
    return [*(each for each in files if each != current), current]


def add_key_file(
    folder: Path, kind: KeyKind, starts_at: datetime, token_bytes: TokenBytes
) -> KeyFile:
    """Create a key that is in use from `starts_at`, and return its file. Raises OSError.

    It appears under its name only once it is complete and stored on disk.
    """
    with locked(folder, fcntl.LOCK_EX):
        names = [NAME.fullmatch(each.path.stem) for each in key_files(folder, kind)]
        number = max([1, *(int(name["number"]) for name in names if name)]) + 1
        path = folder / kind / f"{number:04}-from-{starts_at.strftime(TIME_FORMAT)}.key"
        path.parent.mkdir(mode=FOLDER_MODE, exist_ok=True)
        partial = path.with_suffix(".partial")
        partial.unlink(missing_ok=True)  # of a crash; the lock is held, so nobody writes it
        create(partial, token_bytes)
        _give_to_owner_of(folder, partial, path.parent)
        partial.rename(path)
        _sync_folder(path.parent)
    return KeyFile(kind, path, starts_at)


def _give_to_owner_of(folder: Path, *paths: Path) -> None:
    """Give files that root creates to the user whom the service runs as."""
    owner = folder.stat()
    if os.geteuid() == 0 and owner.st_uid != 0:
        for path in paths:
            os.chown(path, owner.st_uid, owner.st_gid)


def delete_key_file(path: Path) -> None:
    """Overwrite a key and delete its file; it may be gone already. Raises OSError."""
    try:
        with path.open("r+b") as file:
            file.write(b"\0" * os.fstat(file.fileno()).st_size)
            file.flush()
            os.fsync(file.fileno())
        path.unlink()
    except FileNotFoundError:
        return
    _sync_folder(path.parent)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def locked(folder: Path, kind: int) -> Iterator[None]:
    """Hold a lock of the folder, which needs no file of its own."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(descriptor, kind)
        yield
    finally:
        os.close(descriptor)


def restrict(folder: Path) -> None:
    """Take from others what they may do in the folder of keys. Raises OSError if that fails."""
    for each in (folder, *(folder / kind for kind in KeyKind)):
        if each.is_dir() and each.stat().st_mode & ACCESSIBLE_TO_OTHERS:
            each.chmod(FOLDER_MODE)
            log.warning("keys_folder_restricted", folder=str(each), mode=f"{FOLDER_MODE:o}")


def create(path: Path, token_bytes: TokenBytes) -> None:
    """Create one key. Raises OSError, also if the file exists."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, OWNER_ONLY)
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write(encode(token_bytes(KEY_BYTES)) + "\n")
        file.flush()
        os.fsync(file.fileno())


def read(path: Path) -> bytes:
    """Return the secret of a key. Raises OSError, and ValueError that does not contain it."""
    if path.stat().st_mode & ACCESSIBLE_TO_OTHERS:
        raise ValueError(f"{path} can be read by others; chmod 600 it")
    try:
        secret = decode(path.read_text("ascii").strip())
    except ValueError:
        secret = b""
    if len(secret) != KEY_BYTES:
        raise ValueError(f"{path} is not a key")  # the content stays out of the message
    return secret
