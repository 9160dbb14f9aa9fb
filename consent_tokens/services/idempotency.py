"""Idempotency keys: the same POST twice is done once, and answered the same.

The key is claimed, the work done and its answer stored in one transaction, so that a crash in
between leaves neither. Answers may hold tokens, so they are stored as sealed envelopes.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from hashlib import sha256
from typing import Any, Final, TypeVar

from consent_tokens.errors import IdempotencyKeyReusedError
from consent_tokens.services.runtime import Runtime
from consent_tokens.store import idempotency
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
    runtime: Runtime,
    key: IdempotencyKey | None,
    work: Callable[[Transaction], Result],
    render: Callable[[Result], ApiResponse],
    *,
    read_only: bool = False,
) -> ApiResponse:
    """Return the rendered answer of `work`, done now or the first time that this key came.

    With `read_only` and no key, `work` runs in a reading transaction. Raises
    IdempotencyKeyReusedError for the same key with another request. Work that raises leaves
    nothing, so it may be tried again under the same key.
    """
    now = runtime.clock.now()

    def whole(transaction: Transaction) -> ApiResponse:
        if key is None:
            return render(work(transaction))
        kept = idempotency.claim(
            transaction, key.merchant_id, key.key_hash, key.request_fingerprint, now
        )
        if kept is not None:
            return _stored_response(runtime, key, kept)
        answer = render(work(transaction))
        rendered = json.dumps([answer.status, answer.body]).encode()
        envelope = runtime.seal_envelope(rendered, key.associated_data)
        idempotency.save_response(transaction, key.merchant_id, key.key_hash, envelope)
        return answer

    run = runtime.database.read if read_only and key is None else runtime.database.run
    return run(whole)


def _stored_response(
    runtime: Runtime, key: IdempotencyKey, kept: idempotency.StoredResponse
) -> ApiResponse:
    if kept.fingerprint != key.request_fingerprint:
        raise IdempotencyKeyReusedError
    plaintext = runtime.open_envelope(kept.envelope, key.associated_data)
    status, body = json.loads(plaintext)
    return ApiResponse(status, body)
