"""A past decision: its event, decided again from the inputs that were kept."""

from collections.abc import Mapping, Sequence
from enum import StrEnum

from msgspec import Struct

from consent_tokens.evidence.events import Event, rules_text
from consent_tokens.relay.case import Case
from consent_tokens.relay.case_record import CaseRecord, case_of, decode_record
from consent_tokens.relay.checks import decide_again
from consent_tokens.relay.decision import Accepted, Decision, Deferred, Refused
from consent_tokens.rules.pack import RuleSet
from consent_tokens.rules.rule import Rule


class Missing(StrEnum):
    """Why a decision cannot be decided again."""

    INPUTS = "inputs_not_kept"  # it is older than this version, or the consumer erased the data
    RULES = "rules_not_kept"  # those of its version are not stored, or cannot be read any more
    SENDS = "too_many_texts"  # a cap that it was not decided by is higher than the texts kept


class PastDecision(Struct, frozen=True):
    """A decision as it was recorded, and as it is under some rules."""

    case: Case
    recorded: Decision  # without rules
    recorded_rules: tuple[str, ...]  # ids
    again: Decision
    is_of_dispatch: bool

    @property
    def is_same(self) -> bool:
        """Whether it is decided as it was, by the same rules."""
        by_the_same = self.recorded_rules == ids_of(self.again)
        return by_the_same and is_same_result(self.recorded, self.again)


def decide_past(event: Event, rules: RuleSet | None) -> PastDecision | Missing:
    """Decide the case of an event again, under rules.

    Raises msgspec.MsgspecError or ValueError for inputs that this version did not write.
    """
    if event.inputs is None:
        return Missing.INPUTS
    if rules is None:
        return Missing.RULES
    record = decode_record(event.inputs)
    case = case_of(record, event.at, rules)
    if not record.knows(case):
        return Missing.SENDS
    return _past(event, record, case)


def _past(event: Event, record: CaseRecord, case: Case) -> PastDecision:
    recorded, ids = record.result_at(event.at), rule_ids_of(event)
    return PastDecision(case, recorded, ids, decide_again(case), record.is_of_dispatch)


def version_of(event: Event) -> str | None:
    """Return the version of the rules that an event names."""
    return event.rules.split(" ")[0] if event.rules else None


def rule_ids_of(event: Event) -> tuple[str, ...]:
    """Return the ids of the rules that led to a decision, as its event keeps them."""
    return tuple(event.rules.split(" ")[1:]) if event.rules else ()


def rules_of(event: Event, stored: Mapping[str, RuleSet]) -> RuleSet | None:
    """Return the rules that a decision was made by; None if they are not stored."""
    return stored.get(version_of(event) or "")


def is_same_result(one: Decision, other: Decision) -> bool:
    """Whether two decisions are the same: accepted, until when deferred, why refused."""
    match one, other:
        case Accepted(), Accepted():
            return True
        case Refused(), Refused():
            return (one.reason, one.next_at) == (other.reason, other.next_at)
        case _:
            return one == other


def ids_of(decision: Decision) -> tuple[str, ...]:
    """Return the ids of the rules that led to a decision, as many as an event keeps."""
    rules: Sequence[Rule] = decision.rules if isinstance(decision, Refused) else ()
    return tuple(rules_text("", rules).split(" ")[1:])


def words_of(decision: Decision) -> str:
    """Return a decision in a line."""
    match decision:
        case Accepted():
            return "accepted"
        case Deferred(send_at=send_at, reason=reason):
            why = f": {reason.value}" if reason else ""
            return f"deferred to {send_at.isoformat()}{why}"
        case Refused(reason=reason, next_at=next_at):
            later = f", allowed at {next_at.isoformat()}" if next_at else ""
            return f"refused: {reason.value}{later}"
