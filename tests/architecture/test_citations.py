"""Every promise, threat and file that code, tests and docs cite can be opened.

Citations are read from comments and docstrings of Python files and from Markdown outside code
spans, so that a type variable or a token that looks like one does not count.
"""

import ast
import io
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from consent_tokens.cli import main

ROOT = Path(__file__).parents[2]
PROMISES = ROOT / "docs" / "promises.md"
THREATS = ROOT / "docs" / "threat-model.md"
GLOSSARY = ROOT / "docs" / "glossary.md"
ARCHITECTURE = ROOT / "docs" / "architecture.md"
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
LAST_PROMISE, LAST_THREAT = 15, 33

SKIPPED = frozenset(
    {".git", ".hypothesis", ".make", ".venv", "build", "dist", "node_modules", "var"}
)
READ_AS_TEXT = frozenset(
    {".cfg", ".css", ".html", ".js", ".json", ".mako", ".md", ".po", ".py", ".toml", ".txt", ""}
)

# `promise 7`, `promise 3, and 9`, `promises 2, 3 and 6`, `promises 1 to 13`
PROMISE = re.compile(
    r"\bpromise \d+(?:,? and \d+)?\b"
    r"|\bpromises \d+(?:(?:, and |, | and | or | to )\d+)*\b",
    re.IGNORECASE,
)
THREAT = re.compile(r"(?<![\w./+=-])T[1-9]\d?(?![\w/+=]|-\w)")
PROMISE_ENTRY = re.compile(r"^## (\d+)\. \S", re.MULTILINE)
THREAT_ENTRY = re.compile(r"^### (T\d+)\. \S", re.MULTILINE)

FENCE = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
CODE_SPAN = re.compile(r"`[^`]*`")
NAMED_PATH = re.compile(r"`((?:consent_tokens|docs|tests)/[^`\s<*]+)`")
NAMED_MODULE = re.compile(r"`([a-z_]+(?:/[a-z_]+)*\.py)`")  # in docs/architecture.md
NAMED_COMMAND = re.compile(r"consent-tokens ([a-z-]+)((?: [a-z][a-z-]+)?)")
RELATIVE_LINK = re.compile(r"\]\((?!https?:|#)([^)#\s]+)")
# notes that stand beside the project, not in it
OUTSIDE = re.compile(
    r"\b(?:DESIGN|STYLE|NAMES|THREATS|FIELD|RULES|WORDING)" + re.escape(".") + r"md\b"
)


def files(root: Path, suffixes: frozenset[str]) -> list[Path]:
    """Return the project's own files with one of these suffixes."""
    return sorted(
        path
        for path in root.rglob("*")
        if path.suffix in suffixes
        and not any(
            part in SKIPPED or part.endswith("_cache") for part in path.relative_to(root).parts[:-1]
        )
        and path.is_file()
    )


def comments(source: str) -> Iterator[str]:
    """Yield the comments of a Python file; those on consecutive lines together."""
    block: list[str] = []
    last_line = 0
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            if block and token.start[0] > last_line + 1:
                yield " ".join(block)
                block = []
            block.append(token.string.lstrip("#"))
            last_line = token.start[0]
    yield " ".join(block)


def docstrings(source: str) -> Iterator[str]:
    """Yield the docstrings of a Python file: every string that stands alone as a statement."""
    statements = (node.value for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Expr))
    for value in statements:
        if isinstance(value, ast.Constant) and isinstance(value.value, str):
            yield value.value


def prose(path: Path) -> Iterator[str]:
    """Yield what a file says to its readers, in pieces on one line each."""
    text = path.read_text("utf-8")
    if path.suffix == ".py":
        pieces = [*comments(text), *docstrings(text)]
    else:
        pieces = re.split(r"\n\s*\n", CODE_SPAN.sub("``", FENCE.sub("", text)))
    for piece in pieces:
        yield " ".join(piece.split())


def citations(text: str) -> Iterator[str]:
    """Yield what a piece of prose cites: `7` for a promise, `T9` for a threat."""
    for match in PROMISE.finditer(text):
        yield from re.findall(r"\d+", match[0])
    yield from THREAT.findall(text)


def unresolved(root: Path, known: set[str]) -> list[tuple[str, str]]:
    """Return file and citation of everything that is cited and has no entry."""
    return [
        (path.relative_to(root).as_posix(), cited)
        for path in files(root, frozenset({".md", ".py"}))
        for piece in prose(path)
        for cited in citations(piece)
        if cited not in known
    ]


def entries() -> set[str]:
    promises = PROMISE_ENTRY.findall(PROMISES.read_text("utf-8"))
    return {*promises, *THREAT_ENTRY.findall(THREATS.read_text("utf-8"))}


def outside_names(root: Path) -> list[tuple[str, str]]:
    """Return file and name of every mention of a note that is not part of the project."""
    return [
        (path.relative_to(root).as_posix(), name)
        for path in files(root, READ_AS_TEXT)
        for name in OUTSIDE.findall(path.read_text("utf-8", errors="ignore"))
    ]


def missing_files(page: Path, root: Path) -> list[str]:
    """Return the paths that a page names in code spans or links to, and that do not exist."""
    text = page.read_text("utf-8")
    named = [name for name in NAMED_PATH.findall(text) if not (root / name).exists()]
    linked = [name for name in RELATIVE_LINK.findall(text) if not (page.parent / name).exists()]
    return named + linked


def test_promises_and_threats_are_numbered_without_a_gap() -> None:
    promises = PROMISE_ENTRY.findall(PROMISES.read_text("utf-8"))
    assert promises == [str(number) for number in range(1, LAST_PROMISE + 1)]
    threats = THREAT_ENTRY.findall(THREATS.read_text("utf-8"))
    assert threats == [f"T{number}" for number in range(1, LAST_THREAT + 1)]


def test_every_citation_has_an_entry() -> None:
    assert unresolved(ROOT, entries()) == []


def test_no_file_names_a_note_outside_the_project() -> None:
    assert outside_names(ROOT) == []


@pytest.mark.parametrize("page", [PROMISES, THREATS, GLOSSARY], ids=lambda page: page.name)
def test_pages_that_say_where_something_is_name_files(page: Path) -> None:
    assert NAMED_PATH.findall(page.read_text("utf-8")), "it names no file"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_every_file_that_a_page_names_exists(page: Path) -> None:
    assert missing_files(page, ROOT) == []


def test_every_module_that_the_architecture_names_exists() -> None:
    named = NAMED_MODULE.findall(ARCHITECTURE.read_text("utf-8"))
    assert len(named) > 20
    assert [name for name in named if not (ROOT / "consent_tokens" / name).exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_every_command_that_a_page_names_exists(page: Path) -> None:
    context = click.Context(main)
    for name, subcommand in NAMED_COMMAND.findall(page.read_text("utf-8")):
        command = main.get_command(context, name)
        assert command is not None, name
        if isinstance(command, click.Group) and subcommand.strip():
            assert command.get_command(context, subcommand.strip()), (name, subcommand)


@pytest.mark.parametrize(
    ("text", "cited"),
    [
        ("accepted means on disk (promise 7)", ["7"]),
        ("Promise 3, and 9: a restored backup", ["3", "9"]),
        ("promises 2, 3 and 16", ["2", "3", "16"]),
        ("Promises 1 to 13 hold", ["1", "13"]),
        ("the promise 12, 90 days long", ["12"]),
        ("codes (T7 to T33), and T9.", ["T7", "T33", "T9"]),
        ("a promise of 7 days, and two promises", []),
        ("T = TypeVar, T0, T007, T100, xT5, T5x, 18T04:00", []),
        ("eyJ-T5.T6_x/T7+T8==, T9=1, T4-x", []),
    ],
)
def test_a_citation_is_told_from_what_only_looks_like_one(text: str, cited: list[str]) -> None:
    assert list(citations(text)) == cited


def test_only_comments_and_docstrings_of_code_count(tmp_path: Path) -> None:
    (tmp_path / "module.py").write_text(
        '"""See promise\n    16."""\n\n'
        'T33 = "promise 17, T34"\n'
        "# held by promise\n# 18 (T34)\n\n"
        "count = 1  # the promise\n\n# 19 times\n",
        "utf-8",
    )
    found = unresolved(tmp_path, entries())
    assert [cited for _, cited in found] == ["18", "T34", "16"]


def test_a_page_that_cites_what_is_not_there_is_found(tmp_path: Path) -> None:
    (tmp_path / "docs").mkdir()
    page = tmp_path / "docs" / "page.md"
    page.write_text(
        "Held by promise\n1 and T34, not `T35`.\n\n```\npromise 99\n```\n"
        "See `tests/promises/test_99_gone.py`, `docs/page.md` and [more](more.md).\n",
        "utf-8",
    )
    assert unresolved(tmp_path, entries()) == [("docs/page.md", "T34")]
    assert missing_files(page, tmp_path) == ["tests/promises/test_99_gone.py", "more.md"]


def test_a_note_outside_the_project_is_found_by_name(tmp_path: Path) -> None:
    name = "DESIGN" + ".md"
    (tmp_path / "module.py").write_text(f"# fixed by {name}, chapter 4\n", "utf-8")
    (tmp_path / "page.md").write_text("REDESIGN" + ".md and DESIGN are fine\n", "utf-8")
    assert outside_names(tmp_path) == [("module.py", name)]


def test_no_page_has_marks_of_a_merge() -> None:
    """A conflict that was committed shows its marks."""
    marks = re.compile(r"^(?:<{7}|={7}|>{7})(?: |$)", re.MULTILINE)
    found = [
        str(page.relative_to(ROOT))
        for page in files(ROOT, READ_AS_TEXT)
        if marks.search(page.read_text(encoding="utf-8", errors="replace"))
    ]
    assert found == []
