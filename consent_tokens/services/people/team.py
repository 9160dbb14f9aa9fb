"""The people of a console, as those see and change them who may: operators, a merchant's team."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from consent_tokens.errors import ConflictError, InvalidError, NotFoundError
from consent_tokens.evidence.events import EventKind
from consent_tokens.services.admission.actors import Actor
from consent_tokens.services.admission.operators import (
    checked_name,
    new_account,
    store_account,
)
from consent_tokens.services.merchant_records import get_merchant
from consent_tokens.services.people.invitations import demonstration_link, invite
from consent_tokens.services.people.person import (
    ROLES,
    Console,
    Person,
    find_person,
    merchant_person,
    operator_person,
    record,
)
from consent_tokens.services.runtime import Runtime
from consent_tokens.store import (
    console_credentials,
    console_sessions,
    merchant_people,
    operators,
)
from consent_tokens.store.database import Transaction
from consent_tokens.store.merchant_people import MerchantPerson, MerchantRole
from consent_tokens.store.operators import OperatorAccount, Role

MAX_PEOPLE: Final = 200  # of one merchant


@dataclass(frozen=True, slots=True)
class Member:
    """A person in the list of a console."""

    person: Person
    added_at: datetime
    is_invited: bool
    has_accepted: bool  # the invitation: a password is set


def list_operators(runtime: Runtime) -> list[Member]:
    """Return the operators, oldest first, disabled ones too."""

    def query(transaction: Transaction) -> list[Member]:
        return [
            _member(transaction, operator_person(each), each.added_at)
            for each in operators.list_all(transaction)
        ]

    return runtime.database.read(query)


def list_team(runtime: Runtime, merchant_id: str) -> list[Member]:
    """Return the people of a merchant, oldest first, disabled ones too."""

    def query(transaction: Transaction) -> list[Member]:
        found = [
            (merchant_person(transaction, each), each.added_at)
            for each in merchant_people.of_merchant(transaction, merchant_id)
        ]
        return [_member(transaction, person, at) for person, at in found if person]

    return runtime.database.read(query)


def get_person(
    runtime: Runtime, console: Console, person_id: str, merchant_id: str | None = None
) -> Person:
    """Return a person of a console, and of that merchant. Raises NotFoundError."""
    return runtime.database.read(lambda at: _get(at, console, person_id, merchant_id))


def add_operator(runtime: Runtime, actor: Actor, name: str, role: str) -> tuple[Person, str]:
    """Add an operator; return them, and the link of their invitation.

    Raises ForbiddenError, InvalidError, and ConflictError for a known name.
    """
    checked = Role(_checked_role(Console.OPERATOR, role))
    account = new_account(runtime, actor, name, checked)

    def work(transaction: Transaction) -> tuple[Person, str]:
        store_account(runtime, transaction, actor, account)
        person = operator_person(account)
        return person, invite(runtime, transaction, person, actor_id=actor.id)

    return runtime.database.run(work)


def add_merchant_person(
    runtime: Runtime, actor_id: str, merchant_id: str, name: str, role: str
) -> tuple[Person, str]:
    """Add somebody to the team of a merchant; return them, and the link of their invitation.

    Raises InvalidError, NotFoundError, and ConflictError for a known name or a full team.
    """
    added = MerchantPerson(
        id=f"mpr_{runtime.random.token_bytes(8).hex()}",
        merchant_id=merchant_id,
        name=checked_name(name),
        role=MerchantRole(_checked_role(Console.MERCHANT, role)),
        added_at=runtime.clock.now(),
    )

    def work(transaction: Transaction) -> tuple[Person, str]:
        get_merchant(transaction, merchant_id)
        if len(merchant_people.of_merchant(transaction, merchant_id)) >= MAX_PEOPLE:
            raise ConflictError(f"at most {MAX_PEOPLE} people of one merchant")
        merchant_people.add(transaction, added)
        person = _get(transaction, Console.MERCHANT, added.id, merchant_id)
        record(runtime, transaction, person, EventKind.PERSON_ADDED, reason=person.id,
               actor_id=actor_id)  # fmt: skip
        return person, invite(runtime, transaction, person, actor_id=actor_id)

    return runtime.database.run(work)


def change_role(runtime: Runtime, by: Person, person_id: str, role: str) -> Person:
    """Give somebody of the same console another role.

    Raises InvalidError, NotFoundError, and ConflictError for oneself.
    """
    checked = _checked_role(by.console, role)

    def work(transaction: Transaction) -> Person:
        person = _other(transaction, by, person_id)
        if by.console is Console.OPERATOR:
            operators.set_role(transaction, person.id, Role(checked))
        else:
            merchant_people.set_role(transaction, person.id, MerchantRole(checked))
        record(runtime, transaction, person, EventKind.ROLE_CHANGED, reason=checked,
               actor_id=by.id)  # fmt: skip
        return person

    return runtime.database.run(work)


def disable(runtime: Runtime, by: Person, person_id: str) -> Person:
    """Let somebody of the same console sign in no more; their sessions and invitation end.

    Raises NotFoundError, and ConflictError for oneself.
    """

    def work(transaction: Transaction) -> Person:
        person = _other(transaction, by, person_id)
        _set_disabled(transaction, person, runtime.clock.now())
        console_sessions.end_all(transaction, person.id)
        console_sessions.delete_links(transaction, person.id)
        kind = EventKind.OPERATOR_DISABLED if _is_operator(person) else EventKind.PERSON_DISABLED
        record(runtime, transaction, person, kind, reason=person.id, actor_id=by.id)
        return person

    return runtime.database.run(work)


def enable(runtime: Runtime, by: Person, person_id: str) -> Person:
    """Let somebody who was disabled sign in again. Raises NotFoundError, ConflictError."""

    def work(transaction: Transaction) -> Person:
        person = _other(transaction, by, person_id)
        _set_disabled(transaction, person, None)
        record(runtime, transaction, person, EventKind.PERSON_ENABLED, reason=person.id,
               actor_id=by.id)  # fmt: skip
        return person

    return runtime.database.run(work)


def find_operator_id(runtime: Runtime, name: str) -> str:
    """Return the id of an operator by name. Raises NotFoundError."""
    account = runtime.database.read(lambda at: operators.find_by_name(at, name))
    if account is None:
        raise NotFoundError("no operator of that name")
    return account.id


def invite_again(
    runtime: Runtime,
    actor_id: str,
    console: Console,
    person_id: str,
    merchant_id: str | None = None,
) -> tuple[Person, str]:
    """Delete password and second factors of somebody, end their sessions; return a new invitation.

    Raises NotFoundError, and ConflictError for somebody disabled.
    """

    def work(transaction: Transaction) -> tuple[Person, str]:
        person = _get(transaction, console, person_id, merchant_id)
        if person.is_disabled:
            raise ConflictError("this person is disabled")
        console_credentials.reset(transaction, person.id)
        console_sessions.end_all(transaction, person.id)
        return person, invite(runtime, transaction, person, actor_id=actor_id)

    return runtime.database.run(work)


def demonstration_links(runtime: Runtime, merchant_id: str, name: str) -> tuple[str, str]:
    """Return links that sign in the operator and the owner of a demonstration, adding them once.

    Raises ConflictError unless the base URL is a loopback address.
    """

    def work(transaction: Transaction) -> tuple[str, str]:
        account = operators.find_by_name(transaction, name)
        if account is None:
            account = OperatorAccount(
                id=f"opr_{runtime.random.token_bytes(8).hex()}",
                name=name, role=Role.ADMIN, added_at=runtime.clock.now(),
            )  # fmt: skip
            operators.add(transaction, account)
        owners = merchant_people.of_merchant(transaction, merchant_id)
        if not owners:
            owners = [
                MerchantPerson(
                    id=f"mpr_{runtime.random.token_bytes(8).hex()}", merchant_id=merchant_id,
                    name=name, role=MerchantRole.OWNER, added_at=runtime.clock.now(),
                )
            ]  # fmt: skip
            merchant_people.add(transaction, owners[0])
        owner = _get(transaction, Console.MERCHANT, owners[0].id, merchant_id)
        return (
            demonstration_link(runtime, transaction, operator_person(account)),
            demonstration_link(runtime, transaction, owner),
        )

    return runtime.database.run(work)


def _member(transaction: Transaction, person: Person, added_at: datetime) -> Member:
    found = console_credentials.find(transaction, person.id)
    has_accepted = found is not None and found.password_hash is not None
    return Member(person, added_at, found is not None, has_accepted)


def _get(
    transaction: Transaction, console: Console, person_id: str, merchant_id: str | None
) -> Person:
    person = find_person(transaction, person_id)
    if person is None or person.console is not console or person.merchant_id != merchant_id:
        raise NotFoundError("no person of that id")
    return person


def _other(transaction: Transaction, by: Person, person_id: str) -> Person:
    """Return somebody else of the same console and merchant: nobody locks themselves out."""
    person = _get(transaction, by.console, person_id, by.merchant_id)
    if person.id == by.id:
        raise ConflictError("nobody changes their own role or disables themselves")
    return person


def _set_disabled(transaction: Transaction, person: Person, at: datetime | None) -> None:
    if not _is_operator(person):
        merchant_people.set_disabled(transaction, person.id, at)
    elif at is None:
        operators.enable(transaction, person.id)
    else:
        operators.disable(transaction, person.id, at)


def _is_operator(person: Person) -> bool:
    return person.console is Console.OPERATOR


def _checked_role(console: Console, role: str) -> str:
    if role not in ROLES[console]:
        raise InvalidError({"role": [f"must be one of: {', '.join(ROLES[console])}"]})
    return role
