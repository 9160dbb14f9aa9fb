"""Replay the revocation journal into a database that was restored from an old backup.

An entry that the database has stored is done. Of the others, the last one of each subject counts:
it says what was so before the backup was put back. Where the consumer has acted since, or where the
journal is not the one that the database knows, an entry may only take back. Preferences and
invitations of a number that the backup does not know wait, by the number's tag, until it comes
back. Replaying again changes nothing; after a crash it is simply run again.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Final

from consent_tokens.consent.grant import EndReason
from consent_tokens.crypto.keyed_hashes import journal_tag
from consent_tokens.evidence.journal import (
    EntryKind,
    GrantAmended,
    GrantRevoked,
    InvitationRecorded,
    JournalEntry,
    PreferencesSet,
    RecipientErased,
    Subject,
)
from consent_tokens.row_key import RowKey
from consent_tokens.services.consents.restoration import (
    restore_of_recipient,
    restore_terms,
    restore_waiting,
)
from consent_tokens.services.consents.revocation import revoke_within
from consent_tokens.services.erasure import delete_data
from consent_tokens.services.integrity.journal_outbox import create_journal, unread_from
from consent_tokens.services.runtime import Runtime
from consent_tokens.store import checkpoints, grants, journal_entries, recipients
from consent_tokens.store.database import Transaction
from consent_tokens.store.journal_entries import StoredEntry

BATCH_SIZE: Final = 200  # entries per transaction
SCAN_SIZE: Final = 5000  # recipients per query, where a tag is looked for


# recipients before grants: a recipient whose last grant is revoked is deleted unless it has more
ORDER: Final = (RecipientErased, PreferencesSet, InvitationRecorded, GrantAmended, GrantRevoked)


@dataclass(frozen=True, slots=True)
class ReplayResult:
    """How many entries of each kind changed the database, and how many wait for their number."""

    applied: Mapping[EntryKind, int]
    waiting: int

    @property
    def total(self) -> int:
        """Return how many entries changed the database."""
        return sum(self.applied.values())


@dataclass(frozen=True, slots=True)
class _Step:
    """An entry to apply, and whether it may give something back."""

    entry: JournalEntry
    may_widen: bool


def replay(runtime: Runtime, *, accept: bool = False) -> ReplayResult:
    """Do again what the journal lists and this database lacks.

    With `accept`, use the journal at hand, or create one, even if it is not the one that this
    database knows, was written under another journal key, or begins too late; what only the lost
    journal held is lost. Raises JournalUnavailableError.
    """
    if accept:
        create_journal(runtime)
        runtime.revocation_journal.adopt_key()
    end = runtime.revocation_journal.position()
    since = 0
    if not accept:
        checkpoint = runtime.database.read(
            lambda transaction: checkpoints.find(transaction, checkpoints.JOURNAL)
        )
        since = unread_from(runtime, end, checkpoint)
    steps = _steps(runtime, since, may_widen=not accept)
    applied: Counter[EntryKind] = Counter()
    for kind in ORDER:
        chosen = [step for step in steps if isinstance(step.entry.change, kind)]
        for begin in range(0, len(chosen), BATCH_SIZE):
            batch = chosen[begin : begin + BATCH_SIZE]
            applied.update(runtime.database.run(partial(_apply_batch, runtime, batch)))
        if kind is InvitationRecorded:
            applied.update(_apply_waiting(runtime))
    runtime.database.truncate_wal()

    def finish(transaction: Transaction) -> int:
        checkpoints.save(transaction, checkpoints.JOURNAL, str(end))
        if accept:
            journal_entries.delete_written(transaction)
        else:
            journal_entries.delete_up_to(transaction, end.offset)
        return journal_entries.count_waiting(transaction)

    return ReplayResult(applied, runtime.database.run(finish))


def _steps(runtime: Runtime, since: int, *, may_widen: bool) -> list[_Step]:
    """Return what is to be applied: the last entry of each subject that the database lacks."""
    entries = _without_repeats(runtime.revocation_journal.read(since))
    ids = [entry.id for entry in entries if entry.id is not None]
    unknown = runtime.database.read(
        lambda transaction: journal_entries.unknown_among(transaction, ids)
    )
    repeated = runtime.revocation_journal.ids_before(since, unknown)
    plan = _Plan()
    for entry in entries:
        if entry.id is None or entry.id not in repeated:
            plan.add(entry, is_known=entry.id is not None and entry.id not in unknown)
    return [
        _Step(entry, may_widen and entry.subject not in plan.continued)
        for entry in plan.last.values()
    ]


def _without_repeats(entries: Iterable[JournalEntry]) -> list[JournalEntry]:
    """Return entries without those that stand before in the list too.

    A crash, or a backup taken between an act and its entry, has an entry written twice: then the
    first one has the place that belongs to it.
    """
    seen: set[int] = set()
    kept = []
    for entry in entries:
        if entry.id is None or entry.id not in seen:
            kept.append(entry)
        if entry.id is not None:
            seen.add(entry.id)
    return kept


@dataclass(slots=True)
class _Plan:
    """The last entry of each subject that the database lacks, in the order of the journal."""

    last: dict[Subject, JournalEntry] = field(default_factory=dict)
    continued: set[Subject] = field(default_factory=set)  # the database has a later entry of these

    def add(self, entry: JournalEntry, *, is_known: bool) -> None:
        """Take the next entry of the journal into account."""
        subject = entry.subject
        if is_known:
            self.continued.add(subject)
            return
        self.continued.discard(subject)
        self.last.pop(subject, None)
        self.last[subject] = entry
        if isinstance(entry.change, RecipientErased):
            self._drop_before_erasure(entry.change.partition)

    def _drop_before_erasure(self, partition: int) -> None:
        """Drop what was said of a recipient before all of their data was erased."""
        for subject, entry in list(self.last.items()):
            match entry.change:
                case PreferencesSet(partition=owner) if owner == partition:
                    del self.last[subject]
                case InvitationRecorded(key=key) if key.partition == partition:
                    del self.last[subject]


def _apply_batch(
    runtime: Runtime, batch: Sequence[_Step], transaction: Transaction
) -> Counter[EntryKind]:
    return Counter(step.entry.kind for step in batch if _apply(runtime, transaction, step))


def _apply(runtime: Runtime, transaction: Transaction, step: _Step) -> bool:
    """Apply one entry; return whether that changed the database."""
    match step.entry.change:
        case RecipientErased() as erased:
            return _erase(runtime, transaction, erased, step.entry.at)
        case PreferencesSet(partition=partition, tag=tag):
            return _apply_to_recipient(runtime, transaction, step, partition, tag)
        case InvitationRecorded(key=key, tag=tag):
            return _apply_to_recipient(runtime, transaction, step, key.partition, tag)
        case GrantAmended() as terms:
            kind, may_widen = step.entry.kind, step.may_widen
            return restore_terms(runtime, transaction, terms, kind, may_widen=may_widen)
        case GrantRevoked(key):
            return _revoke(runtime, transaction, key)


def _erase(
    runtime: Runtime, transaction: Transaction, erased: RecipientErased, at: datetime
) -> bool:
    """Erase a recipient again; what was granted after the erasure stays."""
    partition = erased.partition
    live = [each for each in grants.of_recipient(transaction, partition) if not each.is_ended]
    former = [grant for grant in live if grant.granted_at <= at]
    is_known = recipients.blind_index_of(transaction, partition) is not None
    for grant in former:
        revoke_within(runtime, transaction, grant.key, EndReason.JOURNAL, is_spread=True)
    if len(former) == len(live):
        delete_data(transaction, partition, is_former_owner=erased.is_former_owner)
    return is_known and (bool(former) or not live)


def _revoke(runtime: Runtime, transaction: Transaction, key: RowKey) -> bool:
    is_live = bool(journal_entries.live_grants_among(transaction, [key]))
    if is_live:
        revoke_within(runtime, transaction, key, EndReason.JOURNAL)
    return is_live


def _apply_to_recipient(
    runtime: Runtime, transaction: Transaction, step: _Step, partition: int, tag: str | None
) -> bool:
    """Apply preferences or an invitation to the recipient of the entry, or have it wait."""
    entry = step.entry
    if recipients.blind_index_of(transaction, partition) is not None:
        return restore_of_recipient(
            runtime, transaction, partition, entry, may_widen=step.may_widen
        )
    if tag is not None and entry.id is not None and _is_restriction(entry, runtime.clock.now()):
        until = (
            entry.change.next_allowed_at if isinstance(entry.change, InvitationRecorded) else None
        )
        stored = StoredEntry(entry.id, entry.to_text())
        journal_entries.add_waiting(transaction, tag, stored, until)
    return False


def _is_restriction(entry: JournalEntry, now: datetime) -> bool:
    """Whether preferences or an invitation bar anything still."""
    match entry.change:
        case PreferencesSet(preferences=preferences):
            return not preferences.is_default
        case InvitationRecorded(next_allowed_at=next_allowed_at):
            return next_allowed_at > now
        case _:
            return False


def _apply_waiting(runtime: Runtime) -> Counter[EntryKind]:
    """Apply waiting entries to recipients of another partition: the backup knows the number."""
    applied: Counter[EntryKind] = Counter()
    tags = runtime.database.read(journal_entries.waiting_tags)
    for partition, tag in _recipients_with(runtime, tags) if tags else ():
        work = partial(_apply_waiting_of, runtime, partition, tag)
        applied.update(runtime.database.run(work))
    return applied


def _apply_waiting_of(
    runtime: Runtime, partition: int, tag: str, transaction: Transaction
) -> list[EntryKind]:
    return [entry.kind for entry in restore_waiting(runtime, transaction, partition, tag)]


def _recipients_with(runtime: Runtime, tags: set[str]) -> Iterable[tuple[int, str]]:
    """Return partition and tag of each recipient whose tag is among `tags`."""
    after: int | None = None
    while page := runtime.database.read(
        partial(recipients.list_after, partition=after, limit=SCAN_SIZE)
    ):
        for partition, blind_index in page:
            tag = journal_tag(blind_index, runtime.keyring.journal)
            if tag in tags:
                yield partition, tag
        after = page[-1][0]
