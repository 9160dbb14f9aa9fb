"""Rules of the house that no linter knows. Each failure says what to do."""

import json
import re
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from babel.messages.mofile import read_mo
from babel.messages.pofile import read_po

from consent_tokens.consent.notice import LANGUAGES, PURPOSE_WORDS
from consent_tokens.consent.purposes import Purpose
from consent_tokens.relay.decision import EXPLANATIONS, Reason
from consent_tokens.store.tables import metadata
from tests.service import Service

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "consent_tokens"
TRANSLATIONS = PACKAGE / "web" / "translations" / "zh_Hans_CN" / "LC_MESSAGES"
MAY_REVEAL = {
    "consent/phone.py",  # where it is defined
    "flow/answer.py",  # the blind index of whoever agrees
    "flow/hear.py",  # the blind index of whoever replies
    "flow/prove.py",  # the seal of a code's message, and the limits of a number
    "flow/visit.py",  # the blind index of whoever logs in
    "gateways/simulator.py",  # the phones in the box
    "gateways/kannel.py",  # the one submission
    "gateways/smpp/words.py",  # the one submission
    "tokens/mint.py",  # the seal of a token
    "web/start.py",  # the page of the simulated phones
}


def sources(pattern: str) -> dict[str, str]:
    return {
        path.relative_to(PACKAGE).as_posix(): path.read_text() for path in PACKAGE.rglob(pattern)
    }


def test_a_number_is_revealed_only_where_it_must_be() -> None:
    found = {name for name, text in sources("*.py").items() if re.search(r"\breveal\(\)", text)}
    assert found == MAY_REVEAL, "a new place opens a phone number: it needs a second pair of eyes"


def test_no_exception_is_swallowed_and_every_suppression_has_a_reason() -> None:
    for name, text in sources("*.py").items():
        assert not re.search(r"except[^\n]*:\n\s+pass\b", text), name
        for line in text.splitlines():
            if "# noqa" in line or "type: ignore" in line:
                assert re.search(r"(noqa: [A-Z0-9, ]+|ignore\[[a-z-]+\]) +(-|#) ?\S", line), (
                    name,
                    line,
                )


def test_every_refusal_is_explained_and_documented_in_its_order() -> None:
    assert list(EXPLANATIONS) == list(Reason)
    text = (ROOT / "docs" / "refusals.md").read_text()
    documented = re.findall(r"^\| \d+ \| `(\w+)`", text, re.MULTILINE)
    assert documented == [reason.value for reason in Reason]


def test_every_purpose_has_words_in_every_language() -> None:
    assert set(PURPOSE_WORDS) == set(LANGUAGES)
    for words in PURPOSE_WORDS.values():
        assert set(words) == set(Purpose)


def test_every_word_of_the_pages_is_translated() -> None:
    wanted: set[str] = set()
    for text in [*sources("web/**/*.html").values(), *sources("web/**/*.py").values()]:
        for quoted in re.findall(r"""_\(\s*(?:'((?:[^'\\]|\\.)*)'|"((?:[^"\\]|\\.)*)")""", text):
            wanted.add(quoted[0] or quoted[1])
    with (TRANSLATIONS / "messages.po").open("rb") as file:
        kept = {message.id: message.string for message in read_po(file) if message.id}
    assert wanted == set(kept), "translate the new words, or drop those that are gone"
    assert all(kept.values())


def test_the_compiled_translations_are_those_of_the_text() -> None:
    with (TRANSLATIONS / "messages.po").open("rb") as file:
        text = {message.id: message.string for message in read_po(file) if message.id}
    with (TRANSLATIONS / "messages.mo").open("rb") as file:
        compiled = {message.id: message.string for message in read_mo(file) if message.id}
    assert compiled == text, "run: make translations"


@pytest.mark.parametrize("name", ["run.txt", "test.txt"])
def test_the_lock_has_hashes_and_no_addresses(name: str) -> None:
    text = (ROOT / "requirements" / name).read_text()
    assert not re.search(r"://|--index|--extra|--find|file:|@ ", text)
    for entry in re.split(r"\n(?=\S)", text.strip()):
        assert "==" in entry.splitlines()[0]
        assert "--hash=sha256:" in entry


def test_openapi_is_the_map_of_the_api(small: Service) -> None:
    described = small.app.test_client().get("/openapi.json").json["paths"]
    rules = {
        (re.sub(r"<(\w+)>", r"{\1}", rule.rule), method.lower())
        for rule in small.app.url_map.iter_rules()
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
        if rule.rule.startswith("/v1")
    }
    assert {(path, method) for path, calls in described.items() for method in calls} == rules


def test_the_migrations_lead_to_the_tables_as_they_are(service: Service) -> None:
    with service.world.store.engine.connect() as connection:
        context = MigrationContext.configure(connection)
        assert compare_metadata(context, metadata) == []


def test_every_vector_says_what_it_expects() -> None:
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
