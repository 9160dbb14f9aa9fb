"""Look up the status of a merchant's messages."""

from consent_tokens.errors import NotFoundError
from consent_tokens.listing import ListFilter
from consent_tokens.relay.message import Message
from consent_tokens.services.runtime import Runtime
from consent_tokens.store import messages


def get_message(runtime: Runtime, merchant_id: str, public_id: str) -> Message:
    """Return a merchant's message by its public id.

    Raises NotFoundError, also for a message of another merchant.
    """
    key = runtime.ids.message.decode(public_id)
    if key is None:
        raise NotFoundError("no message of that id")
    found = runtime.database.read(lambda transaction: messages.find(transaction, key))
    if found is None or found.merchant_id != merchant_id:
        raise NotFoundError("no message of that id")
    return found


def list_messages(runtime: Runtime, merchant_id: str, wanted: ListFilter) -> list[Message]:
    """Return a page of a merchant's messages, the oldest first."""
    return runtime.database.read(
        lambda transaction: messages.of_merchant(transaction, merchant_id, wanted)
    )
