"""A consumer proves a number by a one-time code (NIST SP 800-63B-4, 3.1.3.2).

The number itself lies nowhere: it is sealed in the challenge under a key that only the asking
browser holds, and in the outgoing message under a key that is destroyed when the code has left.
A number that gets no code - of the wrong kind, or over its limit - goes the very same way, and its
message is laid out as withheld: the page says the same, after the same work.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from consent_tokens.app_context import AppContext
from consent_tokens.consent.one_time_code import (
    CODE_LIFETIME,
    CODE_SPACE,
    FAILED_ATTEMPTS_LIMIT,
    Challenge,
    format_code,
)
from consent_tokens.consent.phone import PhoneNumber
from consent_tokens.crypto.encoding import decode, encode
from consent_tokens.crypto.keyed_hashes import code_hash, constant_time_equal, rate_limit_key
from consent_tokens.crypto.keys import GrantKey, derive_key
from consent_tokens.crypto.opaque_ids import RowKey, new_partition
from consent_tokens.crypto.sealing import open_sealed, seal, wrap
from consent_tokens.errors import InvalidError, SealBrokenError, TooManyRequestsError
from consent_tokens.evidence.events import Event, EventKind
from consent_tokens.relay.composition import compose
from consent_tokens.relay.frequency_cap import next_allowed_at
from consent_tokens.relay.message import Message, MessageStatus, Priority
from consent_tokens.services.pumping_protection import count_unverified, forget_unverified
from consent_tokens.services.rate_limits import try_acquire
from consent_tokens.store import challenges, events, messages
from consent_tokens.store.database import Transaction
from consent_tokens.tokens.mint import NUMBER_BYTES

CODE_PURPOSE: Final = "service.code"
SECRET_BYTES: Final = 32


WORDS: Final[dict[str, str]] = {
    "zh-CN": "【{service}】验证码 {code}，5 分钟内有效。请勿告诉任何人。",
    "zh-TW": "【{service}】驗證碼 {code}，5 分鐘內有效。請勿告訴任何人。",
    "en": "[{service}] Your code is {code}, for 5 minutes. Tell it to nobody.",
}


@dataclass(frozen=True, slots=True)
class ChallengeSecret:
    """What the asking browser holds: names the challenge, and opens the number in it."""

    value: bytes

    @property
    def challenge_id(self) -> bytes:
        """Return the name under which the challenge is kept."""
        return derive_key(self.value, "challenge id")

    @property
    def key(self) -> GrantKey:
        """Return the key under which the number is sealed."""
        return GrantKey(derive_key(self.value, "challenge box"))

    def to_text(self) -> str:
        """Return the secret as a cookie carries it."""
        return encode(self.value)

    @classmethod
    def from_text(cls, text: str) -> "ChallengeSecret | None":
        """Return the secret in a cookie; None if it is none."""
        try:
            value = decode(text)
        except ValueError:
            return None
        return cls(value) if len(value) == SECRET_BYTES else None


def parse_phone_input(world: AppContext, text: str) -> PhoneNumber:
    """Return the number that a person typed. Raises InvalidError if it could be none."""
    try:
        return PhoneNumber.parse(text, world.default_region)
    except ValueError:
        raise InvalidError({"phone": ["not_a_number"]}) from None


def send_code(
    world: AppContext, number: PhoneNumber, *, intent: str, language: str, client_ip: str
) -> ChallengeSecret:
    """Send a one-time code, or seem to, and return what the browser must hold to use it.

    `about` is what the code is for; `address` is the asker's, for the limits. Raises TooManyError
    if this address, or the whole service, has sent too many: that tells nothing of the number.
    """
    now = world.clock.now()
    secret = ChallengeSecret(world.random.token_bytes(SECRET_BYTES))
    code = format_code(world.random.randbelow(CODE_SPACE))
    text = WORDS[language].format(service=world.service_name, code=code)
    takes_sms = number.can_receive_sms and number.is_in_regions(world.otp_countries)
    challenge = Challenge(
        id=secret.challenge_id,
        intent=intent,
        code_hash=code_hash(code, secret.challenge_id, world.keyring.index),
        sealed_number=seal(
            pad_number(number),
            secret.key,
            associated_data=secret.challenge_id,
            nonce=world.random.token_bytes(12),
        ),
        failures_key=_rate_limit_key(world, "failures", number.reveal()),
        sent_at=now,
    )

    def deed(transaction: Transaction) -> ChallengeSecret:
        within = _acquire_code(world, transaction, number, client_ip, now)
        fails = challenges.read_hits(transaction, challenge.failures_key)
        pumped = count_unverified(world, transaction, number)
        may_leave = (
            takes_sms
            and within
            and not pumped
            and next_allowed_at(FAILED_ATTEMPTS_LIMIT, fails, now) == now
        )
        challenges.add(transaction, challenge)
        message = compose_service_message(
            world, number, text, purpose=CODE_PURPOSE, may_send=may_leave
        )
        messages.enqueue(transaction, [message])
        line = Event(
            partition=message.key.partition,
            at=now,
            kind=EventKind.CODE_SENT if may_leave else EventKind.CODE_WITHHELD,
            message_id=message.key.id,
        )
        events.record(transaction, [line], world.random.token_bytes)
        return secret

    sent = world.database.run(deed)
    world.wake_dispatcher.set()
    return sent


def verify_code(
    world: AppContext,
    transaction: Transaction,
    challenge_secret: ChallengeSecret | None,
    *,
    intent: str,
    code: str,
) -> PhoneNumber | None:
    """Return the number that the code proves; None if it proves none.

    Whatever is wrong - the code, its age, the browser, too many tries - looks the same. A failed
    try is recorded, so the caller must not roll back.
    """
    now = world.clock.now()
    challenge = (
        challenges.lock(transaction, challenge_secret.challenge_id) if challenge_secret else None
    )
    if challenge_secret is None or challenge is None or challenge.intent != intent:
        return None
    fails = challenges.lock_hits(transaction, challenge.failures_key)
    if not challenge.is_open(now) or next_allowed_at(FAILED_ATTEMPTS_LIMIT, fails, now) != now:
        return None
    digest = code_hash(code, challenge.id, world.keyring.index)
    is_right = constant_time_equal(digest, challenge.code_hash)
    challenges.save_attempt(transaction, challenge.with_attempt(well=is_right))
    if not is_right:
        window = [hit for hit in fails if hit > now - FAILED_ATTEMPTS_LIMIT.window]
        challenges.save_hits(
            transaction, challenge.failures_key, [*window, now], FAILED_ATTEMPTS_LIMIT.window
        )
        line = Event(partition=new_partition(challenge.id[:8]), at=now, kind=EventKind.CODE_FAILED)
        events.record(transaction, [line], world.random.token_bytes)
        return None
    try:
        number = unpad_number(
            open_sealed(challenge.sealed_number, challenge_secret.key, associated_data=challenge.id)
        )
    except SealBrokenError:
        return None
    forget_unverified(world, transaction, number)
    return number


def compose_service_message(
    world: AppContext,
    number: PhoneNumber,
    text: str,
    *,
    purpose: str,
    may_send: bool = True,
    sender_id: str | None = None,
) -> Message:
    """Return a message of the service's own, number and text sealed under a key of its own."""
    now = world.clock.now()
    key = GrantKey(world.random.token_bytes(32))
    address = RowKey.new(new_partition(world.random.token_bytes(8)), world.random.token_bytes(8))
    box = seal(
        pad_number(number) + text.encode(),
        key,
        associated_data=service_message_associated_data(world, address),
        nonce=world.random.token_bytes(12),
    )
    wrapped = wrap(key, world.keyring.wrapping)
    return Message(
        key=address,
        grant_key=None,
        merchant_id=None,
        sender_id=sender_id,
        priority=Priority.SERVICE,
        purpose=purpose,
        status=MessageStatus.QUEUED if may_send else MessageStatus.REFUSED,
        reason=None if may_send else "withheld",
        accepted_at=now,
        send_at=now,
        valid_until=now + CODE_LIFETIME,
        changed_at=now,
        segments=len(compose(text).segments),
        sealed_number=box if may_send else None,
        wrapped_key=wrapped if may_send else None,
    )


def open_service_message(
    world: AppContext, message: Message, key: GrantKey
) -> tuple[PhoneNumber, str]:
    """Return number and text of a message of the service's own. Raises SealBrokenError."""
    bound_to = service_message_associated_data(world, message.key)
    plaintext = open_sealed(message.sealed_number or b"", key, associated_data=bound_to)
    return unpad_number(plaintext[:NUMBER_BYTES]), plaintext[NUMBER_BYTES:].decode()


def service_message_associated_data(world: AppContext, address: RowKey) -> bytes:
    """Return what such a message's box is bound to."""
    return f"{world.base_url}\n{world.keyring.ids.message.encode(address)}".encode()


def pad_number(number: PhoneNumber) -> bytes:
    return number.reveal().encode("ascii").ljust(NUMBER_BYTES)


def unpad_number(padded: bytes) -> PhoneNumber:
    return PhoneNumber(padded.decode("ascii").rstrip())


def _rate_limit_key(world: AppContext, kind: str, value: str) -> bytes:
    return rate_limit_key(kind, value, world.keyring.index)


def _acquire_code(
    world: AppContext, transaction: Transaction, number: PhoneNumber, client_ip: str, now: datetime
) -> bool:
    """Count one code against all limits; whether the number's own limits allow it.

    Raises TooManyError where the limit is the asker's or the service's. Limits are held in one
    order, so that two askers wait rather than lock each other out.
    """
    limits = world.otp_rate_limits
    overall = try_acquire(transaction, _rate_limit_key(world, "all", ""), limits.total, now)
    asker = try_acquire(
        transaction, _rate_limit_key(world, "address", client_ip), limits.client_ip, now
    )
    again = max(overall, asker)
    if again > now:
        raise TooManyRequestsError(int((again - now).total_seconds()))
    return (
        try_acquire(
            transaction, _rate_limit_key(world, "number", number.reveal()), limits.number, now
        )
        == now
    )
