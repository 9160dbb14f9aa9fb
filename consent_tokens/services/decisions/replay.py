"""Decide past cases again, and report those that come out differently."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Final

import msgspec
from msgspec import Struct

from consent_tokens.evidence.events import Event
from consent_tokens.row_key import RowKey
from consent_tokens.rules.pack import RuleSet
from consent_tokens.services.decisions.past import (
    Missing,
    PastDecision,
    decide_past,
    ids_of,
    is_same_result,
    rules_of,
    words_of,
)
from consent_tokens.services.rule_versions import stored_rules
from consent_tokens.services.runtime import Runtime
from consent_tokens.store.decision_inputs import RecordedEvent, decisions_from

PAGE_SIZE: Final = 2000
MAX_SHOWN: Final = 1000  # differences that are listed; all are counted
UNREADABLE: Final = "inputs_unreadable"  # another version of the program wrote them


class Difference(Struct, frozen=True):
    """A decision that comes out differently."""

    id: str
    at: datetime
    merchant_id: str | None
    before: str
    now: str
    rules: tuple[str, ...]  # ids of those that lead to it now


@dataclass(slots=True)
class Replay:
    """What came of deciding again."""

    decisions: int = 0  # that were decided again
    differing: int = 0
    differences: list[Difference] = field(default_factory=list)
    skipped: Counter[str] = field(default_factory=Counter)  # by why


def replay(runtime: Runtime, since: datetime, rules: RuleSet | None = None) -> Replay:
    """Decide again each case from `since` on whose inputs are kept.

    By the rules of its version, or by `rules`: then only another result is a difference. It reads
    the events once, in pages.
    """
    stored = runtime.database.read(stored_rules)

    def decide(event: Event) -> PastDecision | Missing:
        return decide_past(event, rules or rules_of(event, stored))

    found, last, is_last = Replay(), None, False
    while not is_last:
        page = runtime.database.read(
            partial(decisions_from, after=last, since=since, limit=PAGE_SIZE)
        )
        for each in page:
            _replay_one(runtime, each, decide, found, with_rules=rules is None)
        is_last = len(page) < PAGE_SIZE
        last = _last_key(page)
    return found


def _last_key(page: list[RecordedEvent]) -> RowKey | None:
    return page[-1].key if page else None


def _replay_one(
    runtime: Runtime,
    recorded: RecordedEvent,
    decide: Callable[[Event], PastDecision | Missing],
    found: Replay,
    *,
    with_rules: bool,
) -> None:
    try:
        past = decide(recorded.event)
    except (msgspec.MsgspecError, ValueError):
        found.skipped[UNREADABLE] += 1
        return
    if isinstance(past, Missing):
        found.skipped[past.value] += 1
        return
    found.decisions += 1
    if past.is_same if with_rules else is_same_result(past.recorded, past.again):
        return
    found.differing += 1
    if len(found.differences) < MAX_SHOWN:
        found.differences.append(_difference(runtime, recorded, past))


def _difference(runtime: Runtime, recorded: RecordedEvent, past: PastDecision) -> Difference:
    return Difference(
        id=runtime.ids.decision.encode(recorded.key),
        at=recorded.event.at,
        merchant_id=recorded.event.merchant_id,
        before=words_of(past.recorded),
        now=words_of(past.again),
        rules=ids_of(past.again),
    )
