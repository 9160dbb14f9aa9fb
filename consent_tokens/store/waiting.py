"""Queries that count what waits for a decision of a person."""

from collections.abc import Mapping
from datetime import datetime

from sqlalchemy import ScalarSelect, func, select

from consent_tokens.relay.pacing import PacingStatus
from consent_tokens.relay.templates.moves import AppealStatus
from consent_tokens.relay.templates.template import TemplateStatus
from consent_tokens.store.admission_tables import (
    merchant_applications,
    objections,
    pacings,
    sender_applications,
    template_moves,
    templates,
)
from consent_tokens.store.applications import ApplicationStatus
from consent_tokens.store.console_lists import waits_for_review
from consent_tokens.store.console_tables import proposed_actions
from consent_tokens.store.database import Transaction
from consent_tokens.store.proposed_actions import ProposalStatus
from consent_tokens.store.sender_applications import SenderApplicationStatus
from consent_tokens.store.tables import IS_UNDECIDED, complaints


def count(transaction: Transaction, now: datetime) -> Mapping[str, int]:
    """Return how many of each kind wait, by the kind's name."""
    queries = {
        "applications": select(func.count())
        .select_from(merchant_applications)
        .where(merchant_applications.c.status == ApplicationStatus.SUBMITTED),
        "senders": select(func.count())
        .select_from(sender_applications)
        .where(sender_applications.c.status == SenderApplicationStatus.SUBMITTED),
        "templates": select(_waiting_templates() + _waiting_pacings()),
        "appeals": select(_open_appeals() + _open_objections()),
        "complaints": select(func.count()).select_from(complaints).where(IS_UNDECIDED),
        "proposals": select(func.count())
        .select_from(proposed_actions)
        .where(
            proposed_actions.c.status == ProposalStatus.OPEN, proposed_actions.c.expires_at > now
        ),
    }
    counts = select(*(query.scalar_subquery().label(kind) for kind, query in queries.items()))
    return dict(transaction.execute(counts).mappings().one())


def _open_appeals() -> ScalarSelect[int]:
    is_open = template_moves.c.appeal_status == AppealStatus.OPEN
    return select(func.count()).select_from(template_moves).where(is_open).scalar_subquery()


def _open_objections() -> ScalarSelect[int]:
    is_open = objections.c.status == AppealStatus.OPEN
    return select(func.count()).select_from(objections).where(is_open).scalar_subquery()


def _waiting_templates() -> ScalarSelect[int]:
    return (
        select(func.count(templates.c.id.distinct()))
        .where(
            templates.c.status.in_([TemplateStatus.SUBMITTED, TemplateStatus.HELD]),
            waits_for_review(),
        )
        .scalar_subquery()
    )


def _waiting_pacings() -> ScalarSelect[int]:
    """Count new templates and senders whose rest is held back until a person decides."""
    return (
        select(func.count())
        .select_from(pacings)
        .where(pacings.c.waiting_since.is_not(None), pacings.c.status != PacingStatus.PROVEN)
        .scalar_subquery()
    )
