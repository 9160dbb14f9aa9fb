"""The key files of an installation: created on first start, refused if others can read them."""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

from consent_tokens.crypto.encoding import decode, encode
from consent_tokens.crypto.jws import header
from consent_tokens.crypto.keys import (
    KEY_BYTES,
    IdKey,
    IndexKey,
    SigningKey,
    VerifyingKey,
    WrappingKey,
)
from consent_tokens.crypto.opaque_ids import OpaqueIds
from consent_tokens.errors import KeyUnavailableError

ACCESSIBLE_TO_OTHERS: Final = 0o077  # permission bits of group and others
OWNER_ONLY: Final = 0o600
FOLDER_MODE: Final = 0o700

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
    session: tuple[str, ...]  # base64url, oldest first, as itsdangerous takes them

    @classmethod
    def from_secrets(
        cls,
        *,
        signing: list[bytes],
        wrapping: list[bytes],
        id_key: bytes,
        index: bytes,
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
            session=tuple(encode(secret) for secret in session),
        )

    @classmethod
    def load_or_create(cls, folder: Path, token_bytes: TokenBytes) -> Self:
        """Load the keys in `folder`; create all of them if it holds none.

        A single missing key is not created: it was lost, and a new one would hide that. Raises
        KeyUnavailableError, which names the file.
        """
        try:
            if not any(folder.rglob("*.key")):
                _create(folder, token_bytes)
            return cls.from_secrets(
                signing=_read_all(folder / "signing"),
                wrapping=_read_all(folder / "wrapping"),
                id_key=_read(folder / "id.key"),
                index=_read(folder / "index.key"),
                session=[_read(folder / "session.key")],
            )
        except (OSError, ValueError) as error:
            raise KeyUnavailableError(f"keys in {folder} cannot be used: {error}") from error


def _create(folder: Path, token_bytes: TokenBytes) -> None:
    for name in ("signing/0001", "wrapping/0001", "id", "index", "session"):
        path = folder / f"{name}.key"
        path.parent.mkdir(mode=FOLDER_MODE, parents=True, exist_ok=True)
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
