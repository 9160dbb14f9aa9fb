"""Queries on what people sign in to a console with: password, TOTP, passkeys, recovery codes."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Row, delete, func, insert, or_, select, update

from consent_tokens.store.console_tables import console_credentials, passkeys, recovery_codes
from consent_tokens.store.database import Transaction, insert_or_ignore


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """What a person signs in with; without a password hash the invitation is not accepted yet."""

    person_id: str
    login: str
    password_hash: str | None
    password_set_at: datetime | None
    totp_secret: bytes | None  # an envelope


@dataclass(frozen=True, slots=True, kw_only=True)
class Passkey:
    """A passkey of a person (WebAuthn Level 3)."""

    id: bytes  # SHA-256 of the credential id
    person_id: str
    credential_id: bytes
    public_key: bytes
    sign_count: int
    name: str
    added_at: datetime
    used_at: datetime | None = None


def add(transaction: Transaction, person_id: str, login: str) -> bool:
    """Insert a person without a password yet; return False if the login or the person is known."""
    return insert_or_ignore(transaction, console_credentials, person_id=person_id, login=login)


def find(transaction: Transaction, person_id: str) -> Credentials | None:
    """Return the credentials of a person; None if there are none."""
    return _one(transaction, console_credentials.c.person_id == person_id)


def find_by_login(transaction: Transaction, login: str) -> Credentials | None:
    """Return the credentials under a login; None if there are none."""
    return _one(transaction, console_credentials.c.login == login)


def set_password(
    transaction: Transaction, person_id: str, password_hash: str, at: datetime
) -> None:
    """Store another password hash."""
    transaction.execute(
        update(console_credentials)
        .where(console_credentials.c.person_id == person_id)
        .values(password_hash=password_hash, password_set_at=at)
    )


def set_totp(transaction: Transaction, person_id: str, sealed_secret: bytes, step: int) -> None:
    """Store another TOTP secret; the code of `step` was used already."""
    transaction.execute(
        update(console_credentials)
        .where(console_credentials.c.person_id == person_id)
        .values(totp_secret=sealed_secret, totp_step=step)
    )


def use_step(transaction: Transaction, person_id: str, step: int) -> bool:
    """Use the code of a time step; return False if it or a later one was used before."""
    result = transaction.execute(
        update(console_credentials)
        .where(
            console_credentials.c.person_id == person_id,
            or_(console_credentials.c.totp_step.is_(None), console_credentials.c.totp_step < step),
        )
        .values(totp_step=step)
    )
    return result.rowcount == 1


def replace_recovery_codes(
    transaction: Transaction, person_id: str, code_ids: Iterable[bytes]
) -> None:
    """Store the recovery codes of a person in place of those before."""
    transaction.execute(delete(recovery_codes).where(recovery_codes.c.person_id == person_id))
    transaction.execute(
        insert(recovery_codes), [{"id": each, "person_id": person_id} for each in code_ids]
    )


def use_recovery_code(transaction: Transaction, person_id: str, code_id: bytes) -> bool:
    """Delete a recovery code; return whether there was one."""
    result = transaction.execute(
        delete(recovery_codes).where(
            recovery_codes.c.id == code_id, recovery_codes.c.person_id == person_id
        )
    )
    return result.rowcount == 1


def count_recovery_codes(transaction: Transaction, person_id: str) -> int:
    """Return how many recovery codes a person has left."""
    counted: int = transaction.execute(
        select(func.count())
        .select_from(recovery_codes)
        .where(recovery_codes.c.person_id == person_id)
    ).scalar_one()
    return counted


def add_passkey(transaction: Transaction, passkey: Passkey) -> bool:
    """Insert a passkey; return False if it is known."""
    return insert_or_ignore(
        transaction,
        passkeys,
        id=passkey.id,
        person_id=passkey.person_id,
        credential_id=passkey.credential_id,
        public_key=passkey.public_key,
        sign_count=passkey.sign_count,
        name=passkey.name,
        added_at=passkey.added_at,
    )


def find_passkey(transaction: Transaction, passkey_id: bytes) -> Passkey | None:
    """Return a passkey; None if there is none."""
    row = transaction.execute(select(passkeys).where(passkeys.c.id == passkey_id)).one_or_none()
    return _passkey(row) if row else None


def passkeys_of(transaction: Transaction, person_id: str) -> list[Passkey]:
    """Return the passkeys of a person, oldest first."""
    query = select(passkeys).where(passkeys.c.person_id == person_id)
    return [
        _passkey(row)
        for row in transaction.execute(query.order_by(passkeys.c.added_at, passkeys.c.id))
    ]


def use_passkey(transaction: Transaction, passkey_id: bytes, sign_count: int, at: datetime) -> None:
    """Record that a passkey was used, with its signature counter."""
    transaction.execute(
        update(passkeys)
        .where(passkeys.c.id == passkey_id)
        .values(sign_count=sign_count, used_at=at)
    )


def delete_passkey(transaction: Transaction, person_id: str, passkey_id: bytes) -> bool:
    """Delete a passkey of a person; return whether there was one."""
    result = transaction.execute(
        delete(passkeys).where(passkeys.c.id == passkey_id, passkeys.c.person_id == person_id)
    )
    return result.rowcount == 1


def reset(transaction: Transaction, person_id: str) -> None:
    """Delete the second factors of a person, whose next invitation sets them anew."""
    transaction.execute(delete(passkeys).where(passkeys.c.person_id == person_id))
    transaction.execute(delete(recovery_codes).where(recovery_codes.c.person_id == person_id))
    transaction.execute(
        update(console_credentials)
        .where(console_credentials.c.person_id == person_id)
        .values(password_hash=None, password_set_at=None, totp_secret=None)
    )


def _one(transaction: Transaction, condition: Any) -> Credentials | None:  # noqa: ANN401 - an expression of SQLAlchemy
    row = transaction.execute(select(console_credentials).where(condition)).one_or_none()
    if row is None:
        return None
    return Credentials(
        person_id=row.person_id,
        login=row.login,
        password_hash=row.password_hash,
        password_set_at=row.password_set_at,
        totp_secret=row.totp_secret,
    )


def _passkey(row: Row[Any]) -> Passkey:
    return Passkey(
        id=row.id,
        person_id=row.person_id,
        credential_id=row.credential_id,
        public_key=row.public_key,
        sign_count=row.sign_count,
        name=row.name,
        added_at=row.added_at,
        used_at=row.used_at,
    )
