"""Keyed hashes: what the database knows of a number, a code or an asker, and cannot turn back."""

import hmac
from functools import lru_cache

from consent_tokens.crypto.keys import IndexKey, derive_key


def blind_index(e164: str, key: IndexKey) -> bytes:
    """Return HMAC-SHA256(index key, E.164): where a recipient is found."""
    return hmac.digest(key.secret, e164.encode("ascii"), "sha256")


def rate_limit_key(kind: str, value: str, key: IndexKey) -> bytes:
    """Return where a limit counts; another sub-key, so that it leads to no recipient."""
    secret = derive_key(key.secret, "limits")
    return hmac.digest(secret, f"{kind}\n{value}".encode(), "sha256")


@lru_cache(maxsize=4)
def _for_fingerprints(key: IndexKey) -> bytes:
    return derive_key(key.secret, "fingerprints")  # once, not for each text that leaves


def fingerprint(e164: str, source: str, comparable_text: str, key: IndexKey) -> bytes:
    """Return the keyed hash of a text that left: found again by whoever has number and text."""
    secret = _for_fingerprints(key)
    return hmac.digest(secret, f"{e164}\n{source}\n{comparable_text}".encode(), "sha256")


def derived_digits(name: str, digits: int, key: IndexKey) -> str:
    """Return so many decimal digits for a name, that nobody without the key can guess."""
    digest = hmac.digest(derive_key(key.secret, "numbers"), name.encode(), "sha256")
    return f"{int.from_bytes(digest, 'big') % 10**digits:0{digits}}"


def code_hash(code: str, challenge_id: bytes, key: IndexKey) -> bytes:
    """Return the keyed hash of a one-time code, bound to its challenge."""
    secret = derive_key(key.secret, "codes")
    return hmac.digest(secret, challenge_id + code.encode(), "sha256")


def constant_time_equal(one: bytes, other: bytes) -> bool:
    """Whether two digests are the same, in constant time."""
    return hmac.compare_digest(one, other)
