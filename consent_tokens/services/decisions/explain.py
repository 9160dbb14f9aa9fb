"""Explain what was decided on a message, step by step, from what was kept of the decision."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final

from msgspec import Struct

from consent_tokens.errors import NotFoundError
from consent_tokens.evidence.events import Event, EventKind
from consent_tokens.relay.checks import checks_of
from consent_tokens.relay.explanation import Step
from consent_tokens.relay.explanation import explain as explain_case
from consent_tokens.row_key import RowKey
from consent_tokens.rules.pack import RuleSet
from consent_tokens.rules.rule import Rule
from consent_tokens.services.decisions.past import (
    Missing,
    decide_past,
    rule_ids_of,
    rules_of,
    version_of,
    words_of,
)
from consent_tokens.services.rule_versions import stored_rules
from consent_tokens.services.runtime import Runtime
from consent_tokens.store import decision_inputs
from consent_tokens.store.database import Transaction
from consent_tokens.store.decision_inputs import RecordedEvent

DECISIONS: Final = frozenset(
    {EventKind.MESSAGE_ACCEPTED, EventKind.MESSAGE_DEFERRED, EventKind.MESSAGE_REFUSED}
)


class ExplainedDecision(Struct, frozen=True, kw_only=True):
    """One decision on a message; `rules` are those that led to a refusal, or moved its time.

    Without `steps`, `missing` says why there are none.
    """

    id: str
    at: datetime
    merchant_id: str | None
    decision: str  # in a line
    rules_version: str | None
    rules: tuple[Rule, ...] = ()
    is_of_dispatch: bool | None = None  # None: not known
    steps: tuple[Step, ...] = ()
    missing: Missing | None = None
    is_same: bool | None = None  # decided again it is the same; None: that cannot be done


def explain(runtime: Runtime, public_id: str) -> list[ExplainedDecision]:
    """Explain the decisions on a message, or one decision, by public id; the oldest first.

    Raises NotFoundError, also for a message on which no decision is kept.
    """

    def query(transaction: Transaction) -> tuple[Sequence[RecordedEvent], Mapping[str, RuleSet]]:
        recorded = _events_of(runtime, transaction, public_id)
        versions = {version_of(each.event) or "" for each in recorded}
        return recorded, stored_rules(transaction, versions)

    found, stored = runtime.database.read(query)
    decisions = [each for each in found if each.event.inputs or each.event.kind in DECISIONS]
    if not decisions:
        raise NotFoundError("no decision on a message of that id")
    decisions.sort(key=lambda each: (each.event.at, each.event.kind != EventKind.MESSAGE_ACCEPTED))
    return [_explain(runtime, each, stored) for each in decisions]


def _events_of(
    runtime: Runtime, transaction: Transaction, public_id: str
) -> Sequence[RecordedEvent]:
    if key := runtime.ids.message.decode(public_id):
        return decision_inputs.of_message(transaction, key)
    key = runtime.ids.decision.decode(public_id)
    found = decision_inputs.find(transaction, key) if key else None
    return [found] if found else []


def _explain(
    runtime: Runtime, recorded: RecordedEvent, stored: Mapping[str, RuleSet]
) -> ExplainedDecision:
    event, rules = recorded.event, rules_of(recorded.event, stored)
    past, public_id = decide_past(event, rules), runtime.ids.decision.encode(recorded.key)
    if isinstance(past, Missing):
        return ExplainedDecision(
            id=public_id,
            at=event.at,
            merchant_id=event.merchant_id,
            decision=_words(event),
            rules_version=version_of(event),
            rules=_chain(event.rules, rules),
            missing=past,
        )
    return ExplainedDecision(
        id=public_id,
        at=event.at,
        merchant_id=event.merchant_id,
        decision=words_of(past.recorded),
        rules_version=version_of(event),
        rules=_chain(event.rules, rules) or past.case.moving_rules,
        is_of_dispatch=past.is_of_dispatch,
        steps=explain_case(past.case, checks_of(past.case)),
        is_same=past.is_same,
    )


def rules_that_refused(
    transaction: Transaction, message: RowKey, current: RuleSet
) -> tuple[Rule, ...]:
    """Return the rules that led to the refusal of a message at dispatch, in order.

    Most are of the `current` version, which need not be read and parsed again (5 ms).
    """
    refusals = [
        each.event
        for each in decision_inputs.of_message(transaction, message)
        if each.event.kind is EventKind.MESSAGE_REFUSED
    ]
    if not refusals or not rule_ids_of(refusals[-1]):
        return ()
    version = version_of(refusals[-1]) or ""
    is_current = version == current.version
    stored = {version: current} if is_current else stored_rules(transaction, {version})
    return _chain(refusals[-1].rules, rules_of(refusals[-1], stored))


def _words(event: Event) -> str:
    kind = event.kind.value.removeprefix("message_")
    return f"{kind}: {event.reason}" if event.reason else kind


def _chain(kept: str | None, rules: RuleSet | None) -> tuple[Rule, ...]:
    """Return the rules whose ids an event keeps, in that order."""
    if kept is None or rules is None:
        return ()
    by_id = {rule.id: rule for pack in rules.packs.values() for rule in pack.rules}
    return tuple(by_id[each] for each in kept.split(" ")[1:] if each in by_id)
