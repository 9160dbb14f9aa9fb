"""Operators: the people who decide, each with a role."""

from typing import Final

from consent_tokens.errors import ConflictError, InvalidError, NotFoundError
from consent_tokens.evidence.events import Event, EventKind
from consent_tokens.relay.composition import is_displayable
from consent_tokens.services.admission.actors import (
    Action,
    Actor,
    add_review,
    require_right,
)
from consent_tokens.services.runtime import Runtime
from consent_tokens.store import operators
from consent_tokens.store.database import Transaction
from consent_tokens.store.operators import OperatorAccount, Role

MAX_NAME_LENGTH: Final = 60  # characters
NO_PARTITION: Final = 0  # of an event that concerns no recipient and no merchant


def add_operator(runtime: Runtime, actor: Actor, name: str, role: Role) -> OperatorAccount:
    """Add an operator. Raises ForbiddenError, InvalidError, and ConflictError for a known name."""
    account = new_account(runtime, actor, name, role)
    runtime.database.run(lambda at: store_account(runtime, at, actor, account))
    return account


def new_account(runtime: Runtime, actor: Actor, name: str, role: Role) -> OperatorAccount:
    """Return an operator who is not stored yet. Raises ForbiddenError, InvalidError."""
    require_right(actor, Action.ADD_OPERATOR)
    return OperatorAccount(
        id=f"opr_{runtime.random.token_bytes(8).hex()}",
        name=checked_name(name),
        role=role,
        added_at=runtime.clock.now(),
    )


def checked_name(name: str) -> str:
    """Return the name of somebody, without blanks around it. Raises InvalidError."""
    name = name.strip()
    if not name or len(name) > MAX_NAME_LENGTH or not is_displayable(name) or "\n" in name:
        raise InvalidError({"name": [f"must be one line of 1 to {MAX_NAME_LENGTH} characters"]})
    return name


def store_account(
    runtime: Runtime, transaction: Transaction, actor: Actor, account: OperatorAccount
) -> None:
    """Store an operator and who added them. Raises ConflictError for a known name."""
    if not operators.add(transaction, account):
        raise ConflictError("an operator of that name exists")
    _record(runtime, transaction, actor, account, EventKind.OPERATOR_ADDED, Action.ADD_OPERATOR)


def disable_operator(runtime: Runtime, actor: Actor, name: str) -> OperatorAccount:
    """Let an operator decide nothing more. Raises ForbiddenError, NotFoundError."""
    require_right(actor, Action.DISABLE_OPERATOR)

    def work(transaction: Transaction) -> OperatorAccount:
        account = operators.find_by_name(transaction, name)
        now = runtime.clock.now()
        if account is None or not operators.disable(transaction, account.id, now):
            raise NotFoundError("no operator of that name")
        _record(
            runtime,
            transaction,
            actor,
            account,
            EventKind.OPERATOR_DISABLED,
            Action.DISABLE_OPERATOR,
        )
        return account

    return runtime.database.run(work)


def list_operators(runtime: Runtime) -> list[OperatorAccount]:
    """Return all operators, oldest first, disabled ones too."""
    return runtime.database.read(operators.list_all)


def _record(
    runtime: Runtime,
    transaction: Transaction,
    actor: Actor,
    account: OperatorAccount,
    kind: EventKind,
    action: Action,
) -> None:
    now = runtime.clock.now()
    event = Event(partition=NO_PARTITION, at=now, kind=kind, reason=account.id, actor=actor.id)
    runtime.record(transaction, event)
    add_review(runtime, transaction, actor, action, account.id, account.role)
