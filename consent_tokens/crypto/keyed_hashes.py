"""Keyed hashes of phone numbers, codes, clients and texts (HMAC-SHA256), for the database."""

import hmac
from functools import lru_cache
from typing import Final

from consent_tokens.crypto.encoding import encode
from consent_tokens.crypto.keys import IdKey, IndexKey, JournalKey, derive_key
from consent_tokens.row_key import RowKey

TAG_BYTES: Final = 16  # of a journal tag: 22 characters
VALUE_HASH_BYTES: Final = 8  # two different values of a template hardly ever have the same


def blind_index(e164: str, key: IndexKey) -> bytes:
    """Return HMAC-SHA256(index key, E.164), by which a recipient is found."""
    return hmac.digest(key.secret, e164.encode("ascii"), "sha256")


def journal_tag(blind_index_of_number: bytes, key: JournalKey) -> str:
    """Return the name of a recipient in the revocation journal, 22 characters of base64url.

    HMAC-SHA256(journal key, blind index), cut to 16 bytes: a guess of a number can be tested only
    with the journal key and the index key.
    """
    return encode(hmac.digest(key.secret, blind_index_of_number, "sha256")[:TAG_BYTES])


def rate_limit_key(kind: str, value: str, key: IndexKey) -> bytes:
    """Return the key of a rate limit; under a sub-key, so that it does not match a blind index."""
    secret = derive_key(key.secret, "limits")
    return hmac.digest(secret, f"{kind}\n{value}".encode(), "sha256")


@lru_cache(maxsize=4)
def _fingerprint_key(key: IndexKey) -> bytes:
    return derive_key(key.secret, "fingerprints")  # cached, because every message needs it


def fingerprint(e164: str, source: str, comparable_text: str, key: IndexKey) -> bytes:
    """Return the keyed hash of a text that was sent to a number, to find its message again."""
    secret = _fingerprint_key(key)
    return hmac.digest(secret, f"{e164}\n{source}\n{comparable_text}".encode(), "sha256")


@lru_cache(maxsize=8)
def _keyed_for(key: IndexKey, use: str) -> hmac.HMAC:
    """Return an HMAC-SHA256 under a sub-key: to copy it takes half as long as to key another."""
    return hmac.new(derive_key(key.secret, use), digestmod="sha256")


def value_hash(template_id: str, variable: str, folded_value: str, key: IndexKey) -> bytes:
    """Return the keyed hash of a value that a variable of a template had, eight bytes.

    It is bound to template and variable, so that it links no two templates.
    """
    keyed = _keyed_for(key, "template values").copy()
    keyed.update(f"{template_id}\n{variable}\n{folded_value}".encode())
    return keyed.digest()[:VALUE_HASH_BYTES]


def event_hash(grant: RowKey, event_type: str, event_id: str, key: IndexKey) -> int:
    """Return the keyed hash of an event of a grant, such as an order, as 64 bits with a sign.

    `event_type` has no line break. Events of two grants never have the same hash by more than
    chance, so that it does not link two merchants' messages (promise 5).
    """
    keyed = _keyed_for(key, "events").copy()
    keyed.update(f"{grant.partition}:{grant.id}\n{event_type}\n{event_id}".encode())
    return int.from_bytes(keyed.digest()[:8], "big", signed=True)


def derived_digits(name: str, digits: int, key: IndexKey) -> str:
    """Return `digits` decimal digits derived from a name; unpredictable without the key."""
    digest = hmac.digest(derive_key(key.secret, "numbers"), name.encode(), "sha256")
    return f"{int.from_bytes(digest, 'big') % 10**digits:0{digits}}"


def code_hash(code: str, challenge_id: bytes, key: IndexKey) -> bytes:
    """Return the keyed hash of a one-time code, bound to its challenge."""
    secret = derive_key(key.secret, "codes")
    return hmac.digest(secret, challenge_id + code.encode(), "sha256")


def key_set_fingerprint(id_key: IdKey, index: IndexKey) -> str:
    """Return 64 hex digits by which a database knows its id key and index key again."""
    secret = derive_key(index.secret, "key set")
    return hmac.digest(secret, derive_key(id_key.secret, "key set"), "sha256").hex()


def constant_time_equal(one: bytes, other: bytes) -> bool:
    """Whether two hashes are equal, in constant time."""
    return hmac.compare_digest(one, other)
