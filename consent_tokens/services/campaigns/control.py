"""A merchant's campaigns: list, read, start and stop them, and what was refused of each."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from msgspec.structs import replace

from consent_tokens.errors import ConflictError, InvalidError, NotFoundError
from consent_tokens.evidence.events import EventKind
from consent_tokens.relay import campaign as machine
from consent_tokens.relay.campaign import MINUTES_OF_DAY, Campaign, CampaignStatus
from consent_tokens.services.campaigns.parts import RefusedLine, open_refused
from consent_tokens.services.merchant_records import get_merchant, record_event
from consent_tokens.services.runtime import Runtime
from consent_tokens.store import campaigns
from consent_tokens.store.database import Transaction

MAX_LISTED: Final = 500  # ten a day, for as long as they are kept
MAX_AHEAD: Final = timedelta(days=14)  # of a start
MAX_BEHIND: Final = timedelta(minutes=5)  # a start that is past by this means: now
STOPPABLE: Final = (CampaignStatus.CHECKING, CampaignStatus.READY, CampaignStatus.RUNNING)


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """When the lines of a campaign are submitted; `starts_at` None is at once."""

    starts_at: datetime | None
    opens: int  # minutes of the day, in the campaign's time zone
    closes: int


def list_campaigns(runtime: Runtime, merchant_id: str) -> list[Campaign]:
    """Return the campaigns of a merchant, the newest first."""
    return runtime.database.read(lambda at: campaigns.of_merchant(at, merchant_id, MAX_LISTED))


def read_campaign(runtime: Runtime, merchant_id: str, campaign_id: str) -> Campaign:
    """Return a campaign of a merchant. Raises NotFoundError, also for another's."""
    found = runtime.database.read(lambda at: campaigns.find(at, campaign_id))
    return _own(found, merchant_id)


def read_refused(
    runtime: Runtime, campaign: Campaign, *, is_faulty_only: bool = False
) -> list[RefusedLine]:
    """Return the lines that cannot be read, and those that were refused, by number."""
    before = campaigns.FAULTY_PART + 1 if is_faulty_only else campaign.parts
    found = runtime.database.read(lambda at: campaigns.refused_of(at, campaign.id, before))
    lines = [
        line for part, sealed in found for line in open_refused(runtime, campaign.id, part, sealed)
    ]
    return sorted(lines, key=lambda each: each.number)


def start_campaign(
    runtime: Runtime, merchant_id: str, campaign_id: str, person_id: str, schedule: Schedule
) -> Campaign:
    """Have a campaign that was checked be sent.

    Raises InvalidError for times that are not valid, NotFoundError, and ConflictError if it was
    started or stopped already, or is still being checked.
    """
    now = runtime.clock.now()
    _check_times(schedule, now)

    def change(found: Campaign) -> Campaign:
        if found.status is not CampaignStatus.READY:
            raise ConflictError("this campaign is not waiting to be started")
        scheduled = replace(
            found,
            starts_at=schedule.starts_at,
            opens=schedule.opens,
            closes=schedule.closes,
        )
        return machine.start(scheduled, now)

    kind = EventKind.CAMPAIGN_STARTED
    return _change(runtime, merchant_id, campaign_id, person_id, kind, change)


def stop_campaign(runtime: Runtime, merchant_id: str, campaign_id: str, person_id: str) -> Campaign:
    """Submit nothing more of a campaign, and delete the lines that are left.

    It waits for a part that is being submitted. What was accepted before leaves as it would have.
    Raises NotFoundError, and ConflictError if it has ended already.
    """

    def change(found: Campaign) -> Campaign:
        if found.status not in STOPPABLE:
            raise ConflictError("this campaign has ended")
        return machine.stop(found, runtime.clock.now())

    kind = EventKind.CAMPAIGN_STOPPED
    return _change(runtime, merchant_id, campaign_id, person_id, kind, change)


def _change(
    runtime: Runtime,
    merchant_id: str,
    campaign_id: str,
    person_id: str,
    kind: EventKind,
    change: Callable[[Campaign], Campaign],
) -> Campaign:
    def work(transaction: Transaction) -> Campaign:
        found = _own(campaigns.lock(transaction, campaign_id), merchant_id)
        changed = change(found)
        campaigns.save(transaction, changed)
        if changed.status is CampaignStatus.STOPPED:
            campaigns.delete_lines(transaction, campaign_id)
        merchant = get_merchant(transaction, merchant_id)
        record_event(runtime, transaction, merchant, kind, campaign_id, person_id)
        return changed

    return runtime.database.run(work)


def _own(found: Campaign | None, merchant_id: str) -> Campaign:
    if found is None or found.merchant_id != merchant_id:
        raise NotFoundError("no campaign of that id")
    return found


def _check_times(schedule: Schedule, now: datetime) -> None:
    errors: dict[str, list[str]] = {}
    starts_at = schedule.starts_at
    if starts_at is not None and not now - MAX_BEHIND <= starts_at <= now + MAX_AHEAD:
        errors["starts_at"] = [f"must be within {MAX_AHEAD.days} days from now"]
    if not 0 <= schedule.opens < schedule.closes <= MINUTES_OF_DAY:
        errors["closes"] = ["must be later than the first"]
    if errors:
        raise InvalidError(errors)
