"""Verify a phone number by a one-time code (NIST SP 800-63B-4, 3.1.3.2).

The number is not stored in the clear: it is sealed in the challenge under a key that only the
browser that asked holds, and in the outgoing message under a data key that is destroyed once the
message was submitted. A number that is sent no code, because of its type or its limits, takes the
same path: its message is stored as withheld, so that the answer is the same, after the same work.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from consent_tokens.consent.one_time_code import (
    CODE_SPACE,
    FAILED_ATTEMPTS_LIMIT,
    Challenge,
    format_code,
)
from consent_tokens.consent.phone import PhoneNumber
from consent_tokens.crypto.encoding import decode, encode
from consent_tokens.crypto.keyed_hashes import code_hash, constant_time_equal
from consent_tokens.crypto.keys import DataKey, derive_key
from consent_tokens.crypto.sealing import NONCE_BYTES, open_sealed, seal
from consent_tokens.errors import InvalidError, SealBrokenError, TooManyRequestsError
from consent_tokens.evidence.events import Event, EventKind
from consent_tokens.localization import catalogue
from consent_tokens.policies import OtpPolicy
from consent_tokens.relay.frequency_cap import next_allowed_at
from consent_tokens.row_key import new_partition
from consent_tokens.services.outbox.service_messages import compose_service_message
from consent_tokens.services.pumping_protection import count_unverified, forget_unverified
from consent_tokens.services.rate_limits import try_acquire
from consent_tokens.services.runtime import Runtime
from consent_tokens.store import challenges, outbox
from consent_tokens.store.database import Transaction
from consent_tokens.tokens.mint import pad_number, unpad_number

CODE_PURPOSE: Final = "service.code"
SECRET_BYTES: Final = 32


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


def parse_phone_input(policy: OtpPolicy, text: str) -> PhoneNumber:
    """Return the number that a consumer typed. Raises InvalidError if it is none."""
    try:
        return PhoneNumber.parse(text, policy.default_region)
    except ValueError:
        raise InvalidError({"phone": ["not_a_number"]}) from None


def otp_text(service: str, code: str, language: str) -> str:
    """Return the SMS that carries a one-time code."""
    text = catalogue(language).gettext(
        "[%(service)s] Your code is %(code)s, for 5 minutes. Tell it to nobody."
    )
    return text % {"service": service, "code": code}


def send_code(
    runtime: Runtime,
    policy: OtpPolicy,
    number: PhoneNumber,
    *,
    intent: str,
    language: str,
    client_ip: str,
) -> ChallengeSecret:
    """Send a one-time code, unless a limit withholds it; return the secret for the browser.

    Args:
        runtime: the shared dependencies.
        policy: rate limits, and the regions that are sent codes.
        number: the number to verify.
        intent: what the code is for; it verifies nothing else.
        language: of the SMS.
        client_ip: of the browser, for its rate limit.

    Raises:
        TooManyRequestsError: this client IP, or the service as a whole, asked for too many codes.
            Says nothing about the number.
    """
    secret = ChallengeSecret(runtime.random.token_bytes(SECRET_BYTES))
    code = format_code(runtime.random.randbelow(CODE_SPACE))
    text = otp_text(runtime.service.name_in(language), code, language)
    challenge = _challenge(runtime, secret, number, intent=intent, code=code)

    def work(transaction: Transaction) -> None:
        may_send = _may_send_code(runtime, policy, transaction, challenge, number, client_ip)
        challenges.add(transaction, challenge)
        message = compose_service_message(
            runtime, number, text, purpose=CODE_PURPOSE, may_send=may_send
        )
        outbox.enqueue(transaction, [message])
        runtime.record(
            transaction,
            Event(
                partition=message.key.partition,
                at=challenge.sent_at,
                kind=EventKind.CODE_SENT if may_send else EventKind.CODE_WITHHELD,
                message_id=message.key.id,
            ),
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
    if challenge is None or challenge.intent != intent:
        return None
    failures = challenges.lock_hits(transaction, challenge.failures_key)
    if not challenge.is_open(now) or next_allowed_at(FAILED_ATTEMPTS_LIMIT, failures, now) != now:
        return None
    given = code_hash(code, challenge.id, runtime.keyring.index)
    is_right = constant_time_equal(given, challenge.code_hash)
    challenges.save_attempt(transaction, challenge.with_attempt(is_right=is_right))
    if not is_right:
        _record_failure(runtime, transaction, challenge, failures)
        return None
    try:
        padded = open_sealed(
            challenge.sealed_number, challenge_secret.key, associated_data=challenge.id
        )
    except SealBrokenError:
        return None
    number = unpad_number(padded)
    forget_unverified(runtime, policy.rate_limits, transaction, number)
    return number


def _challenge(
    runtime: Runtime, secret: ChallengeSecret, number: PhoneNumber, *, intent: str, code: str
) -> Challenge:
    return Challenge(
        id=secret.challenge_id,
        intent=intent,
        code_hash=code_hash(code, secret.challenge_id, runtime.keyring.index),
        sealed_number=seal(
            pad_number(number),
            secret.key,
            associated_data=secret.challenge_id,
            nonce=runtime.random.token_bytes(NONCE_BYTES),
        ),
        failures_key=runtime.rate_limit_key("failures", number.reveal()),
        sent_at=runtime.clock.now(),
    )


def _may_send_code(
    runtime: Runtime,
    policy: OtpPolicy,
    transaction: Transaction,
    challenge: Challenge,
    number: PhoneNumber,
    client_ip: str,
) -> bool:
    """Count one code against every limit; return whether the number may be sent it.

    Every limit is asked whatever the others say, so that each answer costs the same work.
    """
    now = challenge.sent_at
    is_within_limits = _acquire_code(runtime, policy, transaction, number, client_ip)
    failures = challenges.read_hits(transaction, challenge.failures_key)
    is_pumped = count_unverified(runtime, policy.rate_limits, transaction, number)
    may_try = next_allowed_at(FAILED_ATTEMPTS_LIMIT, failures, now) == now
    can_receive = number.can_receive_sms and number.is_in_regions(policy.countries)
    return can_receive and is_within_limits and not is_pumped and may_try


def _record_failure(
    runtime: Runtime, transaction: Transaction, challenge: Challenge, failures: list[datetime]
) -> None:
    now, window = runtime.clock.now(), FAILED_ATTEMPTS_LIMIT.window
    counted = [failure for failure in failures if failure > now - window]
    challenges.save_hits(transaction, challenge.failures_key, [*counted, now], window)
    partition = new_partition(challenge.id[:8])
    runtime.record(transaction, Event(partition=partition, at=now, kind=EventKind.CODE_FAILED))


def _acquire_code(
    runtime: Runtime,
    policy: OtpPolicy,
    transaction: Transaction,
    number: PhoneNumber,
    client_ip: str,
) -> bool:
    """Count one code against all limits; return whether the number's own limits allow it.

    Limits are locked in a fixed order, so that two requests cannot deadlock.
    Raises TooManyRequestsError where the limit is the client's or the service's.
    """
    now, limits = runtime.clock.now(), policy.rate_limits
    total = try_acquire(transaction, runtime.rate_limit_key("total", ""), limits.total, now)
    by_ip = runtime.rate_limit_key("client_ip", client_ip)
    client = try_acquire(transaction, by_ip, limits.client_ip, now)
    allowed_at = max(total, client)
    if allowed_at > now:
        raise TooManyRequestsError(int((allowed_at - now).total_seconds()))
    by_number = runtime.rate_limit_key("number", number.reveal())
    return try_acquire(transaction, by_number, limits.number, now) == now
