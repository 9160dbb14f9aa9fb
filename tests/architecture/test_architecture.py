"""Rules of this project that no linter checks."""

import ast
import json
import re
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from consent_tokens.store.tables import metadata
from tests.service import Service

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "consent_tokens"
MAY_REVEAL = {
    "consent/phone.py",  # defines it
    "services/runtime.py",  # the blind index
    "services/complaints.py",  # the rate limit of reports
    "services/inbound/keyword_replies.py",  # the rate limit of replies
    "consent/number_check.py",  # the masked number on the page of the code
    "services/otp_limits.py",  # rate limits
    "services/outbox/sent_text_fingerprints.py",  # the fingerprint of a sent or pasted text
    "gateways/simulator.py",  # the simulated phones
    "gateways/kannel.py",  # the submission
    "gateways/smpp/ipc.py",  # between the gateway and the SMPP client process
    "gateways/smpp/pdu.py",  # the submission
    "tokens/mint.py",  # the sealed number in a token
    "web/demo.py",  # the page of the simulated phones
}
PARTS_OF_PYTHON = ("consent_tokens", "tests", "app.py")
SUPPRESSION = re.compile(r"# (?:noqa|type: ignore|pragma: no)\b")
WITH_REASON = re.compile(
    r"# (?:noqa: [A-Z]+\d+(?:, [A-Z]+\d+)*|type: ignore\[[a-z, -]+\]|pragma: no \w+) +(?:-|#) *\S"
)
METAPHORS = frozenset({"world", "deed", "door", "hand", "room", "house"})
WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")


def sources(pattern: str) -> dict[str, str]:
    return {
        path.relative_to(PACKAGE).as_posix(): path.read_text() for path in PACKAGE.rglob(pattern)
    }


def python_files() -> list[Path]:
    """Return the Python files of the package, its tests and the WSGI entry."""
    return [
        path
        for part in PARTS_OF_PYTHON
        for path in sorted([ROOT / part] if part.endswith(".py") else (ROOT / part).rglob("*.py"))
    ]


def public_names(path: Path) -> set[str]:
    """Return the names that a module gives to itself, classes, functions, parameters and data."""
    found = set(path.relative_to(ROOT).with_suffix("").parts)
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.ClassDef | ast.FunctionDef):
            found.add(node.name)
        elif isinstance(node, ast.arg):
            found.add(node.arg)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            found.add(node.id)
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            found.add(node.attr)
    return {name for name in found if not name.startswith("_")}


def words(name: str) -> set[str]:
    """Return the words of a name in snake or camel case, in lower case and without plural `s`."""
    return {word.lower().removesuffix("s") for word in WORD.findall(name)}


def test_phone_numbers_are_revealed_only_in_listed_modules() -> None:
    found = {name for name, text in sources("*.py").items() if re.search(r"\breveal\(\)", text)}
    assert found == MAY_REVEAL, "review each new use of reveal(), then list it here"


def test_no_exception_is_silently_ignored() -> None:
    silent = re.compile(r"except[^\n]*:\n\s+pass\b")
    assert [name for name, text in sources("*.py").items() if silent.search(text)] == []


def test_every_suppression_names_its_rule_and_gives_a_reason() -> None:
    unexplained = [
        f"{path.relative_to(ROOT)}:{number}: {line.strip()}"
        for path in python_files()
        for number, line in enumerate(path.read_text("utf-8").splitlines(), 1)
        if SUPPRESSION.search(line) and not WITH_REASON.search(line)
    ]
    assert unexplained == []


def test_public_names_use_no_metaphors() -> None:
    found = [
        f"{path.relative_to(ROOT)}: {name}"
        for path in python_files()
        for name in sorted(public_names(path))
        if words(name) & METAPHORS
    ]
    assert found == [], "use the term of the field; docs/glossary.md lists them"


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("AppContext", {"app", "context"}),
        ("World", {"world"}),
        ("other_hands", {"other", "hand"}),
        ("handle_exception", {"handle", "exception"}),
        ("MAX_ROOM2", {"max", "room"}),
        ("HTTPHandler", {"http", "handler"}),
    ],
)
def test_words_are_split_at_underscores_and_capitals(name: str, expected: set[str]) -> None:
    assert words(name) == expected


@pytest.mark.parametrize("name", ["build.txt", "run.txt", "test.txt"])
def test_every_lock_file_has_hashes_and_no_urls(name: str) -> None:
    text = (ROOT / "requirements" / name).read_text()
    assert not re.search(r"://|--index|--extra|--find|file:|@ ", text)
    for entry in re.split(r"\n(?=\S)", text.strip()):
        assert "==" in entry.splitlines()[0]
        assert "--hash=sha256:" in entry


def test_openapi_describes_every_route_of_the_api(small: Service) -> None:
    described = small.app.test_client().get("/openapi.json").json["paths"]
    rules = {
        (re.sub(r"<(\w+)>", r"{\1}", rule.rule), method.lower())
        for rule in small.app.url_map.iter_rules()
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
        if rule.rule.startswith("/v1")
    }
    operations = {
        (path, method)
        for path, item in described.items()
        for method in item
        if method != "parameters"  # shared by the operations of a path (OpenAPI 3.1, 4.8.9)
    }
    assert operations == rules


def test_the_dashboard_queries_metrics_that_exist(small: Service) -> None:
    exposed = small.metrics()
    dashboard = json.loads((ROOT / "docs" / "grafana" / "consent-tokens.json").read_text())
    queried = {
        name
        for panel in dashboard["panels"]
        for target in panel["targets"]
        for name in re.findall(r"consent_\w+", target["expr"])
    }
    known = set(re.findall(r"^# TYPE (\w+)", exposed, re.MULTILINE))
    assert queried
    assert {re.sub(r"_bucket$", "", name) for name in queried} <= known


def test_every_setting_is_documented() -> None:
    named = set(re.findall(r"CONSENT_[A-Z_]+[A-Z]", (PACKAGE / "settings.py").read_text()))
    text = (ROOT / "docs" / "operations.md").read_text()
    assert [name for name in sorted(named) if f"`{name}`" not in text] == []


def test_the_migrations_create_the_tables_as_defined(service: Service) -> None:
    with service.runtime.database.engine.connect() as connection:
        context = MigrationContext.configure(connection)
        assert compare_metadata(context, metadata) == []


def test_every_vector_states_what_it_expects() -> None:
    for path in (ROOT / "tests" / "vectors" / "tokens").glob("*.json"):
        assert json.loads(path.read_text())["expect"] in {
            "token_malformed",
            "token_signature_invalid",
        }


def test_nothing_in_the_project_names_this_workplace_or_a_registry() -> None:
    hosts = "pypi" + ".org", "registry.npm" + "js", "deb.debian" + ".org", "/wo" + "rk/"
    tracked = [
        path
        for path in ROOT.rglob("*")
        if path.is_file()
        and path.suffix in {".py", ".md", ".toml", ".txt", ".html", ".css", ".cfg", ""}
        and not {".git", ".venv", "node_modules", ".hypothesis"} & set(path.relative_to(ROOT).parts)
        and not any(part.endswith("_cache") for part in path.parts)
    ]
    for path in tracked:
        text = path.read_text(errors="ignore")
        assert not [host for host in hosts if host in text], path


def test_every_field_of_a_page_names_its_type() -> None:
    """What has none is a field of text, but style sheets do not find it."""
    pages = list((PACKAGE / "web" / "templates").rglob("*.html"))
    assert len(pages) > 100
    untyped = {
        path.name: found
        for path in pages
        if (found := re.findall(r"<input\b(?![^>]*\stype=)[^>]*>", path.read_text("utf-8")))
    }
    assert untyped == {}
