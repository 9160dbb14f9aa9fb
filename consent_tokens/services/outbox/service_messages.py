"""The service's own messages: one-time codes, replies to keywords, and receipts.

Number and text are sealed together under a data key of their own, which is destroyed once the
message has been submitted. A merchant's message opens with the key of its grant instead.
"""

from typing import Final

from consent_tokens.consent.one_time_code import CODE_LIFETIME
from consent_tokens.consent.phone import PhoneNumber
from consent_tokens.crypto.keys import KEY_BYTES, DataKey
from consent_tokens.crypto.sealing import NONCE_BYTES, open_sealed, seal, wrap
from consent_tokens.relay.composition import compose
from consent_tokens.relay.message import Message, MessageStatus, Priority
from consent_tokens.row_key import RowKey
from consent_tokens.services.runtime import Runtime
from consent_tokens.tokens.mint import NUMBER_BYTES, pad_number, unpad_number

WITHHELD: Final = "withheld"  # the reason of a message that was composed and is not sent


def compose_service_message(
    runtime: Runtime,
    number: PhoneNumber,
    text: str,
    *,
    purpose: str,
    may_send: bool = True,
    sender_id: str | None = None,
) -> Message:
    """Return one of the service's own messages, not yet enqueued.

    Args:
        runtime: the shared dependencies.
        number: the phone to send it to.
        text: what the phone shows.
        purpose: `service.code`, `service.confirmation` or `service.receipt`.
        may_send: False composes the same row, refused as `withheld` and without the sealed number,
            so that withholding costs the same work as sending.
        sender_id: the merchant's sender that it leaves from; None for the service's own.
    """
    now, key = runtime.clock.now(), runtime.new_key(runtime.new_partition())
    sealed, wrapped = _seal(runtime, key, number, text)
    return Message(
        key=key,
        grant_key=None,
        merchant_id=None,
        sender_id=sender_id,
        priority=Priority.SERVICE,
        purpose=purpose,
        status=MessageStatus.QUEUED if may_send else MessageStatus.REFUSED,
        reason=None if may_send else WITHHELD,
        accepted_at=now,
        send_at=now,
        valid_until=now + CODE_LIFETIME,
        changed_at=now,
        segments=len(compose(text).segments),
        sealed_number=sealed if may_send else None,
        wrapped_key=wrapped if may_send else None,
    )


def open_service_message(
    runtime: Runtime, message: Message, data_key: DataKey
) -> tuple[PhoneNumber, str]:
    """Return number and text of one of the service's own messages. Raises SealBrokenError."""
    plaintext = open_sealed(
        message.sealed_number or b"",
        data_key,
        associated_data=_associated_data(runtime, message.key),
    )
    return unpad_number(plaintext[:NUMBER_BYTES]), plaintext[NUMBER_BYTES:].decode()


def _seal(runtime: Runtime, key: RowKey, number: PhoneNumber, text: str) -> tuple[bytes, bytes]:
    """Return number and text sealed under a new data key, and that key wrapped."""
    data_key = DataKey(runtime.random.token_bytes(KEY_BYTES))
    sealed = seal(
        pad_number(number) + text.encode(),
        data_key,
        associated_data=_associated_data(runtime, key),
        nonce=runtime.random.token_bytes(NONCE_BYTES),
    )
    return sealed, wrap(data_key, runtime.keyring.wrapping)


def _associated_data(runtime: Runtime, key: RowKey) -> bytes:
    return f"{runtime.service.issuer}\n{runtime.ids.message.encode(key)}".encode()
