"""Entries of the revocation journal: what a consumer took back or gave back, one line of text each.

    <kind> <id> <seconds of UTC> <fields of the kind, separated by blanks; "-" is none>

    revoked                           partition id
    narrowed|widened|paused|resumed|extended
                    partition id purposes limit opens closes ends status until
    preferences     partition tag quiet_from quiet_until daily weekly hours_from hours_until tz 0|1
    invited|declined  partition id tag merchant request_partition request_id invited next is_open
    erased          partition is_former_owner

An entry states what was so after the act, not the difference, so that the last one of a subject
counts and an entry may be applied twice. Times are seconds, hours are minutes since midnight. The
id is random: a database that has stored it has done the act. A tag is a keyed hash that names the
recipient (`crypto.keyed_hashes.journal_tag`); nothing in a line is a number. Of several quiet
periods, `quiet_from` and `quiet_until` hold the times in the same order, separated by commas.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Final, TypeAlias, TypeVar

from consent_tokens.consent.grant import Grant, GrantStatus
from consent_tokens.consent.preferences import Preferences, quiet_hours_of
from consent_tokens.consent.purposes import Purpose
from consent_tokens.consent.quiet_periods import QuietPeriod
from consent_tokens.row_key import RowKey

NONE: Final = "-"
Value = TypeVar("Value")


class EntryKind(StrEnum):
    """What an entry says was done."""

    REVOKED = "revoked"
    NARROWED = "narrowed"
    WIDENED = "widened"
    PAUSED = "paused"
    RESUMED = "resumed"
    EXTENDED = "extended"
    PREFERENCES = "preferences"
    INVITED = "invited"
    DECLINED = "declined"
    ERASED = "erased"


@dataclass(frozen=True, slots=True)
class GrantRevoked:
    """A grant was revoked, for good."""

    key: RowKey


@dataclass(frozen=True, slots=True, kw_only=True)
class GrantAmended:
    """The terms of a live or paused grant after an amendment; the rest of its scope is fixed."""

    key: RowKey
    purposes: frozenset[Purpose]
    limit: int  # messages in the window of its frequency cap
    opens: int  # minutes since midnight
    closes: int
    ends_at: datetime
    is_paused: bool
    paused_until: datetime | None = None  # None: until its consumer resumes it

    @classmethod
    def of(cls, grant: Grant, paused_until: datetime | None) -> "GrantAmended":
        """Return the terms that a grant has now."""
        scope = grant.scope
        return cls(
            key=grant.key,
            purposes=scope.purposes,
            limit=scope.frequency_cap.limit,
            opens=scope.send_window.opens,
            closes=scope.send_window.closes,
            ends_at=scope.ends_at,
            is_paused=grant.status is GrantStatus.PAUSED,
            paused_until=paused_until,
        )


@dataclass(frozen=True, slots=True)
class PreferencesSet:
    """The preferences of a recipient after a change."""

    partition: int
    tag: str | None  # None: no number is known under this partition
    preferences: Preferences


@dataclass(frozen=True, slots=True, kw_only=True)
class InvitationRecorded:
    """An invitation that was sent, or refused if it is no longer open."""

    key: RowKey
    tag: str | None
    merchant_id: str
    request_key: RowKey
    invited_at: datetime
    next_allowed_at: datetime
    is_open: bool


@dataclass(frozen=True, slots=True)
class RecipientErased:
    """All data of a recipient was erased; that of a former owner of the number, or their own."""

    partition: int
    is_former_owner: bool


Change: TypeAlias = (
    GrantRevoked | GrantAmended | PreferencesSet | InvitationRecorded | RecipientErased
)
# what later entries of the same subject replace: a grant, an invitation, or a recipient's own row
Subject: TypeAlias = tuple[str, RowKey | int]


@dataclass(frozen=True, slots=True)
class JournalEntry:
    """One entry. `id` is None in a line of version 1, which only knew revocations."""

    id: int | None
    kind: EntryKind
    at: datetime
    change: Change

    @property
    def subject(self) -> Subject:
        """Return what the entry is about."""
        match self.change:
            case GrantRevoked(key):
                return "revoked", key
            case GrantAmended(key=key):
                return "grant", key
            case PreferencesSet(partition=partition):
                return "preferences", partition
            case InvitationRecorded(key=key):
                return "invitation", key
            case RecipientErased(partition):
                return "erased", partition

    def to_text(self) -> str:
        """Return the line of the entry, without its checksum."""
        return " ".join([self.kind.value, str(self.id), _seconds(self.at), *_fields(self.change)])

    @classmethod
    def parse(cls, text: str) -> "JournalEntry":
        """Return the entry that `to_text` wrote, or version 1. Raises ValueError."""
        parts = text.split(" ")
        if len(parts) == len(("partition", "id", "seconds")):  # version 1
            key = RowKey(int(parts[0]), int(parts[1]))
            return cls(None, EntryKind.REVOKED, _time(parts[2]), GrantRevoked(key))
        kind = EntryKind(parts[0])
        return cls(int(parts[1]), kind, _time(parts[2]), _PARSERS[kind](parts[3:]))


def _fields(change: Change) -> list[str]:
    match change:
        case GrantRevoked(key):
            return [*_key(key)]
        case GrantAmended():
            return _amended_fields(change)
        case PreferencesSet():
            return _preferences_fields(change)
        case InvitationRecorded():
            return [
                *_key(change.key), change.tag or NONE, change.merchant_id,
                *_key(change.request_key), _seconds(change.invited_at),
                _seconds(change.next_allowed_at), str(int(change.is_open)),
            ]  # fmt: skip
        case RecipientErased(partition):
            return [str(partition), str(int(change.is_former_owner))]


def _amended_fields(terms: GrantAmended) -> list[str]:
    return [
        *_key(terms.key),
        ",".join(sorted(terms.purposes)),
        *map(str, (terms.limit, terms.opens, terms.closes)),
        _seconds(terms.ends_at),
        GrantStatus.PAUSED.value if terms.is_paused else GrantStatus.LIVE.value,
        _seconds(terms.paused_until),
    ]


def _preferences_fields(change: PreferencesSet) -> list[str]:
    periods, hours = change.preferences.quiet_periods, change.preferences.quiet_hours
    return [
        str(change.partition),
        change.tag or NONE,
        ",".join(_seconds(each.begins) for each in periods) or NONE,
        ",".join(_seconds(each.ends) for each in periods) or NONE,
        _number(change.preferences.daily_limit),
        _number(change.preferences.weekly_limit),
        _number(hours.begins if hours else None),
        _number(hours.ends if hours else None),
        ",".join(zone.key for zone in hours.timezones) if hours else NONE,
        str(int(change.preferences.no_invitations)),
    ]


def _parse_revoked(fields: list[str]) -> GrantRevoked:
    partition, number = fields
    return GrantRevoked(RowKey(int(partition), int(number)))


def _parse_amended(fields: list[str]) -> GrantAmended:
    partition, number, purposes, limit, opens, closes, ends_at, status, until = fields
    return GrantAmended(
        key=RowKey(int(partition), int(number)),
        purposes=frozenset(map(Purpose, purposes.split(","))),
        limit=int(limit),
        opens=int(opens),
        closes=int(closes),
        ends_at=_time(ends_at),
        is_paused=GrantStatus(status) is GrantStatus.PAUSED,
        paused_until=_optional(until, _time),
    )


def _parse_preferences(fields: list[str]) -> PreferencesSet:
    (
        partition, tag, quiet_from, quiet_until, daily, weekly,
        hours_from, hours_until, timezone, no_invitations,
    ) = fields  # fmt: skip
    hours = None
    if hours_until != NONE:
        hours = quiet_hours_of(int(hours_from), int(hours_until), timezone.replace(",", " "))
    preferences = Preferences(
        quiet_periods=_parse_periods(quiet_from, quiet_until),
        daily_limit=_optional(daily, int),
        weekly_limit=_optional(weekly, int),
        quiet_hours=hours,
        no_invitations=no_invitations == "1",
    )
    return PreferencesSet(int(partition), _optional(tag, str), preferences)


def _parse_periods(quiet_from: str, quiet_until: str) -> tuple[QuietPeriod, ...]:
    if quiet_until == NONE:
        return ()
    pairs = zip(quiet_from.split(","), quiet_until.split(","), strict=True)
    return tuple(QuietPeriod(_time(begins), _time(ends)) for begins, ends in pairs)


def _parse_invitation(fields: list[str]) -> InvitationRecorded:
    partition, number, tag, merchant_id, request, request_number, invited, allowed, is_open = fields
    return InvitationRecorded(
        key=RowKey(int(partition), int(number)),
        tag=_optional(tag, str),
        merchant_id=merchant_id,
        request_key=RowKey(int(request), int(request_number)),
        invited_at=_time(invited),
        next_allowed_at=_time(allowed),
        is_open=is_open == "1",
    )


def _parse_erased(fields: list[str]) -> RecipientErased:
    partition, is_former_owner = fields
    return RecipientErased(int(partition), is_former_owner == "1")


_PARSERS: Final[Mapping[EntryKind, Callable[[list[str]], Change]]] = {
    EntryKind.REVOKED: _parse_revoked,
    EntryKind.NARROWED: _parse_amended,
    EntryKind.WIDENED: _parse_amended,
    EntryKind.PAUSED: _parse_amended,
    EntryKind.RESUMED: _parse_amended,
    EntryKind.EXTENDED: _parse_amended,
    EntryKind.PREFERENCES: _parse_preferences,
    EntryKind.INVITED: _parse_invitation,
    EntryKind.DECLINED: _parse_invitation,
    EntryKind.ERASED: _parse_erased,
}


def _key(key: RowKey) -> tuple[str, str]:
    return str(key.partition), str(key.id)


def _seconds(at: datetime | None) -> str:
    return NONE if at is None else str(int(at.timestamp()))


def _number(value: int | None) -> str:
    return NONE if value is None else str(value)


def _time(text: str) -> datetime:
    return datetime.fromtimestamp(int(text), UTC)


def _optional(text: str, parse: Callable[[str], Value]) -> Value | None:
    return None if text == NONE else parse(text)
