"""The table of permissions: every route of both consoles has a row, and it is kept to."""

import re
from collections.abc import Iterator

import pytest
from werkzeug.routing import Rule

from consent_tokens.services.people.person import ROLES, Console
from consent_tokens.web.consoles.permissions import AUDITOR, PERMISSIONS, VIEWER
from tests.console_people import ConsoleUser, merchant_person, operator
from tests.service import CSRF, Service

CONSOLE_PATHS = ("/console", "/merchant")
CHANGING = {"POST", "PUT", "PATCH", "DELETE"}
BY_ROLE = {role: console for console, roles in ROLES.items() for role in roles}


def routes(service: Service) -> Iterator[tuple[Rule, str]]:
    """Return each rule of the consoles with each of its methods."""
    for rule in service.app.url_map.iter_rules():
        if rule.rule.startswith(CONSOLE_PATHS):
            for method in sorted((rule.methods or set()) - {"HEAD", "OPTIONS"}):
                yield rule, method


def path_of(rule: Rule) -> str:
    """Return a path of a rule, about something that does not exist."""
    return re.sub(r"<(?:\w+:)?\w+>", "0", rule.rule)


def call(user: ConsoleUser, path: str, method: str, csrf: str) -> int:
    return user.browser.open(path, method=method, data={"csrf": csrf}).status_code


def test_every_route_has_a_row_and_every_row_a_route(small: Service) -> None:
    endpoints = {rule.endpoint for rule, _method in routes(small)}
    assert endpoints == set(PERMISSIONS), "add a row to web/consoles/permissions.py"


def test_no_view_both_shows_and_changes(small: Service) -> None:
    methods: dict[str, set[str]] = {}
    for rule, method in routes(small):
        methods.setdefault(rule.endpoint, set()).add(method)
    assert {name for name, found in methods.items() if len(found) > 1} == set()


@pytest.mark.parametrize("role", [AUDITOR, VIEWER])
def test_who_only_reads_has_no_row_that_changes_anything_but_their_own(
    small: Service, role: str
) -> None:
    changing = {
        rule.endpoint
        for rule, method in routes(small)
        if method in CHANGING
        and role in PERMISSIONS[rule.endpoint].roles
        and not PERMISSIONS[rule.endpoint].is_own
    }
    assert changing == set()


def test_every_role_on_every_route_gets_what_its_row_says(small: Service) -> None:
    # what a row refuses is 403; the other console does not know them
    merchant = small.merchant()
    users = {
        role: operator(small, role, f"{role} person")
        if console is Console.OPERATOR
        else merchant_person(small, merchant.id, role, f"{role}@shop.example")
        for role, console in BY_ROLE.items()
    }
    wrong = []
    for role, user in users.items():
        token = re.search(CSRF, user.get().text)
        assert token
        for rule, method in sorted(routes(small), key=lambda each: "sign_out" in each[0].endpoint):
            row = PERMISSIONS[rule.endpoint]
            if row.is_public:
                continue
            status = call(user, path_of(rule), method, token[1])
            if not rule.rule.startswith(user.path):
                is_right = status in {303, 403}  # not signed in there
            elif role in row.roles:
                is_right = status not in {403, 500}
            else:
                is_right = status == 403
            if not is_right:
                wrong.append((role, method, rule.rule, status))
    assert wrong == []


def test_nobody_who_is_not_signed_in_gets_anything(small: Service) -> None:
    browser = small.app.test_client()
    for rule, method in routes(small):
        if PERMISSIONS[rule.endpoint].is_public:
            continue
        answer = browser.open(path_of(rule), method=method)
        assert answer.status_code == 303, rule
        assert answer.location.endswith("/sign-in")


def test_every_change_needs_the_csrf_token_of_its_session(small: Service) -> None:
    ann, other = operator(small), operator(small, "admin", "Other Admin")
    stolen = re.search(CSRF, other.get().text)
    assert stolen
    for rule, method in routes(small):
        if method in CHANGING and rule.rule.startswith("/console"):
            for token in ("", stolen[1]):
                assert call(ann, path_of(rule), method, token) == 403, rule
    assert ann.get().status_code == 200
