"""Measures how the reader answers texts that nobody wrote to a shop: public corpora, a text a line.

Usage: python -m tests.inbound.measure FOLDER [--fold untouched|development|all] [--show ended]

FOLDER holds `en.txt`, `zh.txt`, `fr.txt`, `es.txt` and `de.txt`, as far as there are any. Prints
per language: lines, how many would end a consent, and how many would be asked back. docs/inbound.md
names the corpora that were used. They are not part of this project.
"""

import argparse
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from consent_tokens.consent.keywords import DEFAULT_MATCHER, Intent
from tests.inbound.replies import LANGUAGES, in_untouched_fold

ENDED = {Intent.STOP, Intent.STOP_ALL}
ASKED = {Intent.UNCLEAR, Intent.NO}
ASKED_IF_RECENT = {Intent.DOUBTFUL}


def texts_of(path: Path, fold: str) -> Iterator[str]:
    """Yield the texts of a fold of a file, one a line."""
    with path.open(encoding="utf-8") as lines:
        for line in lines:
            text = line.rstrip("\n")
            if text.strip() and fold in {"all", fold_of(text)}:
                yield text


def fold_of(text: str) -> str:
    """Return the name of the fold that a text is in."""
    return "untouched" if in_untouched_fold(text) else "development"


def measure(path: Path, fold: str, show: str | None) -> Counter[str]:
    """Return how many texts of a file end a consent, and how many are asked back."""
    counts: Counter[str] = Counter()
    for text in texts_of(path, fold):
        intent = DEFAULT_MATCHER.interpret(text).intent
        kind = (
            "ended" if intent in ENDED
            else "asked" if intent in ASKED
            else "asked if recent" if intent in ASKED_IF_RECENT
            else "nothing"
        )  # fmt: skip
        counts[kind] += 1
        if show == kind:
            print(f"  {intent.value}: {text}")
    return counts


def per_thousand(count: int, total: int) -> str:
    """Return a share as a figure per thousand."""
    return f"{count} ({1000 * count / max(total, 1):.2f} per 1,000)"


def main() -> None:
    """Print the figures of each file."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--fold", choices=("untouched", "development", "all"), default="untouched")
    parser.add_argument("--show", choices=("ended", "asked", "asked if recent"))
    given = parser.parse_args()
    for language in LANGUAGES:
        path = given.folder / f"{language}.txt"
        if not path.exists():
            continue
        counts = measure(path, given.fold, given.show)
        total = counts.total()
        figures = ", ".join(
            f"{kind} {per_thousand(counts[kind], total)}"
            for kind in ("ended", "asked", "asked if recent")
        )
        print(f"{language}: {total} texts; {figures}")


if __name__ == "__main__":
    main()
