"""The versions of the rules that decisions were made by; rows are only added."""

from collections.abc import Collection, Mapping
from datetime import datetime

import msgspec
from msgspec import Struct
from sqlalchemy import select

from consent_tokens.store.database import Transaction, insert_or_ignore
from consent_tokens.store.tables import rule_versions


class RuleVersion(Struct, frozen=True):
    """A version of the rules: the text of each pack, by the name of its file."""

    version: str
    first_used_at: datetime
    files: Mapping[str, str]


def is_known(transaction: Transaction, version: str) -> bool:
    """Whether a version is stored."""
    query = select(rule_versions.c.version).where(rule_versions.c.version == version)
    return transaction.execute(query).first() is not None


def add(transaction: Transaction, new: RuleVersion) -> None:
    """Insert a version, unless it is stored already."""
    insert_or_ignore(
        transaction,
        rule_versions,
        version=new.version,
        first_used_at=new.first_used_at,
        files=msgspec.json.encode(new.files).decode(),
    )


def find(transaction: Transaction, versions: Collection[str] | None = None) -> list[RuleVersion]:
    """Return these versions, or all, the oldest first."""
    query = select(rule_versions).order_by(rule_versions.c.first_used_at, rule_versions.c.version)
    if versions is not None:
        query = query.where(rule_versions.c.version.in_(sorted(versions)))
    return [
        RuleVersion(row.version, row.first_used_at, msgspec.json.decode(row.files))
        for row in transaction.execute(query)
    ]
