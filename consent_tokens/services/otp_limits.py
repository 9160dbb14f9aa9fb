"""Rate limits of one-time codes: who asked, for which number, how often.

A number must neither be flooded with codes nor be locked by strangers. So an asker waits longer
from code to code; more codes to one number than its limit need a proof of work or a wait; and a
browser that proved the number before has limits of its own, which strangers cannot use up.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from ipaddress import IPv4Address, ip_network
from typing import Final

from consent_tokens.consent.phone import PhoneNumber
from consent_tokens.crypto.encoding import encode
from consent_tokens.crypto.keyed_hashes import constant_time_equal
from consent_tokens.errors import TooManyRequestsError
from consent_tokens.policies import OtpPolicy, RateLimit
from consent_tokens.relay.admission.api_access import parse_address
from consent_tokens.relay.frequency_cap import next_allowed_at
from consent_tokens.services.rate_limits import try_acquire
from consent_tokens.services.runtime import Runtime
from consent_tokens.store import challenges
from consent_tokens.store.database import Transaction

DAY: Final = timedelta(days=1)
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
    address = parse_address(client_ip.partition("%")[0])
    if address is None:
        return client_ip
    if isinstance(address, IPv4Address):
        return str(address)
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


@dataclass(frozen=True, slots=True)
class CodeRequest:
    """A request for one code: the number, who asks, and when; what all its limits depend on."""

    runtime: Runtime
    policy: OtpPolicy
    number: PhoneNumber
    asker: Asker
    now: datetime
    has_proved: bool  # the asker's browser proved this number before

    @classmethod
    def of(
        cls, runtime: Runtime, policy: OtpPolicy, number: PhoneNumber, asker: Asker
    ) -> "CodeRequest":
        """Return a request that is made now."""
        proved = has_proved(runtime, asker, number)
        return cls(runtime, policy, number, asker, runtime.clock.now(), proved)

    @property
    def failures_key(self) -> bytes:
        """Return the key under which the asker's wrong codes for the number are counted."""
        return self._key("failures_proved") if self.has_proved else self._asker_key("failures")

    @property
    def number_key(self) -> bytes:
        """Return the key of the codes to the number: a browser that proved it has its own."""
        return self._key("number_proved" if self.has_proved else "number")

    @property
    def challenged_key(self) -> bytes:
        """Return the key of the codes to the number for which a challenge was solved."""
        return self._key("number_challenged")

    @property
    def again_key(self) -> bytes:
        """Return the key of the asker's codes to the number."""
        return self._asker_key("codes_by_asker")

    def after_wait(self, hits: Sequence[datetime]) -> datetime:
        """Return when the asker may have another code: now, or later after the codes at `hits`.

        A browser that proved the number does not wait: its own limits of the number are enough.
        """
        recent = [hit for hit in hits if hit > self.now - DAY]
        if self.has_proved or not recent:
            return self.now
        waits = self.policy.waits
        wait = timedelta(seconds=waits[min(len(recent), len(waits) - 1)])
        return max(self.now, recent[-1] + wait)

    def _key(self, kind: str) -> bytes:
        return self.runtime.rate_limit_key(kind, self.number.reveal())

    def _asker_key(self, kind: str) -> bytes:
        return self.runtime.rate_limit_key(kind, f"{self.asker.network}\n{self.number.reveal()}")


def is_number_limited(request: CodeRequest) -> bool:
    """Whether so many codes were asked for the number that the asker must solve a challenge."""
    hits = _read_hits(request, request.number_key)
    limits = request.policy.rate_limits.number
    return any(next_allowed_at(each, hits, request.now) > request.now for each in limits)


def next_code_at(request: CodeRequest) -> datetime:
    """Return when the asker may ask for another code to this number: now, or later."""
    return request.after_wait(_read_hits(request, request.again_key))


def _read_hits(request: CodeRequest, key: bytes) -> list[datetime]:
    return request.runtime.database.read(lambda transaction: challenges.read_hits(transaction, key))


def acquire_code(transaction: Transaction, request: CodeRequest, *, has_consents: bool) -> bool:
    """Count one code against every limit; return whether the total limit still allows it.

    False is not to be shown: only numbers with consents, and browsers that proved the number, get
    codes from the reserved share. Limits are locked in a fixed order, so that two requests cannot
    deadlock. Raises TooManyRequestsError where the asker must wait, which says nothing about
    whether the service knows the number.
    """
    now, limits = request.now, request.policy.rate_limits
    total_key = request.runtime.rate_limit_key("total", "")
    hits = challenges.lock_hits(transaction, total_key)
    allowed_at = max(
        try_acquire(transaction, total_key, limits.total, now),
        _acquire_client(transaction, request),
        _acquire_again(transaction, request),
        _acquire_number(transaction, request),
    )
    if allowed_at > now:
        raise TooManyRequestsError(max(1, int((allowed_at - now).total_seconds())))
    is_reserved = any(_is_reserved(each, hits, now) for each in limits.total)
    return has_consents or request.has_proved or not is_reserved


def _is_reserved(limit: RateLimit, hits: list[datetime], now: datetime) -> bool:
    used = sum(hit > now - limit.window for hit in hits)
    return used >= limit.limit * (1 - RESERVED_SHARE)


def _acquire_client(transaction: Transaction, request: CodeRequest) -> datetime:
    limits, asker = request.policy.rate_limits.client_ip, request.asker
    key = request.runtime.rate_limit_key("client_ip", asker.network)
    allowed_at = try_acquire(transaction, key, limits, request.now)
    if asker.wider_network is None:
        return allowed_at
    looser = _multiplied(limits, WIDER_NETWORK_FACTOR)
    key = request.runtime.rate_limit_key("client_ip", asker.wider_network)
    return max(allowed_at, try_acquire(transaction, key, looser, request.now))


def _acquire_again(transaction: Transaction, request: CodeRequest) -> datetime:
    """Count a code of this asker to this number; each one has to wait longer than the last."""
    now, key = request.now, request.again_key
    hits = [hit for hit in challenges.lock_hits(transaction, key) if hit > now - DAY]
    allowed_at = request.after_wait(hits)
    if allowed_at == now:
        kept = [*hits, now][-len(request.policy.waits) :]
        challenges.save_hits(transaction, key, kept, DAY)
    return allowed_at


def _acquire_number(transaction: Transaction, request: CodeRequest) -> datetime:
    """Count a code to this number; above its limit, under the limit of solved challenges."""
    limits, now = request.policy.rate_limits.number, request.now
    allowed_at = try_acquire(transaction, request.number_key, limits, now)
    if allowed_at == now:
        return now
    challenged = _multiplied(limits, CHALLENGED_FACTOR)
    return try_acquire(transaction, request.challenged_key, challenged, now)


def _multiplied(limits: Sequence[RateLimit], factor: int) -> list[RateLimit]:
    return [RateLimit(each.limit * factor, each.window) for each in limits]


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
    runtime: Runtime,
    transaction: Transaction,
    asker_key: bytes,
    number: PhoneNumber,
    now: datetime,
) -> None:
    """Count a wrong code."""
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
