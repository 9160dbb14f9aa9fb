"""Idempotency keys: repeat the stored response when a request is retried.

The key is claimed, the work done, the response rendered to bytes and stored in one transaction, so
a crash or a fault leaves either all of it or nothing. Responses may contain tokens, so they are
stored encrypted.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property
from hashlib import sha256
from typing import Any, Final, Generic, NamedTuple, Self, TypeAlias, TypeVar

import msgspec

from consent_tokens.errors import ConsentTokensError, DatabaseBusyError, IdempotencyKeyReusedError
from consent_tokens.services.runtime import Runtime
from consent_tokens.store import idempotency
from consent_tokens.store.database import MAX_TRANSACTION_ATTEMPTS, Transaction
from consent_tokens.store.idempotency import (
    StoredMeanwhileError,
    StoredResponse,
    StoredRow,
    stored_meanwhile,
)
from consent_tokens.store.round_trips import one_round_trip

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


@dataclass(frozen=True)
class IdempotencyKey:
    """A merchant's `Idempotency-Key` and the request that it was sent with."""

    merchant_id: str
    text: str
    request_bytes: bytes  # method, path and body

    @cached_property
    def key_hash(self) -> bytes:
        """Return the SHA-256 under which the key is stored."""
        return sha256(self.text.encode()).digest()

    @property
    def request_fingerprint(self) -> bytes:
        """Return the SHA-256 of the request, to detect a key reused with another one."""
        return sha256(self.request_bytes).digest()

    @property
    def stored_under(self) -> tuple[str, bytes]:
        """Return the primary key of the stored response."""
        return self.merchant_id, self.key_hash

    @property
    def associated_data(self) -> bytes:
        """Return what the encrypted response is bound to."""
        return b"idempotency response\n" + self.merchant_id.encode() + b"\n" + self.key_hash


class Worked(NamedTuple, Generic[Result]):
    """What was done of several requests, in their order, and what inserts the rows of it."""

    done: Sequence[Done[Result]]
    insert: Callable[[Transaction], None]


# asks the database for what it needs, then does the requests at these places
EachWork: TypeAlias = Callable[[Transaction], Callable[[Sequence[int]], Worked[Result]]]
_Stored: TypeAlias = Mapping[tuple[str, bytes], StoredResponse]


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
        envelope = runtime.seal_envelope(_plaintext(response), key.associated_data)
        idempotency.save_response(transaction, key.merchant_id, key.key_hash, envelope)
        return Done(response, result)

    run = runtime.database.read if read_only and key is None else runtime.database.run
    return run(claim_and_work)


def run_each_once(
    runtime: Runtime,
    keys: Sequence[IdempotencyKey | None],
    work: EachWork[Result],
) -> "list[Done[Result] | Exception]":
    """Do the work of several requests in one transaction, each once per idempotency key.

    What the work inserts is sent together with the responses and the commit. Of two requests with
    one key, the second gets what is stored of the first, in a transaction after it; what that
    raises is the outcome of those that are in it. Raises what `work` and the database raise in the
    first transaction; nothing has been done then.
    """
    places: dict[object, list[int]] = {}
    for place, key in enumerate(keys):
        places.setdefault(key.stored_under if key else place, []).append(place)
    outcomes: dict[int, Done[Result] | Exception] = {}
    while turn := [listed.pop(0) for listed in places.values() if listed]:
        try:
            outcomes |= zip(turn, _run_different(runtime, keys, work, turn), strict=True)
        except Exception as error:
            if not outcomes:
                raise
            outcomes |= dict.fromkeys(turn, error)  # what came before is committed
    return [outcomes[place] for place in range(len(keys))]


def _run_different(
    runtime: Runtime,
    keys: Sequence[IdempotencyKey | None],
    work: EachWork[Result],
    places: Sequence[int],
) -> "list[Done[Result] | ConsentTokensError]":
    """Do what `run_each_once` does, of requests that have no key in common."""

    def find_and_work(transaction: Transaction) -> _Outcomes[Result]:
        wanted = [key.stored_under for place in places if (key := keys[place])]
        with one_round_trip(transaction):
            asked = idempotency.find_all(transaction, wanted)
            work_on = work(transaction)
        stored = asked()
        new = [place for place in places if not _is_stored(keys[place], stored)]
        worked = work_on(new) if new else Worked[Result]([], _nothing)
        done = dict(zip(new, worked.done, strict=True))
        outcomes = [
            done[place] if place in done else _repeat(runtime, keys[place], stored)
            for place in places
        ]
        responses = [(key, done[place].response) for place in new if (key := keys[place])]
        return _Outcomes(outcomes, worked.insert, _sealed(runtime, responses))

    def insert(transaction: Transaction, outcomes: _Outcomes[Result]) -> None:
        outcomes.insert(transaction)
        idempotency.add_all(transaction, outcomes.responses)

    for _ in range(MAX_TRANSACTION_ATTEMPTS):
        with suppress(StoredMeanwhileError), stored_meanwhile():
            return runtime.database.run(find_and_work, insert).outcomes
    raise DatabaseBusyError


class _Outcomes(NamedTuple, Generic[Result]):
    """Outcomes of requests, and what is to be inserted of them."""

    outcomes: "list[Done[Result] | ConsentTokensError]"
    insert: Callable[[Transaction], None]
    responses: "Sequence[StoredRow]"


def _nothing(_transaction: Transaction) -> None:
    """Insert nothing: all requests were repeated."""


def _is_stored(key: IdempotencyKey | None, stored: _Stored) -> bool:
    return key is not None and key.stored_under in stored


def _repeat(
    runtime: Runtime, key: IdempotencyKey | None, stored: _Stored
) -> "Done[Any] | ConsentTokensError":
    """Return the stored response of a request, or why it cannot be returned."""
    assert key is not None  # noqa: S101 - a request without a key is always new
    try:
        return Done(_open_response(runtime, key, stored[key.stored_under]))
    except ConsentTokensError as error:
        return error


def _sealed(
    runtime: Runtime, responses: Sequence[tuple[IdempotencyKey, ApiResponse]]
) -> list[StoredRow]:
    """Return the rows of responses."""
    if not responses:
        return []
    now = runtime.clock.now()
    envelopes = runtime.seal_envelopes(
        [(_plaintext(response), key.associated_data) for key, response in responses]
    )
    return [
        (*key.stored_under, key.request_fingerprint, now, envelope)
        for (key, _), envelope in zip(responses, envelopes, strict=True)
    ]


def _plaintext(response: ApiResponse) -> bytes:
    return b"[%d,%s]" % (response.status, response.body)


def _open_response(runtime: Runtime, key: IdempotencyKey, stored: StoredResponse) -> ApiResponse:
    if stored.fingerprint != key.request_fingerprint:
        raise IdempotencyKeyReusedError
    plaintext = runtime.open_envelope(stored.envelope, key.associated_data)
    status, body = msgspec.json.decode(plaintext, type=tuple[int, msgspec.Raw])
    return ApiResponse(status, bytes(body), is_replayed=True)
