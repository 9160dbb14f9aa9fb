"""The links in texts to the page of that text: drawn before it leaves, found when it is opened.

An id is in clear only in the text. Whoever submits a text again, as after a crash, draws a new one;
the one before keeps leading to the same message, because its text may have arrived.
"""

from collections.abc import Iterable
from datetime import timedelta
from typing import Final

from consent_tokens.crypto.message_link_ids import draw_link_ids, is_link_id, link_hash
from consent_tokens.relay.message import Message
from consent_tokens.row_key import RowKey
from consent_tokens.services.runtime import Runtime
from consent_tokens.store import checkpoints, message_links, messages
from consent_tokens.store.database import Transaction

LINK_LIFETIME: Final = timedelta(days=180)  # from the acceptance; the shortest kept record is older


def draw_links(
    runtime: Runtime, transaction: Transaction, carrying: Iterable[Message]
) -> dict[RowKey, str]:
    """Draw and store a link id for each message that carries one; return them by message.

    The caller commits before any of the texts leaves. An id that exists already is drawn again.
    """
    drawn: dict[RowKey, str] = {}
    rest = list(carrying)
    while rest:
        links = draw_link_ids(len(rest), runtime.random.token_bytes)
        ids = {each.key: link for each, link in zip(rest, links, strict=True)}
        index = runtime.keys.keyring.index
        added = message_links.add(
            transaction,
            [
                (link_hash(ids[each.key], index), each.key, each.accepted_at + LINK_LIFETIME)
                for each in rest
            ],
        )
        drawn |= {key: ids[key] for key in added}
        rest = [each for each in rest if each.key not in added]
    return drawn


def find_linked(
    runtime: Runtime, transaction: Transaction, link_id: str, reader: int | None
) -> Message | None:
    """Return the message behind a link; None if there is none, or it is too old.

    `reader` is the partition of who is signed in: their own pages name each message by its
    encrypted row key. To others such an id leads only to messages of before links were drawn.
    """
    now = runtime.clock.now()
    is_drawn = is_link_id(link_id)
    if is_drawn:
        key = message_links.find(transaction, link_hash(link_id, runtime.keys.keyring.index), now)
    else:
        key = runtime.ids.message_link.decode(link_id)
    message = messages.find(transaction, key) if key else None
    if message is None or message.accepted_at < now - LINK_LIFETIME:
        return None
    if is_drawn or message.key.partition == reader:
        return message
    until = checkpoints.encrypted_links_until(transaction)
    return message if until and message.accepted_at < until else None
