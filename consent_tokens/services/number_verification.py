"""Verify a phone number by a one-time code (NIST SP 800-63B-4, 3.1.3.2).

The number is not stored in the clear: it is sealed in the challenge under a key that only the
browser that asked holds, and in the outgoing message under a data key that is destroyed once the
message was submitted. A number that is sent no code, because of the limits of its range or of the
whole service, takes the same path: its message is stored as withheld, so that the answer is the
same, after the same work.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Final
from urllib.parse import urlsplit

from consent_tokens.consent.one_time_code import (
    CODE_SPACE,
    Challenge,
    CodeKind,
    CodeUse,
    format_code,
)
from consent_tokens.consent.phone import PhoneNumber
from consent_tokens.crypto.encoding import decode, encode
from consent_tokens.crypto.keyed_hashes import code_hash, constant_time_equal
from consent_tokens.crypto.keys import DataKey, derive_key
from consent_tokens.crypto.sealing import NONCE_BYTES, open_sealed, seal
from consent_tokens.errors import SealBrokenError, TooManyRequestsError
from consent_tokens.evidence.events import Event, EventKind
from consent_tokens.localization import N_, catalogue
from consent_tokens.policies import OtpPolicy, ServiceIdentity
from consent_tokens.row_key import new_partition
from consent_tokens.services.otp_limits import (
    Asker,
    CodeRequest,
    acquire_code,
    attempt_allowed_at,
    count_failure,
)
from consent_tokens.services.outbox.service_messages import compose_service_message
from consent_tokens.services.pumping_protection import count_unverified, forget_unverified
from consent_tokens.services.runtime import Runtime
from consent_tokens.store import challenges, outbox, recipients
from consent_tokens.store.database import Transaction
from consent_tokens.tokens.mint import pad_number, unpad_number

CODE_PURPOSE: Final = "service.code"
SECRET_BYTES: Final = 32
CODE_TEXTS: Final = {  # msgids
    CodeKind.SIGN_IN: N_(
        "[%(service)s] Your code is %(code)s, to sign in. Valid for 5 minutes; tell it to nobody."
    ),
    CodeKind.REPORT: N_(
        "[%(service)s] Your code is %(code)s, to report a text. Valid for 5 minutes; tell it to "
        "nobody."
    ),
    CodeKind.CONSENT: N_(
        "[%(service)s] Your code is %(code)s, to agree to texts from %(merchant)s. Valid for 5 "
        "minutes; tell it to nobody."
    ),
}


@dataclass(frozen=True, slots=True)
class SentCode:
    """A code that a browser waits for."""

    number: PhoneNumber
    sent_at: datetime


@dataclass(frozen=True, slots=True)
class ChallengeSecret:
    """The browser's part of a challenge: derives the challenge's id and the key of its number."""

    value: bytes

    @property
    def challenge_id(self) -> bytes:
        """Return the id under which the challenge is stored."""
        return derive_key(self.value, "challenge id")

    @property
    def key(self) -> DataKey:
        """Return the key under which the number is sealed."""
        return DataKey(derive_key(self.value, "challenge number"))

    def to_text(self) -> str:
        """Return the secret as the value of a cookie."""
        return encode(self.value)

    @classmethod
    def from_text(cls, text: str) -> "ChallengeSecret | None":
        """Return the secret in a cookie; None if it is malformed."""
        try:
            value = decode(text)
        except ValueError:
            return None
        return cls(value) if len(value) == SECRET_BYTES else None


def otp_text(service: ServiceIdentity, code: str, use: CodeUse, language: str) -> str:
    """Return the SMS that carries a one-time code: what it is for, and the site it is bound to.

    The last line is that of origin-bound one-time codes (WICG, "Origin-bound one-time codes
    delivered via SMS"), by which a phone fills the code in on this site only.
    """
    text = catalogue(language).gettext(CODE_TEXTS[use.kind]) % {
        "service": service.name_in(language),
        "code": code,
        "merchant": use.merchant,
    }
    return f"{text}\n@{urlsplit(service.base_url).hostname} #{code}"


def send_code(
    runtime: Runtime,
    policy: OtpPolicy,
    number: PhoneNumber,
    use: CodeUse,
    *,
    language: str,
    asker: Asker,
) -> ChallengeSecret:
    """Send a one-time code; return the secret for the browser.

    Args:
        runtime: the shared dependencies.
        policy: rate limits, and the regions that are sent codes.
        number: the number to verify.
        use: what the code is for; it verifies nothing else.
        language: of the SMS.
        asker: the browser that asks.

    Raises:
        TooManyRequestsError: the asker must wait, or solve a challenge first
            (`otp_limits.is_number_limited`). Says nothing about whether the service knows the
            number.
    """
    secret = ChallengeSecret(runtime.random.token_bytes(SECRET_BYTES))
    code = format_code(runtime.random.randbelow(CODE_SPACE))
    text = otp_text(runtime.service, code, use, language)
    request = CodeRequest.of(runtime, policy, number, asker)
    challenge = _challenge(request, secret, use.intent, code)

    def work(transaction: Transaction) -> None:
        may_send = _may_send_code(transaction, request)
        challenges.add(transaction, challenge)
        message = compose_service_message(
            runtime, number, text, purpose=CODE_PURPOSE, may_send=may_send
        )
        outbox.enqueue(transaction, [message])
        kind = EventKind.CODE_SENT if may_send else EventKind.CODE_WITHHELD
        key = message.key
        runtime.record(
            transaction,
            Event(partition=key.partition, at=challenge.sent_at, kind=kind, message_id=key.id),
        )

    runtime.database.run(work)
    runtime.wake_dispatcher.set()
    return secret


def verify_code(
    runtime: Runtime,
    policy: OtpPolicy,
    transaction: Transaction,
    challenge_secret: ChallengeSecret | None,
    *,
    intent: str,
    code: str,
) -> PhoneNumber | None:
    """Return the number that the code verifies; None if it verifies none.

    A wrong or old code, another browser and too many attempts all return None. A failed attempt is
    recorded, so the caller must not roll back.
    """
    now = runtime.clock.now()
    if challenge_secret is None:
        return None
    challenge = challenges.lock(transaction, challenge_secret.challenge_id)
    if challenge is None or challenge.intent != intent or not challenge.is_open(now):
        return None
    number = _open_number(challenge, challenge_secret)
    if number is None:
        return None
    if attempt_allowed_at(runtime, transaction, challenge.failures_key, number, now) > now:
        return None
    given = code_hash(code, challenge.id, runtime.keyring.index)
    is_right = constant_time_equal(given, challenge.code_hash)
    challenges.save_attempt(transaction, challenge.with_attempt(is_right=is_right))
    if not is_right:
        _record_failure(runtime, transaction, challenge, number, now)
        return None
    forget_unverified(runtime, policy.rate_limits, transaction, number)
    return number


def read_sent_code(runtime: Runtime, secret: ChallengeSecret | None) -> SentCode | None:
    """Return the code that a browser waits for: its number, and when another may be asked for.

    None if there is none, or if it is too old.
    """
    if secret is None:
        return None
    challenge = runtime.database.read(
        lambda transaction: challenges.find(transaction, secret.challenge_id)
    )
    number = _open_number(challenge, secret) if challenge else None
    if challenge is None or number is None or not challenge.is_open(runtime.clock.now()):
        return None
    return SentCode(number, challenge.sent_at)


def verified_number(runtime: Runtime, secret: ChallengeSecret | None) -> PhoneNumber | None:
    """Return the number that this browser's challenge has verified; None if it has not."""
    if secret is None:
        return None
    challenge = runtime.database.read(
        lambda transaction: challenges.find(transaction, secret.challenge_id)
    )
    return _open_number(challenge, secret) if challenge and challenge.is_used else None


def has_verified(transaction: Transaction, secret: ChallengeSecret | None, intent: str) -> bool:
    """Whether this browser's challenge has verified a number for this intent."""
    challenge = challenges.find(transaction, secret.challenge_id) if secret else None
    return challenge is not None and challenge.is_used and challenge.intent == intent


def _open_number(challenge: Challenge, secret: ChallengeSecret) -> PhoneNumber | None:
    try:
        padded = open_sealed(challenge.sealed_number, secret.key, associated_data=challenge.id)
    except SealBrokenError:
        return None
    return unpad_number(padded)


def _challenge(request: CodeRequest, secret: ChallengeSecret, intent: str, code: str) -> Challenge:
    runtime = request.runtime
    return Challenge(
        id=secret.challenge_id,
        intent=intent,
        code_hash=code_hash(code, secret.challenge_id, runtime.keyring.index),
        sealed_number=seal(
            pad_number(request.number),
            secret.key,
            associated_data=secret.challenge_id,
            nonce=runtime.random.token_bytes(NONCE_BYTES),
        ),
        failures_key=request.failures_key,
        sent_at=request.now,
    )


def _may_send_code(transaction: Transaction, request: CodeRequest) -> bool:
    """Count one code against every limit; return whether the number may be sent it.

    Everything is asked whatever the others say, so that each answer costs the same work. Raises
    TooManyRequestsError if the asker must wait.
    """
    runtime, number, now = request.runtime, request.number, request.now
    partition = recipients.find(transaction, runtime.blind_index(number))
    is_within_limits = acquire_code(transaction, request, has_consents=partition is not None)
    allowed_at = attempt_allowed_at(runtime, transaction, request.failures_key, number, now)
    if allowed_at > now:
        raise TooManyRequestsError(int((allowed_at - now).total_seconds()))
    is_pumped = count_unverified(runtime, request.policy.rate_limits, transaction, number)
    return is_within_limits and not is_pumped


def _record_failure(
    runtime: Runtime,
    transaction: Transaction,
    challenge: Challenge,
    number: PhoneNumber,
    now: datetime,
) -> None:
    count_failure(runtime, transaction, challenge.failures_key, number, now)
    partition = new_partition(challenge.id[:8])
    runtime.record(transaction, Event(partition=partition, at=now, kind=EventKind.CODE_FAILED))
