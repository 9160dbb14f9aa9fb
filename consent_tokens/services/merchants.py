"""The operator admits merchants and their senders, and hands out API keys."""

import hmac
import re
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

from consent_tokens.app_context import World
from consent_tokens.crypto.encoding import encode
from consent_tokens.crypto.opaque_ids import new_home
from consent_tokens.errors import InvalidError, NotFoundError, UnauthenticatedError
from consent_tokens.evidence.events import Event, Kind
from consent_tokens.relay.composition import is_clean
from consent_tokens.store import events, merchants
from consent_tokens.store import merchant_weights as shares
from consent_tokens.store.database import Transaction
from consent_tokens.store.merchants import ApiKey, Merchant, MerchantState, Sender

MOST_NAME: Final = 60  # characters
MOST_SIGNATURE: Final = 20
MOST_WEIGHT: Final = 100
RECALLED_SECONDS: Final = 2.0
MOST_RECALLED: Final = 10_000
API_KEY = re.compile(r"ctk_(?P<id>[0-9a-f]{16})_(?P<secret>[A-Za-z0-9_-]{43})")
PORT = re.compile(r"\d{3,12}")
EXTENSION = re.compile(r"\d{0,8}")


@dataclass(frozen=True, slots=True)
class Admitted:
    """A new merchant, and the one API key that is ever shown for it."""

    merchant: Merchant
    api_key: str


def admit(world: World, name: str) -> Admitted:
    """Admit a merchant with its first API key. Raises InvalidError."""
    name = name.strip()
    if not name or len(name) > MOST_NAME or not is_clean(name) or "\n" in name:
        raise InvalidError({"name": [f"must be one line of 1 to {MOST_NAME} characters"]})
    now = world.clock.now()
    merchant = Merchant(
        id=f"mer_{world.chance.draw(8).hex()}",
        home=new_home(world.chance.draw(8)),
        name=name,
        state=MerchantState.ACTIVE,
        admitted=now,
    )
    key, text = _new_key(world, merchant.id)

    def deed(transaction: Transaction) -> Admitted:
        merchants.add(transaction, merchant)
        merchants.add_key(transaction, key)
        _record(world, transaction, merchant, Kind.MERCHANT_ADMITTED)
        _record(world, transaction, merchant, Kind.API_KEY_MADE, key.id)
        return Admitted(merchant, text)

    return world.store.run(deed)


def put_state(world: World, merchant_id: str, state: MerchantState) -> Merchant:
    """Suspend a merchant, or let it send again. Raises NotFoundError."""
    admitted = state is MerchantState.ACTIVE
    kind = Kind.MERCHANT_ADMITTED if admitted else Kind.MERCHANT_SUSPENDED

    def deed(transaction: Transaction) -> Merchant:
        merchants.put_state(transaction, merchant_id, state)
        merchant = _the(transaction, merchant_id)
        _record(world, transaction, merchant, kind)
        return merchant

    return world.store.run(deed)


def put_share(world: World, merchant_id: str, weight: int) -> None:
    """Set a merchant's share of the way out, 1 to 100. Raises InvalidError, NotFoundError."""
    if not 1 <= weight <= MOST_WEIGHT:
        raise InvalidError({"weight": [f"must be 1 to {MOST_WEIGHT}"]})

    def deed(transaction: Transaction) -> None:
        _the(transaction, merchant_id)
        shares.put(transaction, merchant_id, weight)

    world.store.run(deed)


def add_key(world: World, merchant_id: str) -> tuple[ApiKey, str]:
    """Return a further API key of a merchant, and its text, shown once. Raises NotFoundError."""
    key, text = _new_key(world, merchant_id)

    def deed(transaction: Transaction) -> tuple[ApiKey, str]:
        merchant = _the(transaction, merchant_id)
        merchants.add_key(transaction, key)
        _record(world, transaction, merchant, Kind.API_KEY_MADE, key.id)
        return key, text

    return world.store.run(deed)


def revoke_key(world: World, key_id: str) -> None:
    """Revoke an API key. Raises NotFoundError if there is no live one of that id."""

    def deed(transaction: Transaction) -> None:
        key = merchants.find_key(transaction, key_id)
        if key is None or not merchants.revoke_key(transaction, key_id, world.clock.now()):
            raise NotFoundError("no live API key of that id")
        merchant = _the(transaction, key.merchant_id)
        _record(world, transaction, merchant, Kind.API_KEY_REVOKED, key_id)

    world.store.run(deed)
    world.recalled_keys.clear()


def add_sender(
    world: World, merchant_id: str, *, port: str, extension: str, signature: str
) -> Sender:
    """Admit a sender. Raises InvalidError, NotFoundError."""
    signature = signature.strip().removeprefix("【").removesuffix("】").strip()
    faults: dict[str, list[str]] = {}
    if not PORT.fullmatch(port):
        faults["port"] = ["must be 3 to 12 digits"]
    if not EXTENSION.fullmatch(extension):
        faults["extension"] = ["must be at most 8 digits"]
    if not signature or len(signature) > MOST_SIGNATURE or not is_clean(signature):
        faults["signature"] = [f"must be 1 to {MOST_SIGNATURE} characters"]
    if faults:
        raise InvalidError(faults)
    sender = Sender(
        id=f"snd_{world.chance.draw(8).hex()}",
        merchant_id=merchant_id,
        port=port,
        extension=extension,
        signature=signature,
        admitted=world.clock.now(),
    )

    def deed(transaction: Transaction) -> Sender:
        merchant = _the(transaction, merchant_id)
        merchants.add_sender(transaction, sender)
        _record(world, transaction, merchant, Kind.SENDER_ADMITTED, sender.id)
        return sender

    return world.store.run(deed)


def authenticate(world: World, text: str) -> str:
    """Return the id of the merchant whose API key this is. Raises UnauthenticatedError.

    The secret is 256 random bits, so its SHA-256 is all that need be kept: there is nothing to
    guess. The comparison is in constant time, also for an id that does not exist. A key that was
    good is taken for two seconds without asking again: so long can a revoked one live elsewhere.
    """
    match = API_KEY.fullmatch(text)
    if match is None:
        raise UnauthenticatedError
    digest, now = sha256(text.encode("ascii")).digest(), world.clock.elapsed()
    recalled = world.recalled_keys.get(digest)
    if recalled and 0 <= now - recalled[1] < RECALLED_SECONDS:
        return recalled[0]
    name = f"key_{match['id']}"
    key = world.store.read(lambda transaction: merchants.find_key(transaction, name))
    is_same = hmac.compare_digest(key.digest if key else bytes(32), digest)
    if key is None or not is_same or key.revoked is not None:
        world.recalled_keys.pop(digest, None)
        raise UnauthenticatedError
    if len(world.recalled_keys) >= MOST_RECALLED:
        world.recalled_keys.clear()
    world.recalled_keys[digest] = key.merchant_id, now
    return key.merchant_id


def _new_key(world: World, merchant_id: str) -> tuple[ApiKey, str]:
    name = world.chance.draw(8).hex()
    text = f"ctk_{name}_{encode(world.chance.draw(32))}"
    digest = sha256(text.encode("ascii")).digest()
    now = world.clock.now()
    return ApiKey(id=f"key_{name}", merchant_id=merchant_id, digest=digest, made=now), text


def _the(transaction: Transaction, merchant_id: str) -> Merchant:
    merchant = merchants.find(transaction, merchant_id)
    if merchant is None:
        raise NotFoundError("no merchant of that id")
    return merchant


def _record(
    world: World, transaction: Transaction, merchant: Merchant, kind: Kind, code: str | None = None
) -> None:
    line = Event(
        home=merchant.home, at=world.clock.now(), kind=kind, merchant_id=merchant.id, code=code
    )
    events.record(transaction, [line], world.chance.draw)
