"""Reads a text of one or more sentences: what it asks for, from the scores of its clauses."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from consent_tokens.consent.inbound.clauses import Clause, clauses_of, languages_of
from consent_tokens.consent.inbound.features import ACTS
from consent_tokens.consent.inbound.folding import is_chinese
from consent_tokens.consent.inbound.intents import Intent, Interpretation
from consent_tokens.consent.inbound.lexicon import Unit, lexicon
from consent_tokens.consent.inbound.scoring import (
    DOUBTFUL_SCORE,
    STOP_SCORE,
    UNCLEAR_SCORE,
    Score,
    score_clause,
)

SIGN_WORDS: Final = frozenset({"crossmark", "thumbsup"})
MAX_CONVERSATION: Final = 4  # words beside a keyword that is a clause, not a line, of a text
ABOUT_MESSAGES: Final = (
    "leave", "stop", "cancel", "erase", "vague", "rant", "contact", "send", "annoy", "obj",
    "single",
)  # fmt: skip
MARK_POINTS: Final = {"wrong": 2.5, "noconsent": 2.0, "insult": 1.0, "threat": 1.0, "gone": 1.5}
LIKELY_SCORE: Final = 1.5  # of an act that is a stop if SUPPORT is with it
SUPPORT: Final = frozenset({"noconsent", "threat"})  # with these a likely stop is one
POLITE: Final = frozenset({"fill", "yes", "no", "request", "self", "more", "neg"})
STARTING: Final = POLITE | {"obj", "send", "contact", "recv", "want", "come", "single"}
ANSWERING: Final = frozenset({"fill", "neg", "more"})
MAX_NAME_WORDS: Final = 2
MAX_NAME_TEXT: Final = 8  # words of a text that may say whose number it is not
VERB_FINAL: Final = frozenset({"de", "fr"})  # a negation may follow its verb
FIRM: Final = frozenset({"stop", "stopp", "arret", "arretez", "td", "quit", "stoppen", "parar"})


@dataclass(frozen=True, slots=True)
class ReadClause:
    """A clause in the language that reads it, with its score."""

    language: str
    units: tuple[Unit, ...]
    score: Score
    is_line: bool
    is_question: bool
    names: frozenset[str]

    @property
    def denies_name(self) -> float:
        """Return points for saying that somebody else is meant: `This is not Anna`."""
        places = [index for index, unit in enumerate(self.units) if "not_name" in unit.classes]
        if not places:
            return 0.0
        rest = self.units[places[0] + 1 :]
        if any("title" in unit.classes for unit in rest[:MAX_NAME_WORDS]):
            return MARK_POINTS["wrong"]
        unknown = [unit for unit in rest if not unit.classes]
        if not rest or not 1 <= len(unknown) <= 2 * MAX_NAME_WORDS or unknown[0] is not rest[0]:
            return 0.0
        if self.names.issuperset(rest[0].words):
            return MARK_POINTS["wrong"]
        return 0.0 if self.names else DOUBTFUL_SCORE  # who writes no capitals may mean a name

    def has(self, name: str) -> bool:
        """Whether a unit has a class."""
        return any(name in unit.classes for unit in self.units)

    def has_any(self, *names: str) -> bool:
        """Whether a unit has one of the classes."""
        return any(not unit.classes.isdisjoint(names) for unit in self.units)

    @property
    def is_firm(self) -> bool:
        """Whether it has a word that hardly means anything else to a sender of messages."""
        return self.has("leave") or any(FIRM.issuperset(unit.words) for unit in self.units)

    @property
    def has_stranger(self) -> bool:
        """Whether it has a word that no class has, beside those of its language."""
        return any(not unit.classes for unit in self.units)

    def consists_of(self, name: str, others: frozenset[str]) -> bool:
        """Whether each unit has the class or one of the others, and one has the class."""
        return self.has(name) and all(
            name in unit.classes or not unit.classes.isdisjoint(others) for unit in self.units
        )

    @property
    def strangers(self) -> int:
        """Count the words of units that are neither polite nor known to be about stopping."""
        return sum(
            len(unit.words)
            for unit in self.units
            if unit.classes.isdisjoint(POLITE | {"leave", "stop", "cancel", "erase", "insult"})
        )


def read_sentences(text: str) -> Interpretation:
    """Return what a text asks for."""
    clauses = clauses_of(text)
    latin = [word for each in clauses if not _is_chinese(each) for word in each.words]
    languages = languages_of(latin) or (("zh",) if any(map(_is_chinese, clauses)) else ())
    readings = [
        _reading([_read_clause(each, language) for each in clauses]) for language in languages
    ]
    return max(readings, key=_urgency, default=Interpretation(Intent.OTHER))


def _is_chinese(clause: Clause) -> bool:
    return any(is_chinese(word) for word in clause.words)


def _urgency(reading: Interpretation) -> int:
    order = (Intent.OTHER, Intent.DOUBTFUL, Intent.YES, Intent.NO, Intent.HELP, Intent.START,
             Intent.UNCLEAR, Intent.STOP, Intent.STOP_ALL)  # fmt: skip
    return order.index(reading.intent)


def _read_clause(clause: Clause, latin_language: str) -> ReadClause:
    language = "zh" if _is_chinese(clause) else latin_language
    words = [word for word in clause.words if word not in SIGN_WORDS]
    units = tuple(lexicon(language).units(words))
    score = score_clause(
        _without_name(units),
        is_question=clause.is_question,
        is_verb_final=language in VERB_FINAL,
    )
    return ReadClause(language, units, score, clause.is_line, clause.is_question, clause.names)


def _without_name(units: tuple[Unit, ...]) -> tuple[Unit, ...]:
    """Return units without the sender's name: what follows `texts from`, up to an act."""
    named = next((index for index, unit in enumerate(units) if "source" in unit.classes), None)
    if named is None:
        return units
    return (*units[: named + 1], *(unit for unit in units[named + 1 :] if unit.classes & ACTS))


def _reading(clauses: Sequence[ReadClause]) -> Interpretation:
    """Return the reading of a text from its clauses."""
    best = max(clauses, key=lambda each: each.score.points)
    if _is_machine_answer(clauses):
        return Interpretation(Intent.OTHER, best.language)
    score = _score_of_text(clauses, best)
    if score.points < STOP_SCORE and (other := _other_intent(clauses)):
        return Interpretation(other, best.language)
    if score.points >= STOP_SCORE:
        names_all = any(each.has("all_senders") for each in clauses)
        return Interpretation(Intent.STOP_ALL if names_all else Intent.STOP, best.language)
    leans = not score.asks and not any(each.has("pos") or each.has("other") for each in clauses)
    if score.points >= UNCLEAR_SCORE:
        return Interpretation(Intent.UNCLEAR, best.language, leans_to_stop=leans)
    if score.points >= DOUBTFUL_SCORE:
        return Interpretation(Intent.DOUBTFUL, best.language)
    return Interpretation(Intent.OTHER, best.language)


def _is_machine_answer(clauses: Sequence[ReadClause]) -> bool:
    """Whether a machine answered, or somebody who cannot answer now.

    Of the second kind a text that also names its messages or unsubscribes is a person's.
    """
    if any(each.has("machine") for each in clauses):
        return True
    if not any(each.has("machine_weak") for each in clauses):
        return False
    return not any(
        each.score.is_explicit and (each.has("leave") or each.has("stop")) for each in clauses
    )


def _score_of_text(clauses: Sequence[ReadClause], best: ReadClause) -> Score:
    """Return the score of the best clause, raised and lowered by the other clauses."""
    score = best.score
    marks = {mark for each in clauses for mark in MARK_POINTS if each.has(mark)}
    points = max([score.points, *(MARK_POINTS[mark] for mark in marks)])
    if sum(len(each.units) for each in clauses) <= MAX_NAME_TEXT:
        points = max(points, *(each.denies_name for each in clauses))
    is_wrong = any(each.has("wrong") for each in clauses if each is not best or each.is_firm)
    is_act = score.points >= UNCLEAR_SCORE and not score.asks and best.has_any(*ABOUT_MESSAGES)
    if is_act and (marks & SUPPORT or (is_wrong and not best.has("other"))):
        points = max(points, STOP_SCORE)
    score = Score(points, is_explicit=score.is_explicit, is_bare=score.is_bare, asks=score.asks)
    return _lowered_by_others(clauses, best, score)


def _lowered_by_others(clauses: Sequence[ReadClause], best: ReadClause, score: Score) -> Score:
    """Return a score, lowered by what the other clauses talk about."""
    if best.is_line and best.is_firm and score.is_bare:
        return score  # a keyword alone on the first or last line
    rest = [each for each in clauses if each is not best]
    is_asked = any(each.is_question or each.has("quest") for each in rest)
    if is_asked and best.has("leave") and best.has_stranger:
        score = score.capped(UNCLEAR_SCORE)  # of something else: `how do I opt out of the gym`
    if any(each.has("pos") for each in rest if each.score.points < UNCLEAR_SCORE) or (
        best.has("pos") and score.points < STOP_SCORE
    ):
        score = score.capped(UNCLEAR_SCORE if score.is_explicit else DOUBTFUL_SCORE)
    is_own_line = best.is_line and any(each.has("obj") for each in rest)
    if not (score.is_explicit or is_own_line) and any(
        each.has("other") or each.has("praise") for each in rest
    ):
        score = score.capped(UNCLEAR_SCORE)
    if score.is_bare and any(
        each.has("self") and each.has_any("contact", "send", "obj", "single") for each in rest
    ):
        return score  # `Hören Sie auf, mir zu schreiben`
    aside = sum(each.strangers for each in rest if each.score.points < STOP_SCORE)
    limit = MAX_CONVERSATION if best.is_firm or not score.is_bare else 0
    if aside > limit and not score.is_explicit and not best.is_line:
        marked = any(each.has_any("noconsent", "threat", "wrong") for each in rest)
        score = score if marked else score.capped(3.0)
    return score


def _other_intent(clauses: Sequence[ReadClause]) -> Intent | None:
    """Return HELP, START, YES or NO if the text consists of such words."""
    is_plain = not any(each.has_any("neg", "quest") for each in clauses)
    if is_plain and _consists_of(clauses, "begin", STARTING):
        return Intent.START
    if _consists_of(clauses, "help", POLITE):
        return Intent.HELP
    is_yes, is_no = (any(each.has(name) for each in clauses) for name in ("yes", "no"))
    if is_yes != is_no and _consists_of(clauses, "yes" if is_yes else "no", ANSWERING):
        return Intent.YES if is_yes else Intent.NO
    return None


def _consists_of(clauses: Sequence[ReadClause], name: str, others: frozenset[str]) -> bool:
    """Whether a clause has words of a class, and no clause has any but these and the others."""
    return any(each.has(name) for each in clauses) and all(
        each.consists_of(name, others) or each.consists_of("fill", others) for each in clauses
    )
