"""Every reply of `tests/cases`, one by one: what people sent, and the right answer."""

import pytest

from consent_tokens.consent.keywords import DEFAULT_MATCHER, Intent
from tests.inbound.replies import CASES, LANGUAGES, Reply, cases, corpus, kinds

ENDS = {Intent.STOP, Intent.STOP_ALL}
ASKED = {Intent.UNCLEAR, Intent.NO, Intent.DOUBTFUL}
RIGHT: dict[str, set[Intent]] = {
    "stop": ENDS,
    "stop_one": {Intent.STOP},
    "stop_or_ask": ENDS | ASKED,
    "not_stop": set(Intent) - ENDS,
    "quiet": {Intent.OTHER},
    "stop_all": {Intent.STOP_ALL},
    "help": {Intent.HELP},
    "start": {Intent.START},
}


def is_right(reply: Reply) -> bool:
    return DEFAULT_MATCHER.interpret(reply.text).intent in RIGHT[reply.want]


@pytest.mark.parametrize(
    "reply", [*cases(), *kinds()], ids=lambda reply: f"{reply.source}-{reply.text[:30]}",
)  # fmt: skip
def test_a_reply_is_read_as_it_was_meant(reply: Reply) -> None:
    assert is_right(reply), DEFAULT_MATCHER.interpret(reply.text)


@pytest.mark.parametrize("text", (CASES / "18" / "replies.txt").read_text("utf-8").splitlines())
def test_words_of_one_language_do_not_act_in_another(text: str) -> None:
    said, _, _ = text.partition(" (")
    assert DEFAULT_MATCHER.interpret(said).intent is Intent.OTHER


@pytest.mark.parametrize("language", [*LANGUAGES, "held-out"])
def test_precision_and_recall_over_the_untouched_replies(language: str) -> None:
    """The fold that no lexicon was made from; docs/inbound.md has the figures."""
    replies = [each for each in corpus(language) if each.is_untouched]
    wanted = {each.text for each in replies if each.want in {"stop", "stop_all"}}
    ended = {each.text for each in replies if DEFAULT_MATCHER.interpret(each.text).intent in ENDS}
    asked = {each.text for each in replies if DEFAULT_MATCHER.interpret(each.text).intent in ASKED}
    precision, recall = len(ended & wanted) / len(ended), len(ended & wanted) / len(wanted)
    print(
        f"\n{language}: {len(replies)} untouched replies; precision {precision:.3f}, recall "
        f"{recall:.3f}; of {len(wanted - ended)} missed stops {len((wanted - ended) & asked)} are "
        f"asked back; asked back {len(asked) / len(replies):.3f}"
    )
    assert precision >= 0.95
    assert recall >= 0.8


def test_an_ordinary_reply_of_the_labelled_ones_ends_nothing() -> None:
    ordinary = [
        each
        for language in (*LANGUAGES, "held-out")
        for each in corpus(language)
        if not each.is_untouched and each.want not in {"stop", "stop_all"}
    ]
    ended = [each for each in ordinary if DEFAULT_MATCHER.interpret(each.text).intent in ENDS]
    assert ordinary
    assert ended == []
