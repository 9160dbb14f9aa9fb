"""What people change about their own account: password, authenticator app, recovery codes."""

from dataclasses import dataclass

from consent_tokens.errors import InvalidError
from consent_tokens.evidence.events import EventKind
from consent_tokens.services.people import waits
from consent_tokens.services.people.invitations import check_totp, new_password_hash
from consent_tokens.services.people.passwords import is_password
from consent_tokens.services.people.person import Person, record
from consent_tokens.services.people.second_factors import new_recovery_codes, seal_totp_secret
from consent_tokens.services.people.sessions import SignedIn
from consent_tokens.services.runtime import Runtime
from consent_tokens.store import console_credentials, console_sessions
from consent_tokens.store.database import Transaction


@dataclass(frozen=True, slots=True)
class AccountState:
    """What a person signs in with."""

    has_password: bool
    has_totp: bool
    recovery_codes: int  # that are left


def account_state(runtime: Runtime, person: Person) -> AccountState:
    """Return what a person signs in with."""

    def query(transaction: Transaction) -> AccountState:
        found = console_credentials.find(transaction, person.id)
        return AccountState(
            has_password=found is not None and found.password_hash is not None,
            has_totp=found is not None and found.totp_secret is not None,
            recovery_codes=console_credentials.count_recovery_codes(transaction, person.id),
        )

    return runtime.database.read(query)


def change_password(runtime: Runtime, who: SignedIn, *, present: str, new: str) -> None:
    """Set another password, and end the person's other sessions.

    The present one is asked for, and not to be guessed in a session that somebody else got hold of.
    Raises InvalidError and TooManyRequestsError.
    """
    person = who.person
    counter = runtime.rate_limit_key("console_present_password", person.id), waits.BY_CODE
    waits.count_attempt(runtime, [counter])
    found = runtime.database.read(lambda at: console_credentials.find(at, person.id))
    if not is_password(found.password_hash if found else None, present):
        raise InvalidError({"present": ["wrong"]})
    runtime.database.run(lambda transaction: waits.forget(transaction, [counter]))
    password_hash = new_password_hash(runtime, person, new)

    def work(transaction: Transaction) -> None:
        now = runtime.clock.now()
        console_credentials.set_password(transaction, person.id, password_hash, now)
        console_sessions.end_all(transaction, person.id, but=who.session.id)
        record(runtime, transaction, person, EventKind.PASSWORD_SET, reason="changed")

    runtime.database.run(work)


def change_totp(runtime: Runtime, who: SignedIn, *, signed_secret: str, code: str) -> None:
    """Use another authenticator app from now on, and end the person's other sessions.

    Raises InvalidError.
    """
    person = who.person
    secret, step = check_totp(runtime, person, signed_secret, code)
    sealed = seal_totp_secret(runtime, person.id, secret)

    def work(transaction: Transaction) -> None:
        console_credentials.set_totp(transaction, person.id, sealed, step)
        console_sessions.end_all(transaction, person.id, but=who.session.id)
        record(runtime, transaction, person, EventKind.SECOND_FACTOR_ADDED, reason="totp")

    runtime.database.run(work)


def renew_recovery_codes(runtime: Runtime, person: Person) -> list[str]:
    """Return new recovery codes, to be shown once; those before are worth nothing."""

    def work(transaction: Transaction) -> list[str]:
        record(runtime, transaction, person, EventKind.SECOND_FACTOR_ADDED, reason="recovery_codes")
        return new_recovery_codes(runtime, transaction, person)

    return runtime.database.run(work)
