"""Settings that are valid, and together have a consequence that an operator should know."""

from collections.abc import Iterator
from ipaddress import ip_address
from typing import Final
from urllib.parse import urlsplit

import structlog

from consent_tokens.settings import Settings

log = structlog.get_logger()

PROXY: Final = (
    "the base URL is https, so a proxy is in front, and none is trusted: all consumers share its "
    "address, and one rate limit of codes (client_ip); set CONSENT_TRUSTED_PROXIES=1"
)
HTTP: Final = "numbers and codes travel unencrypted: put a proxy with TLS in front, and say https"
LOOPBACK: Final = "links in texts lead to this machine only: set the address that consumers reach"
SQLITE: Final = "SQLite serves one machine and one dispatcher; PostgreSQL serves several"
METRICS: Final = "the metrics are published to whoever reaches this address: bind to 127.0.0.1"


def warnings_of(settings: Settings) -> Iterator[tuple[str, str]]:
    """Yield the setting and the consequence of each."""
    service, is_real = settings.service, not settings.gateway_url.startswith("simulator:")
    if service.is_https and not settings.trusted_proxies:
        yield "CONSENT_TRUSTED_PROXIES", PROXY
    if is_real and not service.is_https:
        is_local = is_loopback(urlsplit(service.base_url).hostname or "")
        yield "CONSENT_BASE_URL", LOOPBACK if is_local else HTTP
    if service.is_https and settings.database_url.startswith("sqlite"):
        yield "CONSENT_DATABASE_URL", SQLITE
    if settings.metrics_bind and is_public(settings.metrics_bind[0]):
        yield "CONSENT_METRICS_BIND", METRICS


def log_warnings(settings: Settings) -> None:
    """Log each once, when the service starts."""
    for setting, detail in warnings_of(settings):
        log.warning("setting_doubtful", setting=setting, detail=detail)


def is_loopback(host: str) -> bool:
    """Whether a host is this machine."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def is_public(host: str) -> bool:
    """Whether an address to listen on is reached from outside: any address, or a public one."""
    try:
        address = ip_address(host)
    except ValueError:
        return host != "localhost"
    return address.is_unspecified or not address.is_private
