"""Queries on merchants, with the senders that they use, and on their weights."""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import datetime
from enum import StrEnum
from typing import Any, Final, TypeAlias

from sqlalchemy import Row, insert, select, update

from consent_tokens.clock import utc_from_epoch
from consent_tokens.consent.purposes import Purpose, PurposeClass
from consent_tokens.policies import ServiceIdentity
from consent_tokens.relay.sandbox import is_sandbox
from consent_tokens.store.admission_tables import merchant_weights, merchants
from consent_tokens.store.bulk import RowSet
from consent_tokens.store.database import Transaction, insert_or_ignore
from consent_tokens.store.purpose_classes import ALL_CLASSES, read_classes, write_classes
from consent_tokens.store.round_trips import Asked
from consent_tokens.store.senders import Sender


class MerchantStatus(StrEnum):
    """The status of a merchant on the platform."""

    APPLIED = "applied"
    ACTIVE = "active"
    SUSPENDED = "suspended"
    REFUSED = "refused"


class MerchantKind(StrEnum):
    """Whether an operator admitted a merchant, or it is there to try the service out."""

    DEMONSTRATION = "demonstration"  # nobody checked it; sends only while the base URL is loopback
    LEGAL_ENTITY = "legal_entity"


@dataclass(frozen=True, slots=True, kw_only=True)
class MerchantIdentity:
    """Who a merchant is (PIPL 17, 23), and who checked it; None is what is not known."""

    legal_name: str | None = None
    registration: str | None = None  # number in the register of companies
    contact: str | None = None
    website: str | None = None
    checked_by: str | None = None  # None: nobody checked it
    checked_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Merchant:
    """A legal entity that sends; `partition` holds its consent requests and webhook events."""

    id: str
    partition: int
    name: str
    status: MerchantStatus
    admitted_at: datetime
    identity: MerchantIdentity = MerchantIdentity()
    kind: MerchantKind = MerchantKind.DEMONSTRATION
    classes: frozenset[PurposeClass] = ALL_CLASSES  # of purposes that it is admitted for
    suspended_classes: frozenset[PurposeClass] = frozenset()
    control_group: str | None = None  # id of its control group; None: it is alone
    purposes: frozenset[str] = frozenset()  # of those that need an admission of their own, its own
    # messages a day; a class without one is unlimited
    daily_limits: Mapping[PurposeClass, int] = field(default_factory=dict)
    plans_until: datetime | None = None  # when the last of its plans ends; None: it has none

    @property
    def is_demonstration(self) -> bool:
        """Whether nobody checked it, and it is there to try the service out."""
        return self.kind is MerchantKind.DEMONSTRATION

    @property
    def is_sandbox(self) -> bool:
        """Whether it is what the test keys of another merchant act for."""
        return is_sandbox(self.id)

    @property
    def usable_classes(self) -> frozenset[PurposeClass]:
        """Return the classes of purposes that it may use now."""
        return self.classes - self.suspended_classes

    def may_use(self, purpose: Purpose) -> bool:
        """Whether it is admitted for a purpose: for its class, and by name where that is needed."""
        is_named = not purpose.needs_own_admission or purpose in self.purposes
        return purpose.purpose_class in self.usable_classes and (is_named or self.is_demonstration)


WithSenders: TypeAlias = tuple[dict[str, Merchant], dict[str, list[Sender]]]
# it was admitted, and may be restored if it is suspended
ADMITTED_STATUSES: Final = frozenset({MerchantStatus.ACTIVE, MerchantStatus.SUSPENDED})
IDENTITY_COLUMNS = tuple(each.name for each in fields(MerchantIdentity))


def is_admitted(merchant: Merchant) -> bool:
    """Whether a merchant's status lets it send, wherever the service is reached."""
    return merchant.status is MerchantStatus.ACTIVE


def is_active(merchant: Merchant | None, service: ServiceIdentity) -> bool:
    """Whether the merchant exists and may ask for consent and send.

    A demonstration may while the base URL of the service is a loopback address; a sandbox always
    may, because nothing leaves it.
    """
    if merchant is None:
        return False
    if merchant.is_sandbox:
        return True
    if merchant.status is not MerchantStatus.ACTIVE:
        return False
    return service.is_loopback or not merchant.is_demonstration


def add(transaction: Transaction, merchant: Merchant) -> None:
    """Insert a merchant."""
    transaction.execute(insert(merchants).values(**_columns(merchant)))


def add_if_absent(transaction: Transaction, merchant: Merchant) -> bool:
    """Insert a merchant unless there is one of that id; return whether it was inserted."""
    return insert_or_ignore(transaction, merchants, **_columns(merchant))


def _columns(merchant: Merchant) -> dict[str, Any]:
    return {
        "id": merchant.id,
        "partition": merchant.partition,
        "name": merchant.name,
        "status": merchant.status,
        "admitted_at": merchant.admitted_at,
        "kind": merchant.kind,
        "classes": None if merchant.is_demonstration else write_classes(merchant.classes),
        "suspended_classes": write_classes(merchant.suspended_classes) or None,
        "purposes": " ".join(sorted(merchant.purposes)) or None,
        "daily_limits": write_limits(merchant.daily_limits) or None,
        "control_group": merchant.control_group,
        **_identity_columns(merchant.identity),
    }


def list_all(transaction: Transaction) -> list[Merchant]:
    """Return all merchants but sandboxes, oldest first."""
    rows = transaction.execute(select(merchants).order_by(merchants.c.admitted_at, merchants.c.id))
    return [from_row(row) for row in rows if not is_sandbox(row.id)]


def active_demonstrations(transaction: Transaction) -> list[str]:
    """Return the names of the demonstrations that are active, oldest first."""
    found = list_all(transaction)
    return [each.name for each in found if each.is_demonstration and is_admitted(each)]


def find(transaction: Transaction, merchant_id: str) -> Merchant | None:
    """Return a merchant; None if there is none."""
    row = transaction.execute(select(merchants).where(merchants.c.id == merchant_id)).one_or_none()
    return from_row(row) if row else None


def find_many(transaction: Transaction, ids: Sequence[str]) -> dict[str, Merchant]:
    """Return merchants by their ids; unknown ids are left out."""
    rows = transaction.execute(select(merchants).where(merchants.c.id.in_(set(ids))))
    return {row.id: from_row(row) for row in rows}


WITH_SENDERS = """
SELECT m.id, m.partition, m.name, m.status, m.admitted_at, m.kind, m.classes, m.suspended_classes,
    m.control_group, m.purposes, m.daily_limits, m.plans_until,
    s.id AS sender_id, s.port, s.extension, s.signature,
    s.admitted_at AS sender_admitted_at, s.classes AS sender_classes, s.valid_until
FROM {input} JOIN merchants m ON m.id = input.id
    LEFT JOIN senders s ON s.merchant_id = m.id AND s.revoked_at IS NULL
ORDER BY s.admitted_at, s.id
"""


def find_with_senders(transaction: Transaction, ids: Collection[str]) -> Asked[WithSenders]:
    """Ask for merchants by their ids, and the senders of each that are not revoked.

    The sender that was admitted first comes first. For the relay, which needs no identity of
    merchants, and nothing of what a carrier was told of a sender: they come without.
    """
    id_rows = RowSet({"id": "text"}, [(merchant_id,) for merchant_id in sorted(ids)])
    rows = id_rows.ask(transaction, WITH_SENDERS)
    return lambda: _with_senders(rows())


def _with_senders(rows: Sequence[Any]) -> WithSenders:
    found: dict[str, Merchant] = {}
    admitted: dict[str, list[Sender]] = defaultdict(list)
    for row in rows:
        if row.id not in found:
            found[row.id] = Merchant(
                id=row.id,
                partition=row.partition,
                name=row.name,
                status=MerchantStatus(row.status),
                admitted_at=utc_from_epoch(row.admitted_at),
                plans_until=None if row.plans_until is None else utc_from_epoch(row.plans_until),
                **_admission_columns(row),
            )
        if row.sender_id is not None:
            until = row.valid_until
            admitted[row.id].append(
                Sender(
                    id=row.sender_id,
                    merchant_id=row.id,
                    port=row.port,
                    extension=row.extension,
                    signature=row.signature,
                    admitted_at=utc_from_epoch(row.sender_admitted_at),
                    classes=None
                    if row.sender_classes is None
                    else read_classes(row.sender_classes),
                    valid_until=None if until is None else utc_from_epoch(until),
                )
            )
    return found, admitted


def set_status(transaction: Transaction, merchant_id: str, status: MerchantStatus) -> bool:
    """Set the status of a merchant; return whether it exists."""
    result = transaction.execute(
        update(merchants).where(merchants.c.id == merchant_id).values(status=status)
    )
    return result.rowcount == 1


def update_one(transaction: Transaction, merchant: Merchant) -> None:
    """Save what can change of a merchant: all but its id, partition, kind and control group."""
    transaction.execute(
        update(merchants)
        .where(merchants.c.id == merchant.id)
        .values(
            name=merchant.name,
            status=merchant.status,
            admitted_at=merchant.admitted_at,
            classes=None if merchant.is_demonstration else write_classes(merchant.classes),
            suspended_classes=write_classes(merchant.suspended_classes) or None,
            purposes=" ".join(sorted(merchant.purposes)) or None,
            daily_limits=write_limits(merchant.daily_limits) or None,
            **_identity_columns(merchant.identity),
        )
    )


def set_identity(transaction: Transaction, merchant_id: str, identity: MerchantIdentity) -> None:
    """Save who a merchant is, and who checked it."""
    transaction.execute(
        update(merchants).where(merchants.c.id == merchant_id).values(**_identity_columns(identity))
    )


def _identity_columns(identity: MerchantIdentity) -> dict[str, Any]:
    return {name: getattr(identity, name) for name in IDENTITY_COLUMNS}


def _admission_columns(row: Any) -> dict[str, Any]:  # noqa: ANN401 - a row of either kind
    kind = MerchantKind(row.kind)
    is_open = row.classes is None and kind is MerchantKind.DEMONSTRATION
    return {
        "kind": kind,
        "classes": ALL_CLASSES if is_open else read_classes(row.classes),
        "suspended_classes": read_classes(row.suspended_classes),
        "control_group": row.control_group,
        "purposes": frozenset((row.purposes or "").split()),
        "daily_limits": read_limits(row.daily_limits) if row.daily_limits else {},
    }


def write_limits(limits: Mapping[PurposeClass, int]) -> str:
    """Return limits by class as they are stored: `marketing=500 transactional=20000`."""
    return " ".join(f"{each}={limits[each]}" for each in sorted(limits))


def read_limits(text: str) -> dict[PurposeClass, int]:
    """Return limits by class from `marketing=500 transactional=20000`. Raises ValueError."""
    pairs = (each.split("=") for each in text.split())
    return {PurposeClass(name): int(limit) for name, limit in pairs}


def from_row(row: Row[Any]) -> Merchant:
    """Return the merchant in a row of `merchants`."""
    return Merchant(
        id=row.id,
        partition=row.partition,
        name=row.name,
        status=MerchantStatus(row.status),
        admitted_at=row.admitted_at,
        identity=MerchantIdentity(**{name: getattr(row, name) for name in IDENTITY_COLUMNS}),
        plans_until=row.plans_until,
        **_admission_columns(row),
    )


def weights(transaction: Transaction) -> Mapping[str, int]:
    """Return the weights that are not one, by merchant id."""
    rows = transaction.execute(select(merchant_weights))
    return {row.merchant_id: row.weight for row in rows}


def set_weight(transaction: Transaction, merchant_id: str, weight: int) -> None:
    """Set a merchant's weight in the fair sharing of throughput."""
    if not insert_or_ignore(transaction, merchant_weights, merchant_id=merchant_id, weight=weight):
        transaction.execute(
            update(merchant_weights)
            .where(merchant_weights.c.merchant_id == merchant_id)
            .values(weight=weight)
        )
