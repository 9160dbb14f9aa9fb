"""Queries on templates and their versions."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any, Final

from msgspec import json
from sqlalchemy import (
    ColumnElement,
    Row,
    Select,
    String,
    and_,
    cast,
    exists,
    insert,
    or_,
    select,
    update,
)

from consent_tokens.listing import ListFilter
from consent_tokens.relay.templates.template import OnOverflow, Template, TemplateStatus, Variable
from consent_tokens.store.admission_tables import reviews
from consent_tokens.store.admission_tables import templates as table
from consent_tokens.store.database import Transaction
from consent_tokens.store.listing import page

ID_PREFIX: Final = "tpl_"
REFUSED_AS_ABUSE: Final = "refuse_as_abuse"  # an action of reviews
UPHELD: Final = "uphold_appeal"  # another: what the merchant said against it
UNDECIDED_OR_IN_USE: Final = (
    TemplateStatus.SUBMITTED,
    TemplateStatus.APPROVED,
    TemplateStatus.HELD,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class TemplateVersion:
    """A version of a template as it is stored: with its review."""

    template: Template
    fingerprint: bytes  # of its fixed text, folded
    findings: tuple[str, ...]  # what the automatic check marked
    submitted_at: datetime
    decided_at: datetime | None = None
    reason: str | None = None  # of the decision


def for_relay(transaction: Transaction, ids: Collection[str]) -> dict[str, Template]:
    """Return of each template the newest approved version, by id; unknown ids are left out.

    If none is approved, it is the held or newest one, whose status says why it cannot be used.
    """
    if not ids:
        return {}
    rows = transaction.execute(
        select(table).where(table.c.id.in_(set(ids))).order_by(table.c.id, table.c.version)
    )
    found: dict[str, Template] = {}
    for row in rows:
        version, before = _template(row), found.get(row.id)
        if before is None or _rank(version.status) >= _rank(before.status):
            found[row.id] = version
    return found


def all_versions(transaction: Transaction, ids: Collection[str]) -> dict[tuple[str, int], Template]:
    """Return every version of these templates, by id and version."""
    rows = transaction.execute(select(table).where(table.c.id.in_(set(ids))))
    return {(row.id, row.version): _template(row) for row in rows}


def _rank(status: TemplateStatus) -> int:
    """Return which version of a template stands for it: the newest of the highest rank."""
    return {TemplateStatus.APPROVED: 2, TemplateStatus.HELD: 1}.get(status, 0)


def add(transaction: Transaction, version: TemplateVersion) -> None:
    """Insert a version of a template."""
    template = version.template
    transaction.execute(
        insert(table).values(
            id=template.id,
            version=template.version,
            merchant_id=template.merchant_id,
            purpose=template.purpose,
            text=template.text,
            variables=json.encode(template.variables).decode(),
            on_overflow=template.on_overflow,
            event_type=template.event_type,
            texts_per_event=template.texts_per_event,
            is_essential=int(template.is_essential),
            fingerprint=version.fingerprint,
            findings=json.encode(version.findings).decode(),
            status=template.status,
            submitted_at=version.submitted_at,
            decided_at=version.decided_at,
            reason=version.reason,
        )
    )


def versions_of(transaction: Transaction, template_id: str) -> list[TemplateVersion]:
    """Return the versions of a template, the newest first; none if it is unknown."""
    rows = transaction.execute(
        select(table).where(table.c.id == template_id).order_by(table.c.version.desc())
    )
    return [from_row(row) for row in rows]


def lock(transaction: Transaction, template_id: str) -> list[TemplateVersion]:
    """Return the versions of a template, the newest first, locked until the transaction ends."""
    transaction.execute(
        update(table).where(table.c.id == template_id).values(merchant_id=table.c.merchant_id)
    )
    return versions_of(transaction, template_id)


def set_status(
    transaction: Transaction,
    versions: Sequence[TemplateVersion],
    status: TemplateStatus,
    at: datetime,
    reason: str | None,
) -> None:
    """Record a decision on versions of a template."""
    for each in versions:
        transaction.execute(
            update(table)
            .where(_is(each.template))
            .values(status=status, decided_at=at, reason=reason)
        )


def set_review(transaction: Transaction, template: Template) -> None:
    """Save what a review may change: purpose, event, texts per event, and whether essential."""
    transaction.execute(
        update(table)
        .where(_is(template))
        .values(
            purpose=template.purpose,
            event_type=template.event_type,
            texts_per_event=template.texts_per_event,
            is_essential=int(template.is_essential),
        )
    )


def _is(template: Template) -> ColumnElement[bool]:
    return and_(table.c.id == template.id, table.c.version == template.version)


def list_newest(
    transaction: Transaction, wanted: ListFilter, merchant_id: str | None
) -> list[TemplateVersion]:
    """Return the newest version of each template, of one merchant or all, the oldest first."""
    later = table.alias("later")
    is_superseded = exists().where(later.c.id == table.c.id, later.c.version > table.c.version)
    query = select(table).where(~is_superseded)
    if merchant_id is not None:
        query = query.where(table.c.merchant_id == merchant_id)
    if wanted.purpose is not None:
        query = query.where(table.c.purpose == wanted.purpose)
    if wanted.status is not None:
        query = query.where(table.c.status == wanted.status)
    query = page(query, table, "submitted_at", wanted, id_of)
    return [from_row(row) for row in transaction.execute(query)]


def id_of(number: int) -> str:
    """Return the id of a template from its 64-bit number."""
    return f"{ID_PREFIX}{number:016x}"


def number_of(template_id: str) -> int:
    """Return the 64-bit number that a template's id is."""
    return int(template_id.removeprefix(ID_PREFIX), 16)


def is_blocked(transaction: Transaction, fingerprint: bytes, merchant_ids: Sequence[str]) -> bool:
    """Whether a text with this fingerprint, of one of these merchants, may not come back.

    It was withdrawn, or refused as abuse.
    """
    blocked = _blocked_fingerprints(merchant_ids).where(table.c.fingerprint == fingerprint)
    return transaction.execute(blocked.limit(1)).first() is not None


def _blocked_fingerprints(merchant_ids: Sequence[str]) -> Select[Any]:
    later = reviews.alias("later")
    is_undone = exists().where(
        later.c.subject_id == reviews.c.subject_id,
        later.c.action == UPHELD,
        later.c.id > reviews.c.id,
    )
    as_abuse = exists().where(
        reviews.c.subject_id == table.c.id + ":" + cast(table.c.version, String),
        reviews.c.action == REFUSED_AS_ABUSE,
        ~is_undone,
    )
    return select(table.c.fingerprint).where(
        table.c.merchant_id.in_(merchant_ids),
        or_(table.c.status == TemplateStatus.WITHDRAWN, as_abuse),
    )


def blocked_ids(transaction: Transaction, merchant_ids: Sequence[str]) -> list[str]:
    """Return the templates of which a version in use or under review may not come back.

    Its text was withdrawn, or refused as abuse: as another template, or of another merchant.
    """
    blocked = select(_blocked_fingerprints(merchant_ids).subquery())
    rows = transaction.execute(
        select(table.c.id)
        .where(
            table.c.merchant_id.in_(merchant_ids),
            table.c.status.in_(UNDECIDED_OR_IN_USE),
            table.c.fingerprint.in_(blocked),
        )
        .distinct()
        .order_by(table.c.id)
    )
    return [row.id for row in rows]


def submissions_since(
    transaction: Transaction,
    merchant_ids: Sequence[str],
    since: datetime,
    *,
    template_id: str,
    fingerprint: bytes,
) -> list[TemplateVersion]:
    """Return what was submitted since then of a template, or with the same fixed text."""
    rows = transaction.execute(
        select(table)
        .where(
            table.c.merchant_id.in_(merchant_ids),
            table.c.submitted_at > since,
            or_(table.c.id == template_id, table.c.fingerprint == fingerprint),
        )
        .order_by(table.c.submitted_at)
    )
    return [from_row(row) for row in rows]


def first_refused_at(
    transaction: Transaction,
    merchant_ids: Sequence[str],
    *,
    template_id: str,
    fingerprint: bytes,
) -> datetime | None:
    """Return when a version of a template, or one with the same fixed text, was first refused."""
    refused_at: datetime | None = transaction.execute(
        select(table.c.decided_at)
        .where(
            table.c.merchant_id.in_(merchant_ids),
            table.c.status == TemplateStatus.REFUSED,
            or_(table.c.id == template_id, table.c.fingerprint == fingerprint),
        )
        .order_by(table.c.decided_at)
        .limit(1)
    ).scalar_one_or_none()
    return refused_at


@lru_cache(maxsize=4096)
def _variables(text: str) -> Mapping[str, Variable]:
    return json.decode(text, type=dict[str, Variable])


def _template(row: Row[Any]) -> Template:
    return Template(
        id=row.id,
        version=row.version,
        merchant_id=row.merchant_id,
        purpose=row.purpose,
        text=row.text,
        variables=_variables(row.variables),
        on_overflow=OnOverflow(row.on_overflow),
        event_type=row.event_type,
        texts_per_event=row.texts_per_event,
        is_essential=bool(row.is_essential),
        status=TemplateStatus(row.status),
    )


def from_row(row: Row[Any]) -> TemplateVersion:
    """Return the version in a row of `templates`."""
    return TemplateVersion(
        template=_template(row),
        fingerprint=row.fingerprint,
        findings=json.decode(row.findings, type=tuple[str, ...]),
        submitted_at=row.submitted_at,
        decided_at=row.decided_at,
        reason=row.reason,
    )
