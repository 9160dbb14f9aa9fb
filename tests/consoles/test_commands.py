"""The commands that invite people to the consoles, and the links that `serve` prints."""

import json
from pathlib import Path

import pytest
from sqlalchemy import make_url

from consent_tokens.cli.serve import print_demonstration_links
from consent_tokens.services.people import team
from consent_tokens.services.people.person import Console, Person, find_person
from tests.commands import run_command
from tests.console_people import ConsoleUser, operator
from tests.consoles.test_supervision import (
    STATEMENT,
    acts_of,
    add_statement,
    first_item,
    report,
    sent_text,
)
from tests.service import CSRF, Service, found


def command(service: Service, tmp_path: Path, *arguments: str) -> dict[str, str]:
    """Run a command on the database and keys of a service; return the JSON that it prints."""
    url = service.runtime.database.engine.url
    done = run_command(
        {
            "CONSENT_DATABASE_URL": make_url(url).render_as_string(hide_password=False),
            "CONSENT_KEYS_DIR": str(tmp_path / "keys"),
            "CONSENT_BASE_URL": service.base,
        },
        *arguments,
        "--json",
    )
    assert done.returncode == 0, done.stderr
    printed: dict[str, str] = json.loads(done.stdout)
    return printed


def user_of(service: Service, printed: dict[str, str]) -> ConsoleUser:
    person = service.runtime.database.read(lambda at: find_person(at, printed["id"]))
    assert isinstance(person, Person)
    return ConsoleUser(service, person)


def test_the_first_operator_is_invited_by_command_and_invites_others(
    small: Service, tmp_path: Path
) -> None:
    printed = command(small, tmp_path, "operator", "add", "Lin", "--role", "admin")
    again = command(small, tmp_path, "operator", "invite", "Lin")
    assert again["id"] == printed["id"]
    lin = user_of(small, again)
    assert lin.browser.get(printed["invitation"].removeprefix(small.base)).status_code == 404
    lin.accept(again["invitation"])
    assert "/console/join/" in lin.post("/people", name="Mei", role="reviewer").text
    assert {each.person.name for each in team.list_operators(small.runtime)} == {"Lin", "Mei"}


def test_the_first_owner_of_a_merchant_is_invited_by_command(
    small: Service, tmp_path: Path
) -> None:
    merchant = small.merchant()
    printed = command(small, tmp_path, "merchant", "invite", merchant.id, "owner@shop.example")
    owner = user_of(small, printed)
    owner.accept(printed["invitation"])
    assert (owner.person.console, owner.person.role) == (Console.MERCHANT, "owner")
    assert owner.get("/team").status_code == 200
    assert operator(small).get("/people").text.count("owner@shop.example") == 0


def test_serve_prints_links_that_sign_in_to_both_consoles(
    small: Service, capsys: pytest.CaptureFixture[str]
) -> None:
    small.merchant()
    for _start in range(2):
        print_demonstration_links(small.runtime)
    printed = capsys.readouterr().err.splitlines()
    assert len(printed) == 4
    for line in printed[2:]:
        path = line.split(": ")[1].removeprefix(small.base)
        browser = small.app.test_client()
        page = browser.get(path)
        assert browser.post(path, data={"csrf": found(CSRF, page.text)}).status_code == 303
    start = small.app.test_client().get("/").text
    assert 'href="/console"' in start
    assert 'href="/merchant"' in start


def test_whoever_reads_what_was_added_to_a_complaint_by_command_is_recorded(
    small: Service, tmp_path: Path
) -> None:
    consumer, link = sent_text(small)
    report(consumer, link)
    add_statement(consumer)
    reviewer, auditor = operator(small, "reviewer", "Ann"), operator(small, "auditor", "Eve")
    show = ("complaint", "show", first_item(reviewer), "--by")
    assert command(small, tmp_path, *show, auditor.person.name)["statement"] == ""
    assert acts_of(small, "complaint_text_read") == []
    assert command(small, tmp_path, *show, reviewer.person.name)["statement"] == STATEMENT
    readings = [("complaint_text_read", reviewer.person.id)] * 2  # the statement and the picture
    assert acts_of(small, "complaint_text_read") == readings
