"""Login sessions of consumers: a one-time code opens one, in which own consents can be revoked."""

from datetime import timedelta
from hashlib import sha256
from typing import Final

from consent_tokens.consent.grant import EndReason
from consent_tokens.consent.one_time_code import LOGIN_INTENT
from consent_tokens.crypto.encoding import encode
from consent_tokens.errors import NotFoundError
from consent_tokens.policies import OtpPolicy
from consent_tokens.services.consents.amendments import own_grant_key
from consent_tokens.services.consents.recipients import find_recipient
from consent_tokens.services.consents.revocation import Revocation, revoke
from consent_tokens.services.number_verification import ChallengeSecret, verify_code
from consent_tokens.services.runtime import Runtime
from consent_tokens.store import sessions
from consent_tokens.store.database import Transaction

SESSION_LIFETIME: Final = timedelta(hours=1)
SESSION_IDLE_TIMEOUT: Final = timedelta(minutes=15)
SESSION_SECRET_BYTES: Final = 32
SUPPORT_CODE_DIGITS: Final = 10
SUPPORT_CODE_LIFETIME: Final = timedelta(minutes=10)


def log_in(
    runtime: Runtime, policy: OtpPolicy, secret: ChallengeSecret | None, code: str
) -> str | None:
    """Start a session and return its secret; None if the one-time code is wrong.

    A number without a recipient gets a session too, on an empty partition, so that the response
    does not reveal whether the service knows the number.
    """
    now = runtime.clock.now()
    session = encode(runtime.random.token_bytes(SESSION_SECRET_BYTES))
    empty_partition = runtime.new_partition()

    def work(transaction: Transaction) -> str | None:
        number = verify_code(runtime, policy, transaction, secret, intent=LOGIN_INTENT, code=code)
        if number is None:
            return None
        partition = find_recipient(runtime, transaction, number)
        if partition is None:
            partition = empty_partition
        sessions.add(transaction, _session_hash(session), partition, now)
        return session

    return runtime.database.run(work)


def log_out(runtime: Runtime, session: str) -> None:
    """Delete a session, so that copies of its cookie are worthless too."""
    runtime.database.run(
        lambda transaction: sessions.delete_session(transaction, _session_hash(session))
    )


def recipient_of(runtime: Runtime, session: str | None) -> int | None:
    """Return the partition of a session's recipient; None if the session is unknown or expired."""
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
    """Revoke one of a recipient's own grants.

    Raises NotFoundError, also for a grant of another recipient, and as `revoke` does.
    """
    revocation = revoke(runtime, own_grant_key(runtime, partition, public_id), EndReason.CONSUMER)
    if revocation is None:
        raise NotFoundError("no consent of yours")
    return revocation


def _session_hash(session: str) -> bytes:
    """Return the SHA-256 under which a session is stored, so that the table holds no secrets."""
    return sha256(session.encode()).digest()


def new_support_code(runtime: Runtime, session: str) -> str:
    """Return a code that its consumer reads out to an operator, who then sees the consents.

    It works once, for SUPPORT_CODE_LIFETIME, and takes the place of one before. Raises
    NotFoundError without a session.
    """
    number = int.from_bytes(runtime.random.token_bytes(16), "big") % 10**SUPPORT_CODE_DIGITS
    code = f"{number:0{SUPPORT_CODE_DIGITS}}"
    until = runtime.clock.now() + SUPPORT_CODE_LIFETIME
    is_saved = runtime.database.run(
        lambda transaction: sessions.set_support_code(
            transaction, _session_hash(session), support_code_hash(runtime, code), until
        )
    )
    if not is_saved:
        raise NotFoundError("nobody is signed in")
    return code


def support_code_hash(runtime: Runtime, code: str) -> bytes:
    """Return the keyed hash by which a support code is stored; anything but digits is ignored."""
    digits = "".join(each for each in code if each.isascii() and each.isdigit())
    return runtime.rate_limit_key("support_code", digits)
