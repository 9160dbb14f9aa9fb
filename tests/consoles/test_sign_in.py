"""Sign in to the consoles: two factors, each once; waits; sessions that end; invitations."""

import re
import time
from dataclasses import replace
from datetime import timedelta

import pyotp
import pytest

from consent_tokens.errors import ConflictError
from consent_tokens.evidence.events import EventKind
from consent_tokens.services.admission.operators import NO_PARTITION
from consent_tokens.services.people import sign_in, team
from consent_tokens.services.people.person import Console
from consent_tokens.services.people.sessions import SESSION_IDLE_TIMEOUT, SESSION_LIFETIME
from consent_tokens.store import events
from tests.console_people import PASSWORD, SIGNED, ConsoleUser, merchant_person, operator
from tests.service import ADMIN, CSRF, Service, found


def kinds(service: Service, user: ConsoleUser) -> list[tuple[EventKind, str | None]]:
    """Return the events about a person, with their reasons; all with that person as the actor."""
    listed = service.runtime.database.read(
        lambda at: events.of_partition(
            at, user.person.partition, service.clock.at.replace(year=2020)
        )
    )
    own = [each for each in listed if each.actor == user.person.id]
    return [(each.kind, each.reason) for each in own]


def alert(text: str) -> str:
    return found(re.compile(r'role="alert".*?<li><a[^>]*>([^<]+)</a>', re.DOTALL), text)


def test_an_operator_joins_signs_out_and_signs_in(small: Service) -> None:
    ann = operator(small)
    assert "Ann Reviewer" in ann.get().text
    assert ann.post("/sign-out").status_code == 303
    assert ann.get().location.endswith("/console/sign-in")
    assert ann.sign_in().location.endswith("/console")
    assert "Ann Reviewer" in ann.get().text
    assert {kind for kind, _reason in kinds(small, ann)} == {
        EventKind.PASSWORD_SET, EventKind.SECOND_FACTOR_ADDED, EventKind.SIGNED_IN,
        EventKind.SIGNED_OUT,
    }  # fmt: skip


def test_a_password_alone_opens_nothing(small: Service) -> None:
    ann = operator(small)
    ann.post("/sign-out")
    assert ann.enter_password().location.endswith("/sign-in/code")
    assert ann.get("/people").status_code == 303
    assert ann.enter_code("000000").status_code == 422
    assert ann.get("/people").status_code == 303


def test_a_code_works_once_and_a_recovery_code_too(small: Service) -> None:
    ann = operator(small)
    ann.post("/sign-out")
    ann.enter_password()
    used = ann.code()  # the one of the invitation, in the same half minute
    assert ann.enter_code(used).status_code == 422
    assert ann.enter_code(ann.recovery_codes[0].lower()).status_code == 303
    ann.post("/sign-out")
    ann.enter_password()
    assert ann.enter_code(ann.recovery_codes[0]).status_code == 422
    assert (EventKind.RECOVERY_CODE_USED, None) in kinds(small, ann)
    assert (EventKind.SIGN_IN_FAILED, "code") in kinds(small, ann)


def test_an_unknown_name_a_wrong_password_and_a_disabled_person_get_one_answer(
    small: Service,
) -> None:
    ann, boss = operator(small), operator(small, "admin", "Boss")
    ann.post("/sign-out")
    answers = [ann.enter_password("wrong-wrong-wrong"), ann.enter_password(name="Nobody")]
    team.disable(small.runtime, boss.person, ann.person.id)
    answers.append(ann.enter_password())
    assert {each.status_code for each in answers} == {422}
    assert {alert(each.text) for each in answers} == {"Name or password is wrong."}


def test_an_unknown_name_takes_as_much_work_as_a_known_one(small: Service) -> None:
    ann = operator(small)

    def work_of(name: str, client: int) -> float:
        """Return the processor time of an attempt in seconds: other processes change it little."""
        browser = sign_in.Browser(client_ip=f"192.0.2.{client}", user_agent="")
        begun = time.thread_time()
        password = "wrong-wrong-wrong"
        assert not sign_in.check_password(small.runtime, Console.OPERATOR, name, password, browser)
        return time.thread_time() - begun

    work_of("somebody else", 1)  # the hash of nobody is made once
    known = min(work_of(ann.person.name, client) for client in range(2, 5))
    unknown = min(work_of(f"nobody {client}", client) for client in range(5, 8))
    assert 0.5 < unknown / known < 2


def test_the_other_console_and_letter_case(small: Service) -> None:
    merchant = small.merchant()
    owner = merchant_person(small, merchant.id, name="Owner@Shop.example")
    owner.post("/sign-out")
    browser = sign_in.Browser(client_ip="192.0.2.1", user_agent="")
    for console, is_right in ((Console.OPERATOR, False), (Console.MERCHANT, True)):
        pending = sign_in.check_password(
            small.runtime, console, " owner@shop.EXAMPLE ", PASSWORD, browser
        )
        assert (pending is not None) is is_right


def test_failures_make_strangers_wait_and_leave_a_known_browser_alone(small: Service) -> None:
    ann = operator(small)
    ann.post("/sign-out")
    stranger = ConsoleUser(small, ann.person)
    statuses = [stranger.enter_password("guess-guess-guess").status_code for _ in range(7)]
    assert statuses == [422] * 5 + [429] * 2, "the fifth failure makes the next wait"
    waiting = stranger.enter_password()
    assert waiting.status_code == 429, "a right password has to wait too"
    assert int(waiting.headers["Retry-After"]) == 2
    small.clock.sleep(2)
    assert stranger.enter_password("guess-guess-guess").status_code == 422
    assert int(stranger.enter_password().headers["Retry-After"]) == 4
    assert ann.enter_password().status_code == 303, "this browser has a count of its own"
    small.clock.sleep(4)
    assert stranger.enter_password().status_code == 303


def test_wrong_codes_wait_and_a_client_that_tries_many_names_waits(small: Service) -> None:
    ann = operator(small)
    ann.post("/sign-out")
    ann.enter_password()
    assert [ann.enter_code("123456").status_code for _ in range(7)] == [422] * 6 + [429]
    names = [ConsoleUser(small, ann.person).enter_password(name=f"n{n}") for n in range(25)]
    assert names[0].status_code == 422
    assert names[-1].status_code == 429


@pytest.mark.parametrize(
    ("idle", "is_alive"),
    [(SESSION_IDLE_TIMEOUT - timedelta(minutes=1), True), (SESSION_IDLE_TIMEOUT, False)],
)
def test_a_session_ends_when_it_is_not_used(
    small: Service, idle: timedelta, is_alive: bool
) -> None:
    ann = operator(small)
    small.clock.advance(idle)
    assert (ann.get().status_code == 200) is is_alive


def test_a_session_ends_after_its_lifetime_however_it_is_used(small: Service) -> None:
    ann = operator(small)
    for _ in range(int(SESSION_LIFETIME / timedelta(minutes=20)) - 1):
        small.clock.advance(timedelta(minutes=20))
        assert ann.get().status_code == 200
    small.clock.advance(timedelta(minutes=20))
    assert ann.get().status_code == 303


def test_sessions_are_listed_and_ended(small: Service) -> None:
    ann = operator(small)
    second = ConsoleUser(small, ann.person)
    second.totp = ann.totp
    second.sign_in()
    page = ann.get("/account").text
    other = found(re.compile(r'name="session" value="(ses_[0-9a-f]+)"'), page)
    assert ann.post("/account/sessions/end", page, session=other).status_code == 303
    assert second.get().status_code == 303
    assert ann.get().status_code == 200


def test_each_sign_in_has_another_cookie_and_a_strict_one(small: Service) -> None:
    ann = operator(small)
    ann.post("/sign-out")
    cookies = []
    for _ in range(2):
        answer = ann.sign_in()
        cookies.append(
            next(
                each for each in answer.headers.getlist("Set-Cookie") if each.startswith("console=")
            )
        )
        ann.browser.get("/console/sign-in")
        ann.post("/sign-out")
    assert cookies[0].split(";")[0] != cookies[1].split(";")[0]
    assert all("HttpOnly" in each and "SameSite=Strict" in each for each in cookies)


def test_a_cookie_that_was_copied_is_worth_nothing_after_the_sign_out(small: Service) -> None:
    ann = operator(small)
    copied = ann.browser.get_cookie("console")
    assert copied
    ann.post("/sign-out")
    thief = small.app.test_client()
    thief.set_cookie("console", copied.value)
    assert thief.get("/console").status_code == 303


def test_what_cannot_be_undone_asks_for_a_fresh_second_factor(small: Service) -> None:
    ann = operator(small)
    small.clock.advance(timedelta(minutes=6))
    asked = ann.post("/people", name="Bo", role="auditor")
    assert "step_up_code" in asked.text
    assert 'name="name" value="Bo"' in asked.text, "the form is carried on"
    names = [each.person.name for each in team.list_operators(small.runtime)]
    assert "Bo" not in names
    wrong = ann.post("/people", asked.text, name="Bo", role="auditor", step_up_code="000000")
    assert wrong.status_code == 422
    assert "/console/join/" in ann.step_up(asked, "/people", name="Bo", role="auditor").text
    assert "step_up_code" not in ann.post("/people", name="Cy", role="auditor").text


@pytest.mark.parametrize(
    ("password", "says"),
    [
        ("short-one-9", "at least 12"),
        ("password1234", "easy to guess"),
        ("Ann Reviewer 1", "easy to guess"),
        ("x" * 201, "at most 200"),
    ],
)
def test_weak_passwords_are_refused_and_the_secret_of_the_app_stays(
    small: Service, password: str, says: str
) -> None:
    person, link = team.add_operator(small.runtime, ADMIN, "Ann Reviewer", "admin")
    user, path = ConsoleUser(small, person), link.removeprefix(f"{small.base}/console")
    page = user.get(path).text
    secret = found(re.compile(r"<code>([A-Z2-7]{32})</code>"), page)
    user.totp = pyotp.TOTP(secret)
    refused = user.post(path, page, secret=found(SIGNED, page), password=password, code=user.code())
    assert refused.status_code == 422
    assert says in alert(refused.text)
    assert secret in refused.text


def test_an_invitation_works_once_for_three_days_and_a_new_one_ends_it(small: Service) -> None:
    person, first = team.add_operator(small.runtime, ADMIN, "Bo", "reviewer")
    _, second = team.invite_again(small.runtime, ADMIN.id, Console.OPERATOR, person.id)
    bo = ConsoleUser(small, person)
    assert bo.browser.get(first.removeprefix(small.base)).status_code == 404
    elsewhere = second.removeprefix(small.base).replace("/console", "/merchant", 1)
    assert bo.browser.get(elsewhere).status_code == 404
    bo.accept(second)
    assert bo.browser.get(second.removeprefix(small.base)).status_code == 404
    _, third = team.invite_again(small.runtime, ADMIN.id, Console.OPERATOR, person.id)
    assert bo.get().status_code == 303, "a new invitation ends all sessions"
    assert bo.enter_password().status_code == 422, "and the password"
    small.clock.advance(timedelta(days=3, seconds=1))
    assert bo.browser.get(third.removeprefix(small.base)).status_code == 404


def test_nobody_of_another_merchant_is_found(small: Service) -> None:
    here, there = small.merchant(), small.merchant("彗星书店")
    owner = merchant_person(small, here.id)
    stranger = merchant_person(small, there.id, name="other@shop.example")
    assert owner.get(f"/team/{stranger.person.id}").status_code == 404
    for act in ("role", "disable", "enable", "invitation", "sessions"):
        assert owner.post(f"/team/{stranger.person.id}/{act}", role="viewer").status_code == 404
    assert "other@shop.example" not in owner.get("/team").text
    assert stranger.get().status_code == 200


def test_nobody_changes_their_own_role(small: Service) -> None:
    ann = operator(small)
    assert ann.post(f"/people/{ann.person.id}/role", role="auditor").status_code == 409
    assert ann.post(f"/people/{ann.person.id}/disable").status_code == 409


def test_a_link_of_the_demonstration_signs_in_only_at_a_loopback_address(small: Service) -> None:
    merchant = small.merchant()
    links = team.demonstration_links(small.runtime, merchant.id, "Demonstration")
    for link in links:
        path = link.removeprefix(small.base)
        browser = small.app.test_client()
        page = browser.get(path).text
        home = "/".join(path.split("/")[:2])
        assert browser.get(home).status_code == 303, "opening a link changes nothing"
        assert browser.post(path, data={"csrf": found(CSRF, page)}).location.endswith(home)
        assert browser.get(home).status_code == 200
    public = small.with_runtime(
        service=replace(small.runtime.service, base_url="https://consent.example")
    )
    browser = public.app.test_client()
    path = links[0].removeprefix(small.base)
    page = browser.get(path, base_url="https://consent.example").text
    refused = browser.post(
        path, data={"csrf": found(CSRF, page)}, base_url="https://consent.example"
    )
    assert refused.status_code == 404
    with pytest.raises(ConflictError):
        team.demonstration_links(public.runtime, merchant.id, "Demonstration")


def test_failures_of_unknown_names_keep_nothing_that_was_typed(small: Service) -> None:
    ConsoleUser(small, operator(small).person).enter_password(name="typed-password-as-name")
    listed = small.runtime.database.read(
        lambda at: events.of_partition(at, NO_PARTITION, small.clock.at)
    )
    failed = [each for each in listed if each.kind == EventKind.SIGN_IN_FAILED]
    assert [(each.reason, each.actor) for each in failed] == [("name", None)]
