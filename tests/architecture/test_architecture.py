"""Rules of the house that no linter knows. Each failure says what to do."""

import json
import re
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from consent_tokens.relay.decision import EXPLANATIONS, Reason
from consent_tokens.store.tables import metadata
from tests.service import Service

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "consent_tokens"
MAY_REVEAL = {
    "consent/phone.py",  # where it is defined
    "services/consents/decisions.py",  # the blind index of whoever agrees
    "services/complaints.py",  # the blind index of whoever reports, and the limit on reports
    "services/erasure.py",  # the blind index of a number that changed hands
    "services/outbox/fingerprints.py",  # the fingerprint of a text that left, or was pasted
    "services/inbound/keywords.py",  # the blind index of whoever replies, and the limit on answers
    "services/number_verification.py",  # the seal of a code's message, and the limits of a number
    "services/consumer_sessions.py",  # the blind index of whoever logs in
    "gateways/simulator.py",  # the phones in the box
    "gateways/kannel.py",  # the one submission
    "gateways/smpp/ipc.py",  # from the gateway to the process that speaks SMPP for it, and back
    "gateways/smpp/pdu.py",  # the one submission
    "tokens/mint.py",  # the seal of a token
    "web/home.py",  # the page of the simulated phones
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


def test_the_dashboard_shows_figures_that_there_are(small: Service) -> None:
    told = small.app.test_client().get("/metrics").text
    board = json.loads((ROOT / "docs" / "grafana" / "consent-tokens.json").read_text())
    asked = {
        name
        for panel in board["panels"]
        for target in panel["targets"]
        for name in re.findall(r"consent_\w+", target["expr"])
    }
    known = set(re.findall(r"^# TYPE (\w+)", told, re.MULTILINE))
    assert asked, "it asks for nothing"
    assert {re.sub(r"_bucket$", "", name) for name in asked} <= known


def test_every_setting_is_documented() -> None:
    named = set(re.findall(r"CONSENT_[A-Z_]+[A-Z]", (PACKAGE / "settings.py").read_text()))
    told = (ROOT / "docs" / "operations.md").read_text()
    assert [name for name in sorted(named) if f"`{name}`" not in told] == []


def test_the_migrations_lead_to_the_tables_as_they_are(service: Service) -> None:
    with service.world.database.engine.connect() as connection:
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
