"""What phones send back: every word in any dress, and a labelled corpus of sentences."""

from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consent_tokens.consent.keywords import DEFAULT_MATCHER, KEYWORDS, Intent, KeywordMatcher
from consent_tokens.consent.purposes import Purpose

STOPS = (Intent.STOP, Intent.STOP_ALL)
EVERY = [word for words in KEYWORDS.values() for intent in STOPS for word in words[intent]]
# by law (47 CFR 64.1200(a)(10)), or printed in texts by the carriers of China
STATUTORY = [
    "stop", "quit", "end", "revoke", "opt out", "cancel", "unsubscribe", "R", "TD", "T", "N",
    "退订", "ARRET",
]  # fmt: skip
NOISE = st.text(" .,!！。，、【】\t\n\u3000\u200b", max_size=4)
CORPUS = Path(__file__).parents[1] / "corpus"
LANGUAGES = ("de", "en", "es", "fr", "zh")


def replies(language: str) -> list[tuple[str, str]]:
    lines = (CORPUS / f"{language}.txt").read_text("utf-8").splitlines()
    pairs = [line.partition(" ") for line in lines if line and not line.startswith("#")]
    return [(label, text) for label, _, text in pairs]


def is_stop(text: str) -> bool:
    return DEFAULT_MATCHER.interpret(text).intent in STOPS


def wide(text: str) -> str:
    return "".join(chr(ord(each) + 0xFEE0) if "!" <= each <= "~" else each for each in text)


@pytest.mark.parametrize("word", sorted({*EVERY, *STATUTORY}))
def test_every_stop_word_stops_in_any_dress(word: str) -> None:
    for dressed in (
        word, word.upper(), word.title(), f" {word} ", f"{word}。", f"【{word}】", wide(word),
    ):  # fmt: skip
        assert is_stop(dressed), dressed


@given(st.sampled_from(STATUTORY), NOISE, NOISE)
def test_no_statutory_word_is_missed_whatever_noise_is_around_it(
    word: str, before: str, after: str
) -> None:
    assert is_stop(before + word + after)


@given(st.text(max_size=400))
def test_whatever_comes_is_read_and_never_crashed_on(text: str) -> None:
    assert DEFAULT_MATCHER.interpret(text).intent in set(Intent)


def test_precision_and_recall_over_the_labelled_replies() -> None:
    counts: Counter[str] = Counter()
    wrong: list[tuple[str, str, str]] = []
    print()
    for language in LANGUAGES:
        here: Counter[str] = Counter()
        for label, text in replies(language):
            read = DEFAULT_MATCHER.interpret(text).intent
            wanted, got = label in STOPS, read in STOPS
            here["right" if wanted and got else "false" if got else "missed" if wanted else ""] += 1
            if read != label:
                wrong.append((label, read.value, text))
        precision = here["right"] / (here["right"] + here["false"])
        recall = here["right"] / (here["right"] + here["missed"])
        print(f"{language}: {here.total()} replies, precision {precision:.3f}, recall {recall:.3f}")
        counts += here
    assert counts.total() >= 600
    assert counts["false"] == 0, "it stopped what nobody wanted stopped"
    assert counts["missed"] == 0, "it did not stop what somebody wanted stopped"
    assert len(wrong) <= 0.01 * counts.total(), wrong


def test_strangers_replies_that_the_rules_were_not_made_for() -> None:
    """A held-out set: written after the rules were, and never tuned to."""
    counts: Counter[str] = Counter()
    for label, text in replies("held-out"):
        wanted, got = label in STOPS, is_stop(text)
        counts["right" if wanted and got else "false" if got else "missed" if wanted else ""] += 1
    precision = counts["right"] / (counts["right"] + counts["false"])
    recall = counts["right"] / (counts["right"] + counts["missed"])
    print(f"\nheld out: {counts.total()} replies, precision {precision:.3f}, recall {recall:.3f}")
    assert precision >= 0.95, "whoever did not mean it must not lose a consent"
    assert recall >= 0.6  # the others are asked back, or have the word and the link in each text


@pytest.mark.parametrize(
    ("text", "purposes"),
    [
        ("STOP 3", {Purpose.EVENTS}),
        ("stop ads", {purpose for purpose in Purpose if purpose.is_marketing}),
        ("退订广告", {purpose for purpose in Purpose if purpose.is_marketing}),
        ("退訂 6", {Purpose.DELIVERIES}),
    ],
)
def test_a_scoped_stop_names_its_purposes(text: str, purposes: set[Purpose]) -> None:
    read = DEFAULT_MATCHER.interpret(text)
    assert read.intent is Intent.STOP
    assert read.purposes == purposes


def test_an_operators_own_words_go_first() -> None:
    own = DEFAULT_MATCHER.extended_with(
        {"it": {Intent.STOP: ("basta così",), Intent.HELP: ("alto",)}}
    )
    assert own.interpret("BASTA COSÌ!").intent is Intent.STOP
    assert own.interpret("alto").intent is Intent.HELP
    assert own.interpret("退订").intent is Intent.STOP


def test_a_word_of_two_intents_stops() -> None:
    table = {"xx": {Intent.YES: ("n",), Intent.STOP: ("n",)}}
    assert KeywordMatcher.from_table(table).interpret("N").intent is Intent.STOP
