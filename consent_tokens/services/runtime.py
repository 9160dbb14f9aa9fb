"""The dependencies that all services share: database, clock, randomness, keys, revocation journal.

The composition root (`app_context`) creates one per process. Policies are not in it: each service
takes the policy value that it needs.
"""

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from consent_tokens.clock import Clock
from consent_tokens.consent.phone import PhoneNumber
from consent_tokens.crypto.key_source import KeySource
from consent_tokens.crypto.keyed_hashes import blind_index, rate_limit_key, value_hash
from consent_tokens.crypto.keyring import Keyring
from consent_tokens.crypto.opaque_ids import OpaqueIds
from consent_tokens.crypto.sealing import Key, open_envelope, seal_envelopes, unwrap
from consent_tokens.crypto.signed_values import open_value, sign_value
from consent_tokens.errors import KeyUnavailableError, NotReadyError
from consent_tokens.evidence.events import Event
from consent_tokens.policies import ServiceIdentity
from consent_tokens.randomness import RandomSource
from consent_tokens.relay.admission.api_access import ApiKey
from consent_tokens.relay.templates.fill import FilledText
from consent_tokens.relay.templates.fingerprint import skeleton
from consent_tokens.relay.templates.template import Template, counted_names
from consent_tokens.revocation_journal import JournalPosition, RevocationJournal
from consent_tokens.row_key import ID_BYTES, RowKey, new_ids, new_partition
from consent_tokens.rules_source import RulesSource, packaged_rules
from consent_tokens.store import events
from consent_tokens.store.database import Database, Transaction


class ClockJump(NamedTuple):
    """A jump of the wall clock that is not trusted yet."""

    offset: float  # of the wall clock from the monotonic clock after the jump, in seconds
    detected_at: float  # monotonic seconds


@dataclass(slots=True)
class ReadinessState:
    """A process's cached result of its last readiness check (`integrity.readiness`)."""

    offset: float | None = None  # of the wall clock from the monotonic clock, in seconds
    jump: ClockJump | None = None
    journal_seen: JournalPosition | None = None  # up to which journal and database agree
    checked_at: float = float("-inf")  # monotonic seconds
    error: NotReadyError | None = None  # of the last full check, if it failed
    is_own_database: bool = False  # its keys were compared with this process's, and are the same
    watched_since: float | None = None  # monotonic seconds: since when dispatchers are looked for


@dataclass(slots=True)
class CachedKey:
    """An API key that was verified; times are monotonic seconds."""

    key: ApiKey
    read_at: float
    renew_at: float  # the first request from then on reads it again


@dataclass(frozen=True, slots=True, kw_only=True)
class Runtime:
    """The dependencies that all services share, and this process's caches."""

    service: ServiceIdentity
    clock: Clock
    random: RandomSource
    keys: KeySource
    database: Database
    revocation_journal: RevocationJournal
    rules: RulesSource = field(default_factory=lambda: RulesSource(packaged_rules()))
    wake_dispatcher: threading.Event = field(default_factory=threading.Event)  # set on enqueueing
    readiness: ReadinessState = field(default_factory=ReadinessState)
    # versions of the rules that are known to be stored
    stored_rules: set[str] = field(default_factory=set)
    api_key_cache: dict[bytes, CachedKey] = field(default_factory=dict, repr=False)  # by SHA-256

    @property
    def keyring(self) -> Keyring:
        """Return the current keys: they rotate while the process runs."""
        return self.keys.current()

    @property
    def ids(self) -> OpaqueIds:
        """Return the codec of public ids, whose key never changes."""
        return self.keys.keyring.ids

    def unwrap(self, wrapped: bytes, kind: type[Key]) -> Key:
        """Return a wrapped data key. Raises KeyUnavailableError, SealBrokenError."""
        try:
            return unwrap(wrapped, self.keyring.unwrapping, kind)
        except KeyUnavailableError:
            return unwrap(wrapped, self.keys.latest().unwrapping, kind)

    def record(self, transaction: Transaction, *new_events: Event) -> None:
        """Store events, each under a random id, in a transaction."""
        events.record(transaction, new_events, self.random.token_bytes)

    def new_key(self, partition: int) -> RowKey:
        """Return a new random row key in a partition."""
        return RowKey.new(partition, self.random.token_bytes(ID_BYTES))

    def new_ids(self, count: int) -> tuple[int, ...]:
        """Return so many new random ids of rows."""
        return new_ids(self.random.token_bytes(ID_BYTES * count))

    def new_partition(self) -> int:
        """Return a new random partition."""
        return new_partition(self.random.token_bytes(ID_BYTES))

    def seal_envelope(self, plaintext: bytes, associated_data: bytes) -> bytes:
        """Encrypt under the current wrapping key."""
        return self.seal_envelopes([(plaintext, associated_data)])[0]

    def seal_envelopes(self, values: Sequence[tuple[bytes, bytes]]) -> list[bytes]:
        """Encrypt plaintexts, each with its associated data, under the current wrapping key."""
        return seal_envelopes(values, self.keyring.wrapping, self.random.token_bytes)

    def open_envelope(self, envelope: bytes, associated_data: bytes) -> bytes:
        """Decrypt an envelope. Raises KeyUnavailableError, SealBrokenError."""
        try:
            return open_envelope(envelope, self.keyring.unwrapping, associated_data=associated_data)
        except KeyUnavailableError:
            keys = self.keys.latest().unwrapping
            return open_envelope(envelope, keys, associated_data=associated_data)

    def sign_value(self, use: str, value: str) -> str:
        """Sign and timestamp a value that a client will send back, for one named use."""
        return sign_value(self.keyring, use, value)

    def open_value(self, use: str, text: str, *, max_age_seconds: int) -> str | None:
        """Return a signed value; None if it was not signed for this use, or is too old."""
        return open_value(self.keyring, use, text, max_age_seconds=max_age_seconds)

    def blind_index(self, number: PhoneNumber) -> bytes:
        """Return the lookup key of a number's recipient: HMAC-SHA256 of its E.164 form."""
        return blind_index(number.reveal(), self.keys.keyring.index)

    def rate_limit_key(self, kind: str, value: str) -> bytes:
        """Return the key of a rate limit's counter: a keyed hash of what is limited."""
        return rate_limit_key(kind, value, self.keys.keyring.index)

    def value_hashes(self, template: Template, filled: FilledText) -> bytes:
        """Return the keyed hashes of the values of a text that are counted, eight bytes each."""
        key = self.keys.keyring.index
        return b"".join(
            value_hash(template.id, name, skeleton(filled.values[name]), key)
            for name in counted_names(template)
        )
