"""Numbers in a register of companies: their normal form, and what can be checked of them.

Of China the unified social credit code (GB 32100-2015), with its check character; of other
countries the form only.
"""

import re
import unicodedata
from typing import Final

CHINA: Final = "CN"
CODE_ALPHABET: Final = "0123456789ABCDEFGHJKLMNPQRTUWXY"  # GB 32100-2015, table 1: no I, O, S, V, Z
WEIGHT_BASE: Final = 3  # the weight of place i, from 1, is 3^(i-1) mod 31
CODE: Final = re.compile(rf"[{CODE_ALPHABET}]{{2}}[0-9]{{6}}[{CODE_ALPHABET}]{{10}}")
# of other countries: letters, digits and separators, with at least one digit
OTHER_NUMBER: Final = re.compile(r"(?=.*[0-9])[A-Z0-9][A-Z0-9 ./-]{1,38}[A-Z0-9]")
SEPARATORS: Final = re.compile(r"[\s-]+")


def normal_registration(text: str, country: str) -> str:
    """Return a registration number in one form: half width, upper case; of China without blanks."""
    wide = unicodedata.normalize("NFKC", text).strip().upper()
    return SEPARATORS.sub("", wide) if country == CHINA else " ".join(wide.split())


def check_registration(normal: str, country: str) -> str | None:
    """Return what is wrong with a registration number in its normal form; None if nothing is."""
    if country != CHINA:
        return None if OTHER_NUMBER.fullmatch(normal) else "must be 3 to 40 letters and digits"
    if not CODE.fullmatch(normal):
        return "must be a unified social credit code: 18 digits and capital letters"
    if check_character(normal[:-1]) != normal[-1]:
        return "is mistyped: its check character does not match (GB 32100-2015)"
    return None


def check_character(code: str) -> str:
    """Return the last character of a unified social credit code, of the 17 before it.

    Their values, each times its weight, and the value of the last add up to a multiple of 31.
    """
    modulus = len(CODE_ALPHABET)
    total = sum(
        CODE_ALPHABET.index(each) * pow(WEIGHT_BASE, place, modulus)
        for place, each in enumerate(code)
    )
    return CODE_ALPHABET[-total % modulus]
