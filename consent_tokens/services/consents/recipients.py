"""Find or create the recipient of a phone number, with what the revocation journal kept for it."""

from consent_tokens.consent.phone import PhoneNumber
from consent_tokens.crypto.keyed_hashes import journal_tag
from consent_tokens.row_key import ID_BYTES
from consent_tokens.services.consents.restoration import restore_waiting
from consent_tokens.services.runtime import Runtime
from consent_tokens.store import journal_entries, recipients
from consent_tokens.store.database import Transaction


def get_or_create_recipient(runtime: Runtime, transaction: Transaction, number: PhoneNumber) -> int:
    """Return the partition of a number's recipient; a new one if nothing is stored about it.

    Replayed entries that waited for the number are applied to a new recipient, before anything is
    granted: so they do not undo what comes after them.
    """
    blind_index = runtime.blind_index(number)
    known = recipients.find(transaction, blind_index)
    if known is not None:
        return known
    partition = recipients.get_or_create(
        transaction, blind_index, runtime.random.token_bytes(ID_BYTES)
    )
    tag = journal_tag(blind_index, runtime.keyring.journal)
    restore_waiting(runtime, transaction, partition, tag)
    return partition


def find_recipient(runtime: Runtime, transaction: Transaction, number: PhoneNumber) -> int | None:
    """Return the partition of a verified number's recipient; None if nothing is kept for it."""
    blind_index = runtime.blind_index(number)
    tag = journal_tag(blind_index, runtime.keyring.journal)
    partition = recipients.find(transaction, blind_index)
    if partition is None and journal_entries.is_waiting(transaction, tag):
        return get_or_create_recipient(runtime, transaction, number)
    return partition


def forget_waiting(runtime: Runtime, transaction: Transaction, number: PhoneNumber) -> None:
    """Delete the replayed entries that wait for a number: it has another owner now."""
    blind_index = runtime.blind_index(number)
    journal_entries.take_waiting(transaction, journal_tag(blind_index, runtime.keyring.journal))
