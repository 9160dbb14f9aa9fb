"""Read what the consumer's pages show, and no more of what is kept.

A consent that ended because the number has another owner now is shown to nobody.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from consent_tokens.consent.grant import Grant, GrantStatus
from consent_tokens.consent.notice import Notice
from consent_tokens.consent.purposes import in_catalogue_order
from consent_tokens.consent.scope import SMS, Scope, format_time_of_day
from consent_tokens.errors import NotFoundError
from consent_tokens.evidence.events import Event
from consent_tokens.evidence.receipts import Receipt, ReceiptKind
from consent_tokens.relay.decision import Reason
from consent_tokens.relay.message import Message
from consent_tokens.services.consents.amendments import own_grant_key
from consent_tokens.services.consents.stop_reasons import may_give_stop_reason
from consent_tokens.services.outbox.message_links import LINK_LIFETIME, find_linked
from consent_tokens.services.runtime import Runtime
from consent_tokens.store import events, grants, merchants, messages, receipts, weekly_counts
from consent_tokens.store.database import Transaction
from consent_tokens.store.merchants import Merchant
from consent_tokens.store.weekly_counts import NO_COUNTS, WeekCount

MAX_MESSAGES_SHOWN: Final = 50  # of one consent, on its page; of its refusals, too


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsentSummary:
    """One consent in the list of a consumer's consents: counts, but no message."""

    grant_id: str  # the public id
    grant: Grant
    merchant: Merchant
    paused_until: datetime | None
    weeks: Sequence[WeekCount]  # the oldest first; the last one ends now


@dataclass(frozen=True, slots=True, kw_only=True)
class MerchantSummary:
    """A merchant in the list of a consumer's consents, with its live ones, the newest first."""

    merchant: Merchant
    consents: Sequence[ConsentSummary]

    @property
    def weeks(self) -> list[WeekCount]:
        """Return the counts of all its consents together, the oldest week first."""
        weeks = zip(*(each.weeks for each in self.consents), strict=True)
        return [
            WeekCount(sum(each.submitted for each in week), sum(each.refused for each in week))
            for week in weeks
        ]

    def has_status(self, status: GrantStatus, now: datetime) -> bool:
        """Whether a consent of it has a status at `now`."""
        return any(each.grant.status_at(now) == status for each in self.consents)


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsentDetail(ConsentSummary):
    """One consent on a page of its own, with the newest of its messages."""

    others: list[tuple[str, Grant]]  # its merchant's other live ones, with their public ids

    notice: Notice
    messages: list[Message]
    report_links: dict[int, str]  # of those that arrived, by message id: the link to report them
    refusals: list[Event]  # of messages that were never accepted; their texts were not kept
    receipts: list[tuple[str, Receipt]]  # with their public ids, the newest first


@dataclass(frozen=True, slots=True)
class LinkedMessage:
    """The message that a link leads to, with its consent."""

    message: Message
    grant: Grant
    merchant: Merchant


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkedMessageDetail:
    """What the page behind the link in a message shows."""

    linked: LinkedMessage
    notice: Notice
    live: list[Grant]  # of the merchant; none once it is stopped
    ended: list[Grant]  # that ended together, last
    paused_until: datetime | None
    stopped_messages: int  # that waited when they ended, and are not sent
    last_submitted_at: datetime | None
    withdrawal_receipts: list[tuple[str, Grant]]  # public ids, and what ended
    may_give_stop_reason: bool


def list_consents(runtime: Runtime, partition: int) -> list[ConsentSummary]:
    """Return all consents of a recipient, over all merchants, the newest first."""
    now = runtime.clock.now()

    def query(transaction: Transaction) -> list[ConsentSummary]:
        found = visible_grants(transaction, partition)
        merchants_by_id = merchants.find_many(transaction, [each.merchant_id for each in found])
        pause_ends = grants.pause_ends_of(transaction, partition)
        weeks = weekly_counts.weeks_of_recipient(transaction, partition, now)
        return [
            ConsentSummary(
                grant_id=runtime.ids.grant.encode(grant.key),
                grant=grant,
                merchant=merchants_by_id[grant.merchant_id],
                paused_until=pause_ends.get(grant.key.id),
                weeks=weeks.get(grant.key.id, NO_COUNTS),
            )
            for grant in found
        ]

    return runtime.database.read(query)


def by_merchant(consents: Sequence[ConsentSummary]) -> list[MerchantSummary]:
    """Return consents grouped by merchant, in the order of the first of each."""
    groups: defaultdict[str, list[ConsentSummary]] = defaultdict(list)
    for each in consents:
        groups[each.merchant.id].append(each)
    return [
        MerchantSummary(merchant=group[0].merchant, consents=group) for group in groups.values()
    ]


def ended_last(found: Sequence[Grant], now: datetime) -> list[Grant]:
    """Return the grants that ended together, last: those of a stop."""
    ended = [each for each in found if not each.is_live_at(now)]
    last = max((each.status_since for each in ended), default=None)
    return [each for each in ended if each.status_since == last]


def merchant_of(runtime: Runtime, partition: int, public_id: str) -> str:
    """Return the merchant of a recipient's own grant. Raises NotFoundError, also for another's."""
    key = own_grant_key(runtime, partition, public_id)
    grant = runtime.database.read(lambda transaction: grants.find(transaction, key))
    if grant is None:
        raise NotFoundError("no consent of yours")
    return grant.merchant_id


def live_to_merchant(runtime: Runtime, partition: int, merchant_id: str) -> list[Grant]:
    """Return a recipient's live grants to a merchant, the newest first."""
    now = runtime.clock.now()
    found = runtime.database.read(
        lambda transaction: grants.of_recipient_to_merchant(transaction, partition, merchant_id)
    )
    return [each for each in found if each.is_live_at(now)]


def visible_grants(transaction: Transaction, partition: int) -> list[Grant]:
    """Return the grants that a recipient may see, the newest first."""
    hidden = events.reassigned_grants_of(transaction, partition)
    return [
        each for each in grants.of_recipient(transaction, partition) if each.key.id not in hidden
    ]


def find_consent(runtime: Runtime, partition: int, public_id: str) -> ConsentDetail:
    """Return one of a recipient's own consents. Raises NotFoundError, also for another's."""
    key = own_grant_key(runtime, partition, public_id)
    now = runtime.clock.now()

    def query(transaction: Transaction) -> ConsentDetail:
        grant = grants.find(transaction, key)
        merchant = merchants.find(transaction, grant.merchant_id) if grant else None
        if grant is None or merchant is None or events.is_reassigned(transaction, key):
            raise NotFoundError("no consent of yours")
        of_merchant = grants.of_recipient_to_merchant(transaction, partition, merchant.id)
        shown = messages.of_grant(transaction, key, MAX_MESSAGES_SHOWN)
        return ConsentDetail(
            grant_id=public_id,
            grant=grant,
            merchant=merchant,
            paused_until=grants.pause_end_of(transaction, key),
            weeks=weekly_counts.weeks_of_grant(transaction, key, now),
            others=[
                (runtime.ids.grant.encode(each.key), each)
                for each in of_merchant
                if each.key != key and each.is_live_at(now)
            ],
            notice=_notice(transaction, grant),
            messages=shown,
            report_links=_report_links(runtime, shown, now),
            refusals=events.refusals_under_grant(transaction, key, MAX_MESSAGES_SHOWN),
            receipts=[
                (runtime.ids.receipt.encode(each.key), each)
                for each in receipts.of_grant(transaction, key)
            ],
        )

    return runtime.database.read(query)


def _report_links(runtime: Runtime, shown: Sequence[Message], now: datetime) -> dict[int, str]:
    return {
        each.key.id: runtime.ids.message_link.encode(each.key)
        for each in shown
        if each.status in messages.ARRIVED_STATUSES and each.accepted_at >= now - LINK_LIFETIME
    }


def find_linked_message(runtime: Runtime, link_id: str, reader: int | None) -> LinkedMessage:
    """Return the message behind `/m/{link_id}`; `reader` is the partition of who is signed in.

    Raises NotFoundError, also if it is too old.
    """
    return runtime.database.read(
        lambda transaction: _find_linked_message(runtime, transaction, link_id, reader)
    )


def find_linked_message_detail(
    runtime: Runtime, link_id: str, reader: int | None
) -> LinkedMessageDetail:
    """Return what the page `/m/{link_id}` shows. Raises NotFoundError, also if it is too old."""
    now = runtime.clock.now()

    def query(transaction: Transaction) -> LinkedMessageDetail:
        linked = _find_linked_message(runtime, transaction, link_id, reader)
        key = linked.grant.key
        visible = [
            each
            for each in visible_grants(transaction, key.partition)
            if each.merchant_id == linked.merchant.id
        ]
        ended = ended_last(visible, now)
        return LinkedMessageDetail(
            linked=linked,
            notice=_notice(transaction, linked.grant),
            live=[each for each in visible if each.is_live_at(now)],
            ended=ended,
            paused_until=grants.pause_end_of(transaction, key),
            stopped_messages=sum(_stopped_messages(transaction, each) for each in ended),
            last_submitted_at=_last_submitted_at(transaction, ended),
            withdrawal_receipts=[
                (runtime.ids.receipt.encode(receipt.key), each)
                for each in ended
                for receipt in receipts.of_grant(transaction, each.key)
                if receipt.kind == ReceiptKind.WITHDRAWAL
            ],
            may_give_stop_reason=may_give_stop_reason(
                transaction, key.partition, linked.merchant.id, now
            ),
        )

    return runtime.database.read(query)


def _stopped_messages(transaction: Transaction, ended: Grant) -> int:
    reason, at = Reason.CONSENT_REVOKED, ended.status_since
    return messages.count_refused_at(transaction, ended.key, reason, at)


def _last_submitted_at(transaction: Transaction, found: Sequence[Grant]) -> datetime | None:
    times = [messages.last_submitted_at(transaction, each.key) for each in found]
    return max((at for at in times if at), default=None)


def _find_linked_message(
    runtime: Runtime, transaction: Transaction, link_id: str, reader: int | None
) -> LinkedMessage:
    message = find_linked(runtime, transaction, link_id, reader)
    if message is None or message.grant_key is None:
        raise NotFoundError("this link leads nowhere")
    grant = grants.find(transaction, message.grant_key)
    merchant = merchants.find(transaction, grant.merchant_id) if grant else None
    if grant is None or merchant is None or events.is_reassigned(transaction, grant.key):
        raise NotFoundError("this link leads nowhere")
    return LinkedMessage(message, grant, merchant)


def _notice(transaction: Transaction, grant: Grant) -> Notice:
    return grants.notice_of(transaction, grant.key) or Notice(grant.language, "")


def scope_json(scope: Scope) -> dict[str, Any]:
    """Return a scope with the members of the API."""
    return {
        "purposes": [purpose.value for purpose in in_catalogue_order(scope.purposes)],
        "channels": [SMS],
        "max_messages": scope.frequency_cap.limit,
        "per_days": scope.frequency_cap.window.days,
        "from": format_time_of_day(scope.send_window.opens),
        "to": format_time_of_day(scope.send_window.closes),
        "tz": scope.send_window.timezone_names,
        "expires_at": scope.ends_at.isoformat(),
    }
