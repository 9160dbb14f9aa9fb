"""Features of one clause: which classes of words it combines, in which order."""

from collections.abc import Sequence
from typing import Final

from consent_tokens.consent.inbound.lexicon import Unit

MAX_GAP: Final = 4  # units between a negation and what it negates
ACTS: Final = frozenset({"leave", "stop", "cancel", "erase"})
NEUTRAL: Final = frozenset({
    "fill", "self", "more", "insult", "yes", "request", "obj", "ident", "noconsent", "threat",
    "neg", "wrong", "all_senders",
})  # fmt: skip


class ClauseFeatures:
    """What a clause combines: the classes of its units, and where they are."""

    def __init__(self, units: Sequence[Unit], *, is_question: bool, is_verb_final: bool) -> None:
        self.units = units
        self.is_verb_final = is_verb_final
        self.classes = frozenset[str]().union(*(unit.classes for unit in units))
        self.is_question = is_question or (self.has("quest") and not self.has("request"))
        self.unknown = self.strangers_beside(*ACTS, "quest", "word", "subj")

    def has(self, *names: str) -> bool:
        """Whether there is a unit of each of the classes."""
        return self.classes.issuperset(names)

    def has_any(self, *names: str) -> bool:
        """Whether there is a unit of one of the classes."""
        return not self.classes.isdisjoint(names)

    def positions(self, name: str) -> list[int]:
        """Return where units of a class are."""
        return [index for index, unit in enumerate(self.units) if name in unit.classes]

    def strangers_beside(self, *names: str) -> int:
        """Count units that are neither neutral nor of the classes."""
        allowed = NEUTRAL.union(names)
        return sum(unit.classes.isdisjoint(allowed) for unit in self.units)

    def follows(self, name: str, *others: str) -> bool:
        """Whether one of the others comes close after the first unit of a class."""
        first = self.positions(name)[0]
        return any(
            first < place <= first + 2 for other in others for place in self.positions(other)
        )

    def negates(self, *names: str) -> bool:
        """Whether a negation is near a unit of one of the classes, or is part of it."""
        negations = self.positions("neg")
        before = MAX_GAP if self.is_verb_final else 0
        return any(
            -before <= place - negation <= MAX_GAP
            for name in names
            for place in self.positions(name)
            for negation in negations
        )

    def is_only(self, *names: str) -> bool:
        """Whether there is a unit of one of the classes, and beside these only neutral ones."""
        return self.has_any(*names) and not self.strangers_beside(*names)

    def is_about_somebody(self) -> bool:
        """Whether a negated verb says what somebody does not do: `I do not text`."""
        if self.has_any("want", "agree", "request", "more"):
            return False
        return self.is_before_negation("first")

    def is_before_negation(self, name: str) -> bool:
        """Whether a unit of a class comes before the first negation."""
        places, negations = self.positions(name), self.positions("neg")
        return bool(places and negations) and min(places) < negations[0]

    def is_act_negated(self) -> bool:
        """Whether the first act of stopping follows a negation: `do not stop`, `不要退订`."""
        acts = [index for index, unit in enumerate(self.units) if unit.classes & ACTS]
        if not acts or "neg" in self.units[acts[0]].classes:
            return False
        for index in range(acts[0] - 1, max(-1, acts[0] - MAX_GAP), -1):
            classes = self.units[index].classes
            if "neg" in classes:
                return True
            if classes & {"contact", "send", "recv", "obj"} or not classes:
                return False
        return False

    def is_imperative(self) -> bool:
        """Whether the first act is what the sender shall do, not what somebody does."""
        acts = [index for index, unit in enumerate(self.units) if unit.classes & ACTS]
        if not acts or acts[0] == 0:
            return True
        before = self.units[: acts[0]]
        if any(unit.classes & {"request", "want", "noconsent", "wrong"} for unit in before):
            return True
        if any("first" in unit.classes for unit in before):
            return False
        return "subj" not in before[-1].classes or "neg" in before[-1].classes
