"""Who may sign in to a console: operators, and the people of merchants."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from consent_tokens.evidence.events import Event, EventKind
from consent_tokens.services.admission.actors import Actor
from consent_tokens.services.admission.operators import NO_PARTITION
from consent_tokens.services.runtime import Runtime
from consent_tokens.store import merchant_people, merchants, operators
from consent_tokens.store.database import Transaction
from consent_tokens.store.merchant_people import MerchantPerson, MerchantRole
from consent_tokens.store.operators import OperatorAccount, Role

OPERATOR_PREFIX: Final = "opr_"


class Console(StrEnum):
    """Which console a person signs in to."""

    OPERATOR = "operator"
    MERCHANT = "merchant"


ROLES: Final[Mapping[Console, tuple[str, ...]]] = MappingProxyType(
    {Console.OPERATOR: tuple(Role), Console.MERCHANT: tuple(MerchantRole)}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """A person of a console; `merchant_id` and `merchant_name` only of a merchant's people."""

    id: str
    console: Console
    name: str
    role: str
    is_disabled: bool
    partition: int  # of the events about this person: the merchant's
    merchant_id: str | None = None
    merchant_name: str | None = None

    @property
    def actor(self) -> Actor:
        """Return the actor that an operator is in services. Raises ValueError for others."""
        if self.console is not Console.OPERATOR:
            raise ValueError("a person of a merchant is no actor of the operator")
        return Actor(self.id, Role(self.role))


def find_person(transaction: Transaction, person_id: str) -> Person | None:
    """Return a person of either console, also a disabled one; None if there is none."""
    if person_id.startswith(OPERATOR_PREFIX):
        account = operators.find(transaction, person_id)
        return operator_person(account) if account else None
    found = merchant_people.find(transaction, person_id)
    return merchant_person(transaction, found) if found else None


def operator_person(account: OperatorAccount) -> Person:
    """Return an operator as a person of the operator console."""
    return Person(
        id=account.id,
        console=Console.OPERATOR,
        name=account.name,
        role=account.role,
        is_disabled=account.disabled_at is not None,
        partition=NO_PARTITION,
    )


def merchant_person(transaction: Transaction, found: MerchantPerson) -> Person | None:
    """Return somebody of a merchant as a person of the merchant console; None without merchant."""
    merchant = merchants.find(transaction, found.merchant_id)
    if merchant is None:
        return None
    return Person(
        id=found.id,
        console=Console.MERCHANT,
        name=found.name,
        role=found.role,
        is_disabled=found.disabled_at is not None,
        partition=merchant.partition,
        merchant_id=merchant.id,
        merchant_name=merchant.name,
    )


def record(
    runtime: Runtime,
    transaction: Transaction,
    person: Person | None,
    kind: EventKind,
    *,
    reason: str | None = None,
    actor_id: str | None = None,
) -> None:
    """Record an event about a person, or about nobody known; without `actor_id` by themselves."""
    event = Event(
        partition=person.partition if person else NO_PARTITION,
        at=runtime.clock.now(),
        kind=kind,
        merchant_id=person.merchant_id if person else None,
        reason=reason,
        actor=actor_id or (person.id if person else None),
    )
    runtime.record(transaction, event)
