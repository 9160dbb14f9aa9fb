"""Idempotency keys: the same POST twice is done once, and answered the same.

The key is claimed, the deed done and its answer kept in one transaction, so that a crash in
between leaves neither. Answers may hold tokens, so they lie enclosed, like everything secret.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from hashlib import sha256
from typing import Any, Final, TypeVar

from consent_tokens.app_context import World
from consent_tokens.crypto.keys import GrantKey
from consent_tokens.crypto.sealing import disclose, enclose
from consent_tokens.errors import IdempotencyKeyReusedError
from consent_tokens.store import idempotency as replies
from consent_tokens.store.database import Transaction

REPLIES_LAST: Final = timedelta(hours=24)

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Answer:
    """What was answered: status and JSON, so that it can be said again to the letter."""

    status: int
    body: Any


@dataclass(frozen=True, slots=True)
class OnceKey:
    """An Idempotency-Key, of one merchant, for one request."""

    merchant_id: str
    text: str
    request: bytes  # method, path and body

    @property
    def digest(self) -> bytes:
        """Return what the key is kept as."""
        return sha256(self.text.encode()).digest()

    @property
    def fingerprint(self) -> bytes:
        """Return what tells one request from another."""
        return sha256(self.request).digest()

    @property
    def bound_to(self) -> bytes:
        """Return what the kept answer is bound to."""
        return b"reply\n" + self.merchant_id.encode() + b"\n" + self.digest


def once(
    world: World,
    key: OnceKey | None,
    deed: Callable[[Transaction], Result],
    render: Callable[[Result], Answer],
) -> Answer:
    """Return the answer to a deed, done now or the first time.

    Raises IdempotencyKeyReusedError for the same key with another request. A deed that raises
    leaves nothing, so it may be tried again under the same key.
    """
    now = world.clock.now()

    def whole(transaction: Transaction) -> Answer:
        if key is None:
            return render(deed(transaction))
        kept = replies.claim(transaction, key.merchant_id, key.digest, key.fingerprint, now)
        if kept is not None:
            return _again(world, key, kept)
        answer = render(deed(transaction))
        envelope = enclose(
            json.dumps([answer.status, answer.body]).encode(),
            GrantKey(world.chance.draw(32)),
            world.keyring.wrapping,
            bound_to=key.bound_to,
            nonce=world.chance.draw(12),
        )
        replies.keep(transaction, key.merchant_id, key.digest, envelope)
        return answer

    return world.store.run(whole)


def _again(world: World, key: OnceKey, kept: replies.Kept) -> Answer:
    if kept.fingerprint != key.fingerprint:
        raise IdempotencyKeyReusedError
    plaintext = disclose(kept.envelope, world.keyring.unwrapping, bound_to=key.bound_to)
    status, body = json.loads(plaintext)
    return Answer(status, body)
