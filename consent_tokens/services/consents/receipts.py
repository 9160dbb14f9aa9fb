"""Sign and store each receipt in the transaction that creates or ends the consent."""

from typing import Any

from consent_tokens.consent.grant import EndReason, Grant
from consent_tokens.consent.notice import Notice
from consent_tokens.crypto import jws
from consent_tokens.errors import NotFoundError
from consent_tokens.evidence.receipts import (
    Parties,
    Propagation,
    Receipt,
    ReceiptFault,
    ReceiptKind,
    consent_receipt,
    verify_receipt,
    withdrawal_receipt,
)
from consent_tokens.row_key import RowKey
from consent_tokens.services.runtime import Runtime
from consent_tokens.store import grants, merchants, receipts
from consent_tokens.store.database import Transaction


def issue_consent_receipt(
    runtime: Runtime, transaction: Transaction, grant: Grant, notice: Notice
) -> str:
    """Sign and store the receipt of a yes; return its public id."""
    key = runtime.new_key(grant.key.partition)
    payload = consent_receipt(grant, _parties(runtime, transaction, grant, key, notice))
    _store(runtime, transaction, ReceiptKind.CONSENT, grant, key, payload)
    return runtime.ids.receipt.encode(key)


def issue_withdrawal_receipt(
    runtime: Runtime,
    transaction: Transaction,
    grant: Grant,
    reason: EndReason,
    propagation: Propagation,
) -> None:
    """Sign and store the receipt of a withdrawal.

    A number that was reassigned has nobody to keep it, and a replayed journal had issued it before.
    """
    if reason in {EndReason.NUMBER, EndReason.JOURNAL}:
        return
    key = runtime.new_key(grant.key.partition)
    notice = grants.notice_of(transaction, grant.key)
    if notice is None:
        return
    parties = _parties(runtime, transaction, grant, key, notice)
    payload = withdrawal_receipt(grant, parties, reason, propagation)
    _store(runtime, transaction, ReceiptKind.WITHDRAWAL, grant, key, payload)


def find_receipt(runtime: Runtime, public_id: str) -> Receipt:
    """Return the receipt behind `/receipts/{public_id}`. Raises NotFoundError."""
    key = runtime.ids.receipt.decode(public_id)

    def query(transaction: Transaction) -> Receipt | None:
        return receipts.find(transaction, key) if key else None

    found = runtime.database.read(query)
    if found is None:
        raise NotFoundError("no receipt of that id")
    return found


def check_receipt(runtime: Runtime, text: str) -> dict[str, Any] | ReceiptFault:
    """Return the payload of a receipt that a published key verifies, or what is wrong with it.

    Nothing stored is read: a saved receipt is checked also when the service has deleted its own.
    """
    return verify_receipt(text, runtime.keyring.verifying.values())


def find_consent_receipt(runtime: Runtime, transaction: Transaction, grant: RowKey) -> str:
    """Return the public id of the receipt of a yes; empty if it is not kept any more."""
    found = [
        each
        for each in receipts.of_grant(transaction, grant)
        if each.kind == ReceiptKind.CONSENT.value
    ]
    return runtime.ids.receipt.encode(found[0].key) if found else ""


def _parties(
    runtime: Runtime, transaction: Transaction, grant: Grant, key: RowKey, notice: Notice
) -> Parties:
    merchant = merchants.find(transaction, grant.merchant_id)
    return Parties(
        issuer=runtime.service.issuer,
        base_url=runtime.service.base_url,
        receipt=runtime.ids.receipt.encode(key),
        grant=runtime.ids.grant.encode(grant.key),
        merchant=merchant.name if merchant else "",
        notice=notice,
    )


def _store(
    runtime: Runtime,
    transaction: Transaction,
    kind: ReceiptKind,
    grant: Grant,
    key: RowKey,
    payload: bytes,
) -> None:
    receipts.add(
        transaction,
        Receipt(
            key=key,
            kind=kind.value,
            grant_id=grant.key.id,
            issued_at=runtime.clock.now(),
            jws=jws.sign(payload, runtime.keyring.signing, jws.RECEIPT_TYPE),
        ),
    )
