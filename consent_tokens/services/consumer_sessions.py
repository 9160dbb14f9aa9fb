"""A consumer visits: proves the number once, and then sees and ends consents in that session."""

from datetime import timedelta
from hashlib import sha256
from typing import Final

from consent_tokens.consent.grant import EndReason
from consent_tokens.consent.one_time_code import LOGIN_INTENT
from consent_tokens.crypto.encoding import encode
from consent_tokens.errors import NotFoundError
from consent_tokens.policies import OtpPolicy
from consent_tokens.services.consents.amendments import own_grant_key
from consent_tokens.services.consents.revocation import Revocation, revoke
from consent_tokens.services.number_verification import ChallengeSecret, verify_code
from consent_tokens.services.runtime import Runtime
from consent_tokens.store import recipients, sessions
from consent_tokens.store.database import Transaction

SESSION_LIFETIME: Final = timedelta(hours=1)
SESSION_IDLE_TIMEOUT: Final = timedelta(minutes=15)


def log_in(
    runtime: Runtime, policy: OtpPolicy, secret: ChallengeSecret | None, code: str
) -> str | None:
    """Return the secret of a new session for whoever proves a number; None if nothing is proved.

    A number of which nothing is known logs in like any other, and sees that nothing is kept.
    """
    now = runtime.clock.now()
    session = encode(runtime.random.token_bytes(32))
    random_bytes = runtime.random.token_bytes(8)

    def work(transaction: Transaction) -> str | None:
        number = verify_code(runtime, policy, transaction, secret, intent=LOGIN_INTENT, code=code)
        if number is None:
            return None
        index = runtime.blind_index(number)
        partition = recipients.find(transaction, index)
        nowhere = int.from_bytes(random_bytes, "big", signed=True)
        sessions.add(
            transaction, _session_hash(session), nowhere if partition is None else partition, now
        )
        return session

    return runtime.database.run(work)


def log_out(runtime: Runtime, session: str) -> None:
    """End a session, wherever its cookie has been copied to."""
    runtime.database.run(
        lambda transaction: sessions.delete_session(transaction, _session_hash(session))
    )


def recipient_of(runtime: Runtime, session: str | None) -> int | None:
    """Return whose session this is; None if it is over or never was."""
    if not session:
        return None
    now = runtime.clock.now()
    return runtime.database.run(
        lambda transaction: sessions.touch(
            transaction,
            _session_hash(session),
            now,
            begun_after=now - SESSION_LIFETIME,
            seen_after=now - SESSION_IDLE_TIMEOUT,
        )
    )


def revoke_own(runtime: Runtime, partition: int, public_id: str) -> Revocation:
    """End one of a recipient's own grants. Raises NotFoundError, for others' too."""
    ended = revoke(runtime, own_grant_key(runtime, partition, public_id), EndReason.CONSUMER)
    if ended is None:
        raise NotFoundError("no consent of yours")
    return ended


def _session_hash(session: str) -> bytes:
    """Return the name under which a session is kept: whoever reads the table cannot use it."""
    return sha256(session.encode()).digest()
