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
LINK_ID_COUNT: Final = len(BASE62) ** LINK_ID_CHARACTERS  # 65 bits
PLACEHOLDER_LINK_ID: Final = "0" * LINK_ID_CHARACTERS  # as long as the ids in links


def draw_link_id(randbelow: Callable[[int], int]) -> str:
    """Return a random link id; `randbelow` returns a uniform number below its bound."""
    number, letters = randbelow(LINK_ID_COUNT), []
    for _ in range(LINK_ID_CHARACTERS):
        number, place = divmod(number, len(BASE62))
        letters.append(BASE62[place])
    return "".join(letters)


def is_link_id(text: str) -> bool:
    """Whether a text has the form of a link id."""
    return len(text) == LINK_ID_CHARACTERS and text.isascii() and text.isalnum()


@lru_cache(maxsize=4)
def _link_key(key: IndexKey) -> bytes:
    return derive_key(key.secret, "message links")  # cached, because every message needs it


def link_hash(link_id: str, key: IndexKey) -> bytes:
    """Return HMAC-SHA256(sub-key of the index key, link id), by which a link is found."""
    return hmac.digest(_link_key(key), link_id.encode("ascii"), "sha256")
