"""What merchants may do with a purpose, as of one transaction.

Looked up once for each merchant and purpose, because the messages of a campaign are alike.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from msgspec import Struct

from consent_tokens.consent.purposes import PurposeClass
from consent_tokens.policies import ServiceIdentity
from consent_tokens.relay.decision import class_of
from consent_tokens.relay.message import Priority, max_validity, priority_of
from consent_tokens.services.sandboxes import sandbox_sender
from consent_tokens.store import link_domains, merchants
from consent_tokens.store.database import Transaction
from consent_tokens.store.merchants import Merchant, is_active
from consent_tokens.store.round_trips import Asked
from consent_tokens.store.senders import Sender, first_usable


class Standing(Struct, frozen=True, kw_only=True):
    """What a merchant may do with a purpose."""

    partition: int  # of the merchant; 0 of one that does not exist
    is_active: bool
    is_demonstration: bool
    classes: frozenset[PurposeClass]  # that it may use now
    named_purposes: frozenset[str]  # that it is admitted for by name
    sender: Sender | None  # the first admitted of those for the class of the purpose
    link_domains: frozenset[str]
    priority: Priority
    max_validity: timedelta


@dataclass(slots=True)
class Standings:
    """The merchants of one transaction, with their senders and link domains."""

    service: ServiceIdentity
    now: datetime
    merchants: Mapping[str, Merchant]
    senders: Mapping[str, Sequence[Sender]]  # by merchant id; the first admitted comes first
    link_domains: Mapping[str, frozenset[str]]  # by merchant id
    _found: dict[tuple[str, str, str | None], Standing] = field(default_factory=dict)

    @classmethod
    def ask(
        cls,
        transaction: Transaction,
        merchant_ids: Collection[str],
        service: ServiceIdentity,
        now: datetime,
    ) -> "Asked[Standings]":
        """Ask for the merchants with these ids."""
        found = merchants.find_with_senders(transaction, merchant_ids)
        domains = link_domains.ask_of_merchants(transaction, merchant_ids)
        return lambda: cls(service, now, *found(), domains())

    def of(self, merchant_id: str, purpose: str, sender_id: str | None = None) -> Standing:
        """Return what a merchant may do with a purpose, also one outside the catalogue.

        By one of its senders, if that is named.
        """
        key = merchant_id, purpose, sender_id
        standing = self._found.get(key)
        if standing is None:
            standing = self._found[key] = self._look_up(merchant_id, purpose, sender_id)
        return standing

    def _look_up(self, merchant_id: str, purpose: str, sender_id: str | None) -> Standing:
        merchant = self.merchants.get(merchant_id)
        admitted = [
            each
            for each in self.senders.get(merchant_id, ())
            if sender_id is None or each.id == sender_id
        ]
        return Standing(
            partition=merchant.partition if merchant else 0,
            is_active=is_active(merchant, self.service),
            is_demonstration=merchant is not None and merchant.is_demonstration,
            classes=merchant.usable_classes if merchant else frozenset(),
            named_purposes=merchant.purposes if merchant else frozenset(),
            sender=sandbox_sender(merchant)
            if merchant and merchant.is_sandbox
            else first_usable(admitted, class_of(purpose), self.now),
            link_domains=self.link_domains.get(merchant_id, frozenset()),
            priority=priority_of(purpose),
            max_validity=max_validity(purpose),
        )
