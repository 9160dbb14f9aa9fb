"""Scores one clause: how surely it says that the sender's texts shall stop.

A clause is scored by what it combines: an act of stopping with messages or contact, or a negation
with sending, contact or receiving. Other objects (a parcel, an appointment), negated acts, the past
tense, conditions and questions lower the score. Each table of rules is read in order: the first
rule that applies gives the points.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

from consent_tokens.consent.inbound.features import ACTS, MAX_GAP, ClauseFeatures
from consent_tokens.consent.inbound.lexicon import Unit

STOP_SCORE: Final = 4.0  # from here on a text ends the consent
UNCLEAR_SCORE: Final = 2.0  # from here on it is asked back
DOUBTFUL_SCORE: Final = 1.0  # from here on it is asked back soon after a message


@dataclass(frozen=True, slots=True)
class Score:
    """How surely a clause asks to stop.

    `is_explicit`: it names messages or contact, or is a word that only unsubscribing has;
    `is_bare`: it is an act of stopping with nothing else; `asks`: it asks about stopping or denies
    it, so that repeating it is no stop.
    """

    points: float = 0.0
    is_explicit: bool = False
    is_bare: bool = False
    asks: bool = False

    def capped(self, points: float, *, asks: bool = False) -> "Score":
        """Return the score with at most so many points."""
        if self.points <= points and not asks:
            return self
        return Score(min(self.points, points), asks=self.asks or asks)


Rule: TypeAlias = Callable[[ClauseFeatures], Score | None]
NOTHING: Final = Score()


def score_clause(units: Sequence[Unit], *, is_question: bool, is_verb_final: bool) -> Score:
    """Return the score of a clause.

    `is_verb_final`: in this language a negation may follow what it negates.
    """
    features = ClauseFeatures(units, is_question=is_question, is_verb_final=is_verb_final)
    found = [_first(ACT_RULES, features), _first(NEGATION_RULES, features), _question(features)]
    return _lowered(max(found, key=lambda each: each.points), features)


def _first(rules: Sequence[Rule], features: ClauseFeatures) -> Score:
    """Return what the first rule that applies gives."""
    return next((score for rule in rules if (score := rule(features)) is not None), NOTHING)


# --- acts of stopping -----------------------------------------------------------------------------
def _leave(features: ClauseFeatures) -> Score | None:
    """`unsubscribe`, `退订`: a word of subscriptions only."""
    if not features.has("leave"):
        return None
    return Score(4.5, is_explicit=True, is_bare=features.is_only("leave"))


def _rant(features: ClauseFeatures) -> Score | None:
    """`leave me alone`, `not interested`: a stop if nothing else is said."""
    if not features.has("rant") or features.has_any("stop", "cancel", "erase"):
        return None
    is_spoken_of = features.has("first") and "rant" not in features.units[0].classes
    is_alone = features.is_only("rant", "no", "want") and not is_spoken_of
    return Score(4.0, is_bare=True) if is_alone else Score(1.0)


def _erase_me(features: ClauseFeatures) -> Score | None:
    """`bórrenme`: the one to remove is part of the word."""
    if not features.has("erase_me"):
        return None
    return Score(4.5, is_explicit=True) if features.is_only("erase_me") else Score(1.0)


def _no_act(features: ClauseFeatures) -> Score | None:
    """No act of stopping, or one that is said among friends."""
    if features.has_any("stop", "cancel", "erase"):
        return None
    return Score(UNCLEAR_SCORE if features.is_only("familiar", "vague") else 0.0)


def _spoken_of(features: ClauseFeatures) -> Score | None:
    """`I stop by`: not what the sender shall do."""
    return None if features.is_imperative() else NOTHING


def _stop_messages(features: ClauseFeatures) -> Score | None:
    """`stop texting me`, `cancel the messages`."""
    is_named = features.has_any("contact", "obj", "single", "all_senders") or (
        features.has("annoy") and (features.has("self") or features.is_only("stop", "annoy"))
    )
    strangers = features.strangers_beside(*ACT_COMPANY)
    if features.has("stop") and is_named:
        is_clear = strangers <= 1 or features.follows("stop", "contact", "obj")
        return Score(4.5 if is_clear else 3.0, is_explicit=True)
    if features.has("cancel") and is_named and not strangers:
        return Score(4.5, is_explicit=True)
    return None


def _erase_number(features: ClauseFeatures) -> Score | None:
    """`delete my number`."""
    if features.has("erase", "ident") and features.strangers_beside(*ACT_COMPANY) <= 1:
        return Score(4.5, is_explicit=True)
    return None


def _stop_sending(features: ClauseFeatures) -> Score | None:
    """`stop sending`, `stop calling me`."""
    if features.has("stop", "send"):
        return Score(2.5 if features.strangers_beside(*ACT_COMPANY) else 4.0)
    if features.has("stop", "obtain") and features.is_only("stop", "recv"):
        return Score(4.0)
    if features.has("stop", "call", "self") and features.is_only("stop", "call"):
        return Score(4.0)
    return None


def _bare_act(features: ClauseFeatures) -> Score | None:
    """`please stop`: nothing but the act."""
    is_bare = features.is_only("stop", "quest") or (
        features.is_only("cancel") and not features.is_question
    )
    if not is_bare:
        return Score(0.0 if features.strangers_beside(*ACT_COMPANY) > 1 else 1.5)
    return Score(3.0 if features.has("thing") else 4.0, is_bare=True)


ACT_COMPANY: Final = ("stop", "cancel", "erase", "contact", "send", "recv", "single", "annoy")
ACT_RULES: Final[tuple[Rule, ...]] = (
    _leave, _rant, _erase_me, _no_act, _spoken_of, _stop_messages, _erase_number, _stop_sending,
    _bare_act,
)  # fmt: skip


# --- negations ------------------------------------------------------------------------------------
def _unneeded(features: ClauseFeatures) -> Score | None:
    """`不用再发了`: no negation, but a polite refusal."""
    if features.has("neg"):
        return None
    is_about_us = features.has_any("send", "contact", "obj") or features.has("come", "self")
    if not features.has("soft") or not is_about_us:
        return NOTHING
    if features.strangers_beside(*COMPANY):
        return Score(1.0)
    return Score(4.0 if features.has("more") else 2.5)


def _about_somebody(features: ClauseFeatures) -> Score | None:
    """`I do not text`, `不打扰你了`: not what the sender shall do."""
    is_ours = features.has("toyou") or features.is_about_somebody()
    return NOTHING if is_ours else None


def _lack(features: ClauseFeatures) -> Score | None:
    """`I am not getting your texts`: a fault is reported, or perhaps a refusal."""
    if features.has_any("want", "agree", "request") or not features.negates("recv", "lacks"):
        return None
    is_lack = features.has("lacks") or features.is_before_negation("first")
    return Score(UNCLEAR_SCORE if features.has("obj") else 0.0) if is_lack else None


def _no_consent(features: ClauseFeatures) -> Score | None:
    """`I do not consent`."""
    if not features.negates("agree"):
        return None
    return Score(2.5 if features.strangers_beside(*COMPANY) else 4.5, is_explicit=True)


def _no_contact(features: ClauseFeatures) -> Score | None:
    """`do not text me`."""
    is_contact = features.negates("contact") or (features.negates("annoy") and features.has("self"))
    if not is_contact:
        return None
    strangers = features.strangers_beside(*COMPANY)
    if not features.has_any("self", "more") and (strangers or features.has("pron")):
        return Score(1.5)
    return Score(4.5 if strangers <= 1 else 2.5, is_explicit=strangers == 0)


def _no_messages(features: ClauseFeatures) -> Score | None:
    """`I do not want messages`, `不要给我发短信`, `no more ads`."""
    strangers = features.strangers_beside(*COMPANY)
    if features.negates("want", "send") and features.has_any("obj", "single"):
        return Score(4.5 if strangers <= 1 else 2.0, is_explicit=strangers == 0)
    if features.negates("come") and features.has_any("obj", "single"):
        return Score(4.5, is_explicit=True)
    if features.negates("recv") and features.has("obj"):
        return Score(2.0 if strangers else 4.0)
    return None


def _no_sending(features: ClauseFeatures) -> Score | None:
    """`do not send me anything`, `别发了`."""
    if not features.negates("send"):
        return None
    if features.strangers_beside(*COMPANY):
        return Score(1.5)
    is_thing = features.has("pron") and not features.has_any("self", "more")
    return Score(2.0 if is_thing else 4.0)


def _no_object(features: ClauseFeatures) -> Score | None:
    """`no texts`, `keine Werbung`."""
    if not features.negates("obj") or features.has("come"):
        return None
    strangers = features.strangers_beside(*COMPANY)
    return Score(max(4.0 - 2 * strangers, 1.0), is_bare=True)


def _no_visit(features: ClauseFeatures) -> Score | None:
    """`别联系我`, `do not call me again`."""
    if not features.negates("come", "call") or features.strangers_beside(*COMPANY, "call"):
        return None
    return Score(4.0 if features.has("more", "self", "come") else 2.0)


def _no_wanting(features: ClauseFeatures) -> Score | None:
    """`I do not want to receive these`."""
    strangers = features.strangers_beside(*COMPANY)
    if strangers:
        return Score(1.0 if features.has_any("want", "recv") and strangers == 1 else 0.0)
    if features.negates("want") and features.has("recv"):
        return Score(4.0)
    if features.negates("want") and features.has("more"):
        return Score(3.0)
    return None


def _other_negation(features: ClauseFeatures) -> Score | None:
    """`no more`, `I don't want it`."""
    if features.negates("want", "recv", "annoy"):
        return Score(2.0 if features.has("more") else 1.5)
    return Score(2.0 if features.has("more") and len(features.units) <= MAX_GAP else 0.0)


COMPANY: Final = (
    "contact", "send", "recv", "want", "agree", "come", "no", "soft", "annoy", "single", "rant",
    "quest",
)  # fmt: skip
NEGATION_RULES: Final[tuple[Rule, ...]] = (
    _unneeded, _about_somebody, _lack, _no_consent, _no_contact, _no_messages, _no_sending,
    _no_object, _no_visit, _no_wanting, _other_negation,
)  # fmt: skip


def _question(features: ClauseFeatures) -> Score:
    """`why do I get these texts`."""
    is_about_texts = features.has("quest", "self") and features.has_any("contact", "obj")
    return Score(UNCLEAR_SCORE if is_about_texts else 0.0)


# --- what speaks against a stop -------------------------------------------------------------------
def _lowered(score: Score, features: ClauseFeatures) -> Score:
    """Return a score, lowered by what speaks against a stop."""
    if features.has("other"):
        score = score.capped(2.0 if score.is_explicit else 1.0)
    if features.has("past") and not features.has_any("want", "request", "noconsent"):
        score = score.capped(_most_in_the_past(score, features))
    if features.has("done"):
        score = Score(UNCLEAR_SCORE, asks=True)
    if features.has("until") or (features.has("cond") and not score.is_explicit):
        score = score.capped(2.0)
    if features.is_act_negated():
        return Score(UNCLEAR_SCORE if features.unknown <= 1 else 0.0, asks=True)
    if features.is_question and not features.has("request"):
        return score.capped(UNCLEAR_SCORE, asks=features.has_any(*ACTS))
    return score


def _most_in_the_past(score: Score, features: ClauseFeatures) -> float:
    """Return the most points of a clause in the past: `I never got a text` is no stop."""
    if not features.has_any(*ACTS):
        return 0.0
    return score.points if features.has("leave") else 2.0
