"""The sandbox of a merchant, and the sender that it has there."""

from typing import Final

from consent_tokens.relay.sandbox import sandbox_id
from consent_tokens.services.merchant_records import get_merchant
from consent_tokens.services.runtime import Runtime
from consent_tokens.store import merchants
from consent_tokens.store.database import Transaction
from consent_tokens.store.merchants import Merchant, MerchantKind, MerchantStatus
from consent_tokens.store.senders import Sender

MAX_SIGNATURE: Final = 20  # characters of the merchant's name


def ensure_sandbox(runtime: Runtime, transaction: Transaction, merchant_id: str) -> None:
    """Create the sandbox of a merchant unless there is one. Raises NotFoundError.

    It is stored as suspended, so that a dispatcher of a version without sandboxes refuses what is
    in it.
    """
    owner = get_merchant(transaction, merchant_id)
    sandbox = Merchant(
        id=sandbox_id(merchant_id),
        partition=runtime.new_partition(),
        name=owner.name,
        status=MerchantStatus.SUSPENDED,
        admitted_at=runtime.clock.now(),
        kind=MerchantKind.LEGAL_ENTITY,
    )
    merchants.add_if_absent(transaction, sandbox)


def sandbox_sender(sandbox: Merchant) -> Sender:
    """Return the sender of a sandbox: of no port, for all classes."""
    return Sender(
        id=f"snd_{sandbox.id}",
        merchant_id=sandbox.id,
        port="",
        extension="",
        signature=sandbox.name[:MAX_SIGNATURE],
        admitted_at=sandbox.admitted_at,
    )
