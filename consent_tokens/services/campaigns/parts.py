"""The parts of a campaign's file as they are stored: sealed, as tokens and texts are secrets."""

from collections.abc import Sequence

from msgspec import Struct
from msgspec.json import decode, encode

from consent_tokens.relay.decision import Refused
from consent_tokens.services.campaigns.faults import Fault
from consent_tokens.services.runtime import Runtime
from consent_tokens.services.submission.message_request import MessageRequest, SubmissionResult


class CampaignLine(Struct, frozen=True):
    """A line that can be read; `is_first` of its consent in the file."""

    number: int
    request: MessageRequest
    is_first: bool


class RefusedLine(Struct, frozen=True):
    """A line that cannot be read, or was refused: its reason code, and what is known besides."""

    number: int
    reference: str
    code: str
    detail: str = ""
    fault: Fault | None = None  # of a line that cannot be read, for pages
    decision: str = ""  # public id of the event that records the refusal


def refused_line(runtime: Runtime, line: CampaignLine, result: SubmissionResult) -> RefusedLine:
    """Return a line that the relay refused."""
    refusal, event = result.decision, result.event
    assert isinstance(refusal, Refused)  # noqa: S101 - the caller asks
    return RefusedLine(
        line.number,
        line.request.reference or "",
        refusal.reason.value,
        _detail(refusal),
        decision=runtime.ids.decision.encode(event) if event else "",
    )


def _detail(refusal: Refused) -> str:
    """Return what a refusal says besides its reason."""
    fault = refusal.field_fault
    parts = [
        *([refusal.text_fault.value] if refusal.text_fault else []),
        *([f"{fault.field}: {fault.detail or fault.why}"] if fault else []),
        *(each.id for each in refusal.rules),
        *([refusal.next_at.isoformat()] if refusal.next_at else []),
    ]
    return "; ".join(parts)


def seal_lines(
    runtime: Runtime, campaign_id: str, part: int, lines: Sequence[CampaignLine]
) -> bytes:
    """Return the lines of a part, sealed."""
    return runtime.seal_envelope(encode(lines), _bound_to("lines", campaign_id, part))


def open_lines(runtime: Runtime, campaign_id: str, part: int, sealed: bytes) -> list[CampaignLine]:
    """Return the lines of a part. Raises KeyUnavailableError, SealBrokenError."""
    plain = runtime.open_envelope(sealed, _bound_to("lines", campaign_id, part))
    return decode(plain, type=list[CampaignLine])


def seal_refused(
    runtime: Runtime, campaign_id: str, part: int, refused: Sequence[RefusedLine]
) -> bytes:
    """Return what was refused of a part, sealed: references may say who somebody is."""
    return runtime.seal_envelope(encode(refused), _bound_to("refused", campaign_id, part))


def open_refused(runtime: Runtime, campaign_id: str, part: int, sealed: bytes) -> list[RefusedLine]:
    """Return what was refused of a part. Raises KeyUnavailableError, SealBrokenError."""
    plain = runtime.open_envelope(sealed, _bound_to("refused", campaign_id, part))
    return decode(plain, type=list[RefusedLine])


def _bound_to(what: str, campaign_id: str, part: int) -> bytes:
    return f"campaign {what}\n{campaign_id}\n{part}".encode()
