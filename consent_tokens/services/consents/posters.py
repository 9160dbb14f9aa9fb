"""Posters: a code in a shop that many people scan; each opens a consent request of their own."""

from dataclasses import replace
from datetime import timedelta
from math import ceil
from typing import Final

from consent_tokens.clock import start_of_day
from consent_tokens.consent.poster import MAX_DAYS, OPEN_FOR, Poster
from consent_tokens.consent.request import AskedTerms, ConsentRequest
from consent_tokens.errors import (
    ConflictError,
    ForbiddenError,
    GoneError,
    InvalidError,
    NotFoundError,
    RuleForbidsError,
    TooManyOpenError,
    TooManyRequestsError,
)
from consent_tokens.evidence.events import EventKind
from consent_tokens.policies import ConsentPolicy, RateLimit
from consent_tokens.relay.composition import is_displayable
from consent_tokens.row_key import RowKey
from consent_tokens.services.consents.requests import check_terms, create_request, recorded_refusals
from consent_tokens.services.merchant_records import get_merchant, record_event
from consent_tokens.services.otp_limits import Asker
from consent_tokens.services.rate_limits import acquire
from consent_tokens.services.runtime import Runtime
from consent_tokens.store import posters
from consent_tokens.store.database import Transaction
from consent_tokens.store.merchants import Merchant

MAX_POSTERS: Final = 100  # of one merchant that are listed, and that may be open
MAX_NAME_LENGTH: Final = 60  # characters
MARK_BYTES: Final = 4  # random, behind the name: the reference of a request
# of one network: a shop's customers may share its address
SCANS: Final = RateLimit(100, timedelta(hours=1))


def create_poster(  # noqa: PLR0913, PLR0917 - what is asked by whom, and for how long
    runtime: Runtime,
    policy: ConsentPolicy,
    merchant_id: str,
    person_id: str,
    name: str,
    asked: AskedTerms,
    days: int,
) -> Poster:
    """Create a poster that is open for some days.

    Raises InvalidError, RuleForbidsError and ForbiddenError as for a request with these terms, and
    TooManyOpenError.
    """
    errors: dict[str, list[str]] = {}
    if not name or len(name) > MAX_NAME_LENGTH or not is_displayable(name):
        errors["name"] = [f"must be 1 to {MAX_NAME_LENGTH} characters"]
    if not 1 <= days <= MAX_DAYS:
        errors["days"] = [f"must be 1 to {MAX_DAYS}"]
    if errors:
        raise InvalidError(errors)
    now = runtime.clock.now()

    def work(transaction: Transaction) -> Poster:
        merchant, _terms = check_terms(runtime, policy, transaction, merchant_id, asked)
        if posters.count_open(transaction, merchant_id, now) >= MAX_POSTERS:
            raise TooManyOpenError(f"{MAX_POSTERS} posters are open")
        poster = Poster(
            key=runtime.new_key(merchant.partition),
            merchant_id=merchant_id,
            name=name,
            terms=asked,
            created_at=now,
            created_by=person_id,
            expires_at=now + timedelta(days=days),
        )
        posters.add(transaction, poster)
        subject = runtime.ids.poster.encode(poster.key)
        record_event(runtime, transaction, merchant, EventKind.POSTER_CREATED, subject, person_id)
        return poster

    return runtime.database.run(work)


def list_posters(runtime: Runtime, merchant_id: str) -> list[Poster]:
    """Return the posters of a merchant: those that are open first, then the newest."""
    now = runtime.clock.now()
    return runtime.database.read(lambda at: posters.of_merchant(at, merchant_id, now, MAX_POSTERS))


def read_poster(runtime: Runtime, merchant_id: str, public_id: str) -> Poster:
    """Return a poster of a merchant. Raises NotFoundError, also for another's."""
    poster, _merchant = find_poster(runtime, public_id)
    if poster.merchant_id != merchant_id:
        raise NotFoundError("no poster of that id")
    return poster


def end_poster(runtime: Runtime, merchant_id: str, public_id: str, person_id: str) -> None:
    """End a poster: from now on no scan opens a request. Requests that are open stay so.

    Raises NotFoundError, and ConflictError if it has ended.
    """
    key = read_poster(runtime, merchant_id, public_id).key
    now = runtime.clock.now()

    def work(transaction: Transaction) -> None:
        poster = posters.lock(transaction, key)
        if poster is None or not poster.is_open(now):
            raise ConflictError("the poster has ended")
        posters.save(transaction, replace(poster, expires_at=now))
        merchant = get_merchant(transaction, merchant_id)
        record_event(runtime, transaction, merchant, EventKind.POSTER_ENDED, public_id, person_id)

    runtime.database.run(work)


def find_poster(runtime: Runtime, public_id: str) -> tuple[Poster, Merchant]:
    """Return the poster behind `/p/{id}`, and its merchant. Raises NotFoundError."""
    key = runtime.ids.poster.decode(public_id)

    def query(transaction: Transaction) -> tuple[Poster, Merchant]:
        poster = posters.find(transaction, key) if key else None
        if poster is None:
            raise NotFoundError("no poster of that id")
        return poster, get_merchant(transaction, poster.merchant_id)

    return runtime.database.read(query)


def why_closed(runtime: Runtime, policy: ConsentPolicy, poster: Poster) -> str | None:
    """Return why a scan opens no request now; None if it does.

    That is `expired`, `suspended` for a merchant that may not ask at present, or `forbidden` for
    terms that it may not ask for any more.
    """
    if not poster.is_open(runtime.clock.now()):
        return "expired"
    try:
        runtime.database.read(
            lambda at: check_terms(runtime, policy, at, poster.merchant_id, poster.terms)
        )
    except ForbiddenError:
        return "suspended"
    except (InvalidError, RuleForbidsError):
        return "forbidden"
    return None


def open_request(
    runtime: Runtime, policy: ConsentPolicy, public_id: str, asker: Asker
) -> ConsentRequest:
    """Open a request of its own for somebody who scanned a poster; it is open for an hour.

    A scan counts also if its request is refused: each refusal is an event. Raises NotFoundError,
    GoneError once the poster has ended, TooManyRequestsError for a network or a poster with too
    many scans, and as `create_request` does.
    """
    found, _merchant = find_poster(runtime, public_id)
    _count_scan(runtime, found.key, asker)
    mark = runtime.random.token_bytes(MARK_BYTES).hex()

    def work(transaction: Transaction) -> ConsentRequest:
        poster = _lock_open(runtime, transaction, found.key)
        posters.save(transaction, replace(poster, opened=poster.opened + 1))
        asked = replace(poster.terms, reference=f"{poster.name} {mark}")
        return create_request(
            runtime, policy, transaction, poster.merchant_id, asked, open_for=OPEN_FOR
        )

    with recorded_refusals(runtime, found.merchant_id):
        return runtime.database.run(work)


def _count_scan(runtime: Runtime, key: RowKey, asker: Asker) -> None:
    now = runtime.clock.now()
    network = runtime.rate_limit_key("poster", asker.network)

    def work(transaction: Transaction) -> None:
        acquire(transaction, network, [SCANS], now)
        scanned = _lock_open(runtime, transaction, key).scanned(now)
        if scanned is None:
            tomorrow = start_of_day(now) + timedelta(days=1)
            raise TooManyRequestsError(ceil((tomorrow - now).total_seconds()))
        posters.save(transaction, scanned)

    runtime.database.run(work)


def _lock_open(runtime: Runtime, transaction: Transaction, key: RowKey) -> Poster:
    poster = posters.lock(transaction, key)
    if poster is None or not poster.is_open(runtime.clock.now()):
        raise GoneError("the poster has ended")
    return poster
