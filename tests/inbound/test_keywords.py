"""Keywords: every one in any form, an operator's own, and the purposes of a scoped stop."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consent_tokens.consent.keywords import DEFAULT_MATCHER, KEYWORDS, Intent, KeywordMatcher
from consent_tokens.consent.purposes import Purpose

STOPS = (Intent.STOP, Intent.STOP_ALL)
EVERY = [word for words in KEYWORDS.values() for each in STOPS for word in words.get(each, ())]
# by law (47 CFR 64.1200(a)(10)), or printed in texts by the carriers of China
STATUTORY = [
    "stop", "quit", "end", "revoke", "opt out", "cancel", "unsubscribe", "R", "TD", "T", "N",
    "退订", "ARRET",
]  # fmt: skip
NOISE = st.text(" .,!！。，、【】\t\n\u3000\u200b", max_size=4)


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


@pytest.mark.parametrize(
    ("text", "purposes"),
    [
        ("STOP 3", {Purpose.EVENTS}),
        ("stop ads", {purpose for purpose in Purpose if purpose.is_limited}),
        ("退订广告", {purpose for purpose in Purpose if purpose.is_limited}),
        ("退訂 6", {Purpose.DELIVERIES}),
        ("STOP 13", {Purpose.CODES}),
        ("STOP 1, 3", {Purpose.PROMOTIONS, Purpose.EVENTS}),
        ("td1 12", {Purpose.PROMOTIONS, Purpose.COLLECTION}),
        ("退订1、9", {Purpose.PROMOTIONS, Purpose.LOANS}),
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
