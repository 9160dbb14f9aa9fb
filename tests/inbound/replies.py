"""The labelled replies of the tests, and the split into a development and an untouched fold."""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Final

TESTS: Final = Path(__file__).parents[1]
CORPUS, CASES = TESTS / "corpus", TESTS / "cases"
LANGUAGES: Final = ("de", "en", "es", "fr", "zh")


@dataclass(frozen=True, slots=True)
class Reply:
    """A reply, its language, and the right answer: an intent, or what a case accepts."""

    text: str
    language: str
    want: str
    source: str

    @property
    def is_untouched(self) -> bool:
        """Whether it is in the fold that the lexicons were not made from."""
        return in_untouched_fold(self.text)


def in_untouched_fold(text: str) -> bool:
    """Whether a text is in the untouched fold: half of all texts, by a hash of the text."""
    return hashlib.sha256(text.strip().encode()).digest()[0] % 2 == 1


def corpus(language: str) -> list[Reply]:
    """Return the labelled replies of one file of `tests/corpus`; each line is `label text`."""
    lines = (CORPUS / f"{language}.txt").read_text("utf-8").splitlines()
    pairs = [line.partition(" ") for line in lines if line and not line.startswith("#")]
    return [Reply(text, language, label, f"{language}.txt") for label, _, text in pairs]


def cases() -> list[Reply]:
    """Return the replies of `tests/cases`: what was seen in the field, by kind."""
    found: list[Reply] = []
    for path in sorted(CASES.glob("*/replies.tsv")):
        for line in path.read_text("utf-8").splitlines()[1:]:
            _, language, text, want = line.split("\t")[:4]
            found.append(Reply(_unescaped(text), language, want, path.parent.name))
    return found


def kinds() -> list[Reply]:
    """Return the replies of each kind of case that were written while the reader was made."""
    lines = (CORPUS / "kinds.tsv").read_text("utf-8").splitlines()[1:]
    pairs = [line.split("\t") for line in lines]
    return [Reply(_unescaped(text), "", want, "kinds.tsv") for want, text in pairs]


def _unescaped(text: str) -> str:
    for written, meant in (("\\r", "\r"), ("\\n", "\n"), ("\\u202d", "\u202d"),
                           ("\\u202c", "\u202c")):  # fmt: skip
        text = text.replace(written, meant)
    return text
