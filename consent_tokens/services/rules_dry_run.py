"""What rules would have done to the messages of the last week: before they are enforced."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import groupby
from typing import Final

from msgspec.structs import replace

from consent_tokens.consent.grant import Grant
from consent_tokens.consent.timezones import regions_of
from consent_tokens.relay.checks import stopping_rules
from consent_tokens.relay.decision import class_of
from consent_tokens.relay.message import Priority
from consent_tokens.relay.plan import Plan
from consent_tokens.row_key import RowKey
from consent_tokens.rules.limits import limits_in_modes
from consent_tokens.rules.pack import RuleSet
from consent_tokens.rules.rule import RuleMode
from consent_tokens.services.runtime import Runtime
from consent_tokens.store import grants, merchants, plans
from consent_tokens.store.database import Transaction
from consent_tokens.store.merchants import Merchant
from consent_tokens.store.sent_messages import SentMessage, sent_from

WEEK: Final = timedelta(days=7)
PAGE_SIZE: Final = 5000  # messages; of one recipient more than these are not looked at
TRIED: Final = frozenset({RuleMode.ENFORCED, RuleMode.SHADOW})


@dataclass(slots=True)
class DryRun:
    """How many messages there were, and how many each rule would not have let leave then."""

    messages: int = 0
    stopped: dict[str, int] = field(default_factory=lambda: defaultdict(int))  # by id of the rule


def dry_run(runtime: Runtime, rule_set: RuleSet, *, max_pages: int | None = None) -> DryRun:
    """Try rules, new ones too, on each message that was sent in the last week.

    Each rule is tried by itself, at the time at which the message was sent; of plans, only whether
    there was one then, and not how much of it was used. With `max_pages`,
    only so many times PAGE_SIZE messages are read: those of some recipients, by random partition.
    """
    now, found, partition = runtime.clock.now(), DryRun(), -(2**63)
    since = now - WEEK - max(rule_set.longest_cap, WEEK)  # a cap over all merchants has a week

    pages = 0
    while True:
        first = partition

        def query(transaction: Transaction, first: int = first) -> _Page:
            return _Page.load(transaction, sent_from(transaction, first, since, PAGE_SIZE))

        page = runtime.database.read(query)
        for sent in page.complete():
            _try(rule_set, sent, page, found, now - WEEK)
        pages += 1
        if page.is_last or pages == max_pages:
            return found
        partition = page.next_partition


@dataclass(frozen=True, slots=True)
class _Page:
    sent: Sequence[SentMessage]
    grants: Mapping[RowKey, Grant]
    merchants: Mapping[str, Merchant]
    plans: Mapping[str, Sequence[Plan]]  # by merchant id, as if nothing of them was used

    @classmethod
    def load(cls, transaction: Transaction, sent: Sequence[SentMessage]) -> "_Page":
        keys = sorted({each.grant_key for each in sent})
        merchant_ids = sorted({each.merchant_id for each in sent})
        return cls(
            sent,
            grants.find_many(transaction, keys),
            merchants.find_many(transaction, merchant_ids),
            _plans_at(transaction, sent, merchant_ids),
        )

    def plans_of(self, message: SentMessage) -> list[Plan]:
        """Return the plans that are about a message."""
        names = message.purpose, message.template_id, message.sender_id
        return [each for each in self.plans.get(message.merchant_id, ()) if each.is_for(*names)]

    @property
    def is_last(self) -> bool:
        return len(self.sent) < PAGE_SIZE

    @property
    def next_partition(self) -> int:
        """Return where the next page begins: at the recipient that may have more messages."""
        last = self.sent[-1].grant_key.partition
        return last if self.sent[0].grant_key.partition != last else last + 1

    def complete(self) -> Iterator[list[SentMessage]]:
        """Return the messages of each recipient that this page has in full."""
        for partition, sent in groupby(self.sent, lambda each: each.grant_key.partition):
            if self.is_last or partition < self.next_partition:
                yield list(sent)


def _plans_at(
    transaction: Transaction, sent: Sequence[SentMessage], merchant_ids: Sequence[str]
) -> Mapping[str, Sequence[Plan]]:
    """Return the plans of merchants that messages were sent in, by merchant id."""
    found: dict[str, list[Plan]] = defaultdict(list)
    times = [each.send_at for each in sent]
    if times:
        for each in plans.between(transaction, min(times), max(times), merchant_ids):
            found[each.merchant_id].append(replace(each, accepted=0))
    return found


def _try(
    rule_set: RuleSet, sent: Sequence[SentMessage], page: _Page, found: DryRun, since: datetime
) -> None:
    """Try rules on the messages of one recipient that were sent after `since`."""
    counted: dict[tuple[RowKey, int], list[datetime]] = defaultdict(list)
    marketing_sends: list[datetime] = []  # of all merchants
    for message in sent:
        sends = counted[message.grant_key, message.priority]
        grant, merchant = page.grants.get(message.grant_key), page.merchants[message.merchant_id]
        if grant is not None and message.send_at > since:
            zones = grant.scope.send_window.timezones
            limits = limits_in_modes(
                rule_set.packs_for(regions_of(zones), is_demonstration=merchant.is_demonstration),
                message.purpose,
                class_of(message.purpose),
                zones,
                message.send_at.date(),
                modes=TRIED,
            )
            found.messages += 1
            planned = page.plans_of(message) if limits.plans else ()
            stopping = stopping_rules(limits, sends, marketing_sends, message.send_at, planned)
            for rule_id in {each.id for each in stopping}:
                found.stopped[rule_id] += 1
        sends.append(message.send_at)
        if message.priority == Priority.MARKETING:
            marketing_sends.append(message.send_at)
