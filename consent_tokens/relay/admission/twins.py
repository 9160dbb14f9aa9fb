"""Twins: what two merchants share, so that a reviewer sees who may be under one control.

It proposes, and decides nothing: partners share a contact, and honest firms have similar names.
"""

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final
from urllib.parse import urlsplit

from consent_tokens.relay.admission.api_access import Network
from consent_tokens.relay.templates.fingerprint import skeleton

EMAIL: Final = re.compile(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+")
TELEPHONE: Final = re.compile(r"\+?[0-9][0-9 ()./-]{5,}[0-9]")
TELEPHONE_DIGITS: Final = 8  # the last ones: those before are codes of country and area
MIN_TELEPHONE_DIGITS: Final = 7
MIN_PREFIX_LENGTHS: Final = {4: 24, 6: 48}  # by IP version; wider ones many firms share
MIN_NAME_PART: Final = 3  # characters of a name that another may not contain unnoticed


class Signal(StrEnum):
    """What two merchants share."""

    REGISTRATION = "registration"
    LEGAL_PERSON = "legal_person"
    CONTACT = "contact"
    DOMAIN = "domain"
    NETWORK = "network"  # that API keys may be used from
    NAME = "name"  # it looks the same
    NAME_PART = "name_part"  # one contains the other


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """What of a merchant is compared, in its normal form."""

    merchant_id: str
    names: frozenset[str]  # as skeletons
    registration: str | None = None
    legal_person: str | None = None
    contacts: frozenset[str] = frozenset()
    domains: frozenset[str] = frozenset()
    networks: frozenset[Network] = frozenset()  # of its API keys, but those that tell nothing


def telling_networks(networks: Iterable[Network]) -> frozenset[Network]:
    """Return the networks that are small enough to be one firm's, and public."""
    return frozenset(
        each
        for each in networks
        if each.is_global and each.prefixlen >= MIN_PREFIX_LENGTHS[each.version]
    )


def normal_person(name: str | None) -> str | None:
    """Return a person's name without width, case and blanks; None if there is none."""
    return skeleton(name or "") or None


def normal_contacts(text: str | None) -> frozenset[str]:
    """Return the addresses and telephone numbers of a text, each in one form."""
    folded = unicodedata.normalize("NFKC", text or "").casefold()
    mails = set(EMAIL.findall(folded))
    rest = EMAIL.sub(" ", folded)
    numbers = {re.sub(r"\D", "", each) for each in TELEPHONE.findall(rest)}
    long_enough = {each for each in numbers if len(each) >= MIN_TELEPHONE_DIGITS}
    return frozenset(mails | {each[-TELEPHONE_DIGITS:] for each in long_enough})


def normal_names(names: Iterable[str | None]) -> frozenset[str]:
    """Return names as skeletons, which are the same for names that look the same."""
    return frozenset(filter(None, (skeleton(name or "") for name in names)))


def host_of(website: str | None) -> str | None:
    """Return the host of a web address, without `www.`; None if there is none."""
    try:
        host = urlsplit(website or "").hostname
    except ValueError:
        return None
    return host.removeprefix("www.") if host else None


def shared_signals(one: Profile, other: Profile) -> tuple[Signal, ...]:
    """Return what two merchants share, the strongest first."""
    found: list[Signal] = []
    if one.registration and one.registration == other.registration:
        found.append(Signal.REGISTRATION)
    if one.legal_person and one.legal_person == other.legal_person:
        found.append(Signal.LEGAL_PERSON)
    if one.contacts & other.contacts:
        found.append(Signal.CONTACT)
    if any(_is_same_site(a, b) for a in one.domains for b in other.domains):
        found.append(Signal.DOMAIN)
    if any(a.overlaps(b) for a in one.networks for b in other.networks):
        found.append(Signal.NETWORK)
    if one.names & other.names:
        found.append(Signal.NAME)
    elif any(_contains(a, b) or _contains(b, a) for a in one.names for b in other.names):
        found.append(Signal.NAME_PART)
    return tuple(found)


def _is_same_site(one: str, other: str) -> bool:
    return one == other or one.endswith(f".{other}") or other.endswith(f".{one}")


def _contains(whole: str, part: str) -> bool:
    return len(part) >= MIN_NAME_PART and part in whole
