"""Receipts are signed in the transaction of what they are of, and kept as they were signed."""

from consent_tokens.app_context import AppContext
from consent_tokens.consent.grant import EndReason, Grant
from consent_tokens.consent.notice import Notice
from consent_tokens.crypto import jws
from consent_tokens.crypto.opaque_ids import RowKey
from consent_tokens.errors import NotFoundError
from consent_tokens.evidence.receipts import (
    Parties,
    Propagation,
    ReceiptKind,
    consent_receipt,
    withdrawal_receipt,
)
from consent_tokens.store import grants, merchants, receipts
from consent_tokens.store.database import Transaction
from consent_tokens.store.receipts import Receipt


def issue_consent_receipt(
    world: AppContext, transaction: Transaction, grant: Grant, notice: Notice
) -> str | None:
    """Sign and keep the receipt of a yes; return its handle."""
    if not world.database.has_wishes:
        return None
    address = RowKey.new(grant.home, world.random.token_bytes(8))
    payload = consent_receipt(grant, _parties(world, transaction, grant, address, notice))
    _store(world, transaction, ReceiptKind.CONSENT, grant, address, payload)
    return world.keyring.ids.receipt.encode(address)


def issue_withdrawal_receipt(
    world: AppContext,
    transaction: Transaction,
    grant: Grant,
    by: EndReason,
    propagation: Propagation,
) -> None:
    """Sign and keep the receipt of an end. A number that changed hands has nobody to keep it."""
    if not world.database.has_wishes or by in {EndReason.NUMBER, EndReason.JOURNAL}:
        return
    address = RowKey.new(grant.home, world.random.token_bytes(8))
    notice = grants.notice_of(transaction, RowKey(grant.home, grant.number))
    if notice is None:
        return
    parties = _parties(world, transaction, grant, address, notice)
    payload = withdrawal_receipt(grant, parties, by, propagation)
    _store(world, transaction, ReceiptKind.WITHDRAWAL, grant, address, payload)


def find_receipt(world: AppContext, handle: str) -> Receipt:
    """Return the receipt behind `/receipts/{handle}`. Raises NotFoundError."""
    address = world.keyring.ids.receipt.decode(handle)

    def question(transaction: Transaction) -> Receipt | None:
        return receipts.find(transaction, address) if address else None

    found = world.database.read(question) if world.database.has_wishes else None
    if found is None:
        raise NotFoundError("no receipt here")
    return found


def _parties(
    world: AppContext, transaction: Transaction, grant: Grant, address: RowKey, notice: Notice
) -> Parties:
    merchant = merchants.find(transaction, grant.merchant_id)
    return Parties(
        issuer=world.base_url,
        receipt=world.keyring.ids.receipt.encode(address),
        grant=world.keyring.ids.grant.encode(RowKey(grant.home, grant.number)),
        merchant=merchant.name if merchant else "",
        notice=notice,
    )


def _store(
    world: AppContext,
    transaction: Transaction,
    kind: ReceiptKind,
    grant: Grant,
    address: RowKey,
    payload: bytes,
) -> None:
    receipts.add(
        transaction,
        Receipt(
            key=address,
            kind=kind.value,
            grant_id=grant.number,
            issued_at=world.clock.now(),
            jws=jws.sign(payload, world.keyring.signing, jws.RECEIPT_TYPE),
        ),
    )
