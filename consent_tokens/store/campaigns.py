"""Queries on campaigns, and on the parts of their files, which are sealed."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

from msgspec.json import decode, encode
from msgspec.structs import asdict
from sqlalchemy import ColumnElement, Row, insert, select, update

from consent_tokens.relay.campaign import Campaign, CampaignStatus, Preview, Tally
from consent_tokens.store.console_tables import campaign_parts as parts
from consent_tokens.store.console_tables import campaigns as table
from consent_tokens.store.database import Transaction

FAULTY_PART: Final = -1  # of a file: the lines that cannot be read


def add(transaction: Transaction, campaign: Campaign) -> None:
    """Insert a campaign."""
    transaction.execute(insert(table).values(**_values(campaign)))


def find(transaction: Transaction, campaign_id: str) -> Campaign | None:
    """Return a campaign; None if there is none."""
    row = transaction.execute(select(table).where(table.c.id == campaign_id)).one_or_none()
    return _campaign(row) if row else None


def lock(transaction: Transaction, campaign_id: str) -> Campaign | None:
    """Return a campaign, locked until the transaction ends; None if there is none."""
    query = select(table).where(table.c.id == campaign_id).with_for_update()
    row = transaction.execute(query).one_or_none()
    return _campaign(row) if row else None


def save(transaction: Transaction, campaign: Campaign) -> None:
    """Save what changes in a campaign; the caller has locked it."""
    transaction.execute(update(table).where(table.c.id == campaign.id).values(**_values(campaign)))


def of_merchant(transaction: Transaction, merchant_id: str, limit: int) -> list[Campaign]:
    """Return the newest campaigns of a merchant."""
    rows = transaction.execute(
        select(table)
        .where(table.c.merchant_id == merchant_id)
        .order_by(table.c.created_at.desc(), table.c.id)
        .limit(limit)
    )
    return [_campaign(row) for row in rows]


def due(transaction: Transaction, now: datetime, limit: int) -> list[Campaign]:
    """Return the campaigns whose next part is due, those that wait longest first."""
    rows = transaction.execute(
        select(table).where(table.c.due_at <= now).order_by(table.c.due_at, table.c.id).limit(limit)
    )
    return [_campaign(row) for row in rows]


def postpone(transaction: Transaction, campaign: Campaign, due_at: datetime) -> None:
    """Have the next part of a campaign be due later, unless it has changed meanwhile."""
    transaction.execute(
        update(table)
        .where(table.c.id == campaign.id, table.c.due_at == campaign.due_at)
        .values(due_at=due_at)
    )


# --- parts ----------------------------------------------------------------------------------------
def add_parts(
    transaction: Transaction, campaign_id: str, lines: Mapping[int, bytes], faulty: bytes
) -> None:
    """Insert the parts of a file, sealed, and as FAULTY_PART the lines that cannot be read."""
    rows: list[dict[str, Any]] = [
        {"campaign_id": campaign_id, "part": part, "lines": envelope, "refused": None}
        for part, envelope in lines.items()
    ]
    rows.append({"campaign_id": campaign_id, "part": FAULTY_PART, "lines": None, "refused": faulty})
    transaction.execute(insert(parts), rows)


def lines_of(transaction: Transaction, campaign_id: str, part: int) -> bytes | None:
    """Return the lines of a part, sealed; None once they are deleted."""
    found: bytes | None = transaction.scalar(select(parts.c.lines).where(_is(campaign_id, part)))
    return found


def refused_of(transaction: Transaction, campaign_id: str, before: int) -> list[tuple[int, bytes]]:
    """Return what was refused of the parts before one, by part, sealed."""
    rows = transaction.execute(
        select(parts.c.part, parts.c.refused)
        .where(
            parts.c.campaign_id == campaign_id,
            parts.c.part < before,
            parts.c.refused.is_not(None),
        )
        .order_by(parts.c.part)
    )
    return [(row.part, row.refused) for row in rows]


def complete_part(
    transaction: Transaction, campaign_id: str, part: int, refused: bytes | None
) -> None:
    """Store what was refused of a part, and delete its lines."""
    transaction.execute(
        update(parts).where(_is(campaign_id, part)).values(lines=None, refused=refused)
    )


def delete_lines(transaction: Transaction, campaign_id: str) -> None:
    """Delete the lines of a campaign that were not submitted."""
    transaction.execute(
        update(parts)
        .where(parts.c.campaign_id == campaign_id, parts.c.lines.is_not(None))
        .values(lines=None)
    )


def _is(campaign_id: str, part: int) -> ColumnElement[bool]:
    return (parts.c.campaign_id == campaign_id) & (parts.c.part == part)


def _values(campaign: Campaign) -> dict[str, Any]:
    return asdict(campaign) | {
        "timezone": campaign.timezone.key,
        "tally": encode(campaign.tally).decode(),
        "preview": encode(campaign.preview).decode(),
        "refused": encode(campaign.refused).decode(),
    }


def _campaign(row: Row[Any]) -> Campaign:
    values: dict[str, Any] = {each.name: getattr(row, each.name) for each in table.c} | {
        "status": CampaignStatus(row.status),
        "timezone": ZoneInfo(row.timezone),
        "tally": decode(row.tally, type=Tally),
        "preview": decode(row.preview, type=Preview | None),
        "refused": decode(row.refused, type=dict[str, int]),
    }
    return Campaign(**values)
