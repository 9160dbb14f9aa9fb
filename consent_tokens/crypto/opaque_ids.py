"""Opaque ids: the public id of a row, which does not reveal its partition.

A row's key is two 64-bit numbers. Its public id is the single-block AES-256 encryption of both: a
permutation, so without the key it looks like 128 random bits, and two ids of one partition have
nothing in common. Each kind has a key of its own: an id of one kind decodes to noise as another.
"""

import struct
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Final, Self

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from consent_tokens.crypto.encoding import decode_all, encode, encode_all
from consent_tokens.crypto.keys import IdKey, derive_key
from consent_tokens.row_key import RowKey

ROW_KEY_STRUCT: Final = struct.Struct(">qq")  # signed, as databases keep 64 bits
ID_CHARACTERS: Final = 22
PUBLIC_ID_BYTES: Final = 16  # before encoding: partition and id


@dataclass(frozen=True, slots=True)
class OpaqueIdCodec:
    """Encodes row keys of one kind as a readable prefix and one encrypted block of AES."""

    prefix: str
    cipher: Cipher[modes.ECB] = field(repr=False)

    @classmethod
    def from_secret(cls, secret: bytes, prefix: str = "") -> Self:
        # ECB of exactly one block: a permutation of 128 bits is what is needed
        return cls(prefix, Cipher(algorithms.AES256(secret), modes.ECB()))  # noqa: S305 - see above

    def encode(self, key: RowKey) -> str:
        """Return the public id of a row key."""
        return self.prefix + encode(self.cipher.encryptor().update(ROW_KEY_STRUCT.pack(*key)))

    def encode_all(self, keys: Sequence[RowKey]) -> list[str]:
        """Return the public ids of many row keys, in one call of the cipher."""
        numbers = struct.pack(f">{2 * len(keys)}q", *chain.from_iterable(keys))
        blocks = self.cipher.encryptor().update(numbers)
        parts = [
            blocks[place : place + PUBLIC_ID_BYTES]
            for place in range(0, len(blocks), PUBLIC_ID_BYTES)
        ]
        return [self.prefix + text for text in encode_all(parts, PUBLIC_ID_BYTES)]

    def decode(self, public_id: str) -> RowKey | None:
        """Return the row key of a public id; None if it cannot be an id of this kind."""
        return self.decode_all([public_id]).get(public_id)

    def decode_all(self, public_ids: Collection[str]) -> dict[str, RowKey]:
        """Return the row keys of many public ids; those that are not valid are left out."""
        blocks = self._blocks(public_ids)
        clear = self.cipher.decryptor().update(b"".join(blocks.values()))
        return dict(zip(blocks, map(RowKey._make, ROW_KEY_STRUCT.iter_unpack(clear)), strict=True))

    def _blocks(self, public_ids: Collection[str]) -> dict[str, bytes]:
        """Return the blocks of the ids that are valid."""
        prefix, length = self.prefix, len(self.prefix) + ID_CHARACTERS
        texts = {
            each: each[len(prefix) :]
            for each in public_ids
            if len(each) == length and each.startswith(prefix)
        }
        try:
            return dict(zip(texts, decode_all([*texts.values()], PUBLIC_ID_BYTES), strict=True))
        except ValueError:
            if len(texts) == 1:
                return {}
        return {each: block for part in texts for each, block in self._blocks([part]).items()}


@dataclass(frozen=True, slots=True)
class OpaqueIds:
    """One codec for each kind of thing that has a public id.

    `grant`, `message`, `request` and `webhook_event` are known to the merchant; `message_link` (in
    texts sent before links were drawn, and on pages behind a login) and `consent_page` name the
    same rows as `message` and `request` and cannot be matched with them. `receipt`, `complaint`
    and `change` (of a grant) are the consumer's; `decision` is of an event. `poster` is in
    a code that many people scan.
    """

    grant: OpaqueIdCodec
    message: OpaqueIdCodec
    request: OpaqueIdCodec
    message_link: OpaqueIdCodec
    consent_page: OpaqueIdCodec
    webhook_event: OpaqueIdCodec
    receipt: OpaqueIdCodec
    complaint: OpaqueIdCodec
    change: OpaqueIdCodec
    decision: OpaqueIdCodec
    poster: OpaqueIdCodec

    @classmethod
    def from_key(cls, key: IdKey) -> Self:
        """Return the codecs under a key: grants under the key itself, others under sub-keys."""

        def kind(name: str, prefix: str = "") -> OpaqueIdCodec:
            return OpaqueIdCodec.from_secret(derive_key(key.secret, f"id {name}"), prefix)

        return cls(
            grant=OpaqueIdCodec.from_secret(key.secret),
            message=kind("message", "msg_"),
            request=kind("request", "req_"),
            message_link=kind("link"),
            consent_page=kind("code"),
            webhook_event=kind("event", "evt_"),
            receipt=kind("receipt"),
            complaint=kind("complaint", "cmp_"),
            change=kind("change"),
            decision=kind("decision", "dec_"),
            poster=kind("poster"),
        )
