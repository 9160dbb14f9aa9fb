"""Signatures: the names before texts. Each has one owner among all that look like it."""

from consent_tokens.errors import InvalidError
from consent_tokens.relay.admission.sender_rules import REST, SignatureSource, check_signature
from consent_tokens.relay.admission.twins import normal_names
from consent_tokens.relay.templates.fingerprint import skeleton
from consent_tokens.services.runtime import Runtime
from consent_tokens.store import merchants, senders, signatures
from consent_tokens.store.database import Transaction
from consent_tokens.store.merchants import ADMITTED_STATUSES, Merchant
from consent_tokens.store.senders import Sender
from consent_tokens.store.signatures import Signature, SignatureStatus

TAKEN = "belongs to another merchant, or looks like one that does"


def check(
    runtime: Runtime,
    transaction: Transaction,
    merchant: Merchant,
    signature: str,
    *,
    source: SignatureSource,
    evidence: str | None,
) -> None:
    """Raise InvalidError if a merchant cannot have a signature.

    It is another's or looks like it, is the name of another admitted merchant, or reads like an
    offer and is no name of the merchant's. A demonstration owns none, and may have any.
    """
    if merchant.is_demonstration:
        return
    own_names = [merchant.name, merchant.identity.legal_name]
    fault = check_signature(signature, source=source, evidence=evidence, names=own_names)
    folded = skeleton(signature)
    known = signatures.find(transaction, folded)
    if fault is None and _is_taken(runtime, transaction, merchant, folded, known):
        fault = TAKEN
    if fault is not None:
        raise InvalidError({"signature": [fault]})


def claim(
    runtime: Runtime,
    transaction: Transaction,
    merchant: Merchant,
    signature: str,
    *,
    source: SignatureSource,
    evidence: str | None,
) -> None:
    """Make a legal entity the owner of a signature that was checked, under the lock of admission.

    A demonstration owns nothing.
    """
    if merchant.is_demonstration:
        return
    folded = skeleton(signature)
    known = signatures.find(transaction, folded)
    if known and known.merchant_id == merchant.id and known.status is SignatureStatus.ADMITTED:
        return
    owned = Signature(
        folded=folded,
        signature=signature,
        merchant_id=merchant.id,
        source=source,
        evidence=evidence,
        status=SignatureStatus.ADMITTED,
        changed_at=runtime.clock.now(),
    )
    signatures.save(transaction, owned)


def _is_taken(
    runtime: Runtime,
    transaction: Transaction,
    merchant: Merchant,
    folded: str,
    known: Signature | None,
) -> bool:
    """Whether a signature is another's, was until lately, or is the name of another merchant."""
    if known and known.merchant_id != merchant.id:
        is_resting = runtime.clock.now() < known.changed_at + REST
        if known.status is SignatureStatus.ADMITTED or is_resting:
            return True
    return any(
        folded in normal_names([other.name, other.identity.legal_name])
        for other in merchants.list_all(transaction)
        if other.id != merchant.id
        and not other.is_demonstration
        and other.status in ADMITTED_STATUSES
    )


def release(runtime: Runtime, transaction: Transaction, revoked: Sender) -> None:
    """Take a signature from its owner if this was the last sender with it; it rests from now on."""
    folded = skeleton(revoked.signature)
    others = [
        each
        for each in senders.of_merchant(transaction, revoked.merchant_id)
        if each.id != revoked.id and each.revoked_at is None
    ]
    if all(skeleton(each.signature) != folded for each in others):
        signatures.revoke(transaction, folded, revoked.merchant_id, runtime.clock.now())
