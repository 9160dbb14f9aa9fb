"""Stop words: what a consumer's phone may send to end a consent, by language.

Sources: 47 CFR 64.1200(a)(10) for the English per-se words; the keyword lists of Twilio, AWS and
Telnyx; Huawei Cloud (`R`) and Tencent Cloud (`TD`, `T`, `N`) for Chinese ports.
"""

import unicodedata
from typing import Final

STOP_WORDS: Final[dict[str, tuple[str, ...]]] = {
    "en": (
        "stop", "quit", "end", "revoke", "opt out", "optout", "opt-out", "cancel",
        "unsubscribe", "stopall", "stop all", "remove",
    ),
    "zh": (
        "R", "TD", "T", "N", "退订", "退訂", "取消订阅", "取消訂閱", "拒收", "停止", "0000", "QX",
    ),
    "fr": ("arret", "arrêt", "desabonner"),
    "es": ("baja", "alto", "parar", "cancelar", "no mas", "no más"),
    "de": ("stopp", "abmelden", "ende"),
}  # fmt: skip
MOST_CHARACTERS: Final = 40  # a longer text is no bare word


def folded(text: str) -> str:
    """Return text as it is compared: NFKC, without case, accents, blanks or punctuation."""
    wide = unicodedata.normalize("NFKD", unicodedata.normalize("NFKC", text).casefold())
    return "".join(letter for letter in wide if unicodedata.category(letter)[0] in "LN")


FOLDED: Final = frozenset(folded(word) for words in STOP_WORDS.values() for word in words)


def is_stop(text: str) -> bool:
    """Whether a whole inbound text is one of the stop words."""
    return len(text) <= MOST_CHARACTERS and folded(text) in FOLDED
