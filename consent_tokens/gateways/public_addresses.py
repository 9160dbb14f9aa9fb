"""Which addresses may be called for a merchant: against server-side request forgery (SSRF)."""

import ipaddress
import socket
from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import Final

IPAddress = IPv4Address | IPv6Address
IPNetwork = IPv4Network | IPv6Network

REQUIREMENT: Final = "it must be https, at a public address"
PORT_REQUIREMENT: Final = "its port must be 80, 443, or 1024 and above"
PORTS: Final = {"http": 80, "https": 443}
FIRST_USER_PORT: Final = 1024  # below are services of the system (RFC 6335, 6)
NAT64: Final = ipaddress.ip_network("64:ff9b::/96")  # embeds an IPv4 address (RFC 6052)
GLOBAL_UNICAST: Final = ipaddress.ip_network("2000::/3")  # all that is assigned (RFC 4291, 2.4)
# Public by number, but not on the public internet. Python takes parts of some of them for global.
NOT_PUBLIC: Final = (
    ipaddress.ip_network("192.0.0.0/24"),  # IETF protocol assignments; a cloud's metadata service
    ipaddress.ip_network("192.88.99.0/24"),  # relays from IPv6, deprecated (RFC 7526)
    ipaddress.ip_network("168.63.129.16/32"),  # a cloud's platform service, inside its networks
    ipaddress.ip_network("2001::/23"),  # IETF protocol assignments, Teredo among them
    ipaddress.ip_network("3fff::/20"),  # documentation (RFC 9637)
)


class ForbiddenAddressError(Exception):
    """The address or port may not be called; the message says what is required."""


def resolve(
    scheme: str, host: str, port: int, private_networks: Sequence[IPNetwork] = ()
) -> IPAddress:
    """Return the address to call for a host name, all of whose addresses have been checked.

    `private_networks` are allowed by the operator, also without TLS. Raises ForbiddenAddressError;
    OSError if the name does not resolve.
    """
    if port not in PORTS.values() and port < FIRST_USER_PORT:
        raise ForbiddenAddressError(PORT_REQUIREMENT)
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except UnicodeError as error:
        raise OSError("not a host name") from error
    addresses = [ipaddress.ip_address(str(each[4][0]).partition("%")[0]) for each in found]
    for address in addresses:
        is_allowed_private = any(
            address.version == network.version and address in network
            for network in private_networks
        )
        if not is_allowed_private and (scheme != "https" or not is_public(address)):
            raise ForbiddenAddressError(REQUIREMENT)
    return addresses[0]


def is_public(address: IPAddress) -> bool:
    """Whether an address is on the public internet, also where IPv6 embeds IPv4."""
    if isinstance(address, IPv6Address):
        if address in NAT64:
            return is_public(IPv4Address(int(address) & 0xFFFFFFFF))
        embedded = address.ipv4_mapped or address.sixtofour
        if embedded is not None:
            return is_public(embedded)
        if address not in GLOBAL_UNICAST:
            return False
    if any(address.version == network.version and address in network for network in NOT_PUBLIC):
        return False
    return address.is_global and not address.is_multicast
