"""A consumer visits: proves the number once, and then sees and ends consents in that session."""

from datetime import timedelta
from hashlib import sha256
from typing import Final

from consent_tokens.app_context import World
from consent_tokens.consent.grant import EndedBy
from consent_tokens.consent.one_time_code import LOGIN
from consent_tokens.crypto.encoding import encode
from consent_tokens.crypto.keyed_hashes import blind_index
from consent_tokens.errors import NotFoundError
from consent_tokens.services.consents.amendments import own
from consent_tokens.services.consents.revocation import Ended, end
from consent_tokens.services.number_verification import Secret, prove
from consent_tokens.store import recipients, sessions
from consent_tokens.store.database import Transaction

SESSION_LASTS: Final = timedelta(hours=1)
SESSION_IDLES: Final = timedelta(minutes=15)


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


def end_own(world: World, home: int, handle: str) -> Ended:
    """End one of a recipient's own grants. Raises NotFoundError, for others' too."""
    ended = end(world, own(world, home, handle), EndedBy.CONSUMER)
    if ended is None:
        raise NotFoundError("no consent of yours")
    return ended


def _kept_as(session: str) -> bytes:
    """Return the name under which a session is kept: whoever reads the table cannot use it."""
    return sha256(session.encode()).digest()
