"""The composition root: create everything with side effects once, from the settings.

    settings -> keys, database, gateway, clock, randomness -> AppContext -> web, workers, cli

Services do not import this module: each takes the runtime, and the policy value that it needs.
"""

import tomllib
from dataclasses import dataclass, field
from typing import Final, Self

from consent_tokens.clock import SystemClock
from consent_tokens.consent.keywords import DEFAULT_MATCHER, Intent, KeywordMatcher
from consent_tokens.consent.purpose_catalogue import parse_catalogue
from consent_tokens.consent.purposes import use_own_purposes
from consent_tokens.crypto.key_source import KeySource
from consent_tokens.errors import SettingError
from consent_tokens.gateways.base import Gateway
from consent_tokens.gateways.kannel import KannelGateway
from consent_tokens.gateways.simulator import Simulator
from consent_tokens.gateways.smpp import SmppGateway
from consent_tokens.gateways.smpp.config import BindConfig
from consent_tokens.gateways.smpp.probe import probe as probe_smsc
from consent_tokens.gateways.webhook_client import WebhookClient
from consent_tokens.policies import ConsentPolicy, DispatchPolicy, OtpPolicy, RelayPolicy
from consent_tokens.randomness import RandomSource, SystemRandomSource
from consent_tokens.revocation_journal import RevocationJournal
from consent_tokens.rules_source import RulesSource
from consent_tokens.services.runtime import Runtime
from consent_tokens.services.submission.submit import Submitter
from consent_tokens.settings import Settings
from consent_tokens.store.database import Database

DEFAULTS: Final = Settings.from_environment({})


@dataclass(frozen=True, slots=True, kw_only=True)
class AppContext:
    """One process's runtime, gateway and policies."""

    runtime: Runtime
    gateway: Gateway
    webhook_client: WebhookClient
    otp: OtpPolicy = DEFAULTS.otp
    relay: RelayPolicy = DEFAULTS.relay
    dispatch: DispatchPolicy = DEFAULTS.dispatch
    consent: ConsentPolicy = DEFAULTS.consent
    keyword_matcher: KeywordMatcher = DEFAULT_MATCHER
    trusted_proxies: int = DEFAULTS.trusted_proxies
    api_rate: int = DEFAULTS.api_rate
    submitter: Submitter = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "submitter", Submitter(self.runtime, self.relay))

    @classmethod
    def from_settings(cls, settings: Settings) -> Self:
        """Open the database, the keys, the rules and the gateway.

        The catalogue of purposes is that of the settings from then on, in the whole process.
        Raises SettingError, KeyUnavailableError, RulesInvalidError.
        """
        load_purposes(settings)
        random, clock = SystemRandomSource(), SystemClock()
        keys = KeySource.open(settings.keys_dir, random.token_bytes, clock)
        return cls(
            runtime=Runtime(
                service=settings.service,
                clock=clock,
                random=random,
                keys=keys,
                database=Database.open(settings.database_url),
                revocation_journal=RevocationJournal(
                    settings.revocation_journal, keys.keyring.journal.kid
                ),
                rules=RulesSource.open(settings.rules_dir, clock),
            ),
            gateway=create_gateway(settings, random),
            webhook_client=WebhookClient(settings.webhook_private_networks),
            otp=settings.otp,
            relay=settings.relay,
            dispatch=settings.dispatch,
            consent=settings.consent,
            keyword_matcher=load_keywords(settings),
            trusted_proxies=settings.trusted_proxies,
            api_rate=settings.api_rate,
        )

    @classmethod
    def from_environment(cls) -> Self:
        """Read the settings from the environment and open the context, as `from_settings` does."""
        return cls.from_settings(Settings.from_environment())

    @property
    def simulator(self) -> Simulator | None:
        """Return the gateway if it is the simulator, else None."""
        return self.gateway if isinstance(self.gateway, Simulator) else None

    def close(self) -> None:
        """Close the gateway, the connections to webhooks, and the database."""
        self.gateway.close()
        self.webhook_client.close()
        self.runtime.database.close()


def load_purposes(settings: Settings) -> None:
    """Use the purposes of the operator's file beside the built-in ones. Raises SettingError."""
    path = settings.purposes_file
    try:
        use_own_purposes(parse_catalogue(path.read_text("utf-8")) if path else ())
    except (OSError, ValueError) as error:
        raise SettingError(f"CONSENT_PURPOSES_FILE: {path}: {error}") from error


def load_keywords(settings: Settings) -> KeywordMatcher:
    """Return the inbound keywords, with those of the operator's file added. Raises SettingError."""
    path = settings.keywords_file
    if path is None:
        return DEFAULT_MATCHER
    try:
        table = tomllib.loads(path.read_text("utf-8"))
        return DEFAULT_MATCHER.extended_with(
            {
                language: {
                    Intent(name): tuple(map(str, keywords)) for name, keywords in listed.items()
                }
                for language, listed in table.items()
            }
        )
    except (OSError, ValueError, AttributeError, TypeError) as error:
        raise SettingError(f"CONSENT_KEYWORDS_FILE: {path} cannot be read: {error}") from error


def probe_gateway(settings: Settings, random: RandomSource) -> str:
    """Dial the gateway; return what it answers. Raises SettingError, GatewayUnreachableError."""
    gateway = create_gateway(settings, random)
    try:
        match gateway:
            case SmppGateway():
                configs = dict.fromkeys(BindConfig.parse_all(settings.gateway_url))
                return "; ".join(probe_smsc(config) for config in configs)
            case KannelGateway():
                return gateway.probe()
            case _:
                return "the simulator delivers nothing"
    finally:
        gateway.close()


def reject_simulator(settings: Settings) -> None:
    """Raise SettingError if the gateway is the simulator, in a process that cannot dispatch."""
    if settings.gateway_url.startswith("simulator:") and not settings.allow_public_simulator:
        raise SettingError(
            "the simulator works within one process: use `serve`, or set CONSENT_GATEWAY_URL"
        )


def create_gateway(settings: Settings, random: RandomSource) -> Gateway:
    """Return the gateway that the settings name, not yet connected. Raises SettingError."""
    kind = settings.gateway_url.partition(":")[0]
    if kind in {"smpp", "smpps"}:
        return SmppGateway(
            settings.gateway_url,
            lambda: random.randbelow(1000) / 1000,
            settings.otp.default_region,
        )
    if kind in {"kannel+http", "kannel+https"}:
        return KannelGateway.from_url(
            settings.gateway_url,
            run=random.token_bytes(6).hex(),
            default_region=settings.otp.default_region,
        )
    if settings.service.is_https and not settings.allow_public_simulator:
        raise SettingError(
            "CONSENT_GATEWAY_URL is simulator:, which delivers nothing, while CONSENT_BASE_URL is "
            "https: set a gateway, or CONSENT_ALLOW_PUBLIC_SIMULATOR=1 if this is a demonstration"
        )
    return Simulator(run=f"simulated-{random.token_bytes(6).hex()}")
