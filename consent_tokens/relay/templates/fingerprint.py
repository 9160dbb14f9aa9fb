"""Knows the fixed text of a template, or a value, again when it was changed a little."""

from hashlib import sha256
from typing import Final

from consent_tokens.consent.inbound.folding import fold_characters, fold_each_lookalike
from consent_tokens.relay.templates.template import pieces_of

# Latin letters that look like a digit: o as 0, i and l as 1
DIGITS: Final = str.maketrans("oil", "011")
ASCII: Final = {code: None for code in range(128) if not chr(code).isalnum()} | DIGITS


def skeleton(text: str) -> str:
    """Return the letters and digits of a text, so that texts which look alike have the same.

    Folds width, case, accents, 繁 to 简, look-alike letters of other alphabets and digits; leaves
    out punctuation, blanks and signs.
    """
    if text.isascii():
        return text.lower().translate(ASCII)
    folded = fold_each_lookalike(fold_characters(text)).translate(DIGITS)
    return "".join(filter(str.isalnum, folded))


def fingerprint(text: str) -> bytes:
    """Return the fingerprint of the fixed text of a template: SHA-256 of its skeleton.

    Names, types and places of variables are not part of it: a text with another variable in it is
    the same text.
    """
    return sha256(skeleton("".join(pieces_of(text).fixed)).encode()).digest()
