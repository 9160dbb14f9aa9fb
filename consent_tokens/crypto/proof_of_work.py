"""Proof of work for browsers, in the protocol of ALTCHA (v1): find the number behind a hash.

It costs a browser a second or two for each one-time code, which adds up for SMS pumping.
"""

import hmac
import json
from binascii import Error, a2b_base64
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from altcha import v1

from consent_tokens.crypto.encoding import encode
from consent_tokens.crypto.keys import IndexKey, derive_key

MAX_NUMBER: Final = 200_000  # hashes at most, half of it on average: a second or two on a phone
SALT_BYTES: Final = 12
MAX_SOLUTION_LENGTH: Final = 1000  # characters
MEMBERS: Final = {"algorithm": str, "challenge": str, "number": int, "salt": str, "signature": str}


@dataclass(frozen=True, slots=True)
class WorkChallenge:
    """A challenge in the form that the browser receives."""

    challenge: str
    salt: str
    signature: str
    max_number: int


def create_challenge(
    key: IndexKey, *, random_bytes: bytes, number: int, expires: datetime
) -> WorkChallenge:
    """Return a challenge. `random_bytes` are SALT_BYTES, `number` is random below MAX_NUMBER."""
    made = v1.create_challenge(
        algorithm="SHA-256",
        salt_length=SALT_BYTES,
        params=None,
        hmac_key=_secret(key),
        salt=random_bytes.hex(),
        number=number,
        max_number=MAX_NUMBER,
        expires=expires,
    )
    return WorkChallenge(made.challenge, made.salt, made.signature, MAX_NUMBER)


def verified_challenge(key: IndexKey, text: str, now: datetime) -> str | None:
    """Return the challenge that a solution solves; None if it is wrong or has expired."""
    found = _members(text)
    if found is None or found["algorithm"] != "SHA-256":
        return None
    signature = hmac.new(_secret(key).encode(), found["challenge"].encode(), "sha256").hexdigest()
    if not hmac.compare_digest(signature.encode(), found["signature"].encode()):
        return None
    is_solved, _why = v1.verify_solution(found, _secret(key), check_expires=False)
    if not is_solved:
        return None
    expires = v1.extract_params(found).get("expires", [""])[0]
    is_in_time = expires.isascii() and expires.isdigit() and now.timestamp() < int(expires)
    return found["challenge"] if is_in_time else None


def _members(text: str) -> Any:  # noqa: ANN401 - altcha's own dictionary
    """Return the members of a solution; None if one is missing or of another type."""
    try:
        found = json.loads(a2b_base64(text)) if len(text) <= MAX_SOLUTION_LENGTH else None
    except (Error, ValueError, RecursionError):
        return None
    if not isinstance(found, dict) or set(found) - {"took"} != set(MEMBERS):
        return None
    is_right = all(type(found[name]) is kind for name, kind in MEMBERS.items())
    return found if is_right else None


def _secret(key: IndexKey) -> str:
    return encode(derive_key(key.secret, "work"))
