"""HTTP client for webhooks, protected against server-side request forgery (SSRF).

A host name is resolved once, and all its addresses must be public. The request goes to one of these
addresses, so that another DNS answer a moment later changes nothing (DNS rebinding). Redirects are
not followed, proxies are not used, and of the response only the status is kept.
"""

import asyncio
import ipaddress
import socket
import ssl
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import Final
from urllib.parse import SplitResult, urlsplit

import httpx

IPAddress = IPv4Address | IPv6Address
IPNetwork = IPv4Network | IPv6Network

REQUIREMENT: Final = "it must be https, at a public address"
TOTAL_TIMEOUT_SECONDS: Final = 10.0  # of a request, from connecting to the status
PORTS: Final = {"http": 80, "https": 443}
NAT64: Final = ipaddress.ip_network("64:ff9b::/96")  # embeds an IPv4 address (RFC 6052)


@dataclass(frozen=True, slots=True)
class CallResult:
    """The result of a request: `outcome` is a status or a kind of error, never response text."""

    outcome: str
    is_success: bool = False
    is_final: bool = False  # do not retry


class WebhookClient:
    """Posts to the URLs that merchants choose. Thread-safe."""

    def __init__(self, private_networks: Sequence[IPNetwork] = ()) -> None:
        """Create a client that may also call `private_networks`, which the operator allows."""
        self._private_networks = tuple(private_networks)
        self._tls_context = ssl.create_default_context()

    def refusal(self, url: str) -> str | None:
        """Return why a URL is not allowed; None if it is, or if its name does not resolve yet."""
        try:
            parts = urlsplit(url)
            _ = parts.port  # parsed when it is asked for
        except ValueError:
            return REQUIREMENT
        try:
            self._resolve(parts)
        except OSError:
            # the name may resolve later; it is checked again for each request
            return None if parts.scheme == "https" else REQUIREMENT
        except _ForbiddenError as error:
            return str(error)
        return None

    def post(self, url: str, headers: Mapping[str, str], body: bytes) -> CallResult:
        """Post a body once. Network errors become results and are never raised."""
        parts = urlsplit(url)
        try:
            address = self._resolve(parts)
        except _ForbiddenError:
            return CallResult("address_forbidden")
        except OSError:
            return CallResult("name_unknown")
        try:
            return asyncio.run(self._post(parts, address, headers, body))
        except TimeoutError:
            return CallResult("timeout")
        except httpx.HTTPError as error:
            return CallResult(type(error).__name__.lower())

    async def _post(
        self, parts: SplitResult, address: IPAddress, headers: Mapping[str, str], body: bytes
    ) -> CallResult:
        """Post to `address`, with the host name of the URL in the Host header and in TLS (SNI).

        The timeout is for the whole request, so a slow response cannot hold the connection open.
        """
        port = parts.port or PORTS[parts.scheme]
        pinned = httpx.URL(parts.geturl()).copy_with(host=str(address), port=port)
        async with (
            asyncio.timeout(TOTAL_TIMEOUT_SECONDS),
            httpx.AsyncClient(
                timeout=TOTAL_TIMEOUT_SECONDS,
                follow_redirects=False,
                trust_env=False,
                verify=self._tls_context,
            ) as client,
            # streamed and closed unread: the body is not needed
            client.stream(
                "POST",
                pinned,
                content=body,
                headers={**headers, "host": parts.netloc, "user-agent": "consent-tokens"},
                extensions={"sni_hostname": parts.hostname or ""},
            ) as response,
        ):
            return _result_of(response.status_code)

    def _resolve(self, parts: SplitResult) -> IPAddress:
        """Return the address to call. Raises _ForbiddenError; OSError if it does not resolve."""
        host, port = parts.hostname or "", parts.port or PORTS.get(parts.scheme, 0)
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except UnicodeError as error:
            raise OSError("not a host name") from error
        addresses = [ipaddress.ip_address(str(each[4][0]).partition("%")[0]) for each in found]
        for address in addresses:
            is_allowed_private = any(
                address.version == network.version and address in network
                for network in self._private_networks
            )
            if not is_allowed_private and (parts.scheme != "https" or not is_public(address)):
                raise _ForbiddenError(REQUIREMENT)
        return addresses[0]


class _ForbiddenError(Exception):
    """The address is not public, and not in a network that the operator allows."""


def is_public(address: IPAddress) -> bool:
    """Whether an address is on the public internet, also where IPv6 embeds IPv4."""
    if isinstance(address, IPv6Address):
        if address in NAT64:
            return is_public(IPv4Address(int(address) & 0xFFFFFFFF))
        embedded = address.ipv4_mapped or address.sixtofour
        if embedded is not None:
            return is_public(embedded)
        if address.teredo is not None:
            return False
    return address.is_global and not address.is_multicast


def _result_of(status: int) -> CallResult:
    """Return the result for a status (Standard Webhooks: 2xx is success, 410 stops retries)."""
    is_success = HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES
    return CallResult(f"status_{status}", is_success=is_success, is_final=status == HTTPStatus.GONE)
