"""Everything impure that the flow may touch, put together once. The composition root.

    settings -> keys, database, gateway, clock, chance -> World -> flow

`web`, `workers` and `cli` open a world and pass it on. Tests make their own, with a StoppedClock,
a Simulator and a real database.
"""

import threading
import tomllib
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final, Self
from zoneinfo import ZoneInfo

from consent_tokens.clock import Clock, SystemClock
from consent_tokens.consent.keywords import DEFAULT_MATCHER, Intent, KeywordMatcher
from consent_tokens.crypto.keyring import Keyring
from consent_tokens.errors import NotReadyError, SettingError
from consent_tokens.gateways.base import Gateway
from consent_tokens.gateways.kannel import KannelGateway
from consent_tokens.gateways.simulator import Simulator
from consent_tokens.gateways.smpp import SmppGateway
from consent_tokens.gateways.webhook_client import WebhookClient
from consent_tokens.randomness import RandomSource, SystemRandomSource
from consent_tokens.revocation_journal import JournalPosition, RevocationJournal
from consent_tokens.settings import OtpRateLimits, RateLimit, Settings
from consent_tokens.store.database import Database

DEFAULTS: Final = Settings.from_environment({})


@dataclass(slots=True)
class ReadinessState:
    """What a process remembers of its last look at clock and journal (flow.trust)."""

    offset: float | None = None  # of the wall clock, from the one that never jumps
    jumped: tuple[float, float] | None = None  # where the wall clock is now, and since when
    journal_seen: JournalPosition | None = None  # up to where the journal agrees with the database
    checked_at: float = float("-inf")
    error: NotReadyError | None = None


@dataclass(slots=True)
class BackpressureState:
    """Whether the outbox was full when this process last looked (flow.pressure)."""

    is_saturated: bool = False
    valid_until: float = float("-inf")


@dataclass(frozen=True, slots=True, kw_only=True)
class AppContext:
    """Time, chance, memory and the way out, and what the installation has chosen."""

    base_url: str
    clock: Clock
    random: RandomSource
    keyring: Keyring
    database: Database
    gateway: Gateway
    revocation_journal: RevocationJournal
    webhook_client: WebhookClient
    gateway_throughput: int = DEFAULTS.gateway_throughput
    sender_throughput: int = DEFAULTS.sender_throughput
    outbox_limit: int = DEFAULTS.outbox_limit
    otp_rate_limits: OtpRateLimits = DEFAULTS.otp_rate_limits
    transactional_frequency_cap: RateLimit = DEFAULTS.transactional_frequency_cap
    service_sender: str = DEFAULTS.service_sender
    service_name: str = DEFAULTS.service_name
    default_region: str = DEFAULTS.default_region
    default_timezone: ZoneInfo = DEFAULTS.default_timezone
    max_segments: int = DEFAULTS.max_segments
    request_ttl: timedelta = timedelta(days=DEFAULTS.request_ttl_days)
    text_retention: timedelta = timedelta(days=DEFAULTS.text_retention_days)
    record_retention: timedelta = timedelta(days=DEFAULTS.record_retention_days)
    invitation_cooldown: timedelta = timedelta(days=DEFAULTS.invitation_cooldown_days)
    opt_in_by_reply: bool = DEFAULTS.opt_in_by_reply
    keyword_matcher: KeywordMatcher = DEFAULT_MATCHER
    otp_countries: frozenset[str] = DEFAULTS.otp_countries
    trusted_proxies: int = DEFAULTS.trusted_proxies
    api_key_cache: dict[bytes, tuple[str, float]] = field(default_factory=dict, repr=False)
    wake_dispatcher: threading.Event = field(default_factory=threading.Event)
    readiness: ReadinessState = field(default_factory=ReadinessState)
    backpressure: BackpressureState = field(default_factory=BackpressureState)

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """Open the world that the settings describe. Raises SettingError, KeyUnavailableError."""
        chance = SystemRandomSource()
        return cls(
            base_url=settings.base_url,
            clock=SystemClock(),
            random=chance,
            keyring=Keyring.load_or_create(settings.keys_dir, chance.token_bytes),
            database=Database.open(settings.database_url),
            gateway=gateway_of(settings, chance),
            revocation_journal=RevocationJournal(settings.revocation_journal),
            webhook_client=WebhookClient(settings.webhook_private_networks),
            gateway_throughput=settings.gateway_throughput,
            sender_throughput=settings.sender_throughput,
            outbox_limit=settings.outbox_limit,
            otp_rate_limits=settings.otp_rate_limits,
            transactional_frequency_cap=settings.transactional_frequency_cap,
            service_sender=settings.service_sender,
            service_name=settings.service_name,
            default_region=settings.default_region,
            default_timezone=settings.default_timezone,
            max_segments=settings.max_segments,
            request_ttl=timedelta(days=settings.request_ttl_days),
            text_retention=timedelta(days=settings.text_retention_days),
            record_retention=timedelta(days=settings.record_retention_days),
            invitation_cooldown=timedelta(days=settings.invitation_cooldown_days),
            opt_in_by_reply=settings.opt_in_by_reply,
            keyword_matcher=vocabulary_of(settings),
            otp_countries=settings.otp_countries,
            trusted_proxies=settings.trusted_proxies,
        )

    @classmethod
    def from_environment(cls) -> Self:
        """Open the world that the environment describes."""
        return cls.of(Settings.from_environment())

    @property
    def simulator(self) -> Simulator | None:
        """Return the simulator, if that is the gateway."""
        return self.gateway if isinstance(self.gateway, Simulator) else None

    @property
    def is_https(self) -> bool:
        """Whether the outside reaches us over TLS."""
        return self.base_url.startswith("https://")

    def close(self) -> None:
        """Hang up and let go of the database."""
        self.gateway.close()
        self.database.close()


def vocabulary_of(settings: Settings) -> KeywordMatcher:
    """Return the inbound words, with the operator's own if there are any. Raises SettingError."""
    if settings.keywords_file is None:
        return DEFAULT_MATCHER
    try:
        table = tomllib.loads(settings.keywords_file.read_text("utf-8"))
        return DEFAULT_MATCHER.extended_with(
            {
                language: {Intent(name): tuple(map(str, words)) for name, words in listed.items()}
                for language, listed in table.items()
            }
        )
    except (OSError, ValueError, AttributeError, TypeError) as fault:
        raise SettingError(
            f"CONSENT_KEYWORDS_FILE: {settings.keywords_file} cannot be read: {fault}"
        ) from fault


def gateway_of(settings: Settings, chance: RandomSource) -> Gateway:
    """Return the gateway that the settings name, not yet connected. Raises SettingError."""
    kind = settings.gateway_url.partition(":")[0]
    if kind in {"smpp", "smpps"}:
        return SmppGateway(settings.gateway_url, lambda: chance.randbelow(1000) / 1000)
    if kind in {"kannel+http", "kannel+https"}:
        return KannelGateway.from_url(settings.gateway_url, run=chance.token_bytes(6).hex())
    if settings.base_url.startswith("https://") and not settings.allow_public_simulator:
        raise SettingError(
            "CONSENT_GATEWAY_URL is simulator:, which delivers nothing, while CONSENT_BASE_URL is "
            "https: set a gateway, or CONSENT_ALLOW_PUBLIC_SIMULATOR=1 if this is a demonstration"
        )
    return Simulator(run=f"simulated-{chance.token_bytes(6).hex()}")
