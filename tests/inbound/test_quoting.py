"""Quoted text is set aside, a text of any length is read, and none takes long."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consent_tokens.consent.keywords import DEFAULT_MATCHER, Intent

LINK = "https://c.example/m/AbCdEfGhIjKlMnOpQrStUv"
ENGLISH = f"[Dawn Books] Autumn sale, now 30% off all paperbacks Reply STOP to refuse: {LINK}"
CHINESE = f"【晨光书店】双11开场，满200减50 拒收请回复R {LINK}"
TRADITIONAL = f"【晨光書店】雙11開場，滿200減50 拒收請回覆R {LINK}"


def intent(text: str) -> Intent:
    return DEFAULT_MATCHER.interpret(text).intent


@pytest.mark.parametrize("message", [ENGLISH, CHINESE, TRADITIONAL])
@pytest.mark.parametrize(
    "reaction",
    [
        "Liked “{}”", "Loved “{}”", "Disliked “{}”", "Laughed at “{}”", "Emphasized “{}”",
        "Questioned “{}”", "Reacted 👍 to “{}”", "Removed a like from “{}”",
        "Removed an exclamation from “{}”", "👍 to “{}”", 'Liked "{}"',
        "喜欢“{}”", "对“{}”做出了👍回应", "强调“{}”", "質疑「{}」", "取消了对“{}”的喜欢",
        "A aimé « {} »", "N’a pas aimé « {} »", "A réagi avec 👍 à « {} »",
        "Le gustó “{}”", "No le gustó “{}”", "Reaccionó con 👍 a “{}”",
        "Gefällt „{}“", "Hat mit 👍 auf „{}“ reagiert",
        "{}", "Fwd: {}", "> {}", "“{}”",
    ],
)  # fmt: skip
def test_a_reaction_a_quote_or_a_forward_asks_for_nothing(reaction: str, message: str) -> None:
    assert intent(reaction.format(message)) is Intent.OTHER
    cut_off = reaction.format(message)[:60]
    assert intent(cut_off) is Intent.OTHER, "carriers cut long reactions off"


@pytest.mark.parametrize("message", [ENGLISH, CHINESE, TRADITIONAL])
@pytest.mark.parametrize(
    "reply",
    [
        "STOP\n\n{}", "{}\nStop", "> {}\nstop", "STOP\n> {}", "退订\n“{}”", "“{}”\nR",
        "stop\n\nOn Mon, 3 Nov 2025 at 10:00, Dawn Books wrote:\n> {}",
        "On Mon, 3 Nov 2025 at 10:00, Dawn Books wrote:\n> {}\nSTOP",
        "TD\n-----Original Message-----\n{}", "please stop texting me\n--\nAnna\n{}",
        "Liked “{}”\nStop", "STOP {}",
    ],
)  # fmt: skip
def test_what_the_consumer_wrote_beside_a_quote_counts(reply: str, message: str) -> None:
    assert intent(reply.format(message)) is Intent.STOP


@pytest.mark.parametrize(
    "text",
    ["【退订】TD", "【退订】", "“退订”", "「退訂」", "[Dawn Books] STOP", "【晨光书店】退订",
     '"STOP"'],
)  # fmt: skip
def test_a_keyword_in_brackets_or_quotation_marks_is_the_consumers(text: str) -> None:
    assert intent(text) is Intent.STOP


@pytest.mark.parametrize(
    "words", ["thank you so much for this, ", "我昨天买的书很好看，", "> quoted\n"]
)
def test_the_first_and_the_last_line_of_a_long_reply_are_read(words: str) -> None:
    assert intent("STOP\n" + words * 3000) is Intent.STOP
    assert intent(words * 3000 + "\n退订") is Intent.STOP
    assert intent("Please stop texting me.\n" + words * 3000) is Intent.STOP


@pytest.mark.parametrize(
    "part",
    [
        "a", "stop ", "“", "[", "【", ">\n", "不要", "no ", "\n", "/m/", "https://", "\ufdfa", "st",
        "ne pas ", "𝐒", "🛑", "?", "'", "On a wrote:\n", "[a] ", "[a] b\n", "“a” ",
        "[a]\n", "reply stop to refuse ", "e\u0301",
    ],
)  # fmt: skip
def test_a_hostile_text_of_100_kb_takes_milliseconds(part: str) -> None:
    text = part * (100_000 // len(part))
    DEFAULT_MATCHER.interpret("warm up 预热")
    best = min(_seconds(text) for _ in range(3))
    assert best < 0.25  # a loaded machine; without load it is below 0.05


def _seconds(text: str) -> float:
    started = time.perf_counter()
    DEFAULT_MATCHER.interpret(text)
    return time.perf_counter() - started


@given(st.text(max_size=400))
def test_no_text_fails(text: str) -> None:
    assert DEFAULT_MATCHER.interpret(text).intent in set(Intent)
