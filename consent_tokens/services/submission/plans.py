"""Plans of merchants: what was accepted to leave in each, counted while messages are accepted.

A merchant without plans costs nothing here. Those of one that has some are locked while messages
that they are about are accepted, so that a plan's count holds for all processes together.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Self

from msgspec.structs import replace

from consent_tokens.relay.case import Case
from consent_tokens.relay.decision import Decision, Refused
from consent_tokens.relay.message import MAX_VALIDITY
from consent_tokens.relay.plan import Plan
from consent_tokens.services import webhooks
from consent_tokens.services.runtime import Runtime
from consent_tokens.services.submission.message_request import MessageRequest
from consent_tokens.services.submission.standing import Standings
from consent_tokens.store import plans
from consent_tokens.store.database import Transaction
from consent_tokens.store.senders import Sender


@dataclass(slots=True)
class Plans:
    """The plans that are about the messages of one transaction."""

    _plans: dict[str, Plan] = field(default_factory=dict)  # by id, the first to start first
    _changed: set[str] = field(default_factory=set)  # ids
    _used_up: set[str] = field(default_factory=set)  # ids of those whose excess is refused now

    @classmethod
    def load(
        cls,
        transaction: Transaction,
        standings: Standings,
        requests: Sequence[tuple[str, MessageRequest]],
        now: datetime,
    ) -> Self:
        """Read and lock the plans that messages, each with its merchant's id, may leave in.

        The caller holds the grants' locks already, and those of the daily limits.
        """
        planning = _planning(standings, now)
        if not planning:
            return cls()
        last = max([now, *(each.send_at for _, each in requests if each.send_at)]) + MAX_VALIDITY
        wanted = {
            (
                merchant_id,
                each.purpose,
                each.template.id if each.template else None,
                _sender_id(standings, merchant_id, each),
            )
            for merchant_id, each in requests
            if merchant_id in planning
        }
        found = [
            plan
            for plan in plans.between(transaction, now, last, sorted(planning))
            if any(plan.merchant_id == each[0] and plan.is_for(*each[1:]) for each in wanted)
        ]
        locked = plans.lock(transaction, [plan.id for plan in found]) if found else []
        by_id = {each.id: each for each in locked if each.withdrawn_at is None}
        return cls({plan.id: by_id[plan.id] for plan in found if plan.id in by_id})

    def of(
        self, merchant_id: str, request: MessageRequest, sender: Sender | None
    ) -> Sequence[Plan]:
        """Return the plans that are about a message, as they are used up to now."""
        if not self._plans:
            return ()
        template_id = request.template.id if request.template else None
        sender_id = sender.id if sender else None
        return [
            each
            for each in self._plans.values()
            if each.merchant_id == merchant_id
            and each.is_for(request.purpose, template_id, sender_id)
        ]

    def count(self, case: Case, decision: Decision) -> None:
        """Count a message that was accepted, or refused because its plan is used up."""
        plan = case.plan if case.plans else None
        if plan is None:
            return
        if not isinstance(decision, Refused):
            self._change(replace(plan, accepted=plan.accepted + 1))
        elif plan.is_used_up and any(rule.plan for rule in decision.rules):
            if not plan.excess:
                self._used_up.add(plan.id)
            self._change(replace(plan, excess=plan.excess + 1))

    def _change(self, plan: Plan) -> None:
        self._plans[plan.id] = plan
        self._changed.add(plan.id)

    def save(self, runtime: Runtime, transaction: Transaction, now: datetime) -> None:
        """Save the counts, and notify merchants whose excess is refused from now on."""
        plans.save_counts(transaction, [self._plans[each] for each in sorted(self._changed)])
        used_up = [webhooks.plan_event(self._plans[each]) for each in sorted(self._used_up)]
        webhooks.enqueue(runtime, transaction, used_up, now)


def _planning(standings: Standings, now: datetime) -> set[str]:
    """Return the ids of the merchants that have plans which are not over."""
    found: Mapping[str, datetime | None] = {
        each.id: each.plans_until for each in standings.merchants.values()
    }
    return {merchant_id for merchant_id, until in found.items() if until and until > now}


def _sender_id(standings: Standings, merchant_id: str, request: MessageRequest) -> str | None:
    sender = standings.of(merchant_id, request.purpose, request.sender_id).sender
    return sender.id if sender else None
