"""The key files of an installation: created on first start, refused if others can read them."""

import fcntl
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

import structlog

from consent_tokens.crypto.encoding import decode, encode
from consent_tokens.crypto.jws import header
from consent_tokens.crypto.keys import (
    KEY_BYTES,
    IdKey,
    IndexKey,
    JournalKey,
    SigningKey,
    VerifyingKey,
    WrappingKey,
)
from consent_tokens.crypto.opaque_ids import OpaqueIds
from consent_tokens.errors import KeyUnavailableError

log = structlog.get_logger()

ACCESSIBLE_TO_OTHERS: Final = 0o077  # permission bits of group and others
OWNER_ONLY: Final = 0o600
FOLDER_MODE: Final = 0o700
JOURNAL_KEY: Final = "journal.key"

TokenBytes = Callable[[int], bytes]  # returns that many random bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Keyring:
    """The current key of each kind, and older ones that still verify, unwrap or open."""

    signing: SigningKey
    verifying: Mapping[str, VerifyingKey]  # by the JWS header of tokens under the key
    wrapping: WrappingKey
    unwrapping: Mapping[bytes, WrappingKey]  # by kid
    ids: OpaqueIds
    index: IndexKey
    journal: JournalKey
    session: tuple[str, ...]  # base64url, oldest first, as itsdangerous takes them

    @classmethod
    def from_secrets(
        cls,
        *,
        signing: list[bytes],
        wrapping: list[bytes],
        id_key: bytes,
        index: bytes,
        journal: bytes,
        session: list[bytes],
    ) -> Self:
        """Return the keyring of these secrets; lists are oldest first. Raises ValueError."""
        signers = [SigningKey.from_seed(seed) for seed in signing]
        wrappers = [WrappingKey(secret) for secret in wrapping]
        return cls(
            signing=signers[-1],
            verifying={header(key.kid): key.verifying for key in signers},
            wrapping=wrappers[-1],
            unwrapping={key.kid: key for key in wrappers},
            ids=OpaqueIds.from_key(IdKey(id_key)),
            index=IndexKey(index),
            journal=JournalKey(journal),
            session=tuple(encode(secret) for secret in session),
        )

    @classmethod
    def load_or_create(cls, folder: Path, token_bytes: TokenBytes) -> Self:
        """Load the keys in `folder`; create all of them if it holds none.

        Of several processes that start at once, one creates them. A single missing key is not
        created: it was lost, and a new one would hide that. The journal key is, because the journal
        names its key and is unavailable under another one. Raises KeyUnavailableError, which names
        the file.
        """
        try:
            if not _has_keys(folder):
                folder.mkdir(mode=FOLDER_MODE, parents=True, exist_ok=True)
                with _locked(folder, fcntl.LOCK_EX):
                    if not _has_keys(folder):
                        _create_all(folder, token_bytes)
            _restrict(folder)
            if not (folder / JOURNAL_KEY).exists():  # of an installation that had none
                with _locked(folder, fcntl.LOCK_EX):
                    if not (folder / JOURNAL_KEY).exists():
                        _create(folder / JOURNAL_KEY, token_bytes)
            with _locked(folder, fcntl.LOCK_SH):  # waits for a process that creates them
                return cls._load(folder)
        except (OSError, ValueError) as error:
            raise KeyUnavailableError(f"keys in {folder} cannot be used: {error}") from error

    @classmethod
    def _load(cls, folder: Path) -> Self:
        return cls.from_secrets(
            signing=_read_all(folder / "signing"),
            wrapping=_read_all(folder / "wrapping"),
            id_key=_read(folder / "id.key"),
            index=_read(folder / "index.key"),
            journal=_read(folder / JOURNAL_KEY),
            session=[_read(folder / "session.key")],
        )


def _has_keys(folder: Path) -> bool:
    return any(folder.rglob("*.key"))


@contextmanager
def _locked(folder: Path, kind: int) -> Iterator[None]:
    """Hold a lock of the folder, which needs no file of its own."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(descriptor, kind)
        yield
    finally:
        os.close(descriptor)


def _restrict(folder: Path) -> None:
    """Take from others what they may do in the folder of keys. Raises OSError if that fails."""
    for each in (folder, folder / "signing", folder / "wrapping"):
        if each.is_dir() and each.stat().st_mode & ACCESSIBLE_TO_OTHERS:
            each.chmod(FOLDER_MODE)
            log.warning("keys_folder_restricted", folder=str(each), mode=f"{FOLDER_MODE:o}")


def _create_all(folder: Path, token_bytes: TokenBytes) -> None:
    for name in ("signing/0001", "wrapping/0001", "id", "index", "session", "journal"):
        path = folder / f"{name}.key"
        path.parent.mkdir(mode=FOLDER_MODE, parents=True, exist_ok=True)
        _create(path, token_bytes)


def _create(path: Path, token_bytes: TokenBytes) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, OWNER_ONLY)
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write(encode(token_bytes(KEY_BYTES)) + "\n")
        file.flush()
        os.fsync(file.fileno())


def _read_all(folder: Path) -> list[bytes]:
    paths = sorted(folder.glob("*.key"))
    if not paths:
        raise ValueError(f"{folder} contains no key")
    return [_read(path) for path in paths]


def _read(path: Path) -> bytes:
    if path.stat().st_mode & ACCESSIBLE_TO_OTHERS:
        raise ValueError(f"{path} can be read by others; chmod 600 it")
    try:
        secret = decode(path.read_text("ascii").strip())
    except ValueError:
        secret = b""
    if len(secret) != KEY_BYTES:
        raise ValueError(f"{path} is not a key")  # the content stays out of the message
    return secret
