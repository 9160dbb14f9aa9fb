"""What an API key may do: scopes, networks, expiry and rate. A narrower key never reaches more."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final, TypeAlias

Network: TypeAlias = IPv4Network | IPv6Network

MAX_NETWORKS: Final = 50  # of a key
MAX_RATE: Final = 1_000_000  # requests a minute


class ApiScope(StrEnum):
    """What a key may be used for; each operation of the merchant API is in one or two of them."""

    CONSENTS = "consents"
    MESSAGES = "messages"  # includes messages:read
    MESSAGES_READ = "messages:read"
    WEBHOOKS = "webhooks"
    TEMPLATES = "templates"
    SENDERS = "senders"
    COMPLAINTS = "complaints"
    PLANS = "plans"
    API_KEYS = "api-keys"


ALL_SCOPES: Final = frozenset(ApiScope)


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiAccess:
    """What an API key may do. The default is all of it, from everywhere, for good."""

    scopes: frozenset[ApiScope] = ALL_SCOPES
    networks: tuple[Network, ...] | None = None  # of clients; None: any
    expires_at: datetime | None = None
    rate: int | None = None  # requests a minute; None: only the merchant's limit
    is_test: bool = False  # for the sandbox of the merchant: nothing leaves

    def has_any(self, scopes: Collection[ApiScope]) -> bool:
        """Whether it has one of these scopes."""
        return not self.scopes.isdisjoint(scopes)

    def is_expired_at(self, now: datetime) -> bool:
        """Whether it has ended by `now`."""
        return self.expires_at is not None and self.expires_at <= now

    def allows_client(self, client_ip: str) -> bool:
        """Whether a client may use it from this IP address; one that is no address may not."""
        if self.networks is None:
            return True
        address = parse_address(client_ip)
        return address is not None and any(address in each for each in self.networks)

    def excess_over(self, wider: "ApiAccess") -> list[str]:
        """Return the names of the members in which this reaches more than `wider`, in order."""
        checks = {
            "scopes": _with_included(self.scopes) <= _with_included(wider.scopes),
            "networks": _are_within(self.networks, wider.networks),
            "expires_at": _is_at_most(self.expires_at, wider.expires_at),
            "rate": _is_at_most(self.rate, wider.rate),
            "test": self.is_test or not wider.is_test,
        }
        return [name for name, is_within in checks.items() if not is_within]


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiKey:
    """An API key as it is stored: a digest. The secret itself is shown once, on creation."""

    id: str
    merchant_id: str
    digest: bytes
    created_at: datetime
    revoked_at: datetime | None = None
    access: ApiAccess = ApiAccess()
    created_by: str | None = None  # id of the key that created it; None: a person did

    def is_live_at(self, now: datetime) -> bool:
        """Whether it is neither revoked nor expired."""
        return self.revoked_at is None and not self.access.is_expired_at(now)


@lru_cache(maxsize=1024)
def parse_address(text: str) -> IPv4Address | IPv6Address | None:
    """Return an IP address, an IPv4-mapped one (RFC 4291, 2.5.5.2) as IPv4; None if it is none."""
    try:
        address = ip_address(text)
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address


def parse_networks(texts: Collection[str]) -> tuple[Network, ...]:
    """Return networks in CIDR notation (RFC 4632, RFC 4291). Raises ValueError naming a wrong one.

    A network whose address has bits beyond its prefix is wrong: it may be a slip.
    """
    return tuple(sorted({ip_network(text) for text in texts}, key=str))


def _with_included(scopes: frozenset[ApiScope]) -> frozenset[ApiScope]:
    return scopes | {ApiScope.MESSAGES_READ} if ApiScope.MESSAGES in scopes else scopes


def _are_within(inner: tuple[Network, ...] | None, outer: tuple[Network, ...] | None) -> bool:
    if outer is None:
        return True
    return inner is not None and all(any(_is_within(a, b) for b in outer) for a in inner)


def _is_within(inner: Network, outer: Network) -> bool:
    if isinstance(inner, IPv4Network):
        return isinstance(outer, IPv4Network) and inner.subnet_of(outer)
    return isinstance(outer, IPv6Network) and inner.subnet_of(outer)


def _is_at_most(value: "datetime | int | None", bound: "datetime | int | None") -> bool:
    """Whether a bound on one side is no wider than that on the other; None is no bound."""
    return bound is None or (value is not None and value <= bound)  # type: ignore[operator]  # both are of one type
