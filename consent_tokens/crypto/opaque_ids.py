"""Handles: what the outside calls a row, and the row's address inside.

A row lives at (home, number), two random 64-bit numbers. Its handle is the single-block AES-256
encryption of the two: a permutation, so to whoever lacks the key it is 128 random-looking bits,
and two handles of one home have nothing in common. One key a kind: the handle of one kind is
noise as a handle of any other.
"""

import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple, Self

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from consent_tokens.crypto.encoding import decode, encode
from consent_tokens.crypto.keys import IdKey, derive_key

ROW_KEY_STRUCT: Final = struct.Struct(">qq")  # signed, as databases keep 64 bits
ID_CHARACTERS: Final = 22
ID_BYTES: Final = 16  # of any handle: home and number


class RowKey(NamedTuple):
    """Where a row lives."""

    partition: int
    id: int

    @classmethod
    def new(cls, home: int, drawn: bytes) -> Self:
        """Return a new address in a home; `drawn` is 8 random bytes."""
        return cls(home, int.from_bytes(drawn, "big", signed=True))


def new_partition(drawn: bytes) -> int:
    """Return a home; `drawn` is 8 random bytes."""
    return int.from_bytes(drawn, "big", signed=True)


@dataclass(frozen=True, slots=True)
class OpaqueIdCodec:
    """One block of AES, there and back, with a prefix that people can read."""

    prefix: str
    cipher: Cipher[modes.ECB] = field(repr=False)

    @classmethod
    def from_secret(cls, secret: bytes, prefix: str = "") -> Self:
        # one block, no chaining: a permutation of 128 bits is what is wanted, not a mode
        return cls(prefix, Cipher(algorithms.AES256(secret), modes.ECB()))  # noqa: S305 - see above

    def encode(self, address: RowKey) -> str:
        """Return the handle of an address."""
        return self.prefix + encode(self.cipher.encryptor().update(ROW_KEY_STRUCT.pack(*address)))

    def encode_all(self, addresses: Sequence[RowKey]) -> list[str]:
        """Return the handles of many addresses, at the price of one."""
        blocks = self.cipher.encryptor().update(
            b"".join(ROW_KEY_STRUCT.pack(*each) for each in addresses)
        )
        return [
            self.prefix + encode(blocks[place : place + ID_BYTES])
            for place in range(0, len(blocks), ID_BYTES)
        ]

    def decode(self, handle: str) -> RowKey | None:
        """Return the address of a handle; None if it cannot be one of this kind."""
        return self.decode_all([handle]).get(handle)

    def decode_all(self, handles: Iterable[str]) -> dict[str, RowKey]:
        """Return the addresses of many handles; those that are none are left out."""
        blocks = {handle: block for handle in handles if (block := self._block(handle)) is not None}
        clear = self.cipher.decryptor().update(b"".join(blocks.values()))
        return {
            handle: RowKey(*pair)
            for handle, pair in zip(blocks, ROW_KEY_STRUCT.iter_unpack(clear), strict=True)
        }

    def _block(self, handle: str) -> bytes | None:
        text = handle.removeprefix(self.prefix)
        if len(text) != ID_CHARACTERS or len(handle) != len(self.prefix) + ID_CHARACTERS:
            return None
        try:
            return decode(text)
        except ValueError:
            return None


@dataclass(frozen=True, slots=True)
class OpaqueIds:
    """A permutation for each kind of thing that has a name outside.

    `grant`, `message`, `request` and `event` are known to the merchant; `link` (a message's, for
    its consumer) and `code` (a request's, for whoever is asked) lead to the same rows and say
    nothing of each other. `receipt` and `complaint` are the consumer's.
    """

    grant: OpaqueIdCodec
    message: OpaqueIdCodec
    request: OpaqueIdCodec
    message_link: OpaqueIdCodec
    consent_page: OpaqueIdCodec
    webhook_event: OpaqueIdCodec
    receipt: OpaqueIdCodec
    complaint: OpaqueIdCodec

    @classmethod
    def from_key(cls, key: IdKey) -> Self:
        """Return the handles under a key: grants under the key itself, others under sub-keys."""

        def kind(name: str, prefix: str = "") -> OpaqueIdCodec:
            return OpaqueIdCodec.from_secret(derive_key(key.secret, f"handle {name}"), prefix)

        return cls(
            grant=OpaqueIdCodec.from_secret(key.secret),
            message=kind("message", "msg_"),
            request=kind("request", "req_"),
            message_link=kind("link"),
            consent_page=kind("code"),
            webhook_event=kind("event", "evt_"),
            receipt=kind("receipt"),
            complaint=kind("complaint", "cmp_"),
        )
