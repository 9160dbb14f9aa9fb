"""Find the sender that an inbound message replies to, by the address as the carrier wrote it.

Carriers write a port with `+`, blanks or a country code, leave out its extension, or append a
serial number of their own. The first of these rules that applies decides:

1. The address is a sender's port and extension.
2. It begins with the port and extension of one sender: what follows is the carrier's.
3. It is the beginning of the port and extension of one sender: the extension was cut.
4. Otherwise the sender is not certain. It is the one whose merchant alone has a live consent of
   the phone, among the senders that rule 2 or 3 leaves, or else among all under that port. If
   rule 2 leaves several such merchants, it is the one with the longest extension.

A sender that was revoked or has ended still leads to its merchant, so that a late STOP stops the
right one, unless a later sender has its port and extension.
"""

import re
import unicodedata
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from consent_tokens.store import senders
from consent_tokens.store.database import Transaction
from consent_tokens.store.senders import Sender

MAX_ADDRESS_LENGTH: Final = 40  # characters; an SMPP address has at most 20 (5.2.9)
INTERNATIONAL_PREFIX: Final = "00"


@dataclass(frozen=True, slots=True)
class FoundSenders:
    """The senders behind an address: of one merchant, unless several share the whole address.

    `port` is one that the address begins with, if that leads to no certain sender.
    """

    senders: Sequence[Sender] = ()
    port: str | None = None


def address_forms(address: str, country_code: str) -> list[str]:
    """Return the digits of an address, and those without the country code of the phone."""
    plain = unicodedata.normalize("NFKC", address[:MAX_ADDRESS_LENGTH])
    digits = re.sub(r"[^0-9]", "", plain)
    without_prefix = digits.removeprefix(INTERNATIONAL_PREFIX)
    forms = [digits, without_prefix, without_prefix.removeprefix(country_code)]
    return [form for form in dict.fromkeys(forms) if form]


def find_senders(
    transaction: Transaction,
    forms: Sequence[str],
    live_merchants: Collection[str],
    now: datetime,
) -> FoundSenders:
    """Return the senders behind an address; `live_merchants` have a live consent of the phone."""
    for form in forms:
        if exact := senders.latest_owners(senders.with_source(transaction, form), now):
            return FoundSenders(exact)
    for form in forms:
        if under_port := senders.latest_owners(senders.under(transaction, form), now):
            found = choose_sender(form, under_port, live_merchants)
            return FoundSenders([found]) if found else FoundSenders(port=under_port[0].port)
    return FoundSenders()


def choose_sender(
    form: str, under_port: Sequence[Sender], live_merchants: Collection[str]
) -> Sender | None:
    """Return the sender that an address belongs to, by rules 2 to 4; None if it is not certain."""
    beginnings = [sender for sender in under_port if form.startswith(sender.source)]
    completions = [sender for sender in under_port if sender.source.startswith(form)]
    likely = beginnings or completions
    if len(likely) == 1:
        return likely[0]
    live = [sender for sender in likely or under_port if sender.merchant_id in live_merchants]
    longest_first = sorted(live, key=lambda sender: -len(sender.source))
    is_one = len({sender.merchant_id for sender in live}) == 1
    return longest_first[0] if is_one or (beginnings and live) else None
