"""Shows the longest text that a template can make, and the number of its segments."""

from dataclasses import dataclass
from typing import Final

from msgspec.structs import replace

from consent_tokens.consent.inbound.folding import is_chinese
from consent_tokens.relay.composition import Coding, compose, with_signature_and_opt_out
from consent_tokens.relay.templates.fill import FilledText, fill
from consent_tokens.relay.templates.links import MAX_WILDCARD_LENGTH, SCHEME
from consent_tokens.relay.templates.template import (
    OnOverflow,
    Template,
    Variable,
    VariableType,
    pieces_of,
    with_values,
)

WIDE_LETTER, NARROW_LETTER = "国", "W"
LONGEST: Final = {
    VariableType.DATE: "2026年12月31日(星期四)",
    VariableType.TIME: "上午11时55分至下午12时55分",
    VariableType.AMOUNT: "1,234,567.89",
}
LONGEST_NARROW: Final = {
    VariableType.DATE: "September 30, 2026",
    VariableType.TIME: "11:55 AM to 12:55 PM",
    VariableType.AMOUNT: "1,234,567.89",
}
DIGITS: Final = frozenset({VariableType.CODE, VariableType.ORDER, VariableType.NUMBER})


@dataclass(frozen=True, slots=True)
class Preview:
    """The longest text of a template, as a phone shows it, and how it is sent.

    `characters_left` is what the last segment still takes, in this coding. `max_segments` is what
    it takes if the values are in letters that GSM 7-bit does not have.
    """

    text: str
    coding: Coding
    segments: int
    characters_left: int
    max_segments: int


def preview(
    template: Template,
    *,
    signature: str,
    link_domains: frozenset[str],
    opt_out_link: str | None,
    is_limited: bool = False,
) -> Preview:
    """Return the longest text of a template, with a signature.

    Its values are in Chinese if the fixed text is, else in Latin letters. With an `opt_out_link`,
    or of a limited purpose, the text ends with how to opt out.
    """
    is_wide = is_chinese("".join(pieces_of(template.text).fixed))
    language = "zh-CN" if is_wide else "en"

    def made(*, is_wide: bool) -> str:
        text = _longest(template, link_domains, is_wide=is_wide)
        return with_signature_and_opt_out(
            text, signature=signature, language=language, link=opt_out_link, is_limited=is_limited
        )

    shown = made(is_wide=is_wide)
    composed = compose(shown)
    most = max(len(composed.segments), len(compose(made(is_wide=True)).segments))
    return Preview(shown, composed.coding, len(composed.segments), composed.characters_left, most)


def _longest(template: Template, link_domains: frozenset[str], *, is_wide: bool) -> str:
    values = {
        name: _longest_value(variable, link_domains, is_wide=is_wide)
        for name, variable in template.variables.items()
    }
    cut = replace(template, on_overflow=OnOverflow.TRUNCATE)
    filled = fill(cut, values, link_domains=link_domains, event_id=None)
    if isinstance(filled, FilledText):
        return filled.text
    return with_values(template.text, values)  # a link's domain is not registered any more


def _longest_value(variable: Variable, link_domains: frozenset[str], *, is_wide: bool) -> str:
    match variable.type:
        case VariableType.LINK:
            pattern = variable.pattern
            host = max(link_domains, key=len, default="") if pattern.startswith("/") else ""
            return (SCHEME + host + pattern.replace("*", "x" * MAX_WILDCARD_LENGTH))[
                : variable.max_length
            ]
        case VariableType.CHOICE:
            return max(variable.choices, key=len, default="")
        case VariableType.DATE | VariableType.TIME | VariableType.AMOUNT:
            table = LONGEST if is_wide else LONGEST_NARROW
            return table[variable.type][: variable.max_length]
        case _ if variable.type in DIGITS:
            return "8" * variable.max_length
        case _:
            return (WIDE_LETTER if is_wide else NARROW_LETTER) * variable.max_length
