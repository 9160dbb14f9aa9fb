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

from consent_tokens.app_context import AppContext
from consent_tokens.crypto.keys import GrantKey
from consent_tokens.crypto.sealing import open_envelope, seal_envelope
from consent_tokens.errors import IdempotencyKeyReusedError
from consent_tokens.store import idempotency as replies
from consent_tokens.store.database import Transaction

RESPONSE_TTL: Final = timedelta(hours=24)

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class ApiResponse:
    """What was answered: status and JSON, so that it can be said again to the letter."""

    status: int
    body: Any


@dataclass(frozen=True, slots=True)
class IdempotencyKey:
    """An Idempotency-Key, of one merchant, for one request."""

    merchant_id: str
    text: str
    request_bytes: bytes  # method, path and body

    @property
    def key_hash(self) -> bytes:
        """Return what the key is kept as."""
        return sha256(self.text.encode()).digest()

    @property
    def request_fingerprint(self) -> bytes:
        """Return what tells one request from another."""
        return sha256(self.request_bytes).digest()

    @property
    def associated_data(self) -> bytes:
        """Return what the kept answer is bound to."""
        return b"reply\n" + self.merchant_id.encode() + b"\n" + self.key_hash


def run_once(
    world: AppContext,
    key: IdempotencyKey | None,
    work: Callable[[Transaction], Result],
    render: Callable[[Result], ApiResponse],
) -> ApiResponse:
    """Return the answer to a deed, done now or the first time.

    Raises IdempotencyKeyReusedError for the same key with another request. A deed that raises
    leaves nothing, so it may be tried again under the same key.
    """
    now = world.clock.now()

    def whole(transaction: Transaction) -> ApiResponse:
        if key is None:
            return render(work(transaction))
        kept = replies.claim(
            transaction, key.merchant_id, key.key_hash, key.request_fingerprint, now
        )
        if kept is not None:
            return _stored_response(world, key, kept)
        answer = render(work(transaction))
        envelope = seal_envelope(
            json.dumps([answer.status, answer.body]).encode(),
            GrantKey(world.random.token_bytes(32)),
            world.keyring.wrapping,
            associated_data=key.associated_data,
            nonce=world.random.token_bytes(12),
        )
        replies.save_response(transaction, key.merchant_id, key.key_hash, envelope)
        return answer

    return world.database.run(whole)


def _stored_response(
    world: AppContext, key: IdempotencyKey, kept: replies.StoredResponse
) -> ApiResponse:
    if kept.fingerprint != key.request_fingerprint:
        raise IdempotencyKeyReusedError
    plaintext = open_envelope(
        kept.envelope, world.keyring.unwrapping, associated_data=key.associated_data
    )
    status, body = json.loads(plaintext)
    return ApiResponse(status, body)
