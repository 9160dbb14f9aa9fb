"""Upload a campaign: its lines are sealed and stored, and then checked by the dispatcher."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from hashlib import sha256
from zoneinfo import ZoneInfo

from consent_tokens.errors import InvalidError, TokenMalformedError
from consent_tokens.evidence.events import EventKind
from consent_tokens.policies import RateLimit
from consent_tokens.relay.campaign import PART_SIZE, Campaign, CampaignStatus
from consent_tokens.relay.composition import is_displayable
from consent_tokens.services.campaigns.parts import (
    CampaignLine,
    RefusedLine,
    seal_lines,
    seal_refused,
)
from consent_tokens.services.merchant_records import get_merchant, record_event
from consent_tokens.services.rate_limits import acquire
from consent_tokens.services.runtime import Runtime
from consent_tokens.services.submission.message_request import MessageRequest
from consent_tokens.store import campaigns
from consent_tokens.store.database import Transaction
from consent_tokens.tokens.verify import read

MAX_LINES = 10_000  # of one file, which has at most 8 MiB
# of a merchant: each tells something about who would be reached
UPLOADS = RateLimit(10, timedelta(days=1))
MAX_NAME_LENGTH = 100  # characters


@dataclass(frozen=True, slots=True)
class UploadedLine:
    """A line as it was read: a message with its number, or what is wrong with it."""

    number: int
    read: MessageRequest | RefusedLine


@dataclass(frozen=True, slots=True, kw_only=True)
class Upload:
    """A file that somebody of a merchant uploads, with what is set for all of its lines."""

    merchant_id: str
    person_id: str
    name: str
    lines: Sequence[UploadedLine] = field(repr=False)
    timezone: ZoneInfo
    template_id: str | None = None
    sender_id: str | None = None


def add_campaign(runtime: Runtime, upload: Upload) -> Campaign:
    """Store a campaign to be checked.

    Raises InvalidError for a name that is not valid, a file without a line that can be read or with
    more than MAX_LINES; TooManyRequestsError for more UPLOADS.
    """
    lines = _lines(upload)
    faulty = [each.read for each in upload.lines if isinstance(each.read, RefusedLine)]
    _check(upload, lines)
    now = runtime.clock.now()
    campaign = Campaign(
        id=f"cam_{runtime.random.token_bytes(8).hex()}",
        merchant_id=upload.merchant_id,
        name=upload.name,
        status=CampaignStatus.CHECKING,
        lines=len(lines),
        faulty=len(faulty),
        created_at=now,
        created_by=upload.person_id,
        changed_at=now,
        due_at=now,
        template_id=upload.template_id,
        sender_id=upload.sender_id,
        timezone=upload.timezone,
    )
    parts = {
        part: seal_lines(runtime, campaign.id, part, lines[first : first + PART_SIZE])
        for part, first in enumerate(range(0, len(lines), PART_SIZE))
    }
    sealed = seal_refused(runtime, campaign.id, campaigns.FAULTY_PART, faulty)
    uploads_key = runtime.rate_limit_key("campaigns", upload.merchant_id)

    def work(transaction: Transaction) -> None:
        acquire(transaction, uploads_key, [UPLOADS], now)
        campaigns.add(transaction, campaign)
        campaigns.add_parts(transaction, campaign.id, parts, sealed)
        merchant = get_merchant(transaction, upload.merchant_id)
        kind = EventKind.CAMPAIGN_UPLOADED
        record_event(runtime, transaction, merchant, kind, campaign.id, upload.person_id)

    runtime.database.run(work)
    return campaign


def _check(upload: Upload, lines: Sequence[CampaignLine]) -> None:
    errors: dict[str, list[str]] = {}
    name = upload.name
    if not name or len(name) > MAX_NAME_LENGTH or not is_displayable(name):
        errors["name"] = [f"must be 1 to {MAX_NAME_LENGTH} characters"]
    if len(upload.lines) > MAX_LINES:
        errors["file"] = [f"has more than {MAX_LINES} lines"]
    elif not lines:
        errors["file"] = ["has no line that can be read"]
    if errors:
        raise InvalidError(errors)


def _lines(upload: Upload) -> list[CampaignLine]:
    """Return the lines that can be read, each marked whether its consent comes first there."""
    seen: set[str] = set()
    found: list[CampaignLine] = []
    for each in upload.lines:
        if isinstance(each.read, MessageRequest):
            consent = _consent_of(each.read.token)
            found.append(CampaignLine(each.number, each.read, consent not in seen))
            seen.add(consent)
    return found


def _consent_of(token: str) -> str:
    """Return what stands for the consent of a token: its id, else a digest of the token."""
    try:
        claims = read(token).claims
    except TokenMalformedError:
        claims = None
    return claims.jti if claims else sha256(token.encode()).hexdigest()
