"""Queries of the operator's lists: merchants, senders and templates, filtered, sorted and paged.

These tables have tens of thousands of rows at most. Pages are by offset, and rows that match are
counted.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import ColumnElement, Select, and_, exists, func, or_, select

from consent_tokens.relay.plan import Plan
from consent_tokens.relay.sandbox import SUFFIX
from consent_tokens.relay.templates.template import TemplateStatus
from consent_tokens.store import merchants as merchant_rows
from consent_tokens.store import plans as plan_rows
from consent_tokens.store import senders as sender_rows
from consent_tokens.store import templates as template_rows
from consent_tokens.store.admission_tables import (
    merchant_applications,
    merchants,
    plans,
    senders,
    templates,
)
from consent_tokens.store.applications import ApplicationStatus
from consent_tokens.store.database import Transaction, count_rows
from consent_tokens.store.merchants import Merchant
from consent_tokens.store.senders import Sender
from consent_tokens.store.templates import TemplateVersion

NO_CARRIER: Final = "-"  # in a filter: the senders of which no carrier is known


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """Which rows of a list to return, and in which order; an empty filter takes all."""

    sort: str
    is_descending: bool
    offset: int
    limit: int
    text: str = ""  # that a name, an id ... contains
    status: str = ""
    purpose_class: str = ""
    purpose: str = ""
    group: str = ""  # control group
    carrier: str = ""


def find_merchants(transaction: Transaction, wanted: Search) -> tuple[list[Merchant], int]:
    """Return a page of merchants without sandboxes, and how many match."""
    query = select(merchants).where(~merchants.c.id.endswith(SUFFIX, autoescape=True))
    if wanted.text:
        query = query.where(
            _contains(
                wanted.text,
                merchants.c.name,
                merchants.c.legal_name,
                merchants.c.registration,
                merchants.c.id,
            )
        )
    if wanted.status:
        query = query.where(merchants.c.status == wanted.status)
    if wanted.purpose_class:
        has_class = merchants.c.classes.contains(wanted.purpose_class, autoescape=True)
        query = query.where(or_(has_class, merchants.c.classes.is_(None)))
    if wanted.group:
        query = query.where(merchants.c.control_group == wanted.group)
    columns = {
        "name": func.lower(merchants.c.name),
        "status": merchants.c.status,
        "group": merchants.c.control_group,
        "admitted": merchants.c.admitted_at,
    }
    rows, total = _page(transaction, query, wanted, columns, merchants.c.id)
    return [merchant_rows.from_row(row) for row in rows], total


def count_by_merchant(
    transaction: Transaction, merchant_ids: Sequence[str]
) -> tuple[Mapping[str, int], Mapping[str, int]]:
    """Return how many senders that are not revoked, and how many templates, merchants have."""
    of_senders = (
        select(senders.c.merchant_id, func.count())
        .where(senders.c.merchant_id.in_(merchant_ids), senders.c.revoked_at.is_(None))
        .group_by(senders.c.merchant_id)
    )
    of_templates = (
        select(templates.c.merchant_id, func.count(templates.c.id.distinct()))
        .where(templates.c.merchant_id.in_(merchant_ids))
        .group_by(templates.c.merchant_id)
    )
    return (
        {row[0]: row[1] for row in transaction.execute(of_senders)},
        {row[0]: row[1] for row in transaction.execute(of_templates)},
    )


def find_senders(
    transaction: Transaction, wanted: Search, now: datetime
) -> tuple[list[Sender], int]:
    """Return a page of senders, and how many match."""
    query = select(senders).join(merchants, merchants.c.id == senders.c.merchant_id)
    if wanted.text:
        source = senders.c.port + senders.c.extension
        query = query.where(
            _contains(wanted.text, source, senders.c.signature, senders.c.licence, merchants.c.name)
        )
    is_over = and_(senders.c.valid_until.is_not(None), senders.c.valid_until <= now)
    is_revoked = senders.c.revoked_at.is_not(None)
    conditions = {
        "revoked": is_revoked,
        "expired": and_(~is_revoked, is_over),
        "admitted": and_(~is_revoked, or_(senders.c.valid_until.is_(None), ~is_over)),
    }
    if wanted.status in conditions:
        query = query.where(conditions[wanted.status])
    if wanted.carrier == NO_CARRIER:
        query = query.where(senders.c.carrier.is_(None))
    elif wanted.carrier:
        query = query.where(senders.c.carrier == wanted.carrier)
    columns = {
        "port": senders.c.port + senders.c.extension,
        "carrier": senders.c.carrier,
        "merchant": func.lower(merchants.c.name),
        "signature": senders.c.signature,
        "valid_until": senders.c.valid_until,
        "admitted": senders.c.admitted_at,
    }
    rows, total = _page(transaction, query, wanted, columns, columns["port"])
    return [sender_rows.from_row(row) for row in rows], total


def carriers(transaction: Transaction) -> list[str]:
    """Return the carriers that senders name, in order."""
    rows = transaction.execute(
        select(senders.c.carrier).where(senders.c.carrier.is_not(None)).distinct()
    )
    return sorted(row.carrier for row in rows)


def find_templates(
    transaction: Transaction, wanted: Search, merchant_id: str = ""
) -> tuple[list[TemplateVersion], int]:
    """Return a page of the newest versions of templates, and how many match."""
    query = select(templates).join(merchants, merchants.c.id == templates.c.merchant_id)
    query = query.where(is_newest(), ~templates.c.merchant_id.endswith(SUFFIX, autoescape=True))
    if merchant_id:
        query = query.where(templates.c.merchant_id == merchant_id)
    if wanted.text:
        query = query.where(
            _contains(wanted.text, templates.c.text, templates.c.id, merchants.c.name)
        )
    if wanted.status:
        query = query.where(templates.c.status == wanted.status)
    if wanted.purpose:
        query = query.where(templates.c.purpose == wanted.purpose)
    columns = {
        "id": templates.c.id,
        "merchant": func.lower(merchants.c.name),
        "purpose": templates.c.purpose,
        "status": templates.c.status,
        "submitted": templates.c.submitted_at,
    }
    rows, total = _page(transaction, query, wanted, columns, templates.c.id)
    return [template_rows.from_row(row) for row in rows], total


def find_plans(
    transaction: Transaction, wanted: Search, ended_after: datetime
) -> tuple[list[Plan], int]:
    """Return a page of the plans that are not withdrawn, nor over before then; how many match.

    Those of sandboxes are left out.
    """
    query = (
        select(plans)
        .join(merchants, merchants.c.id == plans.c.merchant_id)
        .where(
            plans.c.ends_at > ended_after,
            plans.c.withdrawn_at.is_(None),
            ~plans.c.merchant_id.endswith(SUFFIX, autoescape=True),
        )
    )
    if wanted.text:
        query = query.where(_contains(wanted.text, merchants.c.name, plans.c.id, plans.c.reference))
    columns = {
        "merchant": func.lower(merchants.c.name),
        "starts": plans.c.starts_at,
        "ends": plans.c.ends_at,
        "planned": plans.c.messages,
        "accepted": plans.c.accepted,
        "refused": plans.c.excess,
    }
    rows, total = _page(transaction, query, wanted, columns, plans.c.id)
    return [plan_rows.from_row(row) for row in rows], total


def is_newest() -> ColumnElement[bool]:
    """Return the condition that a row of `templates` is the newest version of its template."""
    later = templates.alias("later")
    return ~exists().where(later.c.id == templates.c.id, later.c.version > templates.c.version)


def waits_for_review() -> ColumnElement[bool]:
    """Return the condition that a row of `templates` waits: submitted and the newest, or held."""
    is_submitted = and_(templates.c.status == TemplateStatus.SUBMITTED, is_newest())
    return or_(is_submitted, templates.c.status == TemplateStatus.HELD)


def waiting_templates(transaction: Transaction, limit: int) -> list[TemplateVersion]:
    """Return up to `limit` versions of templates that wait for a reviewer, the oldest first.

    Of a template with several, it is the newest.
    """
    waiting = (TemplateStatus.SUBMITTED, TemplateStatus.HELD)
    rows = transaction.execute(
        select(templates)
        .where(templates.c.status.in_(waiting), waits_for_review())
        .order_by(templates.c.submitted_at, templates.c.version)
        .limit(limit)
    )
    return list({row.id: template_rows.from_row(row) for row in rows}.values())


def submitted_applications(transaction: Transaction, limit: int) -> list[tuple[str, datetime]]:
    """Return merchant id and time of up to `limit` applications that wait, the oldest first."""
    table = merchant_applications
    rows = transaction.execute(
        select(table.c.merchant_id, table.c.submitted_at)
        .where(table.c.status == ApplicationStatus.SUBMITTED)
        .order_by(table.c.submitted_at, table.c.merchant_id)
        .limit(limit)
    )
    return [(row.merchant_id, row.submitted_at) for row in rows]


def _contains(text: str, *columns: ColumnElement[Any]) -> ColumnElement[bool]:
    return or_(*(column.icontains(text, autoescape=True) for column in columns))


def _page(
    transaction: Transaction,
    query: Select[Any],
    wanted: Search,
    columns: Mapping[str, ColumnElement[Any]],
    key: ColumnElement[Any],
) -> tuple[Sequence[Any], int]:
    """Return the rows of a page, and how many rows match; nothing comes last in either order."""
    total = count_rows(transaction, query.order_by(None))
    by = columns.get(wanted.sort, key)
    ordered = query.order_by(by.is_(None), by.desc() if wanted.is_descending else by, key)
    return transaction.execute(ordered.limit(wanted.limit).offset(wanted.offset)).all(), total
