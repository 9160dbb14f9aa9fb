"""Receipts are signed in the transaction of what they are of, and kept as they were signed."""

from consent_tokens.app_context import World
from consent_tokens.consent.grant import EndedBy, Grant
from consent_tokens.consent.notice import Notice
from consent_tokens.crypto import jws
from consent_tokens.crypto.opaque_ids import Address
from consent_tokens.errors import NotFoundError
from consent_tokens.evidence.receipts import (
    Parties,
    Propagation,
    ReceiptKind,
    of_consent,
    of_withdrawal,
)
from consent_tokens.store import grants, merchants, receipts
from consent_tokens.store.database import Transaction
from consent_tokens.store.receipts import Receipt


def for_yes(world: World, transaction: Transaction, grant: Grant, notice: Notice) -> str | None:
    """Sign and keep the receipt of a yes; return its handle."""
    if not world.store.has_wishes:
        return None
    address = Address.at(grant.home, world.chance.draw(8))
    payload = of_consent(grant, _parties(world, transaction, grant, address, notice))
    _keep(world, transaction, ReceiptKind.CONSENT, grant, address, payload)
    return world.keyring.handles.receipt.hide(address)


def for_end(
    world: World, transaction: Transaction, grant: Grant, by: EndedBy, propagation: Propagation
) -> None:
    """Sign and keep the receipt of an end. A number that changed hands has nobody to keep it."""
    if not world.store.has_wishes or by in {EndedBy.NUMBER, EndedBy.JOURNAL}:
        return
    address = Address.at(grant.home, world.chance.draw(8))
    notice = grants.notice_of(transaction, Address(grant.home, grant.number))
    if notice is None:
        return
    parties = _parties(world, transaction, grant, address, notice)
    payload = of_withdrawal(grant, parties, by, propagation)
    _keep(world, transaction, ReceiptKind.WITHDRAWAL, grant, address, payload)


def receipt_at(world: World, handle: str) -> Receipt:
    """Return the receipt behind `/receipts/{handle}`. Raises NotFoundError."""
    address = world.keyring.handles.receipt.find(handle)

    def question(transaction: Transaction) -> Receipt | None:
        return receipts.find(transaction, address) if address else None

    found = world.store.read(question) if world.store.has_wishes else None
    if found is None:
        raise NotFoundError("no receipt here")
    return found


def _parties(
    world: World, transaction: Transaction, grant: Grant, address: Address, notice: Notice
) -> Parties:
    merchant = merchants.find(transaction, grant.merchant_id)
    return Parties(
        issuer=world.base_url,
        receipt=world.keyring.handles.receipt.hide(address),
        grant=world.keyring.handles.grant.hide(Address(grant.home, grant.number)),
        merchant=merchant.name if merchant else "",
        notice=notice,
    )


def _keep(
    world: World,
    transaction: Transaction,
    kind: ReceiptKind,
    grant: Grant,
    address: Address,
    payload: bytes,
) -> None:
    receipts.add(
        transaction,
        Receipt(
            address=address,
            kind=kind.value,
            grant_number=grant.number,
            at=world.clock.now(),
            jws=jws.sign(payload, world.keyring.signing, jws.RECEIPT),
        ),
    )
