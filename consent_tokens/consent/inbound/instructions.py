"""Recognises an opt-out instruction that was typed back: `Reply STOP`, `回复R`, `退订回T`."""

from collections.abc import Sequence
from typing import Final

CODES: Final = frozenset({"stop", "r", "td", "t", "n", "0000", "tdtd", "qx", "unsubscribe"})
VERBS: Final = frozenset({
    "reply", "rply", "replying", "replied", "send", "sending", "sent", "text", "txt", "type",
    "repondre", "repondez", "reponds", "envoyer", "envoyez", "envoie", "responder", "responda",
    "responde", "respondo", "enviar", "envia", "envie", "envio", "mandar", "manda", "mande",
    "mando",
    "antworten", "antworte", "antwort", "sende", "senden", "schicke", "schicken", "schreibe",
})  # fmt: skip
CODES_AFTER_VERB: Final = frozenset({"baja", "arret", "stopp", "alto"})  # other words by themselves
CHINESE_CODES: Final = ("退订", "拒收", "取消订阅", "取消订购", "退定")
WORDS: Final = frozenset({
    "texting", "sms", "to", "with",
    "for", "end", "out", "opt", "unsubscribe", "quit", "cancel", "optout", "and", "the", "word",
    "please", "pls", "now", "stop2end", "stop2quit", "me", "i", "said", "say", "saying",
    "refuse",
    "thanks", "thx", "au", "mit", "a", "de", "al", "an", "avec", "par", "unsub", "svp", "por",
    "msg", "messages", "receiving", "favor", "bitte", "hi", "ok",
    "hello", "merci", "gracias", "danke", "im", "am", "je", "sie", "ich", "la", "el", "palabra",
    "mot", "le", "das", "wort", "zum", "abmelden", "para", "pour",
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
    codes = CODES if VERBS.isdisjoint(words) else CODES | CODES_AFTER_VERB
    if codes.isdisjoint(words) and not (
        any(code in joined for code in CHINESE_CODES) and any(word in "回复覆" for word in words)
    ):
        return False
    return all(
        word in codes | VERBS | WORDS | CHINESE_WORDS
        or (word.isdigit() and len(word) in NUMBER_DIGITS)
        for word in words
    )  # fmt: skip
