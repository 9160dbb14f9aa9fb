"""Idempotency keys: repeat the stored response when a request is retried.

The key is claimed, the work done, the response rendered to bytes and stored in one transaction, so
a crash or a fault leaves either all of it or nothing. Responses may contain tokens, so they are
stored encrypted.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from hashlib import sha256
from typing import Any, Final, Generic, NamedTuple, Self, TypeVar

import msgspec

from consent_tokens.errors import IdempotencyKeyReusedError
from consent_tokens.services.runtime import Runtime
from consent_tokens.store import idempotency
from consent_tokens.store.database import Transaction

RESPONSE_TTL: Final = timedelta(hours=24)

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class ApiResponse:
    """A response that can be stored and repeated."""

    status: int  # HTTP status
    body: bytes  # JSON
    is_replayed: bool = False

    @classmethod
    def render(cls, status: int, body: Any) -> Self:  # noqa: ANN401 - what JSON can represent
        """Return the response with this body as JSON. Raises what msgspec raises."""
        return cls(status, msgspec.json.encode(body))


class Done(NamedTuple, Generic[Result]):
    """A response, and the result that it shows, unless an earlier request had it."""

    response: ApiResponse
    result: Result | None = None


@dataclass(frozen=True, slots=True)
class IdempotencyKey:
    """A merchant's `Idempotency-Key` and the request that it was sent with."""

    merchant_id: str
    text: str
    request_bytes: bytes  # method, path and body

    @property
    def key_hash(self) -> bytes:
        """Return the SHA-256 under which the key is stored."""
        return sha256(self.text.encode()).digest()

    @property
    def request_fingerprint(self) -> bytes:
        """Return the SHA-256 of the request, to detect a key reused with another one."""
        return sha256(self.request_bytes).digest()

    @property
    def associated_data(self) -> bytes:
        """Return what the encrypted response is bound to."""
        return b"idempotency response\n" + self.merchant_id.encode() + b"\n" + self.key_hash


def run_once(
    runtime: Runtime,
    key: IdempotencyKey | None,
    work: Callable[[Transaction], Result],
    render: Callable[[Result], ApiResponse],
    *,
    read_only: bool = False,
) -> Done[Result]:
    """Do `work` once per idempotency key; return its rendered response, or the stored one.

    The response is rendered before the commit, so that nothing is done that cannot be answered.

    `key` is None for a request without a key; with `read_only`, its work then runs in a read-only
    transaction. Work that raises stores nothing, so the request may be retried under the same key.
    Raises IdempotencyKeyReusedError if the key came with another request.
    """
    now = runtime.clock.now()

    def claim_and_work(transaction: Transaction) -> Done[Result]:
        if key is None:
            result = work(transaction)
            return Done(render(result), result)
        stored = idempotency.claim(
            transaction, key.merchant_id, key.key_hash, key.request_fingerprint, now
        )
        if stored is not None:
            return Done(_open_response(runtime, key, stored))
        result = work(transaction)
        response = render(result)
        plaintext = b"[%d,%s]" % (response.status, response.body)
        envelope = runtime.seal_envelope(plaintext, key.associated_data)
        idempotency.save_response(transaction, key.merchant_id, key.key_hash, envelope)
        return Done(response, result)

    run = runtime.database.read if read_only and key is None else runtime.database.run
    return run(claim_and_work)


def _open_response(
    runtime: Runtime, key: IdempotencyKey, stored: idempotency.StoredResponse
) -> ApiResponse:
    if stored.fingerprint != key.request_fingerprint:
        raise IdempotencyKeyReusedError
    plaintext = runtime.open_envelope(stored.envelope, key.associated_data)
    status, body = msgspec.json.decode(plaintext, type=tuple[int, msgspec.Raw])
    return ApiResponse(status, bytes(body), is_replayed=True)
