"""A consumer proves a number by a one-time code (NIST SP 800-63B-4, 3.1.3.2).

The number itself lies nowhere: it is sealed in the challenge under a key that only the asking
browser holds, and in the outgoing message under a key that is destroyed when the code has left.
A number that gets no code - of the wrong kind, or over its limit - goes the very same way, and its
message is laid out as withheld: the page says the same, after the same work.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from consent_tokens.app_context import World
from consent_tokens.consent.one_time_code import (
    CODE_LIFE,
    CODE_SPACE,
    FAILURES,
    Challenge,
    code_text,
)
from consent_tokens.consent.phone import PhoneNumber
from consent_tokens.crypto.encoding import decode, encode
from consent_tokens.crypto.keyed_hashes import code_digest, is_same, limit_key
from consent_tokens.crypto.keys import GrantKey, derived
from consent_tokens.crypto.opaque_ids import Address, new_home
from consent_tokens.crypto.sealing import seal, unseal, wrap
from consent_tokens.errors import InvalidError, SealBrokenError, TooManyError
from consent_tokens.evidence.events import Event, Kind
from consent_tokens.relay.composition import compose
from consent_tokens.relay.frequency_cap import next_free
from consent_tokens.relay.message import Message, MessageState, Rank
from consent_tokens.services.pumping_protection import is_pumped, proved
from consent_tokens.services.rate_limits import hit
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
class Secret:
    """What the asking browser holds: names the challenge, and opens the number in it."""

    value: bytes

    @property
    def challenge_id(self) -> bytes:
        """Return the name under which the challenge is kept."""
        return derived(self.value, "challenge id")

    @property
    def key(self) -> GrantKey:
        """Return the key under which the number is sealed."""
        return GrantKey(derived(self.value, "challenge box"))

    def to_text(self) -> str:
        """Return the secret as a cookie carries it."""
        return encode(self.value)

    @classmethod
    def from_text(cls, text: str) -> "Secret | None":
        """Return the secret in a cookie; None if it is none."""
        try:
            value = decode(text)
        except ValueError:
            return None
        return cls(value) if len(value) == SECRET_BYTES else None


def typed_number(world: World, text: str) -> PhoneNumber:
    """Return the number that a person typed. Raises InvalidError if it could be none."""
    try:
        return PhoneNumber.parse(text, world.region)
    except ValueError:
        raise InvalidError({"phone": ["not_a_number"]}) from None


def send_code(
    world: World, number: PhoneNumber, *, about: str, language: str, address: str
) -> Secret:
    """Send a one-time code, or seem to, and return what the browser must hold to use it.

    `about` is what the code is for; `address` is the asker's, for the limits. Raises TooManyError
    if this address, or the whole service, has sent too many: that tells nothing of the number.
    """
    now = world.clock.now()
    secret = Secret(world.chance.draw(SECRET_BYTES))
    code = code_text(world.chance.below(CODE_SPACE))
    text = WORDS[language].format(service=world.service_name, code=code)
    takes_sms = number.takes_sms and number.is_in(world.countries)
    challenge = Challenge(
        id=secret.challenge_id,
        about=about,
        digest=code_digest(code, secret.challenge_id, world.keyring.index),
        box=seal(
            _padded(number), secret.key, bound_to=secret.challenge_id, nonce=world.chance.draw(12)
        ),
        limit_key=_limit(world, "failures", number.reveal()),
        sent=now,
    )

    def deed(transaction: Transaction) -> Secret:
        within = _count(world, transaction, number, address, now)
        fails = challenges.peek_hits(transaction, challenge.limit_key)
        pumped = is_pumped(world, transaction, number)
        may_leave = takes_sms and within and not pumped and next_free(FAILURES, fails, now) == now
        challenges.add(transaction, challenge)
        message = service_message(world, number, text, purpose=CODE_PURPOSE, may_leave=may_leave)
        messages.put_out(transaction, [message])
        line = Event(
            home=message.address.home,
            at=now,
            kind=Kind.CODE_SENT if may_leave else Kind.CODE_WITHHELD,
            message=message.address.number,
        )
        events.record(transaction, [line], world.chance.draw)
        return secret

    sent = world.store.run(deed)
    world.something_to_do.set()
    return sent


def prove(
    world: World, transaction: Transaction, secret: Secret | None, *, about: str, code: str
) -> PhoneNumber | None:
    """Return the number that the code proves; None if it proves none.

    Whatever is wrong - the code, its age, the browser, too many tries - looks the same. A failed
    try is recorded, so the caller must not roll back.
    """
    now = world.clock.now()
    challenge = challenges.lock(transaction, secret.challenge_id) if secret else None
    if secret is None or challenge is None or challenge.about != about:
        return None
    fails = challenges.lock_hits(transaction, challenge.limit_key)
    if not challenge.is_open(now) or next_free(FAILURES, fails, now) != now:
        return None
    digest = code_digest(code, challenge.id, world.keyring.index)
    is_right = is_same(digest, challenge.digest)
    challenges.put_try(transaction, challenge.tried(well=is_right))
    if not is_right:
        window = [hit for hit in fails if hit > now - FAILURES.within]
        challenges.put_hits(transaction, challenge.limit_key, [*window, now], FAILURES.within)
        line = Event(home=new_home(challenge.id[:8]), at=now, kind=Kind.CODE_FAILED)
        events.record(transaction, [line], world.chance.draw)
        return None
    try:
        number = _unpadded(unseal(challenge.box, secret.key, bound_to=challenge.id))
    except SealBrokenError:
        return None
    proved(world, transaction, number)
    return number


def service_message(
    world: World,
    number: PhoneNumber,
    text: str,
    *,
    purpose: str,
    may_leave: bool = True,
    sender_id: str | None = None,
) -> Message:
    """Return a message of the service's own, number and text sealed under a key of its own."""
    now = world.clock.now()
    key = GrantKey(world.chance.draw(32))
    address = Address.at(new_home(world.chance.draw(8)), world.chance.draw(8))
    box = seal(
        _padded(number) + text.encode(),
        key,
        bound_to=service_binding(world, address),
        nonce=world.chance.draw(12),
    )
    wrapped = wrap(key, world.keyring.wrapping)
    return Message(
        address=address,
        grant=None,
        merchant_id=None,
        sender_id=sender_id,
        rank=Rank.SERVICE,
        purpose=purpose,
        state=MessageState.QUEUED if may_leave else MessageState.REFUSED,
        reason=None if may_leave else "withheld",
        accepted=now,
        leaves=now,
        valid_until=now + CODE_LIFE,
        changed=now,
        segments=len(compose(text).segments),
        box=box if may_leave else None,
        wrapped_key=wrapped if may_leave else None,
    )


def open_service_message(world: World, message: Message, key: GrantKey) -> tuple[PhoneNumber, str]:
    """Return number and text of a message of the service's own. Raises SealBrokenError."""
    bound_to = service_binding(world, message.address)
    plaintext = unseal(message.box or b"", key, bound_to=bound_to)
    return _unpadded(plaintext[:NUMBER_BYTES]), plaintext[NUMBER_BYTES:].decode()


def service_binding(world: World, address: Address) -> bytes:
    """Return what such a message's box is bound to."""
    return f"{world.base_url}\n{world.keyring.handles.message.hide(address)}".encode()


def _padded(number: PhoneNumber) -> bytes:
    return number.reveal().encode("ascii").ljust(NUMBER_BYTES)


def _unpadded(padded: bytes) -> PhoneNumber:
    return PhoneNumber(padded.decode("ascii").rstrip())


def _limit(world: World, kind: str, value: str) -> bytes:
    return limit_key(kind, value, world.keyring.index)


def _count(
    world: World, transaction: Transaction, number: PhoneNumber, address: str, now: datetime
) -> bool:
    """Count one code against all limits; whether the number's own limits allow it.

    Raises TooManyError where the limit is the asker's or the service's. Limits are held in one
    order, so that two askers wait rather than lock each other out.
    """
    limits = world.code_limits
    overall = hit(transaction, _limit(world, "all", ""), limits.all, now)
    asker = hit(transaction, _limit(world, "address", address), limits.address, now)
    again = max(overall, asker)
    if again > now:
        raise TooManyError(int((again - now).total_seconds()))
    return hit(transaction, _limit(world, "number", number.reveal()), limits.number, now) == now
