"""Settings: read and validated once, and passed on as policy values.

Only `app_context` and `cli` may import this module. A setting describes the installation; there is
none for what the code can decide itself.
"""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from datetime import timedelta
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Final, Self
from urllib.parse import SplitResult, urlsplit
from zoneinfo import ZoneInfo

from phonenumbers import SUPPORTED_REGIONS

from consent_tokens.errors import SettingError
from consent_tokens.policies import (
    LOGO_TYPES,
    ConsentPolicy,
    DispatchPolicy,
    LinkMode,
    LinkModes,
    Operator,
    OtpPolicy,
    OtpRateLimits,
    PacingPolicy,
    RateLimit,
    RelayPolicy,
    RetentionPolicy,
    ServiceIdentity,
)
from consent_tokens.setting_sources import read_sources, reject_unknown

PERIODS: Final = {"minute": timedelta(minutes=1), "hour": timedelta(hours=1), "day": timedelta(1)}
OTP_RATE_LIMITS: Final = "number=5/hour,10/day;client_ip=60/hour;total=2000/hour"
OTP_WAITS: Final = (0, 30, 60, 120, 300, 900, 3600)  # seconds (NIST SP 800-63B-4, 3.2.2)
BIND = re.compile(r"(?P<host>[^:]+|\[[0-9a-fA-F:]+\]):(?P<port>\d{1,5})")
RATE = re.compile(r"(?P<limit>\d{1,7})/(?P<period>minute|hour|day)")
BASE_PATH = re.compile(r"(/(?!\.\.?(/|$))[A-Za-z0-9._~-]+)+")
# the first parts of the service's own paths: a proxy that strips the base path would make the two
# look alike
RESERVED_PATHS: Final = frozenset(
    {
        ".well-known",
        "c",
        "console",
        "demo",
        "docs",
        "healthz",
        "help",
        "logo",
        "m",
        "merchant",
        "my",
        "p",
    }
    | {
        "openapi.json",
        "privacy",
        "readyz",
        "receipts",
        "report",
        "reports",
        "robots.txt",
        "rules",
        "static",
        "v1",
    }
)
WHOLE = re.compile(r"[0-9]{1,18}")
LINK_CLASSES: Final = tuple(each.name for each in fields(LinkModes))
SIX_MONTHS: Final = 184  # days, at most; of records of sending (MIIT Order 74)
THREE_YEARS: Final = 1096  # days, at most; limitation of claims (Civil Code of China, art. 188)
MAX_PORT: Final = 65535
KEYS_DIR: Final = "keys"
SERVICE_NAME: Final = "短信许可"
SERVICE_ENGLISH_NAME: Final = "Consent Tokens"
MAX_LOGO_BYTES: Final = 100_000
MAX_LINE_LENGTH: Final = 200  # characters
MAX_THROUGHPUT: Final = 100_000  # segments a second
API_RATE: Final = 300_000  # requests a minute
MAX_API_RATE: Final = 100_000_000
MAX_OUTBOX: Final = 1_000_000_000  # messages
GATEWAYS: Final = {  # kind of gateway, by URL scheme
    "simulator": "simulator",
    "smpp": "smpp",
    "smpps": "smpp",
    "kannel+http": "kannel",
    "kannel+https": "kannel",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The validated settings of an installation."""

    service: ServiceIdentity
    otp: OtpPolicy
    relay: RelayPolicy
    dispatch: DispatchPolicy
    consent: ConsentPolicy
    database_url: str
    keys_dir: Path
    gateway_url: str
    revocation_journal: Path  # outside the database, and outside its backup
    webhook_private_networks: tuple[
        IPv4Network | IPv6Network, ...
    ]  # private networks that webhooks may be in
    metrics_bind: tuple[str, int] | None  # where each command publishes its metrics
    bind: tuple[str, int]
    keywords_file: Path | None  # the operator's additional inbound keywords
    purposes_file: Path | None  # the operator's additional purposes
    rules_dir: Path | None  # of rule packs; None: those of this version of the program
    trusted_proxies: int  # reverse proxies whose X-Forwarded-* headers are believed
    allow_public_simulator: bool
    api_rate: int  # requests a minute of each merchant to the merchant API; 0: no limit

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> Self:
        """Read `CONSENT_*` (`setting_sources`). Raises SettingError naming the setting at fault."""
        read = _Reader(read_sources(environment))
        settings = cls(
            service=read.service(),
            otp=read.otp(),
            relay=read.relay(),
            dispatch=read.dispatch(),
            consent=read.consent(),
            database_url=read.text("CONSENT_DATABASE_URL", "sqlite:///var/consent.db"),
            keys_dir=Path(read.text("CONSENT_KEYS_DIR", KEYS_DIR)),
            gateway_url=read.gateway("CONSENT_GATEWAY_URL", "simulator:"),
            revocation_journal=read.revocation_journal("CONSENT_REVOCATION_JOURNAL"),
            webhook_private_networks=read.networks("CONSENT_WEBHOOK_PRIVATE_NETWORKS"),
            metrics_bind=read.bind_unless_empty("CONSENT_METRICS_BIND", "127.0.0.1:9464"),
            bind=read.bind("CONSENT_BIND", "127.0.0.1:8000"),
            keywords_file=read.file_if_set("CONSENT_KEYWORDS_FILE"),
            purposes_file=read.file_if_set("CONSENT_PURPOSES_FILE"),
            rules_dir=read.folder_if_set("CONSENT_RULES_DIR"),
            trusted_proxies=read.whole("CONSENT_TRUSTED_PROXIES", 0, least=0, limit=5),
            allow_public_simulator=read.flag("CONSENT_ALLOW_PUBLIC_SIMULATOR"),
            api_rate=read.whole("CONSENT_API_RATE", API_RATE, least=0, limit=MAX_API_RATE),
        )
        reject_unknown(read.given, frozenset(read.known))
        return settings


@dataclass(frozen=True, slots=True)
class _Reader:
    """Reads and validates single settings, and notes their names; each error names its setting."""

    given: Mapping[str, str]
    known: set[str] = field(default_factory=set)

    def get(self, name: str, default: str = "") -> str:
        """Return a setting as it was given."""
        self.known.add(name)
        return self.given.get(name, default).strip()

    def service(self) -> ServiceIdentity:
        base_url = self.base("CONSENT_BASE_URL")
        name = self.text("CONSENT_SERVICE_NAME", SERVICE_NAME)
        english = SERVICE_ENGLISH_NAME if name == SERVICE_NAME else name
        return ServiceIdentity(
            base_url=base_url,
            issuer=self.issuer("CONSENT_ISSUER", base_url),
            name=name,
            english_name=self.text("CONSENT_SERVICE_ENGLISH_NAME", english),
            sender=self.text("CONSENT_SERVICE_SENDER", "10690000"),
            operator=Operator(
                legal_name=self.line("CONSENT_OPERATOR_NAME"),
                registration=self.line("CONSENT_OPERATOR_REGISTRATION"),
                contact=self.line("CONSENT_OPERATOR_CONTACT"),
            ),
            logo=self.logo("CONSENT_LOGO_FILE"),
            pages_dir=self.folder_if_set("CONSENT_PAGES_DIR"),
            links=parse_link_modes(self.get("CONSENT_LINKS"), "CONSENT_LINKS"),
        )

    def otp(self) -> OtpPolicy:
        return OtpPolicy(
            rate_limits=parse_otp_rate_limits(
                self.text("CONSENT_OTP_RATE_LIMITS", OTP_RATE_LIMITS), "CONSENT_OTP_RATE_LIMITS"
            ),
            waits=OTP_WAITS,
            countries=self.countries("CONSENT_OTP_COUNTRIES"),
            default_region=self.region("CONSENT_DEFAULT_REGION", "CN"),
        )

    def relay(self) -> RelayPolicy:
        cap = "CONSENT_TRANSACTIONAL_FREQUENCY_CAP"
        return RelayPolicy(
            max_segments=self.whole("CONSENT_MAX_SEGMENTS", 8, least=1, limit=255),
            transactional_frequency_cap=parse_rate_limit(self.text(cap, "20/day"), cap),
            outbox_limit=self.whole("CONSENT_OUTBOX_LIMIT", 1_000_000, least=1, limit=MAX_OUTBOX),
            invitation_cooldown=self.invitation_cooldown(),
            pacing=PacingPolicy(
                timezone=self.timezone("CONSENT_DEFAULT_TIMEZONE", "Asia/Shanghai")
            ),
        )

    def dispatch(self) -> DispatchPolicy:
        return DispatchPolicy(
            gateway_throughput=self.whole(
                "CONSENT_GATEWAY_THROUGHPUT", 0, least=0, limit=MAX_THROUGHPUT
            ),
            sender_throughput=self.whole(
                "CONSENT_SENDER_THROUGHPUT", 0, least=0, limit=MAX_THROUGHPUT
            ),
        )

    def retention(self) -> RetentionPolicy:
        records = self.whole("CONSENT_RECORD_RETENTION_DAYS", 185, least=SIX_MONTHS, limit=3650)
        proof = self.whole("CONSENT_PROOF_RETENTION_DAYS", THREE_YEARS, least=records, limit=7300)
        texts = self.whole("CONSENT_TEXT_RETENTION_DAYS", 30, least=0, limit=min(365, records))
        return RetentionPolicy(
            texts=timedelta(days=texts),
            records=timedelta(days=records),
            proof=timedelta(days=proof),
            backups=self.days("CONSENT_BACKUP_RETENTION_DAYS", 365, least=1, limit=3650),
        )

    def consent(self) -> ConsentPolicy:
        return ConsentPolicy(
            request_ttl=self.days("CONSENT_REQUEST_TTL_DAYS", 7, least=1, limit=90),
            invitation_cooldown=self.invitation_cooldown(),
            opt_in_by_reply=self.flag("CONSENT_OPT_IN_BY_REPLY"),
            default_region=self.region("CONSENT_DEFAULT_REGION", "CN"),
            default_timezone=self.timezone("CONSENT_DEFAULT_TIMEZONE", "Asia/Shanghai"),
            retention=self.retention(),
        )

    def invitation_cooldown(self) -> timedelta:
        return self.days("CONSENT_INVITATION_COOLDOWN_DAYS", 90, least=1, limit=3650)

    def days(self, name: str, default: int, *, least: int, limit: int) -> timedelta:
        return timedelta(days=self.whole(name, default, least=least, limit=limit))

    def flag(self, name: str) -> bool:
        return self.whole(name, 0, least=0, limit=1) == 1

    def text(self, name: str, default: str) -> str:
        value = self.get(name, default)
        if not value:
            raise SettingError(f"{name} is empty")
        return value

    def whole(self, name: str, default: int, *, least: int, limit: int) -> int:
        text = self.text(name, str(default))
        if not WHOLE.fullmatch(text) or not least <= int(text) <= limit:
            raise SettingError(f"{name} must be a whole number from {least} to {limit}")
        return int(text)

    def bind(self, name: str, default: str) -> tuple[str, int]:
        return parse_bind(self.text(name, default), name)

    def base(self, name: str) -> str:
        """Return the base URL; by default that of the bind address, for a first run."""
        host, port = self.bind("CONSENT_BIND", "127.0.0.1:8000")
        value = self.text(name, default_base_url(host, port)).rstrip("/")
        parts = _parse_web_url(value, name)
        first = parts.path.removeprefix("/").partition("/")[0]
        if parts.path and not BASE_PATH.fullmatch(parts.path):
            raise SettingError(f"{name}: a path is made of letters, digits and - . _ ~, not //")
        if first in RESERVED_PATHS:
            raise SettingError(f"{name}: /{first} is a page of the service itself; choose another")
        return value

    def issuer(self, name: str, base_url: str) -> str:
        """Return the issuer of tokens: a URL that need not lead anywhere (RFC 7519, 4.1.1)."""
        value = self.text(name, base_url)
        _parse_web_url(value, name)
        return value

    def gateway(self, name: str, default: str) -> str:
        """Return one URL, or several SMPP URLs, separated by spaces."""
        value = self.text(name, default)
        kinds = set()
        for url in value.split():
            parts = _split(url, name)
            kinds.add(GATEWAYS.get(parts.scheme))
            if None in kinds:
                known = ", ".join(f"{scheme}:" for scheme in GATEWAYS)
                raise SettingError(f"{name} must begin with one of {known}")
            if parts.scheme != "simulator" and not _has_host_and_user(parts):
                raise SettingError(f"{name} must be like smpp://user:password@host:port")
        if len(kinds) > 1 or (kinds != {"smpp"} and len(value.split()) > 1):
            raise SettingError(f"{name}: several binds are several SMPP URLs")
        return value

    def revocation_journal(self, name: str) -> Path:
        """Return the path of the revocation journal: beside the keys, unless it is set."""
        keys = self.text("CONSENT_KEYS_DIR", KEYS_DIR)
        return Path(self.text(name, f"{keys}/revocations.journal"))

    def networks(self, name: str) -> tuple[IPv4Network | IPv6Network, ...]:
        try:
            return tuple(
                ip_network(part.strip()) for part in self.get(name).split(",") if part.strip()
            )
        except ValueError as error:
            raise SettingError(f"{name}: {error}") from error

    def line(self, name: str) -> str:
        """Return a text of one line; empty if it is not set."""
        value = self.get(name)
        if len(value) > MAX_LINE_LENGTH or not value.isprintable():
            raise SettingError(f"{name} must be one line of at most {MAX_LINE_LENGTH} characters")
        return value

    def logo(self, name: str) -> Path | None:
        """Return the path of a picture that pages can show: SVG or PNG, at most 100 kB."""
        path = self.file_if_set(name)
        if path and (path.suffix not in LOGO_TYPES or path.stat().st_size > MAX_LOGO_BYTES):
            raise SettingError(f"{name} must be an .svg or .png file of at most 100 kB")
        return path

    def folder_if_set(self, name: str) -> Path | None:
        text = self.get(name)
        if text and not Path(text).is_dir():
            raise SettingError(f"{name}: there is no folder {text}")
        return Path(text) if text else None

    def file_if_set(self, name: str) -> Path | None:
        text = self.get(name)
        if text and not Path(text).is_file():
            raise SettingError(f"{name}: there is no file {text}")
        return Path(text) if text else None

    def countries(self, name: str) -> frozenset[str]:
        """Return the regions in `CN,HK,TW` (ISO 3166-1, two letters)."""
        found = frozenset(
            part.strip().upper() for part in self.get(name).split(",") if part.strip()
        )
        if wrong := sorted(each for each in found if not (len(each) == 2 and each.isalpha())):  # noqa: PLR2004 - ISO 3166-1 alpha-2
            raise SettingError(
                f"{name}: {', '.join(wrong)} is no region of two letters, such as CN"
            )
        return found

    def region(self, name: str, default: str) -> str:
        """Return a region of two letters (ISO 3166-1)."""
        value = self.text(name, default).upper()
        if value not in SUPPORTED_REGIONS:
            raise SettingError(f"{name}: {value!r} is no region of two letters, such as CN")
        return value

    def bind_unless_empty(self, name: str, default: str) -> tuple[str, int] | None:
        text = self.get(name, default)
        return parse_bind(text, name) if text else None

    def timezone(self, name: str, default: str) -> ZoneInfo:
        value = self.text(name, default)
        try:
            return ZoneInfo(value)
        except (KeyError, ValueError, OSError) as error:
            raise SettingError(f"{name}: {value!r} is no time zone") from error


def _split(url: str, name: str) -> SplitResult:
    try:
        return urlsplit(url)
    except ValueError:
        raise SettingError(f"{name} is no URL") from None


def _parse_web_url(text: str, name: str) -> SplitResult:
    """Return the parts of an http or https URL. Raises SettingError naming `name`."""
    try:
        parts = _split(text, name)
        is_complete = parts.hostname and parts.port != 0 and text.isascii() and text.isprintable()
    except ValueError:
        raise SettingError(f"{name} is no URL: {text!r}") from None
    if parts.scheme not in {"http", "https"} or not is_complete or " " in text:
        raise SettingError(f"{name} must begin with http:// or https:// and name a host")
    if parts.query or parts.fragment or "@" in parts.netloc or text.endswith(("?", "#")):
        raise SettingError(f"{name} must have no user, no query and no fragment")
    return parts


def _has_host_and_user(parts: SplitResult) -> bool:
    """Whether a URL names a host, a user and, if any, a port that can be one."""
    try:
        return bool(parts.hostname and parts.username) and parts.port != 0
    except ValueError:
        return False


def default_base_url(host: str, port: int) -> str:
    """Return the base URL of a service that listens there and has no other."""
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def parse_bind(text: str, name: str) -> tuple[str, int]:
    """Return host and port of `127.0.0.1:8000`. Raises SettingError naming `name`."""
    match = BIND.fullmatch(text)
    if match is None or not 0 < int(match["port"]) <= MAX_PORT:
        raise SettingError(f"{name} must be like 127.0.0.1:8000")
    return match["host"].strip("[]"), int(match["port"])


def parse_link_modes(text: str, name: str) -> LinkModes:
    """Return the link modes in `marketing=constant finance=none`; the others are the default.

    Raises SettingError naming the setting `name`.
    """
    modes: dict[str, LinkMode] = {}
    for part in text.split():
        purpose_class, _, mode = part.partition("=")
        if purpose_class not in LINK_CLASSES or purpose_class in modes or mode not in set(LinkMode):
            known = f"{', '.join(LINK_CLASSES)} with ={' or ='.join(LinkMode)}"
            raise SettingError(f"{name}: {part!r} is not {known}, each class once")
        modes[purpose_class] = LinkMode(mode)
    return LinkModes(**modes)


def parse_rate_limit(text: str, name: str) -> RateLimit:
    """Return the limit in `5/hour`. Raises SettingError naming the setting `name`."""
    match = RATE.fullmatch(text.strip())
    if match is None or int(match["limit"]) < 1:
        raise SettingError(f"{name}: {text!r} is no rate such as 5/hour")
    return RateLimit(int(match["limit"]), PERIODS[match["period"]])


def parse_otp_rate_limits(text: str, name: str) -> OtpRateLimits:
    """Return the limits in `number=5/hour,10/day;client_ip=60/hour;total=2000/hour`.

    Raises SettingError naming the setting `name`.
    """
    limits: dict[str, tuple[RateLimit, ...]] = {}
    for part in text.split(";"):
        kind, found, listed = part.strip().partition("=")
        if not found or kind not in {"number", "client_ip", "total"} or kind in limits:
            raise SettingError(f"{name}: {part!r} is not number=, client_ip= or total=, once each")
        limits[kind] = tuple(parse_rate_limit(rate, name) for rate in listed.split(","))
    if len(limits) != 3:  # noqa: PLR2004 - number, client_ip and total
        raise SettingError(f"{name} needs number=, client_ip= and total=")
    return OtpRateLimits(**limits)
