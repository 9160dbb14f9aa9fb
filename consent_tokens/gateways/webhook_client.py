"""Calls to addresses that merchants choose: never inside the operator's network.

A name is looked up once, every address it has must be public, and the call goes to one of those
very addresses, whatever the name says a moment later (DNS rebinding). Redirects are not followed,
no proxy is asked, and nothing of the answer is kept but its status.
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
TOTAL_TIMEOUT_SECONDS: Final = 10.0
PORTS: Final = {"http": 80, "https": 443}
NAT64: Final = ipaddress.ip_network("64:ff9b::/96")  # an IPv4 address in IPv6 clothes (RFC 6052)


@dataclass(frozen=True, slots=True)
class CallResult:
    """What came of a call: `said` is a status or a kind of fault, never the receiver's words."""

    outcome: str
    is_success: bool = False
    is_final: bool = False  # there is no point in calling again


class WebhookClient:
    """Calls out. Safe to use from several threads."""

    def __init__(self, inner: Sequence[IPNetwork] = ()) -> None:
        """Take the inner networks that the operator lets be called all the same."""
        self._private_networks = tuple(inner)
        self._trusted = ssl.create_default_context()

    def refusal(self, url: str) -> str | None:
        """Return why an address cannot be called; None if it can, as far as can be told now."""
        parts = urlsplit(url)
        try:
            self._address(parts)
        except OSError:
            # a name that is not known yet may be known when it is called
            return None if parts.scheme == "https" else REQUIREMENT
        except _ForbiddenError as error:
            return str(error)
        return None

    def post(self, url: str, headers: Mapping[str, str], body: bytes) -> CallResult:
        """Post a body, once. Never raises for the receiver's sake."""
        parts = urlsplit(url)
        try:
            address = self._address(parts)
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
        """Post to this very address, in the name's name, within the time that the whole may take.

        A receiver that drips its answer byte by byte runs out of time all the same.
        """
        port = parts.port or PORTS[parts.scheme]
        pinned = httpx.URL(parts.geturl()).copy_with(host=str(address), port=port)
        async with (
            asyncio.timeout(TOTAL_TIMEOUT_SECONDS),
            httpx.AsyncClient(
                timeout=TOTAL_TIMEOUT_SECONDS,
                follow_redirects=False,
                trust_env=False,
                verify=self._trusted,
            ) as client,
            # streamed, and closed unread: what it says is no business of ours
            client.stream(
                "POST",
                pinned,
                content=body,
                headers={**headers, "host": parts.netloc, "user-agent": "consent-tokens"},
                extensions={"sni_hostname": parts.hostname or ""},
            ) as response,
        ):
            return _result_of(response.status_code)

    def _address(self, parts: SplitResult) -> IPAddress:
        """Return where to call. Raises _ForbiddenError, or OSError if the name leads nowhere."""
        host, port = parts.hostname or "", parts.port or PORTS.get(parts.scheme, 0)
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except UnicodeError as error:
            raise OSError("no host name") from error
        addresses = [ipaddress.ip_address(str(each[4][0]).partition("%")[0]) for each in found]
        for address in addresses:
            is_inner = any(
                address.version == network.version and address in network
                for network in self._private_networks
            )
            if not is_inner and (parts.scheme != "https" or not is_public(address)):
                raise _ForbiddenError(REQUIREMENT)
        return addresses[0]


class _ForbiddenError(Exception):
    """The operator does not let this address be called."""


def is_public(address: IPAddress) -> bool:
    """Whether an address is on the open internet, however it is written."""
    if isinstance(address, IPv6Address):
        if address in NAT64:
            return is_public(IPv4Address(int(address) & 0xFFFFFFFF))
        inner = address.ipv4_mapped or address.sixtofour
        if inner is not None:
            return is_public(inner)
        if address.teredo is not None:
            return False
    return address.is_global and not address.is_multicast


def _result_of(status: int) -> CallResult:
    """Return what a status means (Standard Webhooks: 2xx is well; 410 says never again)."""
    is_well = HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES
    return CallResult(f"status_{status}", is_success=is_well, is_final=status == HTTPStatus.GONE)
