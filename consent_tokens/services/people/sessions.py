"""Sessions of the consoles: in the database, so that each can be listed and ended at once."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Final

from consent_tokens.crypto.encoding import encode
from consent_tokens.errors import NotFoundError
from consent_tokens.evidence.events import EventKind
from consent_tokens.services.people.person import Console, Person, find_person, record
from consent_tokens.services.runtime import Runtime
from consent_tokens.store import console_sessions
from consent_tokens.store.console_sessions import ConsoleSession
from consent_tokens.store.database import Transaction

SESSION_LIFETIME: Final = timedelta(hours=12)
SESSION_IDLE_TIMEOUT: Final = timedelta(minutes=30)
TOUCH_INTERVAL: Final = timedelta(
    minutes=1
)  # a page of a session that is read often writes nothing
FRESH_FACTOR: Final = timedelta(minutes=5)  # for what cannot be undone
SECRET_BYTES: Final = 32
PUBLIC_ID_BYTES: Final = 8
MAX_CLIENT_LENGTH: Final = 200  # characters of a User-Agent
DEMONSTRATION: Final = "demonstration"  # the factor of a sign-in that `serve` prints


@dataclass(frozen=True, slots=True)
class SignedIn:
    """Who asks for a page, and in which session."""

    person: Person
    session: ConsoleSession

    def has_fresh_factor(self, now: datetime) -> bool:
        """Whether a second factor was proved in the last five minutes."""
        is_demonstration = self.session.factor == DEMONSTRATION
        return is_demonstration or now - self.session.verified_at <= FRESH_FACTOR


def begin(
    runtime: Runtime, transaction: Transaction, person: Person, factor: str, client: str
) -> str:
    """Begin a session; return the secret for its cookie. Deletes what is past its time, of all."""
    now = runtime.clock.now()
    secret = encode(runtime.random.token_bytes(SECRET_BYTES))
    session = ConsoleSession(
        id=session_id(secret),
        public_id=f"ses_{runtime.random.token_bytes(PUBLIC_ID_BYTES).hex()}",
        person_id=person.id,
        begun_at=now,
        seen_at=now,
        verified_at=now,
        factor=factor,
        client=client[:MAX_CLIENT_LENGTH],
    )
    console_sessions.delete_expired(transaction, now, seen_before=now - SESSION_IDLE_TIMEOUT)
    console_sessions.add(transaction, session)
    record(runtime, transaction, person, EventKind.SIGNED_IN, reason=factor)
    return secret


def signed_in(runtime: Runtime, console: Console, secret: str) -> SignedIn | None:
    """Return who has a session of a console; None if it expired or the person is disabled."""
    if not secret:
        return None
    now = runtime.clock.now()

    def query(transaction: Transaction) -> SignedIn | None:
        found = console_sessions.find(transaction, session_id(secret), **_live(now))
        person = find_person(transaction, found.person_id) if found else None
        if found is None or person is None or person.is_disabled or person.console is not console:
            return None
        return SignedIn(person, found)

    found = runtime.database.read(query)
    if found and now - found.session.seen_at >= TOUCH_INTERVAL:
        runtime.database.run(lambda at: console_sessions.touch(at, found.session.id, now))
    return found


def list_sessions(runtime: Runtime, person_id: str) -> list[ConsoleSession]:
    """Return the live sessions of a person, the one that was used last first."""
    live = _live(runtime.clock.now())
    return runtime.database.read(lambda at: console_sessions.of_person(at, person_id, **live))


def sign_out(runtime: Runtime, who: SignedIn) -> None:
    """End the session in which somebody asks for it."""

    def work(transaction: Transaction) -> None:
        if console_sessions.end(transaction, who.session.id):
            record(runtime, transaction, who.person, EventKind.SIGNED_OUT)

    runtime.database.run(work)


def end_former(runtime: Runtime, secret: str) -> None:
    """End the session that a browser had before somebody signed in with it; if it had one."""
    if secret:
        runtime.database.run(lambda at: console_sessions.end(at, session_id(secret)))


def end_session(runtime: Runtime, person: Person, public_id: str, *, actor_id: str) -> None:
    """End a session of a person. Raises NotFoundError."""

    def work(transaction: Transaction) -> None:
        if not console_sessions.end_one(transaction, person.id, public_id):
            raise NotFoundError("no session of that id")
        record(
            runtime, transaction, person, EventKind.SESSION_ENDED, reason=person.id,
            actor_id=actor_id,
        )  # fmt: skip

    runtime.database.run(work)


def session_id(secret: str) -> bytes:
    """Return the SHA-256 under which a session is stored, so that the table holds no secrets."""
    return sha256(secret.encode("utf-8", "surrogatepass")).digest()


def _live(now: datetime) -> dict[str, datetime]:
    return {"begun_after": now - SESSION_LIFETIME, "seen_after": now - SESSION_IDLE_TIMEOUT}
