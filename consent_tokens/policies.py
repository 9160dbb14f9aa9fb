"""Policy values: what an installation has chosen, handed to the services that need it.

`settings` builds them once; nothing else holds a copy of a setting.
"""

from dataclasses import dataclass
from datetime import timedelta
from zoneinfo import ZoneInfo


@dataclass(frozen=True, slots=True)
class RateLimit:
    """At most `limit` in any `window`: a sliding window, not a calendar period."""

    limit: int
    window: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceIdentity:
    """How the service appears to consumers, merchants and carriers."""

    base_url: str  # without a trailing slash; also the issuer of tokens and receipts
    name: str  # in the signature of the service's own messages
    sender: str  # the port that the service's own messages leave from

    @property
    def is_https(self) -> bool:
        """Whether the public address uses TLS."""
        return self.base_url.startswith("https://")


@dataclass(frozen=True, slots=True, kw_only=True)
class OtpRateLimits:
    """How many one-time codes are sent: by phone number, by client IP, and in total."""

    number: tuple[RateLimit, ...]
    client_ip: tuple[RateLimit, ...]
    total: tuple[RateLimit, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class OtpPolicy:
    """Who is sent one-time codes, and how often."""

    rate_limits: OtpRateLimits
    countries: frozenset[str]  # regions (ISO 3166-1 alpha-2) that are sent codes; empty: all
    default_region: str  # of numbers that are typed without a country code


@dataclass(frozen=True, slots=True, kw_only=True)
class RelayPolicy:
    """What the relay accepts."""

    max_segments: int  # of one message, with signature and opt-out
    transactional_frequency_cap: RateLimit  # under one grant
    outbox_limit: int  # marketing messages that may wait; more are rejected (backpressure)


@dataclass(frozen=True, slots=True, kw_only=True)
class DispatchPolicy:
    """How fast messages leave, in segments a second; 0 means no limit of our own."""

    gateway_throughput: int
    sender_throughput: int  # for each merchant's sender


@dataclass(frozen=True, slots=True, kw_only=True)
class RetentionPolicy:
    """How long texts, and the records that they were sent, are kept."""

    texts: timedelta
    records: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsentPolicy:
    """How consent is asked for and given."""

    request_ttl: timedelta  # how long a consent request stays open
    invitation_cooldown: timedelta  # before a merchant may invite again whoever did not say yes
    opt_in_by_reply: bool  # whether `Y` to an invitation is a consent
    default_timezone: ZoneInfo  # where a number's region has none
    retention: RetentionPolicy  # as the notice states it
