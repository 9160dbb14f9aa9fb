"""Policy values: settings of an installation, grouped by the services that take them.

`settings` creates them once; nothing else keeps a copy of a setting.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from functools import lru_cache
from ipaddress import ip_address
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

SHANGHAI: Final = ZoneInfo("Asia/Shanghai")
LOGO_TYPES: Final = {".svg": "image/svg+xml", ".png": "image/png"}  # content types, by suffix


@dataclass(frozen=True, slots=True)
class RateLimit:
    """At most `limit` in any period of length `window` (a sliding window)."""

    limit: int
    window: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class Operator:
    """Who runs the service, as each page names them (PIPL art. 17); empty where it is not set."""

    legal_name: str
    registration: str
    contact: str  # for consumers: an e-mail address, a phone number, or both


class LinkMode(StrEnum):
    """Which link to the service ends a merchant's text."""

    NONE = "none"
    CONSTANT = "constant"  # the same for every text
    PER_MESSAGE = "per_message"  # to the page of that message


def least_of(modes: Iterable[LinkMode]) -> LinkMode:
    """Return the least of link modes; of none, a link of each message."""
    order = tuple(LinkMode)
    return min(modes, key=order.index, default=LinkMode.PER_MESSAGE)


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkModes:
    """The link mode of each class of purposes, by the names of the classes."""

    marketing: LinkMode = LinkMode.PER_MESSAGE
    finance: LinkMode = LinkMode.PER_MESSAGE
    transactional: LinkMode = LinkMode.NONE

    def of(self, purpose_class: str) -> LinkMode:
        """Return the link mode of a class of purposes."""
        mode: LinkMode = getattr(self, purpose_class)
        return mode


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceIdentity:
    """How the service appears to consumers, merchants and carriers."""

    base_url: str  # without a trailing slash
    issuer: str  # of tokens and receipts; stays the same when the base URL moves
    name: str  # in Chinese: on pages, and in the signature of the service's own messages
    english_name: str  # the same in English
    sender: str  # source address of the service's own messages
    operator: Operator
    logo: Path | None  # an SVG or PNG file, in place of the built-in mark
    pages_dir: Path | None  # the operator's own privacy notice and help, as Markdown
    links: LinkModes = LinkModes()

    def name_in(self, language: str) -> str:
        """Return the service's name for readers of a language."""
        return self.english_name if language == "en" else self.name

    def link_mode(self, purpose_class: str, most: LinkMode) -> LinkMode:
        """Return which link ends a text of a class, where rules allow `most`."""
        mode = self.links.of(purpose_class)
        return mode if most is LinkMode.PER_MESSAGE else least_of((mode, most))

    def opt_out_link(
        self, purpose_class: str, link_id: str, most: LinkMode = LinkMode.PER_MESSAGE
    ) -> str | None:
        """Return the link that ends a text of a class; of a message by the id of its page.

        `most` is what rules allow.
        """
        match self.link_mode(purpose_class, most):
            case LinkMode.NONE:
                return None
            case LinkMode.CONSTANT:
                return f"{self.base_url}/my"
            case LinkMode.PER_MESSAGE:
                return f"{self.base_url}/m/{link_id}"

    @property
    def is_https(self) -> bool:
        """Whether the base URL uses TLS."""
        return self.base_url.startswith("https://")

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine can open the base URL: its host is a loopback address."""
        return _is_loopback(self.base_url)


@lru_cache(maxsize=8)
def _is_loopback(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    if host == "localhost":  # RFC 6761, section 6.3
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:  # another name: where it leads may change
        return False


@dataclass(frozen=True, slots=True, kw_only=True)
class OtpRateLimits:
    """Rate limits of one-time codes: per phone number, per client IP, and in total."""

    number: tuple[RateLimit, ...]
    client_ip: tuple[RateLimit, ...]
    total: tuple[RateLimit, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class OtpPolicy:
    """Which phone numbers are sent one-time codes, and how many."""

    rate_limits: OtpRateLimits
    waits: tuple[
        int, ...
    ]  # seconds from code to code to one asker, by how many there were in a day
    countries: frozenset[str]  # regions (ISO 3166-1 alpha-2) that are sent codes; empty: all
    default_region: str  # of numbers typed without a country code


@dataclass(frozen=True, slots=True, kw_only=True)
class PacingPolicy:
    """In which parts the texts of a new template leave, and what holds the rest back."""

    parts: tuple[int, ...] = (1000, 10_000)  # texts; then all
    transactional_parts: tuple[int, ...] = (200,)  # after one of the merchant's was withdrawn
    wait: timedelta = timedelta(hours=2)  # of daytime, for people to react to a part
    opens: int = 9 * 60  # of daytime, minutes since midnight
    closes: int = 21 * 60
    timezone: ZoneInfo = SHANGHAI  # of daytime
    min_stops: int = 29
    stop_rate: float = 0.02
    min_complainants: int = 3
    complaint_rate: float = 0.001
    max_hold: timedelta = timedelta(hours=12)  # until a person has to decide
    group_budget: int = 20_000  # texts a day of all unproven templates of a control group


@dataclass(frozen=True, slots=True, kw_only=True)
class RelayPolicy:
    """Limits on the messages that the relay accepts."""

    max_segments: int  # of one message, with signature and opt-out
    transactional_frequency_cap: RateLimit  # under one grant
    outbox_limit: int  # limited messages in the outbox; more are rejected (backpressure)
    invitation_cooldown: timedelta  # as of ConsentPolicy
    pacing: PacingPolicy = field(default_factory=PacingPolicy)


@dataclass(frozen=True, slots=True, kw_only=True)
class DispatchPolicy:
    """Throughput limits in segments per second; 0 sets none."""

    gateway_throughput: int
    sender_throughput: int  # of each merchant


@dataclass(frozen=True, slots=True, kw_only=True)
class RetentionPolicy:
    """How long texts of messages, records about them, and consents that ended are kept."""

    texts: timedelta
    records: timedelta  # of sending, refusing and complaints; MIIT Order 74: six months or more
    proof: timedelta  # of a consent, after its end: notice, changes, receipts; `records` or more
    backups: timedelta  # how old a backup of the database may be when it is restored


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsentPolicy:
    """How consent is requested and given."""

    request_ttl: timedelta  # how long a consent request stays open
    invitation_cooldown: timedelta  # before a merchant may invite the same recipient again
    opt_in_by_reply: bool  # whether the reply `Y` to an invitation gives consent
    default_region: str  # of those who are asked, until their number is known (ISO 3166-1)
    default_timezone: ZoneInfo  # of numbers of no region
    retention: RetentionPolicy  # as the notice states it
