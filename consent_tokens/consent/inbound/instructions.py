"""Recognises an opt-out instruction that was typed back: `Reply STOP`, `回复R`, `退订回T`."""

from collections.abc import Sequence
from typing import Final

CODES: Final = frozenset({"stop", "r", "td", "t", "n", "0000", "tdtd", "qx", "unsubscribe"})
CHINESE_CODES: Final = ("退订", "拒收", "取消订阅", "取消订购", "退定")
WORDS: Final = frozenset({
    "reply", "replying", "send", "sending", "txt", "text", "texting", "sms", "type", "to", "with",
    "for", "end", "out", "opt", "unsubscribe", "quit", "cancel", "optout", "and", "the", "word",
    "please", "pls", "now", "stop2end", "stop2quit", "me", "i", "said", "say", "saying", "refuse",
    "thanks", "thx", "repondre", "repondez", "envoyer", "envoyez", "au", "responder", "responda",
    "responde", "envia", "envie", "antworten", "antwort", "mit", "a", "de", "al", "an", "avec",
    "par", "unsub", "svp", "por",
    "sende", "senden", "msg", "messages", "receiving", "favor", "bitte", "hi", "ok",
    "hello", "merci", "gracias", "danke",
})  # fmt: skip
CHINESE_WORDS: Final = frozenset(
    "回复覆请拒收退订定发送输入编辑短信我要想取消阅购的到至即可了谢用帮给字母啊吧呀"
)
MAX_WORDS: Final = 14
NUMBER_DIGITS: Final = range(2, 9)  # of a short number: STOP 36180


def is_instruction(words: Sequence[str]) -> bool:
    """Whether words are an opt-out instruction typed back, or a keyword and a short number."""
    if len(set(words)) < 2 or len(words) > MAX_WORDS:  # noqa: PLR2004 - a code and a word
        return False
    joined = "".join(words)
    if not any(word in CODES for word in words) and not (
        any(code in joined for code in CHINESE_CODES) and any(word in "回复覆" for word in words)
    ):
        return False
    return all(
        word in CODES or word in WORDS or word in CHINESE_WORDS or word == "sms"
        or (word.isdigit() and len(word) in NUMBER_DIGITS)
        for word in words
    )  # fmt: skip
