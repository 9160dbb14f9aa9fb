"""A consumer visits: proves the number once, and then sees and ends consents in that session."""

from dataclasses import dataclass
from datetime import timedelta
from hashlib import sha256
from typing import Final

from consent_tokens.consent.grant import EndedBy, Grant
from consent_tokens.consent.notice import Notice
from consent_tokens.crypto.blind import blind_index
from consent_tokens.crypto.encoding import encode
from consent_tokens.crypto.handles import Address
from consent_tokens.errors import NotFoundError
from consent_tokens.flow.end import Ended, end
from consent_tokens.flow.prove import Secret, prove
from consent_tokens.relay.message import Message
from consent_tokens.store import grants, merchants, messages, recipients, sessions
from consent_tokens.store.engine import Transaction
from consent_tokens.store.merchants import Merchant
from consent_tokens.world import World

LOGIN: Final = "login"  # what a one-time code for this is about
SESSION_LASTS: Final = timedelta(hours=1)
SESSION_IDLES: Final = timedelta(minutes=15)
LINK_LASTS: Final = timedelta(days=180)  # how long the link in a message leads anywhere
MOST_SHOWN: Final = 50  # messages of one grant


@dataclass(frozen=True, slots=True)
class Consent:
    """One grant as its consumer sees it."""

    handle: str
    grant: Grant
    merchant: Merchant
    notice: Notice
    messages: list[Message]


@dataclass(frozen=True, slots=True)
class Linked:
    """What the link in a message leads to."""

    message: Message
    consent: Consent


def log_in(world: World, secret: Secret | None, code: str) -> str | None:
    """Return the secret of a new session for whoever proves a number; None if nothing is proved.

    A number of which nothing is known logs in like any other, and sees that nothing is kept.
    """
    now = world.clock.now()
    session = encode(world.chance.draw(32))
    drawn = world.chance.draw(8)

    def deed(transaction: Transaction) -> str | None:
        number = prove(world, transaction, secret, about=LOGIN, code=code)
        if number is None:
            return None
        index = blind_index(number.reveal(), world.keyring.index)
        home = recipients.find(transaction, index)
        nowhere = int.from_bytes(drawn, "big", signed=True)
        sessions.add(transaction, _kept_as(session), nowhere if home is None else home, now)
        return session

    return world.store.run(deed)


def log_out(world: World, session: str) -> None:
    """End a session, wherever its cookie has been copied to."""
    world.store.run(lambda transaction: sessions.end(transaction, _kept_as(session)))


def home_of(world: World, session: str | None) -> int | None:
    """Return whose session this is; None if it is over or never was."""
    if not session:
        return None
    now = world.clock.now()
    return world.store.run(
        lambda transaction: sessions.touch(
            transaction,
            _kept_as(session),
            now,
            begun_after=now - SESSION_LASTS,
            seen_after=now - SESSION_IDLES,
        )
    )


def consents(world: World, home: int) -> list[Consent]:
    """Return every consent of a recipient, over all merchants, the newest first."""

    def question(transaction: Transaction) -> list[Consent]:
        found = grants.in_home(transaction, home)
        named = merchants.some(transaction, [grant.merchant_id for grant in found])
        return [_consent(world, transaction, grant, named[grant.merchant_id]) for grant in found]

    return world.store.read(question)


def end_own(world: World, home: int, handle: str) -> Ended:
    """End one of a recipient's own grants. Raises NotFoundError, for others' too."""
    address = world.keyring.handles.grant.find(handle)
    if address is None or address.home != home:
        raise NotFoundError("no consent of yours")
    ended = end(world, address, EndedBy.CONSUMER)
    if ended is None:
        raise NotFoundError("no consent of yours")
    return ended


def linked(world: World, code: str) -> Linked:
    """Return what the link `/m/{code}` leads to. Raises NotFoundError, also when it is too old."""
    address = world.keyring.handles.link.find(code)
    since = world.clock.now() - LINK_LASTS

    def question(transaction: Transaction) -> Linked:
        message = messages.find(transaction, address) if address else None
        if message is None or message.grant is None or message.accepted < since:
            raise NotFoundError("this link leads nowhere")
        grant = grants.find(transaction, message.grant)
        merchant = merchants.find(transaction, grant.merchant_id) if grant else None
        if grant is None or merchant is None:
            raise NotFoundError("this link leads nowhere")
        return Linked(message, _consent(world, transaction, grant, merchant))

    return world.store.read(question)


def _consent(world: World, transaction: Transaction, grant: Grant, merchant: Merchant) -> Consent:
    address = Address(grant.home, grant.number)
    return Consent(
        handle=world.keyring.handles.grant.hide(address),
        grant=grant,
        merchant=merchant,
        notice=grants.notice_of(transaction, address),
        messages=messages.under_grant(transaction, address, MOST_SHOWN),
    )


def _kept_as(session: str) -> bytes:
    """Return the name under which a session is kept: whoever reads the table cannot use it."""
    return sha256(session.encode()).digest()
