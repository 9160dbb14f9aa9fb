"""The key files of an installation: created on first start, refused if others can read them."""

import fcntl
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final, NamedTuple, Self

from consent_tokens.crypto.encoding import encode
from consent_tokens.crypto.jws import header
from consent_tokens.crypto.key_files import (
    ALWAYS,
    FIRST_FILES,
    FOLDER_MODE,
    KeyFile,
    KeyKind,
    TokenBytes,
    create,
    in_use_last,
    key_files,
    locked,
    read,
    restrict,
)
from consent_tokens.crypto.keyed_hashes import key_set_fingerprint
from consent_tokens.crypto.keys import (
    IdKey,
    IndexKey,
    JournalKey,
    SessionKey,
    SigningKey,
    TokenMacKey,
    VerifyingKey,
    WrappingKey,
)
from consent_tokens.crypto.opaque_ids import OpaqueIds
from consent_tokens.errors import KeyUnavailableError

JOURNAL_KEY: Final = "journal.key"
FIRST_KEYS: Final = (
    "signing/0001.key", "wrapping/0001.key", "id.key", "index.key", FIRST_FILES[KeyKind.SESSION],
    JOURNAL_KEY, FIRST_FILES[KeyKind.TOKEN_MAC],
)  # fmt: skip


class KeyName(NamedTuple):
    """A key that rotates, by kind and id. The id does not reveal the key."""

    kind: KeyKind
    kid: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Keyring:
    """The key of each kind that is in use, and those before and after it, which verify and open."""

    signing: SigningKey
    verifying: Mapping[str, VerifyingKey]  # by the JWS header of tokens under the key
    wrapping: WrappingKey
    unwrapping: Mapping[bytes, WrappingKey]  # by kid
    ids: OpaqueIds
    index: IndexKey
    journal: JournalKey
    session: tuple[str, ...]  # base64url, the one in use last, as itsdangerous takes them
    token_mac: TokenMacKey
    token_macs: Mapping[bytes, TokenMacKey]  # by kid
    names: frozenset[KeyName]  # of all that rotate
    fingerprint: str  # of the keys that never change: which database they belong to

    @classmethod
    def from_secrets(  # noqa: PLR0913 - an argument for each kind of key
        cls,
        *,
        signing: list[bytes],
        wrapping: list[bytes],
        id_key: bytes,
        index: bytes,
        journal: bytes,
        session: list[bytes],
        token_mac: list[bytes],
    ) -> Self:
        """Return the keyring of these secrets; in lists the one in use is the last.

        Raises ValueError.
        """
        signers = [SigningKey.from_seed(seed) for seed in signing]
        wrappers = [WrappingKey(secret) for secret in wrapping]
        token_macs = [TokenMacKey(secret) for secret in token_mac]
        return cls(
            signing=signers[-1],
            verifying={header(key.kid): key.verifying for key in signers},
            wrapping=wrappers[-1],
            unwrapping={key.kid: key for key in wrappers},
            ids=OpaqueIds.from_key(IdKey(id_key)),
            index=IndexKey(index),
            journal=JournalKey(journal),
            session=tuple(encode(secret) for secret in session),
            token_mac=token_macs[-1],
            token_macs={key.kid: key for key in token_macs},
            names=frozenset(
                [
                    *(KeyName(KeyKind.SIGNING, key.kid) for key in signers),
                    *(KeyName(KeyKind.WRAPPING, key.kid.hex()) for key in wrappers),
                    *(KeyName(KeyKind.SESSION, SessionKey(secret).kid) for secret in session),
                    *(KeyName(KeyKind.TOKEN_MAC, key.kid.hex()) for key in token_macs),
                ]
            ),
            fingerprint=key_set_fingerprint(IdKey(id_key), IndexKey(index)),
        )

    @classmethod
    def load_or_create(cls, folder: Path, token_bytes: TokenBytes, now: datetime = ALWAYS) -> Self:
        """Load the keys in `folder` as they are in use at `now`; create all if it holds none.

        Of several processes that start at once, one creates them. A single missing key is not
        created: it was lost, and a new one would hide that. The journal key is, because the journal
        names its key and is unavailable under another one, and so is the key of token MACs, because
        the database knows those that there were. Raises KeyUnavailableError, which names the file.
        """
        try:
            if not _has_keys(folder):
                folder.mkdir(mode=FOLDER_MODE, parents=True, exist_ok=True)
                with locked(folder, fcntl.LOCK_EX):
                    if not _has_keys(folder):
                        _create_all(folder, token_bytes)
            restrict(folder)
            if _added_later(folder):
                with locked(folder, fcntl.LOCK_EX):
                    for path in _added_later(folder):
                        create(path, token_bytes)
        except (OSError, ValueError) as error:
            raise KeyUnavailableError(f"keys in {folder} cannot be used: {error}") from error
        return cls.load(folder, now)

    @classmethod
    def load(cls, folder: Path, now: datetime) -> Self:
        """Load the keys in `folder` as they are in use at `now`. Raises KeyUnavailableError."""
        try:
            with locked(folder, fcntl.LOCK_SH):  # waits for a process that creates them
                return cls.from_secrets(
                    signing=_read_all(folder, KeyKind.SIGNING, now),
                    wrapping=_read_all(folder, KeyKind.WRAPPING, now),
                    id_key=read(folder / "id.key"),
                    index=read(folder / "index.key"),
                    journal=read(folder / JOURNAL_KEY),
                    session=_read_all(folder, KeyKind.SESSION, now),
                    token_mac=_read_all(folder, KeyKind.TOKEN_MAC, now),
                )
        except (OSError, ValueError) as error:
            raise KeyUnavailableError(f"keys in {folder} cannot be used: {error}") from error


def name_of(file: KeyFile) -> KeyName:
    """Return the id of the key in a file. Raises KeyUnavailableError."""
    try:
        secret = read(file.path)
        match file.kind:
            case KeyKind.SIGNING:
                return KeyName(file.kind, SigningKey.from_seed(secret).kid)
            case KeyKind.WRAPPING:
                return KeyName(file.kind, WrappingKey(secret).kid.hex())
            case KeyKind.SESSION:
                return KeyName(file.kind, SessionKey(secret).kid)
            case KeyKind.TOKEN_MAC:
                return KeyName(file.kind, TokenMacKey(secret).kid.hex())
    except (OSError, ValueError) as error:
        raise KeyUnavailableError(f"{file.path} cannot be used: {error}") from error


def _has_keys(folder: Path) -> bool:
    return any(folder.rglob("*.key"))


def _added_later(folder: Path) -> list[Path]:
    """Return the keys that an installation of an earlier version lacks."""
    paths = [] if (folder / JOURNAL_KEY).exists() else [folder / JOURNAL_KEY]
    if not key_files(folder, KeyKind.TOKEN_MAC):
        paths.append(folder / FIRST_FILES[KeyKind.TOKEN_MAC])
    return paths


def _create_all(folder: Path, token_bytes: TokenBytes) -> None:
    for name in FIRST_KEYS:
        path = folder / name
        path.parent.mkdir(mode=FOLDER_MODE, parents=True, exist_ok=True)
        create(path, token_bytes)


def _read_all(folder: Path, kind: KeyKind, now: datetime) -> list[bytes]:
    files = key_files(folder, kind)
    if not files:
        raise ValueError(f"there is no {kind} key")
    return [read(each.path) for each in in_use_last(files, now)]
