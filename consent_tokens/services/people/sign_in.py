"""Sign in to a console: a password and a second factor, or a passkey.

What is wrong is never said more exactly than "name or password", and an unknown name takes as long
as a known one. Each attempt is counted (`waits`), and each failure is an event.
"""

import unicodedata
from dataclasses import dataclass
from typing import Final

from consent_tokens.crypto.keyed_hashes import constant_time_equal
from consent_tokens.evidence.events import EventKind
from consent_tokens.services.otp_limits import Asker
from consent_tokens.services.people import sessions, waits
from consent_tokens.services.people.passkeys import use_passkey
from consent_tokens.services.people.passwords import is_password
from consent_tokens.services.people.person import (
    OPERATOR_PREFIX,
    Console,
    Person,
    find_person,
    record,
)
from consent_tokens.services.people.second_factors import use_code
from consent_tokens.services.people.sessions import SignedIn
from consent_tokens.services.runtime import Runtime
from consent_tokens.store import console_credentials, console_sessions
from consent_tokens.store.database import Transaction

MAX_NAME_LENGTH: Final = 60  # characters
PENDING_USE: Final = "console-sign-in"  # of a signed value: the password was right
PENDING_SECONDS: Final = 300
BROWSER_USE: Final = "console-browser"  # of a signed value: this person signed in here before
BROWSER_SECONDS: Final = 180 * 24 * 3600


@dataclass(frozen=True, slots=True, kw_only=True)
class Browser:
    """The browser that signs in: its address, its User-Agent, and whom it is known by."""

    client_ip: str
    user_agent: str
    proof: str = ""  # a signed value from an earlier sign-in


@dataclass(frozen=True, slots=True)
class Begun:
    """A session that began: its secret for the cookie, and a proof for the browser."""

    person: Person
    secret: str
    proof: str


def login_key(console: Console, name: str) -> str:
    """Return the login of a name: letter case and compatibility forms do not matter."""
    folded = unicodedata.normalize("NFKC", name.strip()[:MAX_NAME_LENGTH]).casefold()
    return f"{console}:{folded}"[:80]


def check_password(
    runtime: Runtime, console: Console, name: str, password: str, browser: Browser
) -> str | None:
    """Return a signed value for the second step; None if name or password is wrong.

    Raises TooManyRequestsError.
    """
    login = login_key(console, name)
    by_name = _name_counter(runtime, login, browser)
    by_client = _client_counter(runtime, browser)
    waits.count_attempt(runtime, [by_client, by_name])
    found = runtime.database.read(lambda at: console_credentials.find_by_login(at, login))
    is_right = is_password(found.password_hash if found else None, password)

    def work(transaction: Transaction) -> str | None:
        # looked for under an unknown name too, so that both take as long
        person = find_person(transaction, found.person_id if found else OPERATOR_PREFIX)
        if found is None or person is None or person.is_disabled or not is_right:
            reason = "password" if person and not person.is_disabled else "name"
            record(runtime, transaction, person, EventKind.SIGN_IN_FAILED, reason=reason)
            return None
        waits.forget(transaction, [by_name])
        console_sessions.take_back_attempt(transaction, by_client[0])
        return f"{person.id}\n{found.password_set_at}"

    pending = runtime.database.run(work)
    return runtime.sign_value(PENDING_USE, f"{console}\n{pending}") if pending else None


def finish_with_code(
    runtime: Runtime, console: Console, pending: str, code: str, browser: Browser
) -> Begun | None:
    """Begin a session after a right password, with a TOTP or recovery code; None if it is wrong.

    Raises TooManyRequestsError.
    """
    person = pending_person(runtime, console, pending)
    if person is None:
        return None
    counter = _code_counter(runtime, person)
    waits.count_attempt(runtime, [counter])

    def work(transaction: Transaction) -> Begun | None:
        factor = use_typed_code(runtime, transaction, person, code)
        if factor is None:
            record(runtime, transaction, person, EventKind.SIGN_IN_FAILED, reason="code")
            return None
        waits.forget(transaction, [counter])
        return begin(runtime, transaction, person, factor, browser)

    return runtime.database.run(work)


def finish_with_passkey(
    runtime: Runtime, console: Console, response: str, browser: Browser
) -> Begun | None:
    """Begin a session with a passkey alone; None if it is not one of somebody of this console.

    Raises TooManyRequestsError.
    """
    by_client = _client_counter(runtime, browser)
    waits.count_attempt(runtime, [by_client])

    def work(transaction: Transaction) -> Begun | None:
        person_id = use_passkey(runtime, transaction, response)
        person = find_person(transaction, person_id) if person_id else None
        if person is None or person.is_disabled or person.console is not console:
            record(runtime, transaction, person, EventKind.SIGN_IN_FAILED, reason="passkey")
            return None
        console_sessions.take_back_attempt(transaction, by_client[0])
        return begin(runtime, transaction, person, "passkey", browser)

    return runtime.database.run(work)


def prove_again(runtime: Runtime, who: SignedIn, *, code: str = "", response: str = "") -> bool:
    """Whether somebody signed in proves a second factor again. Raises TooManyRequestsError."""
    person = who.person
    counter = _code_counter(runtime, person)
    waits.count_attempt(runtime, [counter])

    def work(transaction: Transaction) -> bool:
        if response:
            is_proved = use_passkey(runtime, transaction, response) == person.id
        else:
            is_proved = use_typed_code(runtime, transaction, person, code) is not None
        if not is_proved:
            record(runtime, transaction, person, EventKind.SIGN_IN_FAILED, reason="step_up")
            return False
        waits.forget(transaction, [counter])
        console_sessions.verify(transaction, who.session.id, runtime.clock.now())
        return True

    return runtime.database.run(work)


def use_typed_code(
    runtime: Runtime, transaction: Transaction, person: Person, code: str
) -> str | None:
    """Use a code of a person; return which second factor it was, None if it is wrong."""
    credentials = console_credentials.find(transaction, person.id)
    used = use_code(runtime, transaction, credentials, code) if credentials else None
    if used == "recovery_code":
        record(runtime, transaction, person, EventKind.RECOVERY_CODE_USED)
    return used


def begin(
    runtime: Runtime, transaction: Transaction, person: Person, factor: str, browser: Browser
) -> Begun:
    """Begin a session for somebody who has proved who they are."""
    secret = sessions.begin(runtime, transaction, person, factor, browser.user_agent)
    return Begun(person, secret, runtime.sign_value(BROWSER_USE, person.id))


def pending_person(runtime: Runtime, console: Console, pending: str) -> Person | None:
    """Return whose password was right in the last five minutes; None if it was changed since."""
    value = runtime.open_value(PENDING_USE, pending, max_age_seconds=PENDING_SECONDS)
    of_console, _, rest = (value or "").partition("\n")
    person_id, _, password_set_at = rest.partition("\n")
    if value is None or of_console != console:
        return None

    def query(transaction: Transaction) -> Person | None:
        credentials = console_credentials.find(transaction, person_id)
        person = find_person(transaction, person_id)
        if credentials is None or person is None or person.is_disabled:
            return None
        return person if str(credentials.password_set_at) == password_set_at else None

    return runtime.database.read(query)


def _name_counter(runtime: Runtime, login: str, browser: Browser) -> waits.Counter:
    """Return what counts attempts with a name: a browser that is known has a counter of its own."""
    proved = runtime.open_value(BROWSER_USE, browser.proof, max_age_seconds=BROWSER_SECONDS)
    found = runtime.database.read(lambda at: console_credentials.find_by_login(at, login))
    owner = found.person_id if found else ""
    is_known = bool(proved) and constant_time_equal((proved or "").encode(), owner.encode())
    kind = "console_known_browser" if is_known else "console_name"
    by = waits.BY_KNOWN_BROWSER if is_known else waits.BY_NAME
    return runtime.rate_limit_key(kind, login), by


def _client_counter(runtime: Runtime, browser: Browser) -> waits.Counter:
    network = Asker(browser.client_ip).network
    return runtime.rate_limit_key("console_client", network), waits.BY_CLIENT


def _code_counter(runtime: Runtime, person: Person) -> waits.Counter:
    return runtime.rate_limit_key("console_code", person.id), waits.BY_CODE
