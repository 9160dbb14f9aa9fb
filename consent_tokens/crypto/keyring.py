"""The keys of this installation, as files under `keys/`: made on first start, refused if loose."""

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

OTHERS_MAY: Final = 0o077
OWNER_ONLY: Final = 0o600
FOLDER_MODE: Final = 0o700

Draw = Callable[[int], bytes]


@dataclass(frozen=True, slots=True, kw_only=True)
class Keyring:
    """One key of each kind in use, and those before it that still verify or unwrap."""

    signing: SigningKey
    verifying: Mapping[str, VerifyingKey]  # filed by the header that the key makes
    wrapping: WrappingKey
    unwrapping: Mapping[bytes, WrappingKey]  # filed by kid
    ids: OpaqueIds
    index: IndexKey
    session: tuple[str, ...]  # oldest first, as itsdangerous and Flask take them

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
        """Return the ring of these secrets, each list oldest first. Raises ValueError."""
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
    def load_or_create(cls, folder: Path, draw: Draw) -> Self:
        """Read the ring, making the keys of a new installation.

        Raises KeyUnavailableError naming the file at fault. Keys are made only where there are
        none at all: one that is missing among others was lost, and a new one would hide that.
        """
        try:
            if not any(folder.rglob("*.key")):
                _create(folder, draw)
            return cls.from_secrets(
                signing=_read_all(folder / "signing"),
                wrapping=_read_all(folder / "wrapping"),
                id_key=_read(folder / "handle.key"),
                index=_read(folder / "index.key"),
                session=[_read(folder / "session.key")],
            )
        except (OSError, ValueError) as error:
            raise KeyUnavailableError(f"keys in {folder} cannot be used: {error}") from error


def _create(folder: Path, draw: Draw) -> None:
    for name in ("signing/0001", "wrapping/0001", "handle", "index", "session"):
        path = folder / f"{name}.key"
        path.parent.mkdir(mode=FOLDER_MODE, parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, OWNER_ONLY)
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(encode(draw(KEY_BYTES)) + "\n")
            file.flush()
            os.fsync(file.fileno())


def _read_all(folder: Path) -> list[bytes]:
    paths = sorted(folder.glob("*.key"))
    if not paths:
        raise ValueError(f"{folder} holds no key")
    return [_read(path) for path in paths]


def _read(path: Path) -> bytes:
    if path.stat().st_mode & OTHERS_MAY:
        raise ValueError(f"{path} can be read by others; chmod 600 it")
    try:
        secret = decode(path.read_text("ascii").strip())
    except ValueError:
        secret = b""
    if len(secret) != KEY_BYTES:
        raise ValueError(f"{path} is not a key")  # without what is in it
    return secret
