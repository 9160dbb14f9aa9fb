"""Invitations: a link that lets a person set a password and a second factor, once."""

from dataclasses import dataclass
from datetime import timedelta
from hashlib import sha256
from typing import Final

from consent_tokens.crypto.encoding import encode
from consent_tokens.errors import ConflictError, InvalidError, NotFoundError
from consent_tokens.evidence.events import EventKind
from consent_tokens.services.people import sign_in
from consent_tokens.services.people.passwords import (
    SALT_BYTES,
    hash_password,
    password_errors,
)
from consent_tokens.services.people.person import Console, Person, find_person, record
from consent_tokens.services.people.second_factors import (
    TOTP_DIGITS,
    matching_step,
    new_recovery_codes,
    new_totp_secret,
    seal_totp_secret,
    typed_code,
)
from consent_tokens.services.people.sessions import DEMONSTRATION
from consent_tokens.services.people.sign_in import Begun, Browser
from consent_tokens.services.runtime import Runtime
from consent_tokens.store import console_credentials, console_sessions
from consent_tokens.store.console_sessions import Link
from consent_tokens.store.database import Transaction

INVITATION: Final = "invitation"
INVITATION_LIFETIME: Final = timedelta(days=3)
DEMONSTRATION_LIFETIME: Final = timedelta(days=1)
LINK_SECRET_BYTES: Final = 24
TOTP_USE: Final = "console-totp"  # of a signed value: the secret that a form offers
TOTP_SECONDS: Final = 3600
PATHS: Final = {Console.OPERATOR: "console", Console.MERCHANT: "merchant"}


@dataclass(frozen=True, slots=True)
class Enrolment:
    """What the form of an invitation shows: who is invited, and a new TOTP secret, signed."""

    person: Person
    secret: str
    signed_secret: str


@dataclass(frozen=True, slots=True, kw_only=True)
class EnrolmentForm:
    """What somebody who was invited fills in; `signed_secret` is that of the form."""

    password: str
    signed_secret: str
    code: str


@dataclass(frozen=True, slots=True)
class Accepted:
    """The session of somebody who accepted an invitation, and recovery codes, shown once."""

    begun: Begun
    recovery_codes: list[str]


def invite(runtime: Runtime, transaction: Transaction, person: Person, *, actor_id: str) -> str:
    """Create an invitation in place of earlier ones; return its link.

    Raises ConflictError if somebody else of that console has the name.
    """
    login = sign_in.login_key(person.console, person.name)
    if console_credentials.find(transaction, person.id) is None and not console_credentials.add(
        transaction, person.id, login
    ):
        raise ConflictError("somebody of that name signs in here")
    record(runtime, transaction, person, EventKind.PERSON_INVITED, reason=person.id,
           actor_id=actor_id)  # fmt: skip
    return _new_link(runtime, transaction, person, INVITATION, INVITATION_LIFETIME)


def demonstration_link(runtime: Runtime, transaction: Transaction, person: Person) -> str:
    """Return a link that signs somebody in for a day, at a service that only this machine reaches.

    Raises ConflictError at any other service.
    """
    if not runtime.service.is_loopback:
        raise ConflictError("only a service on a loopback address signs in by a link")
    return _new_link(runtime, transaction, person, DEMONSTRATION, DEMONSTRATION_LIFETIME)


def _new_link(
    runtime: Runtime, transaction: Transaction, person: Person, kind: str, lifetime: timedelta
) -> str:
    secret = encode(runtime.random.token_bytes(LINK_SECRET_BYTES))
    expires_at = runtime.clock.now() + lifetime
    console_sessions.add_link(transaction, _link_id(secret), Link(person.id, kind), expires_at)
    path = "join" if kind == INVITATION else "demonstration"
    return f"{runtime.service.base_url}/{PATHS[person.console]}/{path}/{secret}"


def open_invitation(runtime: Runtime, console: Console, secret: str) -> Enrolment:
    """Return what the form of an invitation shows. Raises NotFoundError, also once it was used."""
    person = runtime.database.read(lambda at: _linked(runtime, at, console, secret, INVITATION))
    return offer_totp(runtime, person)


def offer_totp(runtime: Runtime, person: Person) -> Enrolment:
    """Return a new TOTP secret for a person, which is theirs once a code of it is entered."""
    totp = new_totp_secret(runtime)
    return Enrolment(person, totp, runtime.sign_value(TOTP_USE, f"{person.id}\n{totp}"))


def offered_secret(runtime: Runtime, person: Person, signed_secret: str) -> str | None:
    """Return the TOTP secret that a form offered a person; None if it did not, or too long ago."""
    value = runtime.open_value(TOTP_USE, signed_secret, max_age_seconds=TOTP_SECONDS) or ""
    person_id, _, secret = value.partition("\n")
    return secret if person_id == person.id else None


def accept_invitation(
    runtime: Runtime, console: Console, link_secret: str, browser: Browser, form: EnrolmentForm
) -> Accepted:
    """Set password and second factor, and sign in. Raises InvalidError, NotFoundError."""
    person = runtime.database.read(
        lambda at: _linked(runtime, at, console, link_secret, INVITATION)
    )
    secret, step = check_totp(runtime, person, form.signed_secret, form.code)
    password_hash = new_password_hash(runtime, person, form.password)
    sealed = seal_totp_secret(runtime, person.id, secret)

    def work(transaction: Transaction) -> Accepted:
        invited = _linked(runtime, transaction, console, link_secret, INVITATION)
        if not console_sessions.delete_link(transaction, _link_id(link_secret)):
            raise NotFoundError("no invitation of that link")
        now = runtime.clock.now()
        console_credentials.set_password(transaction, invited.id, password_hash, now)
        console_credentials.set_totp(transaction, invited.id, sealed, step)
        console_sessions.end_all(transaction, invited.id)
        codes = new_recovery_codes(runtime, transaction, invited)
        record(runtime, transaction, invited, EventKind.PASSWORD_SET, reason=INVITATION)
        record(runtime, transaction, invited, EventKind.SECOND_FACTOR_ADDED, reason="totp")
        return Accepted(sign_in.begin(runtime, transaction, invited, "totp", browser), codes)

    return runtime.database.run(work)


def enter_demonstration(
    runtime: Runtime, console: Console, link_secret: str, browser: Browser
) -> Begun:
    """Sign in by the link that `serve` printed. Raises NotFoundError at any other service too."""

    def work(transaction: Transaction) -> Begun:
        if not runtime.service.is_loopback:
            raise NotFoundError("no demonstration")
        person = _linked(runtime, transaction, console, link_secret, DEMONSTRATION)
        return sign_in.begin(runtime, transaction, person, DEMONSTRATION, browser)

    return runtime.database.run(work)


def check_totp(runtime: Runtime, person: Person, signed_secret: str, code: str) -> tuple[str, int]:
    """Return the TOTP secret that was offered and the step of its code. Raises InvalidError."""
    secret = offered_secret(runtime, person, signed_secret)
    typed = typed_code(code)
    if secret is None:
        raise InvalidError({"code": ["expired"]})
    now = runtime.clock.now().timestamp()
    step = matching_step(secret, typed, now) if len(typed) == TOTP_DIGITS else None
    if step is None:
        raise InvalidError({"code": ["wrong"]})
    return secret, step


def new_password_hash(runtime: Runtime, person: Person, password: str) -> str:
    """Return the hash of a new password. Raises InvalidError for a short or common one."""
    service = runtime.service
    expected = [person.name, person.merchant_name or "", service.name, service.english_name]
    if errors := password_errors(password, expected):
        raise InvalidError({"password": errors})
    return hash_password(password, runtime.random.token_bytes(SALT_BYTES))


def _linked(
    runtime: Runtime, transaction: Transaction, console: Console, secret: str, kind: str
) -> Person:
    link = console_sessions.find_link(transaction, _link_id(secret), runtime.clock.now())
    person = find_person(transaction, link.person_id) if link and link.kind == kind else None
    if person is None or person.is_disabled or person.console is not console:
        raise NotFoundError("no invitation of that link")
    return person


def _link_id(secret: str) -> bytes:
    return sha256(secret.encode("utf-8", "surrogatepass")).digest()
