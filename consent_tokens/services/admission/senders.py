"""Senders: a carrier's port with an extension, and the signature of its texts."""

import re
from typing import Final

from consent_tokens.errors import InvalidError, NotFoundError
from consent_tokens.evidence.events import Event, EventKind
from consent_tokens.relay.composition import is_displayable
from consent_tokens.services.runtime import Runtime
from consent_tokens.store import merchants, senders
from consent_tokens.store.database import Transaction
from consent_tokens.store.senders import Sender

MAX_SIGNATURE_LENGTH: Final = 20  # characters
PORT: Final = re.compile(r"[0-9]{3,12}")
EXTENSION: Final = re.compile(r"[0-9]{0,8}")


def add_sender(
    runtime: Runtime, merchant_id: str, *, port: str, extension: str, signature: str
) -> Sender:
    """Add a sender: a carrier's port with an extension, and the signature of its texts.

    Raises InvalidError, NotFoundError.
    """
    signature = signature.strip().removeprefix("【").removesuffix("】").strip()
    errors: dict[str, list[str]] = {}
    if not PORT.fullmatch(port):
        errors["port"] = ["must be 3 to 12 digits"]
    if not EXTENSION.fullmatch(extension):
        errors["extension"] = ["must be at most 8 digits"]
    if not signature or len(signature) > MAX_SIGNATURE_LENGTH or not is_displayable(signature):
        errors["signature"] = [f"must be 1 to {MAX_SIGNATURE_LENGTH} characters"]
    if errors:
        raise InvalidError(errors)
    sender = Sender(
        id=f"snd_{runtime.random.token_bytes(8).hex()}",
        merchant_id=merchant_id,
        port=port,
        extension=extension,
        signature=signature,
        admitted_at=runtime.clock.now(),
    )

    def work(transaction: Transaction) -> Sender:
        merchant = merchants.find(transaction, merchant_id)
        if merchant is None:
            raise NotFoundError("no merchant of that id")
        senders.add(transaction, sender)
        event = Event(
            partition=merchant.partition,
            at=runtime.clock.now(),
            kind=EventKind.SENDER_ADMITTED,
            merchant_id=merchant.id,
            reason=sender.id,
        )
        runtime.record(transaction, event)
        return sender

    return runtime.database.run(work)
