"""Rate limits of one-time codes: who asked, for which number, how often.

A number must neither be flooded with codes nor be locked by strangers. So an asker waits longer
from code to code; more codes to one number than its limit need a proof of work or a wait; and a
browser that proved the number before has limits of its own, which strangers cannot use up.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Final

from consent_tokens.consent.phone import PhoneNumber
from consent_tokens.crypto.encoding import encode
from consent_tokens.crypto.keyed_hashes import constant_time_equal
from consent_tokens.errors import TooManyRequestsError
from consent_tokens.policies import OtpPolicy, OtpRateLimits, RateLimit
from consent_tokens.relay.frequency_cap import next_allowed_at
from consent_tokens.services.rate_limits import try_acquire
from consent_tokens.services.runtime import Runtime
from consent_tokens.store import challenges
from consent_tokens.store.database import Transaction

DAY: Final = timedelta(days=1)
WAITS: Final = (
    0,
    30,
    60,
    120,
    300,
    900,
    3600,
)  # seconds after so many codes in a day; then the last
CHALLENGED_FACTOR: Final = 3  # times the number's limits, for those who solved a challenge
WIDER_NETWORK_FACTOR: Final = 4  # times the client's limit, for its IPv6 /48
IPV6_PREFIX: Final = 64  # bits that one customer has at least (RFC 6177, 2)
WIDER_IPV6_PREFIX: Final = 48
# of the total limit is kept for numbers with consents, and for browsers that proved their number
RESERVED_SHARE: Final = 0.2
FAILURES_BY_ASKER: Final = RateLimit(10, DAY)
FAILURES_BY_NUMBER: Final = RateLimit(50, DAY)  # over all askers (NIST SP 800-63B-4, 3.2.2)
PROOF_USE: Final = "proved-number"
PROOF_SECONDS: Final = 180 * 24 * 3600
PROOF_NONCE_BYTES: Final = 12


@dataclass(frozen=True, slots=True)
class Asker:
    """The browser that asks for a code: its IP address, and its proof of an earlier code."""

    client_ip: str
    proof: str = ""

    @property
    def network(self) -> str:
        """Return the network that counts as one client: an IPv4 address, or an IPv6 /64."""
        return _network(self.client_ip, IPV6_PREFIX)

    @property
    def wider_network(self) -> str | None:
        """Return the IPv6 /48 of the client; None for IPv4."""
        wider = _network(self.client_ip, WIDER_IPV6_PREFIX)
        return wider if wider != self.network else None


def _network(client_ip: str, ipv6_prefix: int) -> str:
    try:
        address: IPv4Address | IPv6Address = ip_address(client_ip.partition("%")[0])
    except ValueError:
        return client_ip
    if isinstance(address, IPv4Address):
        return str(address)
    if address.ipv4_mapped:
        return str(address.ipv4_mapped)
    return str(ip_network((address, ipv6_prefix), strict=False))


def issue_proof(runtime: Runtime, number: PhoneNumber) -> str:
    """Return a signed value for a browser that proved a number; it does not contain the number."""
    nonce = encode(runtime.random.token_bytes(PROOF_NONCE_BYTES))
    return runtime.sign_value(PROOF_USE, f"{nonce}.{_proof_tag(runtime, nonce, number)}")


def has_proved(runtime: Runtime, asker: Asker, number: PhoneNumber) -> bool:
    """Whether the asker's browser proved this number in the last 180 days."""
    value = runtime.open_value(PROOF_USE, asker.proof, max_age_seconds=PROOF_SECONDS) or ""
    nonce, _, tag = value.partition(".")
    expected = _proof_tag(runtime, nonce, number)
    return constant_time_equal(tag.encode(), expected.encode())


def _proof_tag(runtime: Runtime, nonce: str, number: PhoneNumber) -> str:
    return encode(runtime.rate_limit_key(PROOF_USE, f"{nonce}\n{number.reveal()}"))


def is_number_limited(
    runtime: Runtime, limits: OtpRateLimits, number: PhoneNumber, asker: Asker
) -> bool:
    """Whether so many codes were asked for the number that the asker must solve a challenge."""
    now = runtime.clock.now()
    key = _number_key(runtime, number, asker)
    hits = runtime.database.read(lambda transaction: challenges.read_hits(transaction, key))
    return any(next_allowed_at(each, hits, now) > now for each in limits.number)


def acquire_code(  # noqa: PLR0913 - one code, and all that limits it
    runtime: Runtime,
    policy: OtpPolicy,
    transaction: Transaction,
    number: PhoneNumber,
    asker: Asker,
    now: datetime,
    *,
    has_consents: bool,
) -> bool:
    """Count one code against every limit; return whether the total limit still allows it.

    False is not to be shown: only numbers with consents, and browsers that proved the number, get
    codes from the reserved share. Limits are locked in a fixed order, so that two requests cannot
    deadlock. Raises TooManyRequestsError where the asker must wait, which says nothing about
    whether the service knows the number.
    """
    limits = policy.rate_limits
    total_key = runtime.rate_limit_key("total", "")
    hits = challenges.lock_hits(transaction, total_key)
    total = try_acquire(transaction, total_key, limits.total, now)
    client = _acquire_client(runtime, limits, transaction, asker, now)
    again = _acquire_again(runtime, policy, transaction, number, asker, now)
    by_number = _acquire_number(runtime, limits, transaction, number, asker, now)
    allowed_at = max(total, client, again, by_number)
    if allowed_at > now:
        raise TooManyRequestsError(max(1, int((allowed_at - now).total_seconds())))
    is_reserved = any(_is_reserved(each, hits, now) for each in limits.total)
    return has_consents or has_proved(runtime, asker, number) or not is_reserved


def _is_reserved(limit: RateLimit, hits: list[datetime], now: datetime) -> bool:
    used = sum(hit > now - limit.window for hit in hits)
    return used >= limit.limit * (1 - RESERVED_SHARE)


def _acquire_client(
    runtime: Runtime,
    limits: OtpRateLimits,
    transaction: Transaction,
    asker: Asker,
    now: datetime,
) -> datetime:
    key = runtime.rate_limit_key("client_ip", asker.network)
    allowed_at = try_acquire(transaction, key, limits.client_ip, now)
    if asker.wider_network is None:
        return allowed_at
    looser = [
        RateLimit(each.limit * WIDER_NETWORK_FACTOR, each.window) for each in limits.client_ip
    ]
    key = runtime.rate_limit_key("client_ip", asker.wider_network)
    return max(allowed_at, try_acquire(transaction, key, looser, now))


def _multiplied(limits: Sequence[RateLimit], factor: int) -> list[RateLimit]:
    return [RateLimit(each.limit * factor, each.window) for each in limits]


def _acquire_again(
    runtime: Runtime,
    policy: OtpPolicy,
    transaction: Transaction,
    number: PhoneNumber,
    asker: Asker,
    now: datetime,
) -> datetime:
    """Count a code of this asker to this number; each one has to wait longer than the last.

    A browser that proved the number does not wait: its own limits of the number are enough.
    """
    key = _asker_key(runtime, number, asker)
    hits = [hit for hit in challenges.lock_hits(transaction, key) if hit > now - DAY]
    allowed_at = now if has_proved(runtime, asker, number) else _after_wait(policy, hits, now)
    if allowed_at == now:
        challenges.save_hits(transaction, key, [*hits, now][-len(policy.waits) :], DAY)
    return allowed_at


def next_code_at(
    runtime: Runtime, policy: OtpPolicy, number: PhoneNumber, asker: Asker
) -> datetime:
    """Return when the asker may ask for another code to this number: now, or later."""
    now, key = runtime.clock.now(), _asker_key(runtime, number, asker)
    hits = runtime.database.read(lambda transaction: challenges.read_hits(transaction, key))
    if has_proved(runtime, asker, number):
        return now
    return _after_wait(policy, [hit for hit in hits if hit > now - DAY], now)


def _after_wait(policy: OtpPolicy, hits: list[datetime], now: datetime) -> datetime:
    if not hits:
        return now
    wait = policy.waits[min(len(hits), len(policy.waits) - 1)]
    return max(now, hits[-1] + timedelta(seconds=wait))


def _asker_key(runtime: Runtime, number: PhoneNumber, asker: Asker) -> bytes:
    return runtime.rate_limit_key("codes_by_asker", f"{asker.network}\n{number.reveal()}")


def _acquire_number(
    runtime: Runtime,
    limits: OtpRateLimits,
    transaction: Transaction,
    number: PhoneNumber,
    asker: Asker,
    now: datetime,
) -> datetime:
    """Count a code to this number; above its limit, under the limit of solved challenges."""
    allowed_at = try_acquire(transaction, _number_key(runtime, number, asker), limits.number, now)
    if allowed_at == now:
        return now
    challenged = _multiplied(limits.number, CHALLENGED_FACTOR)
    key = runtime.rate_limit_key("number_challenged", number.reveal())
    return try_acquire(transaction, key, challenged, now)


def _number_key(runtime: Runtime, number: PhoneNumber, asker: Asker) -> bytes:
    kind = "number_proved" if has_proved(runtime, asker, number) else "number"
    return runtime.rate_limit_key(kind, number.reveal())


def failures_key(runtime: Runtime, number: PhoneNumber, asker: Asker) -> bytes:
    """Return the key under which an asker's wrong codes for a number are counted."""
    if has_proved(runtime, asker, number):
        return runtime.rate_limit_key("failures_proved", number.reveal())
    return runtime.rate_limit_key("failures", f"{asker.network}\n{number.reveal()}")


def attempt_allowed_at(
    runtime: Runtime,
    transaction: Transaction,
    asker_key: bytes,
    number: PhoneNumber,
    now: datetime,
) -> datetime:
    """Return when wrong codes leave another attempt: `now`, or later. The counters stay locked."""
    return max(
        next_allowed_at(limit, challenges.lock_hits(transaction, key), now)
        for key, limit in _failure_limits(runtime, asker_key, number)
    )


def count_failure(
    runtime: Runtime, transaction: Transaction, asker_key: bytes, number: PhoneNumber
) -> None:
    """Count a wrong code."""
    now = runtime.clock.now()
    for key, limit in _failure_limits(runtime, asker_key, number):
        hits = [hit for hit in challenges.lock_hits(transaction, key) if hit > now - limit.window]
        challenges.save_hits(transaction, key, [*hits, now], limit.window)


def _failure_limits(
    runtime: Runtime, asker_key: bytes, number: PhoneNumber
) -> list[tuple[bytes, RateLimit]]:
    """Return the counters of wrong codes; a browser that proved the number has only its own."""
    if asker_key == runtime.rate_limit_key("failures_proved", number.reveal()):
        return [(asker_key, FAILURES_BY_ASKER)]
    total_key = runtime.rate_limit_key("failures_of_number", number.reveal())
    return [(asker_key, FAILURES_BY_ASKER), (total_key, FAILURES_BY_NUMBER)]
