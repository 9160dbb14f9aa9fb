"""Export all that is kept of a recipient (PIPL 45, GDPR 15 and 20)."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, TypeVar

from consent_tokens.consent.grant import Grant
from consent_tokens.consent.notice import Notice
from consent_tokens.consent.preferences import Preferences
from consent_tokens.consent.scope import format_time_of_day
from consent_tokens.consent.timezones import format_timezones
from consent_tokens.evidence.complaints import Complaint
from consent_tokens.evidence.events import Event, EventKind
from consent_tokens.evidence.receipts import Receipt
from consent_tokens.relay.case_record import decode_record
from consent_tokens.relay.message import Message
from consent_tokens.services.consents.views import scope_json, visible_grants
from consent_tokens.services.runtime import Runtime
from consent_tokens.store import (
    complaints,
    events,
    grants,
    merchants,
    messages,
    preferences,
    receipts,
)
from consent_tokens.store.database import Transaction
from consent_tokens.store.grants import GrantChange
from consent_tokens.store.merchants import Merchant

Item = TypeVar("Item")

BEGINNING: Final = datetime.fromtimestamp(0, UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportedConsent:
    """All that is kept of one consent."""

    grant_id: str  # the public id
    grant: Grant
    merchant: Merchant
    notice: Notice
    changes: list[GrantChange]  # the oldest first
    messages: list[Message]  # the newest first
    refusals: list[Event]  # of messages that were never accepted, the newest first
    receipt_ids: list[str]  # the newest first


@dataclass(frozen=True, slots=True, kw_only=True)
class SubjectAccessExport:
    """All that is kept of a recipient. The phone number is not kept, so it is not in it."""

    exported_at: datetime
    consents: list[ExportedConsent]
    preferences: Preferences
    complaints: list[Complaint]
    events: list[Event]  # the oldest first


def export_recipient(runtime: Runtime, partition: int) -> SubjectAccessExport:
    """Return all that is kept of a recipient, but for consents of the number's earlier owner."""
    now = runtime.clock.now()

    def query(transaction: Transaction) -> SubjectAccessExport:
        found = visible_grants(transaction, partition)
        own = {None, *(each.key.id for each in found)}
        recorded = [
            each
            for each in events.of_partition(transaction, partition, BEGINNING)
            if each.grant_id in own
        ]
        return SubjectAccessExport(
            exported_at=now,
            consents=_export_consents(runtime, transaction, partition, found, recorded),
            preferences=preferences.find(transaction, partition),
            complaints=[
                each
                for each in complaints.of_recipient(transaction, partition)
                if each.grant_id in own
            ],
            events=recorded,
        )

    return runtime.database.read(query)


def _export_consents(
    runtime: Runtime,
    transaction: Transaction,
    partition: int,
    found: list[Grant],
    recorded: list[Event],
) -> list[ExportedConsent]:
    """Return the consents of these grants with one statement per table, however many they are."""
    merchants_by_id = merchants.find_many(transaction, [each.merchant_id for each in found])
    notices = grants.notices_of(transaction, partition)
    changes = _grouped(grants.changes_of(transaction, partition), _grant_of_change)
    sent = messages.of_recipient(transaction, partition)
    refusals = _grouped(filter(_is_unaccepted_refusal, reversed(recorded)), _grant_of)
    issued = _grouped(receipts.of_recipient(transaction, partition), _grant_of)
    return [
        ExportedConsent(
            grant_id=runtime.ids.grant.encode(grant.key),
            grant=grant,
            merchant=merchants_by_id[grant.merchant_id],
            notice=notices.get(grant.key.id) or Notice(grant.language, ""),
            changes=changes.get(grant.key.id, []),
            messages=sent.get(grant.key.id, []),
            refusals=refusals.get(grant.key.id, []),
            receipt_ids=[
                runtime.ids.receipt.encode(each.key) for each in issued.get(grant.key.id, [])
            ],
        )
        for grant in found
    ]


def _grouped(
    items: Iterable[Item], grant_of: Callable[[Item], int | None]
) -> Mapping[int | None, list[Item]]:
    """Return the items by grant id, those of each in their order."""
    groups: defaultdict[int | None, list[Item]] = defaultdict(list)
    for item in items:
        groups[grant_of(item)].append(item)
    return groups


def _grant_of(item: Event | Receipt) -> int | None:
    return item.grant_id


def _grant_of_change(change: GrantChange) -> int:
    return change.grant_key.id


def _is_unaccepted_refusal(event: Event) -> bool:
    return event.kind is EventKind.MESSAGE_REFUSED and event.message_id is None


def export_json(runtime: Runtime, export: SubjectAccessExport) -> dict[str, Any]:
    """Return an export as JSON members. Times are ISO 8601."""
    return {
        "issuer": runtime.service.issuer,
        "exported_at": export.exported_at.isoformat(),
        "consents": [_consent_json(runtime, each, export.exported_at) for each in export.consents],
        "preferences": _preferences_json(export.preferences),
        "complaints": [
            {
                "reason": each.reason.value,
                "verdict": each.verdict.value,
                "status": each.status.value,
                "as_marketing": each.findings and [finding.value for finding in each.findings],
                "has_ordered": each.has_ordered,
                "at": each.filed_at.isoformat(),
            }
            for each in export.complaints
        ],
        "events": [_event_json(each) for each in export.events],
    }


def _event_json(event: Event) -> dict[str, Any]:
    """Return an event; of a decision with what it was made of, as it is kept."""
    members = {"at": event.at.isoformat(), "kind": event.kind.value, "code": event.reason}
    if event.rules is not None:
        members["rules"] = event.rules
    return members | ({"inputs": decode_record(event.inputs).members()} if event.inputs else {})


def _preferences_json(found: Preferences) -> dict[str, Any]:
    hours = found.quiet_hours
    return {
        "quiet_periods": [
            [each.begins.isoformat(), each.ends.isoformat()] for each in found.quiet_periods
        ],
        "daily_limit": found.daily_limit,
        "weekly_limit": found.weekly_limit,
        "quiet_hours": (
            {
                "from": format_time_of_day(hours.begins),
                "to": format_time_of_day(hours.ends),
                "tz": format_timezones(hours.timezones),
            }
            if hours
            else None
        ),
        "no_invitations": found.no_invitations,
    }


def _consent_json(runtime: Runtime, consent: ExportedConsent, now: datetime) -> dict[str, Any]:
    grant = consent.grant
    return {
        "merchant": consent.merchant.name,
        "grant": consent.grant_id,
        "status": grant.status_at(now).value,
        "since": grant.status_since.isoformat(),
        "granted_at": grant.granted_at.isoformat(),
        "scope": scope_json(grant.scope),
        "notice": {"language": consent.notice.language, "text": consent.notice.text},
        "changes": [_change_json(each) for each in consent.changes],
        "messages": [_message_json(each) for each in consent.messages],
        "refused": [
            {"at": each.at.isoformat(), "reason": each.reason} for each in consent.refusals
        ],
        "receipts": [
            f"{runtime.service.base_url}/receipts/{receipt_id}"
            for receipt_id in consent.receipt_ids
        ],
    }


def _change_json(change: GrantChange) -> dict[str, Any]:
    return {
        "at": change.changed_at.isoformat(),
        "what": change.amendment,
        "before": scope_json(change.scope),
    }


def _message_json(message: Message) -> dict[str, Any]:
    return {
        "status": message.status.value,
        "reason": message.reason,
        "purpose": message.purpose,
        "accepted_at": message.accepted_at.isoformat(),
        "at": message.send_at.isoformat(),
        "text": message.text,
    }
