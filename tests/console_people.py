"""People who use the consoles: accept an invitation, sign in, and submit the forms of pages."""

import re
from dataclasses import dataclass, field

import pyotp
from flask.testing import FlaskClient

from consent_tokens.services.people import team
from consent_tokens.services.people.person import Console, Person
from consent_tokens.store import events
from tests.service import ADMIN, CSRF, Page, Service, found

PASSWORD = "orchid-tram-saffron-9"
SECRET = re.compile(r"<code>([A-Z2-7]{32})</code>")
SIGNED = re.compile(r'name="secret" value="([^"]+)"')
PATHS = {Console.OPERATOR: "/console", Console.MERCHANT: "/merchant"}


@dataclass
class ConsoleUser:
    """A person with a browser and an authenticator app."""

    service: Service
    person: Person
    browser: FlaskClient = field(init=False)
    totp: pyotp.TOTP = field(init=False)
    recovery_codes: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.browser = self.service.app.test_client()

    @property
    def path(self) -> str:
        return PATHS[self.person.console]

    def get(self, path: str = "") -> Page:
        return self.browser.get(f"{self.path}{path}", headers={"Accept-Language": "en"})

    def post(self, path: str, shown: str = "", **form: object) -> Page:
        """Submit a form with the CSRF token of a page: of the overview, unless one is `shown`."""
        token = found(CSRF, shown or self.get().text)
        return self.browser.post(
            f"{self.path}{path}", data={"csrf": token} | form, headers={"Accept-Language": "en"}
        )

    def code(self) -> str:
        return str(self.totp.at(int(self.service.clock.now().timestamp())))

    def accept(self, link: str) -> Page:
        """Accept an invitation with the common password."""
        path = link.removeprefix(self.service.base).removeprefix(self.path)
        page = self.get(path).text
        self.totp = pyotp.TOTP(found(SECRET, page))
        accepted = self.post(
            path, page, secret=found(SIGNED, page), password=PASSWORD, code=self.code()
        )
        assert accepted.status_code == 200, accepted.text
        self.recovery_codes = re.findall(r"<li><code>([A-Z2-7-]+)</code>", accepted.text)
        return accepted

    def enter_password(self, password: str = PASSWORD, name: str | None = None) -> Page:
        page = self.get("/sign-in").text
        name = self.person.name if name is None else name
        return self.post("/sign-in", page, name=name, password=password)

    def enter_code(self, code: str) -> Page:
        page = self.get("/sign-in/code")
        return self.post("/sign-in/code", page.text, code=code)

    def sign_in(self) -> Page:
        """Sign in with password and the next code."""
        self.service.clock.sleep(30)
        assert self.enter_password().status_code == 303
        return self.enter_code(self.code())

    def step_up(self, page: Page, path: str, **form: object) -> Page:
        """Confirm a form that asked for a second factor, with the next code."""
        self.service.clock.sleep(30)
        return self.post(path, page.text, step_up_code=self.code(), **form)


def operator(service: Service, role: str = "admin", name: str = "Ann Reviewer") -> ConsoleUser:
    """Add an operator who accepts the invitation, and is signed in."""
    person, link = team.add_operator(service.runtime, ADMIN, name, role)
    user = ConsoleUser(service, person)
    user.accept(link)
    return user


def merchant_person(
    service: Service, merchant_id: str, role: str = "owner", name: str = "owner@shop.example"
) -> ConsoleUser:
    """Add somebody to the team of a merchant, who accepts the invitation and is signed in."""
    person, link = team.add_merchant_person(service.runtime, ADMIN.id, merchant_id, name, role)
    user = ConsoleUser(service, person)
    user.accept(link)
    return user


def events_by(user: ConsoleUser) -> list[str]:
    """Return the kinds of the events whose actor is somebody of a merchant."""
    long_ago = user.service.clock.at.replace(year=2020)
    found = user.service.runtime.database.read(
        lambda transaction: events.of_partition(transaction, user.person.partition, long_ago)
    )
    return [each.kind.value for each in found if each.actor == user.person.id]
