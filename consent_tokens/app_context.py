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
from consent_tokens.consent.keywords import VOCABULARY, Intent, Vocabulary
from consent_tokens.crypto.keyring import Keyring
from consent_tokens.errors import SettingError, UntrustedError
from consent_tokens.gateways.base import Gateway
from consent_tokens.gateways.kannel import KannelGateway
from consent_tokens.gateways.simulator import Simulator
from consent_tokens.gateways.smpp import SmppGateway
from consent_tokens.gateways.webhook_client import Caller
from consent_tokens.randomness import Chance, SystemChance
from consent_tokens.revocation_journal import Journal, Position
from consent_tokens.settings import CodeLimits, Rate, Settings
from consent_tokens.store.database import Store

DEFAULTS: Final = Settings.from_environment({})


@dataclass(slots=True)
class Watch:
    """What a process remembers of its last look at clock and journal (flow.trust)."""

    offset: float | None = None  # of the wall clock, from the one that never jumps
    jumped: tuple[float, float] | None = None  # where the wall clock is now, and since when
    seen: Position | None = None  # up to where the journal agrees with the database
    looked: float = float("-inf")
    refused: UntrustedError | None = None


@dataclass(slots=True)
class Pressure:
    """Whether the outbox was full when this process last looked (flow.pressure)."""

    is_full: bool = False
    believed_until: float = float("-inf")


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """Time, chance, memory and the way out, and what the installation has chosen."""

    base_url: str
    clock: Clock
    chance: Chance
    keyring: Keyring
    store: Store
    gateway: Gateway
    journal: Journal
    caller: Caller
    gateway_rate: int = DEFAULTS.gateway_rate
    sender_rate: int = DEFAULTS.sender_rate
    outbox_limit: int = DEFAULTS.outbox_limit
    code_limits: CodeLimits = DEFAULTS.code_limits
    transactional_limit: Rate = DEFAULTS.transactional_limit
    service_sender: str = DEFAULTS.service_sender
    service_name: str = DEFAULTS.service_name
    region: str = DEFAULTS.default_region
    zone: ZoneInfo = DEFAULTS.default_zone
    most_segments: int = DEFAULTS.most_segments
    request_for: timedelta = timedelta(days=DEFAULTS.request_days)
    texts_for: timedelta = timedelta(days=DEFAULTS.text_days)
    records_for: timedelta = timedelta(days=DEFAULTS.record_days)
    invites_again_after: timedelta = timedelta(days=DEFAULTS.again_days)
    takes_yes_by_reply: bool = DEFAULTS.takes_yes_by_reply
    vocabulary: Vocabulary = VOCABULARY
    countries: frozenset[str] = DEFAULTS.countries
    trusted_proxies: int = DEFAULTS.trusted_proxies
    recalled_keys: dict[bytes, tuple[str, float]] = field(default_factory=dict, repr=False)
    something_to_do: threading.Event = field(default_factory=threading.Event)
    watch: Watch = field(default_factory=Watch)
    pressure: Pressure = field(default_factory=Pressure)

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """Open the world that the settings describe. Raises SettingError, KeyUnavailableError."""
        chance = SystemChance()
        return cls(
            base_url=settings.base_url,
            clock=SystemClock(),
            chance=chance,
            keyring=Keyring.in_folder(settings.keys_dir, chance.draw),
            store=Store.at(settings.database_url),
            gateway=gateway_of(settings, chance),
            journal=Journal(settings.journal),
            caller=Caller(settings.webhook_networks),
            gateway_rate=settings.gateway_rate,
            sender_rate=settings.sender_rate,
            outbox_limit=settings.outbox_limit,
            code_limits=settings.code_limits,
            transactional_limit=settings.transactional_limit,
            service_sender=settings.service_sender,
            service_name=settings.service_name,
            region=settings.default_region,
            zone=settings.default_zone,
            most_segments=settings.most_segments,
            request_for=timedelta(days=settings.request_days),
            texts_for=timedelta(days=settings.text_days),
            records_for=timedelta(days=settings.record_days),
            invites_again_after=timedelta(days=settings.again_days),
            takes_yes_by_reply=settings.takes_yes_by_reply,
            vocabulary=vocabulary_of(settings),
            countries=settings.countries,
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
        self.store.close()


def vocabulary_of(settings: Settings) -> Vocabulary:
    """Return the inbound words, with the operator's own if there are any. Raises SettingError."""
    if settings.words is None:
        return VOCABULARY
    try:
        table = tomllib.loads(settings.words.read_text("utf-8"))
        return VOCABULARY.extended(
            {
                language: {Intent(name): tuple(map(str, words)) for name, words in listed.items()}
                for language, listed in table.items()
            }
        )
    except (OSError, ValueError, AttributeError, TypeError) as fault:
        raise SettingError(f"CONSENT_WORDS: {settings.words} cannot be read: {fault}") from fault


def gateway_of(settings: Settings, chance: Chance) -> Gateway:
    """Return the gateway that the settings name, not yet connected. Raises SettingError."""
    kind = settings.gateway_url.partition(":")[0]
    if kind in {"smpp", "smpps"}:
        return SmppGateway(settings.gateway_url, lambda: chance.below(1000) / 1000)
    if kind in {"kannel+http", "kannel+https"}:
        return KannelGateway.at(settings.gateway_url, run=chance.draw(6).hex())
    if settings.base_url.startswith("https://") and not settings.simulator_public:
        raise SettingError(
            "CONSENT_GATEWAY_URL is simulator:, which delivers nothing, while CONSENT_BASE_URL is "
            "https: set a gateway, or CONSENT_SIMULATOR_PUBLIC=1 if this is a demonstration"
        )
    return Simulator(run=f"simulated-{chance.draw(6).hex()}")
