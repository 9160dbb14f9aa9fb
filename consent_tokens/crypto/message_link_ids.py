"""Ids of the links in texts: eleven base62 characters, drawn at random, kept as a keyed hash.

Base62 has neither - nor _, which phones take for the end of a link.
"""

import hmac
import string
from collections.abc import Callable
from functools import lru_cache
from typing import Final

from consent_tokens.crypto.keys import IndexKey, derive_key

BASE62: Final = string.digits + string.ascii_uppercase + string.ascii_lowercase
LINK_ID_CHARACTERS: Final = 11
PLACEHOLDER_LINK_ID: Final = "0" * LINK_ID_CHARACTERS  # as long as the ids in links
# each character stands for four bytes; the eight that are left over are drawn again
LETTERS: Final = (BASE62 * 4).encode("ascii").ljust(256)
LEFT_OVER: Final = bytes(range(4 * len(BASE62), 256))


def draw_link_ids(count: int, token_bytes: Callable[[int], bytes]) -> list[str]:
    """Return so many random link ids; `token_bytes` returns that many random bytes.

    Each of 62 ** 11 ids (65 bits) is equally likely. Drawn together, they take a thirtieth of the
    time of a number and its eleven divisions for each.
    """
    size, drawn = count * LINK_ID_CHARACTERS, b""
    while len(drawn) < size:
        drawn += token_bytes(size).translate(LETTERS, LEFT_OVER)
    letters = drawn.decode("ascii")
    return [letters[at : at + LINK_ID_CHARACTERS] for at in range(0, size, LINK_ID_CHARACTERS)]


def is_link_id(text: str) -> bool:
    """Whether a text has the form of a link id."""
    return len(text) == LINK_ID_CHARACTERS and text.isascii() and text.isalnum()


@lru_cache(maxsize=4)
def _link_key(key: IndexKey) -> bytes:
    return derive_key(key.secret, "message links")  # cached, because every message needs it


def link_hash(link_id: str, key: IndexKey) -> bytes:
    """Return HMAC-SHA256(sub-key of the index key, link id), by which a link is found."""
    return hmac.digest(_link_key(key), link_id.encode("ascii"), "sha256")
