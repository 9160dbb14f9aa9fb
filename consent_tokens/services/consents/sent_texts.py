"""What the records say about a text that was sent; also after its recipient was erased."""

from collections import defaultdict
from datetime import datetime

from consent_tokens.clock import start_of_day
from consent_tokens.consent.grant import Grant
from consent_tokens.consent.scope import Scope
from consent_tokens.evidence.complaints import Verdict, assess
from consent_tokens.relay.message import Message
from consent_tokens.store import erased_texts, events, fingerprints, grants, messages
from consent_tokens.store.database import Transaction
from consent_tokens.store.erased_texts import ErasedText
from consent_tokens.store.grants import GrantChange


def verdict_on(transaction: Transaction, message: Message) -> Verdict:
    """Return what the records say about a merchant's message that was sent."""
    grant = grants.find(transaction, message.grant_key) if message.grant_key else None
    if grant is None:
        return Verdict.RECORDS_GONE
    if events.is_reassigned(transaction, grant.key):
        return Verdict.FORMER_OWNER
    return assess(message, grant, grants.scope_at(transaction, grant, message.send_at))


def erase_sent_texts(transaction: Transaction, partition: int, *, is_former_owner: bool) -> None:
    """Replace the fingerprints of a recipient by ones that lead to nothing but a verdict.

    Records of sending are kept for six months, also after an erasure (PIPL, Art. 47): whoever shows
    the text and proves the number still learns whether a consent stood behind it. The verdict is of
    the former owner of a number if `is_former_owner`.
    """
    records = _Records.read(transaction, partition)
    erased_texts.add(
        transaction,
        [
            ErasedText(
                fingerprint,
                start_of_day(sent_at),
                Verdict.FORMER_OWNER if is_former_owner else records.verdict(message_id),
            )
            for fingerprint, message_id, sent_at in fingerprints.of_recipient(
                transaction, partition
            )
        ],
    )
    fingerprints.delete_of_recipient(transaction, partition)


class _Records:
    """All that a recipient's texts are judged by, read once."""

    def __init__(
        self,
        sent: dict[int, Message],
        found: dict[int, Grant],
        changes: dict[int, list[GrantChange]],
        reassigned: frozenset[int],
    ) -> None:
        self.sent, self.found, self.changes, self.reassigned = sent, found, changes, reassigned

    @classmethod
    def read(cls, transaction: Transaction, partition: int) -> "_Records":
        """Return the records of a recipient."""
        sent = messages.of_recipient(transaction, partition)
        changes: defaultdict[int, list[GrantChange]] = defaultdict(list)
        for change in grants.changes_of(transaction, partition):
            changes[change.grant_key.id].append(change)
        return cls(
            {each.key.id: each for of_grant in sent.values() for each in of_grant},
            {each.key.id: each for each in grants.of_recipient(transaction, partition)},
            changes,
            events.reassigned_grants_of(transaction, partition),
        )

    def verdict(self, message_id: int) -> Verdict:
        """Return what the records say about one message."""
        message = self.sent.get(message_id)
        grant = self.found.get(message.grant_id or 0) if message else None
        if message is None or grant is None:
            return Verdict.RECORDS_GONE
        if grant.key.id in self.reassigned:
            return Verdict.FORMER_OWNER
        return assess(message, grant, self._scope_at(grant, message.send_at))

    def _scope_at(self, grant: Grant, at: datetime) -> Scope:
        later = (each.scope for each in self.changes[grant.key.id] if each.changed_at > at)
        return next(later, grant.scope)
