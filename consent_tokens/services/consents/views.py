"""What a consumer looks at: every consent, what came under it and what did not.

Reads only. A consent that ended because the number changed hands is shown to nobody.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from consent_tokens.consent.grant import Grant, GrantStatus
from consent_tokens.consent.notice import Notice
from consent_tokens.consent.preferences import Preferences
from consent_tokens.consent.purposes import in_catalogue_order
from consent_tokens.consent.scope import SMS, Scope, format_time_of_day
from consent_tokens.errors import NotFoundError
from consent_tokens.evidence.complaints import Complaint
from consent_tokens.evidence.events import Event
from consent_tokens.evidence.receipts import Receipt
from consent_tokens.relay.message import Message
from consent_tokens.services.runtime import Runtime
from consent_tokens.store import complaints, events, grants, merchants, messages, receipts
from consent_tokens.store import preferences as wishes
from consent_tokens.store.database import Transaction
from consent_tokens.store.grants import GrantChange
from consent_tokens.store.merchants import Merchant
from consent_tokens.store.messages import SUBMITTED_STATUSES

LINK_LIFETIME: Final = timedelta(days=180)  # how long the link in a message leads anywhere
MAX_MESSAGES_SHOWN: Final = 50  # messages of one grant, on a page
MAX_MESSAGES_COUNTED: Final = 2000  # for the chart: far above what is asked for in twelve weeks
MAX_MESSAGES_EXPORTED: Final = 100_000  # for the file of all that is kept
CHART_WEEKS: Final = 12  # of the chart


@dataclass(frozen=True, slots=True)
class Week:
    """What came under a consent in seven days, and what was kept away."""

    submitted: int
    refused: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsentView:
    """One grant as its consumer sees it."""

    grant_id: str
    grant: Grant
    merchant: Merchant
    notice: Notice
    messages: list[Message]
    refusals: list[Event]  # what the relay refused when it was handed in; its text was never kept
    receipts: list[tuple[str, Receipt]]  # by handle, the newest first
    paused_until: datetime | None
    weeks: list[Week]

    def status_at(self, now: datetime) -> GrantStatus:
        """Return the state as it is now."""
        return self.grant.status_at(now)

    @property
    def stopped_messages(self) -> int:
        """Return how many messages waited when it ended, and are not sent."""
        ended = self.grant.status_since
        return sum(
            each.reason == "consent_revoked" and each.changed_at == ended for each in self.messages
        )

    @property
    def last_submitted_at(self) -> datetime | None:
        """Return when the last message was handed over."""
        return max(
            (each.send_at for each in self.messages if each.status in SUBMITTED_STATUSES),
            default=None,
        )


@dataclass(frozen=True, slots=True)
class LinkedMessage:
    """What the link in a message leads to."""

    message: Message
    consent: ConsentView


@dataclass(frozen=True, slots=True)
class _RecipientData:
    """What is the same for every consent of a recipient, read once."""

    refusals: Sequence[Event]
    receipts: Sequence[Receipt]
    pauses: Mapping[int, datetime]

    @classmethod
    def read(cls, transaction: Transaction, partition: int) -> "_RecipientData":
        refusals = events.refusals_of(transaction, partition)
        return cls(
            refusals,
            receipts.of_recipient(transaction, partition),
            grants.pause_ends_of(transaction, partition),
        )


def list_consents(
    runtime: Runtime, partition: int, limit: int = MAX_MESSAGES_SHOWN
) -> list[ConsentView]:
    """Return every consent of a recipient, over all merchants, the newest first.

    Each comes with at most `most` of its messages, and of what was refused.
    """

    def query(transaction: Transaction) -> list[ConsentView]:
        hidden = events.reassigned_grants_of(transaction, partition)
        found = [g for g in grants.of_recipient(transaction, partition) if g.key.id not in hidden]
        named = merchants.find_many(transaction, [grant.merchant_id for grant in found])
        shared = _RecipientData.read(transaction, partition)
        return [
            _consent(runtime, transaction, grant, named[grant.merchant_id], shared, limit)
            for grant in found
        ]

    return runtime.database.read(query)


def find_linked_message(runtime: Runtime, code: str) -> LinkedMessage:
    """Return what the link `/m/{code}` leads to. Raises NotFoundError, also when it is too old."""
    key = runtime.keyring.ids.message_link.decode(code)
    since = runtime.clock.now() - LINK_LIFETIME

    def query(transaction: Transaction) -> LinkedMessage:
        message = messages.find(transaction, key) if key else None
        if message is None or message.grant_key is None or message.accepted_at < since:
            raise NotFoundError("this link leads nowhere")
        grant = grants.find(transaction, message.grant_key)
        merchant = merchants.find(transaction, grant.merchant_id) if grant else None
        is_hidden = grant and grant.key.id in events.reassigned_grants_of(
            transaction, grant.key.partition
        )
        if grant is None or merchant is None or is_hidden:
            raise NotFoundError("this link leads nowhere")
        shared = _RecipientData.read(transaction, grant.key.partition)
        return LinkedMessage(message, _consent(runtime, transaction, grant, merchant, shared))

    return runtime.database.read(query)


def _consent(
    runtime: Runtime,
    transaction: Transaction,
    grant: Grant,
    merchant: Merchant,
    shared: _RecipientData,
    limit: int = MAX_MESSAGES_SHOWN,
) -> ConsentView:
    key = grant.key
    sent = messages.of_grant(transaction, key, max(limit, MAX_MESSAGES_COUNTED))
    refusals = [
        each for each in shared.refusals if each.grant_id == grant.key.id and not each.message_id
    ]
    return ConsentView(
        grant_id=runtime.keyring.ids.grant.encode(key),
        grant=grant,
        merchant=merchant,
        notice=grants.notice_of(transaction, key) or Notice(grant.language, ""),
        messages=sent[:limit],
        refusals=refusals[:limit],
        receipts=[
            (runtime.keyring.ids.receipt.encode(each.key), each)
            for each in shared.receipts
            if each.grant_id == grant.key.id
        ],
        paused_until=shared.pauses.get(grant.key.id),
        weeks=_weekly_counts(sent, refusals, runtime.clock.now()),
    )


def _weekly_counts(sent: Sequence[Message], refusals: Sequence[Event], now: datetime) -> list[Week]:
    """Return the last twelve weeks, the oldest first; the last ends now."""

    def of(moments: Sequence[datetime]) -> list[int]:
        counts = [0] * CHART_WEEKS
        for moment in moments:
            ago = (now - moment) // timedelta(days=7)
            if 0 <= ago < CHART_WEEKS:
                counts[CHART_WEEKS - 1 - ago] += 1
        return counts

    left = of([each.send_at for each in sent if each.status in SUBMITTED_STATUSES])
    kept = [each.changed_at for each in sent if each.status == "refused"]
    refused = of([*kept, *(each.at for each in refusals)])
    return [Week(*pair) for pair in zip(left, refused, strict=True)]


# --- All that is kept (PIPL 45) -----------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class SubjectAccessExport:
    """All that is kept of a recipient, for a file."""

    exported_at: datetime
    consents: list[ConsentView]
    changes: list[GrantChange]
    wishes: Preferences
    complaints: list[Complaint]
    events: list[Event]


def export_recipient(runtime: Runtime, partition: int) -> SubjectAccessExport:
    """Return all that is kept of a recipient. The number is not among it: nobody keeps it."""
    now = runtime.clock.now()
    shown = list_consents(runtime, partition, MAX_MESSAGES_EXPORTED)
    own = {consent.grant.key.id for consent in shown}

    def query(transaction: Transaction) -> SubjectAccessExport:
        found = events.of_partition(transaction, partition, now - timedelta(days=36_500))
        return SubjectAccessExport(
            exported_at=now,
            consents=shown,
            changes=[
                each
                for each in grants.changes_of(transaction, partition)
                if each.grant_key.id in own
            ],
            wishes=wishes.find(transaction, partition),
            complaints=[
                each
                for each in complaints.of_recipient(transaction, partition)
                if each.grant_id is None or each.grant_id in own
            ],
            events=[each for each in found if each.grant_id is None or each.grant_id in own],
        )

    return runtime.database.read(query)


def as_json(runtime: Runtime, kept: SubjectAccessExport) -> dict[str, Any]:
    """Return all that is kept in members that programs read."""
    calm, rest = kept.wishes.quiet_period, kept.wishes.quiet_hours
    return {
        "issuer": runtime.service.base_url,
        "made_at": kept.exported_at.isoformat(),
        "consents": [_consent_json(runtime, each, kept) for each in kept.consents],
        "wishes": {
            "calm": [calm.begins.isoformat(), calm.ends.isoformat()] if calm else None,
            "most_a_day": kept.wishes.daily_limit,
            "most_a_week": kept.wishes.weekly_limit,
            "rest": (
                {
                    "from": format_time_of_day(rest.begins),
                    "to": format_time_of_day(rest.ends),
                    "tz": rest.timezone.key,
                }
                if rest
                else None
            ),
            "no_invitations": kept.wishes.no_invitations,
        },
        "complaints": [
            {
                "reason": each.reason.value,
                "verdict": each.verdict.value,
                "state": each.status.value,
                "at": each.filed_at.isoformat(),
            }
            for each in kept.complaints
        ],
        "events": [
            {"at": each.at.isoformat(), "kind": each.kind.value, "code": each.reason}
            for each in kept.events
        ],
    }


def _consent_json(
    runtime: Runtime, consent: ConsentView, kept: SubjectAccessExport
) -> dict[str, Any]:
    grant = consent.grant
    return {
        "merchant": consent.merchant.name,
        "grant": consent.grant_id,
        "state": consent.status_at(kept.exported_at).value,
        "since": grant.status_since.isoformat(),
        "granted_at": grant.granted_at.isoformat(),
        "scope": scope_json(grant.scope),
        "notice": {"language": consent.notice.language, "text": consent.notice.text},
        "changes": [
            {
                "at": each.changed_at.isoformat(),
                "what": each.amendment,
                "before": scope_json(each.scope),
            }
            for each in kept.changes
            if each.grant_key.id == grant.key.id
        ],
        "messages": [
            {
                "state": each.status.value,
                "reason": each.reason,
                "purpose": each.purpose,
                "accepted_at": each.accepted_at.isoformat(),
                "at": each.send_at.isoformat(),
                "text": each.text,
            }
            for each in consent.messages
        ],
        "refused": [
            {"at": each.at.isoformat(), "reason": each.reason} for each in consent.refusals
        ],
        "receipts": [
            f"{runtime.service.base_url}/receipts/{public_id}" for public_id, _ in consent.receipts
        ],
    }


def scope_json(scope: Scope) -> dict[str, Any]:
    """Return a scope in the words of the API."""
    return {
        "purposes": [purpose.value for purpose in in_catalogue_order(scope.purposes)],
        "channels": [SMS],
        "max_messages": scope.frequency_cap.limit,
        "per_days": scope.frequency_cap.window.days,
        "from": format_time_of_day(scope.send_window.opens),
        "to": format_time_of_day(scope.send_window.closes),
        "tz": scope.send_window.timezone.key,
        "expires_at": scope.ends_at.isoformat(),
    }
