"""What a value of each type of variable may be. It is the form that is checked, not the words.

Each type takes what an honest merchant needs, and nothing in which an advert can be written with
prices, links or numbers to call. What can still be written with letters alone is found by counting
values (docs/templates.md).
"""

import re
import unicodedata
from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Final

from consent_tokens.relay.composition import is_displayable
from consent_tokens.relay.templates.template import Variable, VariableType
from consent_tokens.relay.text_form import BLANK, check_form

MAX_LENGTHS: Final[Mapping[VariableType, int]] = {  # characters that a variable may declare
    VariableType.NAME: 20,
    VariableType.CODE: 8,  # letters and digits, without hyphens
    VariableType.ORDER: 32,
    VariableType.DATE: 20,
    VariableType.TIME: 20,
    VariableType.AMOUNT: 14,
    VariableType.NUMBER: 6,
    VariableType.PLACE: 20,
    VariableType.TEXT: 20,
    VariableType.LINK: 100,
    VariableType.CHOICE: 20,
}
DEFAULT_LENGTHS: Final[Mapping[VariableType, int]] = {
    **MAX_LENGTHS,
    VariableType.CODE: 6,
    VariableType.LINK: 60,
}
MIN_CODE_LENGTH: Final = 4  # letters and digits
MAX_DIGIT_RUN: Final = 6  # of a place or a text: a number to call has more
MAX_MARKS: Final = 3  # accents and vowel signs of one letter
NO_LINKS: Final = frozenset({"invalid"})  # a domain that nobody can register (RFC 2606)

NAME_SIGNS: Final = frozenset(" ·‧・'’ʻ‐-")
NAME: Final = re.compile(r"[^\W\d_]+(?:[·‧・'’ʻ‐-]? ?[^\W\d_]+)*")
CODE: Final = re.compile("[A-Za-z0-9]+(?:-[A-Za-z0-9]+){0,3}")
ORDER: Final = re.compile("(?=[A-Za-z_-]*[0-9])[A-Za-z0-9](?:[A-Za-z0-9_-]*[A-Za-z0-9])?")
AMOUNT: Final = re.compile(
    r"[0-9]{1,3}(?:,[0-9]{3}){1,3}(?:\.[0-9]{1,2})?|[0-9]{1,10}(?:\.[0-9]{1,2})?"
)
NUMBER: Final = re.compile("[0-9]{1,6}")
FREE_SIGNS: Final = frozenset(" ·‧・'’ʻ‐()/,、#&+–-.")
_YEAR, _MONTH, _DAY = r"20\d\d", r"(?:0?[1-9]|1[0-2])", r"(?:0?[1-9]|[12]\d|3[01])"
_MONTH_NAME: Final = (
    "(?:Jan(?:uary)?|Feb(?:ruary)?|Mar(?:ch)?|Apr(?:il)?|May|June?|July?|Aug(?:ust)?|"
    "Sept?(?:ember)?|Oct(?:ober)?|Nov(?:ember)?|Dec(?:ember)?)"
)
_WEEKDAY: Final = (
    r"(?: ?[(（]?(?:周|週|星期|礼拜|禮拜)[一二三四五六日天][)）]?"
    r"|,? \(?(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)\)?)?"
)
DATE: Final = re.compile(
    rf"(?:{_YEAR}([-/.]){_MONTH}\1{_DAY}|(?:{_YEAR}年)?{_MONTH}月{_DAY}[日号號]|{_MONTH}/{_DAY}"
    rf"|{_DAY}[./]{_MONTH}[./]{_YEAR}|{_DAY} {_MONTH_NAME}\.?(?: {_YEAR})?"
    rf"|{_MONTH_NAME}\.? {_DAY}(?:, {_YEAR})?|今天|明天|后天|後天|今日|明日|today|tomorrow)"
    rf"{_WEEKDAY}",
    re.ASCII | re.IGNORECASE,
)
_HOUR: Final = r"(?:[01]?\d|2[0-4])"
_CLOCK: Final = (
    rf"(?:(?:凌晨|早上|上午|中午|下午|晚上) ?)?{_HOUR}(?:[:：][0-5]\d(?::[0-5]\d)?"
    rf"|[点點时時](?:半|[0-5]?\d分?)?)?(?: ?[AaPp]\.?[Mm]\.?)?"
)
TIME: Final = re.compile(rf"{_CLOCK}(?: ?(?:-|–|~|～|至|到|to) ?{_CLOCK})?", re.ASCII)
HAS_TIME_MARK: Final = re.compile(r"[:：点點时時]|[AaPp]\.?[Mm]")
CHINESE_DIGITS: Final = str.maketrans(
    "〇零一二三四五六七八九壹贰叁肆伍陆柒捌玖两", "001234567891234567892"
)
LONG_DIGIT_RUN: Final = re.compile(rf"\d(?:[^\w]*\d){{{MAX_DIGIT_RUN},}}")


class ValueFault(StrEnum):
    """What is wrong with the value of a variable. The values are part of the API and stay."""

    MISSING = "missing"
    UNKNOWN = "unknown_variable"
    EMPTY = "empty"
    TOO_LONG = "too_long"
    GRAMMAR = "not_of_its_type"
    INVISIBLE = "invisible_characters"
    LINK = "link_not_allowed"
    SIGNATURE = "signature_not_allowed"
    DIGITS = "too_many_digits"
    OUTWEIGHS = "longer_than_fixed_text"
    NOT_EVENT = "not_the_event_id"
    CHOICE = "not_one_of_the_choices"


def length_of(value: str, variable_type: VariableType) -> int:
    """Return the length of a value as its bound counts it: a code without its hyphens."""
    return len(value) - value.count("-") if variable_type is VariableType.CODE else len(value)


def check_value(value: str, variable: Variable) -> ValueFault | None:
    """Return what is wrong with the form of a value, if anything is; not its length.

    A link is checked by `links.check_link`, which needs the merchant's domains.
    """
    if not value.strip():
        return ValueFault.EMPTY
    if "\n" in value or "\r" in value or not is_displayable(value) or BLANK.search(value):
        return ValueFault.INVISIBLE
    if variable.type is VariableType.CHOICE:
        return None if value in variable.choices else ValueFault.CHOICE
    return CHECKS[variable.type](value)


def _matches(expression: re.Pattern[str]) -> Callable[[str], ValueFault | None]:
    def check(value: str) -> ValueFault | None:
        return None if expression.fullmatch(value) else ValueFault.GRAMMAR

    return check


def _check_name(value: str) -> ValueFault | None:
    """Check a name with letters of any script: as phones show its wide letters."""
    if value.isalpha() and unicodedata.is_normalized("NFKC", value):  # most names
        return None
    plain = _without_marks(unicodedata.normalize("NFKC", value))
    if plain is None or not NAME.fullmatch(plain):
        return ValueFault.GRAMMAR
    is_of_letters = all(each.isalpha() or each in NAME_SIGNS for each in plain)
    return None if is_of_letters else ValueFault.GRAMMAR


def _without_marks(text: str) -> str | None:
    """Return a text without accents and vowel signs; None if a letter has too many of them."""
    kept: list[str] = []
    marks = 0
    for letter in text:
        if unicodedata.category(letter) in {"Mn", "Mc"} and not _is_selector(letter):
            marks += 1
            if marks > MAX_MARKS or not kept:
                return None
        else:
            marks = 0
            kept.append(letter)
    return "".join(kept)


def _is_selector(letter: str) -> bool:
    """Whether a character chooses a variant of the one before it, and shows nothing itself."""
    return "\ufe00" <= letter <= "\ufe0f" or "\U000e0100" <= letter <= "\U000e01ef"


def _check_code(value: str) -> ValueFault | None:
    long_enough = length_of(value, VariableType.CODE) >= MIN_CODE_LENGTH
    return None if long_enough and CODE.fullmatch(value) else ValueFault.GRAMMAR


def _check_time(value: str) -> ValueFault | None:
    return None if TIME.fullmatch(value) and HAS_TIME_MARK.search(value) else ValueFault.GRAMMAR


def _check_free(value: str) -> ValueFault | None:
    """Check a place or a text: letters, digits and a few signs; no link, no number to call."""
    folded = unicodedata.normalize("NFKC", value)
    if any(each in folded for each in "【】〖〗[]"):
        return ValueFault.SIGNATURE
    if check_form(value, NO_LINKS) or check_form(folded, NO_LINKS):
        return ValueFault.LINK
    plain = _without_marks(folded)
    if plain is None or not any(map(str.isalnum, plain)) or not all(map(_is_free, plain)):
        return ValueFault.GRAMMAR
    if LONG_DIGIT_RUN.search(plain.translate(CHINESE_DIGITS)):
        return ValueFault.DIGITS
    return None


def _is_free(letter: str) -> bool:
    """Whether a letter may stand in a place or a text."""
    return letter.isalpha() or letter in FREE_SIGNS or unicodedata.category(letter) == "Nd"


CHECKS: Final[Mapping[VariableType, Callable[[str], ValueFault | None]]] = {
    VariableType.NAME: _check_name,
    VariableType.CODE: _check_code,
    VariableType.ORDER: _matches(ORDER),
    VariableType.DATE: _matches(DATE),
    VariableType.TIME: _check_time,
    VariableType.AMOUNT: _matches(AMOUNT),
    VariableType.NUMBER: _matches(NUMBER),
    VariableType.PLACE: _check_free,
    VariableType.TEXT: _check_free,
    VariableType.LINK: lambda _: None,
}
