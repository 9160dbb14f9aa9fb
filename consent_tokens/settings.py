"""The settings: read once, checked at once, and passed on as values.

Only `world` and `cli` may import this module. A setting is a fact about the installation,
never a switch for behaviour that could be decided here.
"""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Final, Self
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from consent_tokens.errors import SettingError

PERIODS: Final = {"minute": timedelta(minutes=1), "hour": timedelta(hours=1), "day": timedelta(1)}
CODE_LIMITS: Final = "number=5/hour,10/day;client_ip=60/hour;total=2000/hour"
BIND = re.compile(r"(?P<host>[^:]+|\[[0-9a-fA-F:]+\]):(?P<port>\d{1,5})")
RATE = re.compile(r"(?P<most>\d{1,7})/(?P<period>minute|hour|day)")
MAX_PORT: Final = 65535
KEYS_DIR: Final = "keys"
GATEWAYS: Final = {  # by scheme: which kind it is
    "simulator": "simulator",
    "smpp": "smpp",
    "smpps": "smpp",
    "kannel+http": "kannel",
    "kannel+https": "kannel",
}


@dataclass(frozen=True, slots=True)
class RateLimit:
    """At most `most` in any `within`."""

    limit: int
    window: timedelta

    @classmethod
    def parse(cls, text: str, variable: str) -> Self:
        """Return the rate in `5/hour`. Raises SettingError naming `variable`."""
        match = RATE.fullmatch(text.strip())
        if match is None or int(match["most"]) < 1:
            raise SettingError(f"{variable}: {text!r} is no rate such as 5/hour")
        return cls(int(match["most"]), PERIODS[match["period"]])


@dataclass(frozen=True, slots=True, kw_only=True)
class OtpRateLimits:
    """How many one-time codes are sent, by phone number, by the asker's address, and over all."""

    number: tuple[RateLimit, ...]
    client_ip: tuple[RateLimit, ...]
    total: tuple[RateLimit, ...]

    @classmethod
    def parse(cls, text: str) -> Self:
        """Return the limits in `number=5/hour,10/day;client_ip=60/hour;total=2000/hour`."""
        name = "CONSENT_OTP_RATE_LIMITS"
        rates: dict[str, tuple[RateLimit, ...]] = {}
        for part in text.split(";"):
            kind, found, listed = part.strip().partition("=")
            if not found or kind not in {"number", "client_ip", "total"} or kind in rates:
                raise SettingError(
                    f"{name}: {part!r} is not number=, client_ip= or total=, once each"
                )
            rates[kind] = tuple(RateLimit.parse(rate, name) for rate in listed.split(","))
        if len(rates) != 3:  # noqa: PLR2004 - number, client_ip and total
            raise SettingError(f"{name} needs number=, client_ip= and total=")
        return cls(**rates)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Everything that an installation can choose."""

    database_url: str
    keys_dir: Path
    gateway_url: str
    revocation_journal: Path  # of revocations: outside the database, and outside its backup
    gateway_throughput: int  # segments a second; 0: as fast as the gateway takes them
    sender_throughput: int  # segments a second for one merchant's sender; 0: no limit of its own
    outbox_limit: int  # marketing messages that may wait; beyond it more are not taken
    webhook_private_networks: tuple[IPv4Network | IPv6Network, ...]  # inner ones that may be called
    metrics_bind: tuple[str, int] | None  # where `dispatch` publishes its figures
    base_url: str
    bind: tuple[str, int]
    otp_rate_limits: OtpRateLimits
    transactional_frequency_cap: RateLimit
    service_sender: str
    service_name: str
    default_region: str
    default_timezone: ZoneInfo
    max_segments: int
    request_ttl_days: int
    text_retention_days: int
    record_retention_days: (
        int  # how long it can be told that a text was sent, and what complaints said
    )
    invitation_cooldown_days: int  # before a merchant may invite again whoever did not say yes
    opt_in_by_reply: bool  # whether `Y` to an invitation is a consent
    keywords_file: Path | None  # the operator's own inbound words
    otp_countries: frozenset[str]  # calling regions that get codes; empty: all
    trusted_proxies: int
    allow_public_simulator: bool

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> Self:
        """Read `CONSENT_*`. Raises SettingError naming the variable at fault."""
        read = _Reader(environment)
        return cls(
            database_url=read.text("CONSENT_DATABASE_URL", "sqlite:///var/consent.db"),
            keys_dir=Path(read.text("CONSENT_KEYS_DIR", KEYS_DIR)),
            gateway_url=read.gateway("CONSENT_GATEWAY_URL", "simulator:"),
            revocation_journal=read.journal("CONSENT_REVOCATION_JOURNAL"),
            gateway_throughput=read.whole("CONSENT_GATEWAY_THROUGHPUT", 0, least=0, most=100_000),
            sender_throughput=read.whole("CONSENT_SENDER_THROUGHPUT", 0, least=0, most=100_000),
            outbox_limit=read.whole("CONSENT_OUTBOX_LIMIT", 1_000_000, least=1, most=1_000_000_000),
            webhook_private_networks=read.networks("CONSENT_WEBHOOK_PRIVATE_NETWORKS"),
            metrics_bind=read.bind_if_set("CONSENT_METRICS_BIND"),
            base_url=read.base("CONSENT_BASE_URL"),
            bind=read.bind("CONSENT_BIND", "127.0.0.1:8000"),
            otp_rate_limits=OtpRateLimits.parse(read.text("CONSENT_OTP_RATE_LIMITS", CODE_LIMITS)),
            transactional_frequency_cap=RateLimit.parse(
                read.text("CONSENT_TRANSACTIONAL_FREQUENCY_CAP", "20/day"),
                "CONSENT_TRANSACTIONAL_FREQUENCY_CAP",
            ),
            service_sender=read.text("CONSENT_SERVICE_SENDER", "10690000"),
            service_name=read.text("CONSENT_SERVICE_NAME", "短信许可"),
            default_region=read.text("CONSENT_DEFAULT_REGION", "CN").upper(),
            default_timezone=read.zone("CONSENT_DEFAULT_TIMEZONE", "Asia/Shanghai"),
            max_segments=read.whole("CONSENT_MAX_SEGMENTS", 8, least=1, most=255),
            request_ttl_days=read.whole("CONSENT_REQUEST_TTL_DAYS", 7, least=1, most=90),
            text_retention_days=read.whole("CONSENT_TEXT_RETENTION_DAYS", 30, least=0, most=365),
            record_retention_days=read.whole(
                "CONSENT_RECORD_RETENTION_DAYS", 185, least=1, most=3650
            ),
            invitation_cooldown_days=read.whole(
                "CONSENT_INVITATION_COOLDOWN_DAYS", 90, least=1, most=3650
            ),
            opt_in_by_reply=read.whole("CONSENT_OPT_IN_BY_REPLY", 0, least=0, most=1) == 1,
            keywords_file=read.file_if_set("CONSENT_KEYWORDS_FILE"),
            otp_countries=read.countries("CONSENT_OTP_COUNTRIES"),
            trusted_proxies=read.whole("CONSENT_TRUSTED_PROXIES", 0, least=0, most=5),
            allow_public_simulator=read.whole("CONSENT_ALLOW_PUBLIC_SIMULATOR", 0, least=0, most=1)
            == 1,
        )


@dataclass(frozen=True, slots=True)
class _Reader:
    """Reads one variable at a time, and names it when it makes no sense."""

    environment: Mapping[str, str]

    def text(self, name: str, default: str) -> str:
        value = self.environment.get(name, default).strip()
        if not value:
            raise SettingError(f"{name} is empty")
        return value

    def whole(self, name: str, default: int, *, least: int, most: int) -> int:
        text = self.text(name, str(default))
        if not text.isascii() or not text.isdigit() or not least <= int(text) <= most:
            raise SettingError(f"{name} must be a whole number from {least} to {most}")
        return int(text)

    def bind(self, name: str, default: str) -> tuple[str, int]:
        return parse_bind(self.text(name, default), name)

    def base(self, name: str) -> str:
        """Return the base URL: as set, or where we listen, so that a first run needs nothing."""
        host, port = self.bind("CONSENT_BIND", "127.0.0.1:8000")
        value = self.text(name, f"http://{host}:{port}").rstrip("/")
        parts = urlsplit(value)
        if parts.scheme not in {"http", "https"} or not parts.hostname or parts.query:
            raise SettingError(f"{name} must begin with http:// or https:// and name a host")
        return value

    def gateway(self, name: str, default: str) -> str:
        """Return one URL, or several of one carrier's lines."""
        value = self.text(name, default)
        kinds = set()
        for url in value.split():
            parts = urlsplit(url)
            kinds.add(GATEWAYS.get(parts.scheme))
            if None in kinds:
                known = ", ".join(f"{scheme}:" for scheme in GATEWAYS)
                raise SettingError(f"{name} must begin with one of {known}")
            if parts.scheme != "simulator" and not (parts.hostname and parts.username):
                raise SettingError(f"{name} must be like smpp://user:password@host:port")
        if len(kinds) > 1 or (kinds != {"smpp"} and len(value.split()) > 1):
            raise SettingError(f"{name}: several lines are several SMPP URLs")
        return value

    def journal(self, name: str) -> Path:
        """Return where revocations are journalled: beside the keys, unless it is set."""
        keys = self.text("CONSENT_KEYS_DIR", KEYS_DIR)
        return Path(self.text(name, f"{keys}/revocations.journal"))

    def networks(self, name: str) -> tuple[IPv4Network | IPv6Network, ...]:
        try:
            return tuple(
                ip_network(part.strip())
                for part in self.environment.get(name, "").split(",")
                if part.strip()
            )
        except ValueError as fault:
            raise SettingError(f"{name}: {fault}") from fault

    def file_if_set(self, name: str) -> Path | None:
        text = self.environment.get(name, "").strip()
        if text and not Path(text).is_file():
            raise SettingError(f"{name}: there is no file {text}")
        return Path(text) if text else None

    def countries(self, name: str) -> frozenset[str]:
        """Return the regions in `CN,HK,TW` (ISO 3166-1, two letters)."""
        found = frozenset(
            part.strip().upper()
            for part in self.environment.get(name, "").split(",")
            if part.strip()
        )
        if wrong := sorted(each for each in found if not (len(each) == 2 and each.isalpha())):  # noqa: PLR2004 - ISO 3166-1 alpha-2
            raise SettingError(
                f"{name}: {', '.join(wrong)} is no region of two letters, such as CN"
            )
        return found

    def bind_if_set(self, name: str) -> tuple[str, int] | None:
        text = self.environment.get(name, "").strip()
        return parse_bind(text, name) if text else None

    def zone(self, name: str, default: str) -> ZoneInfo:
        value = self.text(name, default)
        try:
            return ZoneInfo(value)
        except (KeyError, ValueError, OSError) as fault:
            raise SettingError(f"{name}: {value!r} is no time zone") from fault


def parse_bind(text: str, name: str) -> tuple[str, int]:
    """Return host and port of `127.0.0.1:8000`. Raises SettingError naming `name`."""
    match = BIND.fullmatch(text)
    if match is None or not 0 < int(match["port"]) <= MAX_PORT:
        raise SettingError(f"{name} must be like 127.0.0.1:8000")
    return match["host"].strip("[]"), int(match["port"])
