"""Look up the status of a merchant's messages."""

from msgspec import Struct

from consent_tokens.errors import NotFoundError
from consent_tokens.listing import ListFilter
from consent_tokens.relay.message import Message, MessageStatus
from consent_tokens.rules.rule import Rule
from consent_tokens.services.decisions.explain import rules_that_refused
from consent_tokens.services.runtime import Runtime
from consent_tokens.store import messages


class ShownMessage(Struct, frozen=True):
    """A message, and the rules that led to its refusal at dispatch, in order."""

    message: Message
    rules: tuple[Rule, ...] = ()


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


def show_message(runtime: Runtime, merchant_id: str, public_id: str) -> ShownMessage:
    """Return a merchant's message with the rules that led to its refusal.

    Raises as `get_message` does.
    """
    message = get_message(runtime, merchant_id, public_id)
    if message.status is not MessageStatus.REFUSED:
        return ShownMessage(message)
    current = runtime.rules.current()
    rules = runtime.database.read(lambda at: rules_that_refused(at, message.key, current))
    return ShownMessage(message, rules)


def list_messages(runtime: Runtime, merchant_id: str, wanted: ListFilter) -> list[Message]:
    """Return a page of a merchant's messages, the oldest first."""
    return runtime.database.read(
        lambda transaction: messages.of_merchant(transaction, merchant_id, wanted)
    )
