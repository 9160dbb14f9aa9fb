"""Check and submit the parts of campaigns that are due, each in one transaction with its campaign.

A part is submitted in the transaction that moves its campaign on, so neither a crash nor a second
dispatcher loses or doubles a line.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Final

import structlog
from msgspec.structs import replace

from consent_tokens.errors import (
    ConsentTokensError,
    KeyUnavailableError,
    OutboxFullError,
    SealBrokenError,
)
from consent_tokens.randomness import RandomSource
from consent_tokens.relay.campaign import (
    MIN_PEOPLE,
    Campaign,
    CampaignStatus,
    Preview,
    Tally,
    after_check,
    after_submission,
    bucket,
    laplace,
)
from consent_tokens.relay.decision import Accepted, Deferred, Refused
from consent_tokens.services.campaigns.parts import (
    CampaignLine,
    open_lines,
    refused_line,
    seal_refused,
)
from consent_tokens.services.runtime import Runtime
from consent_tokens.services.submission.message_request import SubmissionResult
from consent_tokens.services.submission.submit import Submitter
from consent_tokens.store import campaigns
from consent_tokens.store.database import Transaction

MAX_DUE: Final = 20  # campaigns that one call moves on, each by one part
RETRY_AFTER: Final = timedelta(seconds=15)  # where a part cannot be submitted now
UNIFORM_BITS: Final = 32

log = structlog.get_logger()


def advance_due(runtime: Runtime, submitter: Submitter, is_stopped: Callable[[], bool]) -> bool:
    """Check or submit the next part of each campaign that is due; return whether there was one.

    A campaign whose part cannot be opened, or that the outbox has no room for, waits a while.
    Raises NotReadyError, and what the database raises.
    """
    now = runtime.clock.now()
    found = runtime.database.read(lambda at: campaigns.due(at, now, MAX_DUE))
    for campaign in found:
        if is_stopped():
            return False
        try:
            _advance(runtime, submitter, campaign)
        except (OutboxFullError, KeyUnavailableError, SealBrokenError) as error:
            _postpone(runtime, campaign, error)
    return bool(found)


def _postpone(runtime: Runtime, campaign: Campaign, error: ConsentTokensError) -> None:
    log.warning("campaign_postponed", campaign=campaign.id, reason=error.error_code)
    due_at = runtime.clock.now() + RETRY_AFTER
    runtime.database.run(lambda at: campaigns.postpone(at, campaign, due_at))


def _advance(runtime: Runtime, submitter: Submitter, campaign: Campaign) -> None:
    part = campaign.next_part
    sealed = runtime.database.read(lambda at: campaigns.lines_of(at, campaign.id, part))
    if sealed is None:  # submitted or stopped meanwhile
        return
    lines = open_lines(runtime, campaign.id, part, sealed)
    lines = [_with_sender(each, campaign.sender_id) for each in lines]
    if campaign.status is CampaignStatus.CHECKING:
        _check(runtime, submitter, campaign, lines)
    else:
        _submit(runtime, submitter, campaign, lines)


def _with_sender(line: CampaignLine, sender_id: str | None) -> CampaignLine:
    return replace(line, request=replace(line.request, sender_id=sender_id))


def _is_still_due(runtime: Runtime, seen: Campaign, locked: Campaign | None) -> bool:
    """Whether a campaign, now locked, is where it was when its part was read."""
    return (
        locked is not None
        and (locked.status, locked.next_part) == (seen.status, seen.next_part)
        and locked.is_due(runtime.clock.now())
    )


# --- checking -------------------------------------------------------------------------------------
def _check(
    runtime: Runtime, submitter: Submitter, campaign: Campaign, lines: Sequence[CampaignLine]
) -> None:
    results = submitter.try_out(campaign.merchant_id, [each.request for each in lines])
    checked = tally(lines, results)

    def work(transaction: Transaction) -> None:
        locked = campaigns.lock(transaction, campaign.id)
        if locked is None or not _is_still_due(runtime, campaign, locked):
            return
        moved = after_check(locked, checked, runtime.clock.now())
        if moved.status is CampaignStatus.READY:
            moved = replace(moved, preview=preview(moved.tally, runtime.random), tally=Tally())
        campaigns.save(transaction, moved)

    runtime.database.run(work)


def tally(lines: Sequence[CampaignLine], results: Sequence[SubmissionResult]) -> Tally:
    """Return what came of lines that were tried out; a consent counts once."""
    first = [result.decision for line, result in zip(lines, results, strict=True) if line.is_first]
    reasons = Counter(each.reason.value for each in first if isinstance(each, Refused))
    return Tally(
        people=len(first),
        at_once=sum(isinstance(each, Accepted) for each in first),
        later=sum(isinstance(each, Deferred) for each in first),
        reasons=reasons,
        segments=sum(each.segments for each in results),
    )


def preview(counted: Tally, random: RandomSource) -> Preview:
    """Return what is shown of a tally: buckets of counts with noise, or none of too few people."""
    if counted.people < MIN_PEOPLE:
        return Preview(counted.segments)

    def noisy(count: int) -> float:
        return count + laplace((random.randbelow(1 << UNIFORM_BITS) + 0.5) / (1 << UNIFORM_BITS))

    at_once, later = noisy(counted.at_once), noisy(counted.later)
    reasons = {code: bucket(noisy(count)) for code, count in sorted(counted.reasons.items())}
    return Preview(
        segments=counted.segments,
        at_once=bucket(at_once),
        later=bucket(later),
        not_reached=bucket(counted.people - at_once - later),
        reasons={code: each for code, each in reasons.items() if each.low > 0},
    )


# --- submitting -----------------------------------------------------------------------------------
def _submit(
    runtime: Runtime, submitter: Submitter, campaign: Campaign, lines: Sequence[CampaignLine]
) -> None:
    def claim(transaction: Transaction) -> bool:
        locked = campaigns.lock(transaction, campaign.id)
        return _is_still_due(runtime, campaign, locked)

    def record(transaction: Transaction, results: Sequence[SubmissionResult]) -> None:
        locked = campaigns.find(transaction, campaign.id)
        assert locked is not None  # noqa: S101 - it was claimed
        refused = [
            refused_line(runtime, line, result)
            for line, result in zip(lines, results, strict=True)
            if isinstance(result.decision, Refused)
        ]
        part = campaign.next_part
        sealed = seal_refused(runtime, campaign.id, part, refused) if refused else None
        campaigns.complete_part(transaction, campaign.id, part, sealed)
        accepted = len(lines) - len(refused)
        moved = after_submission(
            locked, accepted, Counter(each.code for each in refused), runtime.clock.now()
        )
        campaigns.save(transaction, moved)

    submitter.submit_part(campaign.merchant_id, [each.request for each in lines], claim, record)
