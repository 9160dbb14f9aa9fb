"""The difference of two texts, side by side: which parts of each the other lacks."""

import re
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Final

# words of letters without blanks between them, such as Chinese, are compared by character
PIECES: Final = re.compile(r"\{[^{}]*\}|[A-Za-z0-9]+|.", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a text, and whether the other text lacks it."""

    text: str
    is_changed: bool


def difference(before: str, after: str) -> tuple[list[Part], list[Part]]:
    """Return the parts of two texts; those of one make up the whole text."""
    old, new = PIECES.findall(before), PIECES.findall(after)
    left: list[Part] = []
    right: list[Part] = []
    matcher = SequenceMatcher(None, old, new, autojunk=False)
    for kind, old_from, old_to, new_from, new_to in matcher.get_opcodes():
        is_changed = kind != "equal"
        if old_from < old_to:
            left.append(Part("".join(old[old_from:old_to]), is_changed))
        if new_from < new_to:
            right.append(Part("".join(new[new_from:new_to]), is_changed))
    return left, right
