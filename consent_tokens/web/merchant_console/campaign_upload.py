"""Read the form that uploads a campaign: the file, with a template and a sender for all lines."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from io import BytesIO
from itertools import islice
from typing import IO, Final, Literal

from flask import request
from marshmallow import ValidationError
from msgspec.json import encode

from consent_tokens.errors import InvalidError
from consent_tokens.listing import ListFilter
from consent_tokens.localization import N_
from consent_tokens.services.admission.sender_list import SenderStatus
from consent_tokens.services.admission.sender_standings import SenderStanding, list_standings
from consent_tokens.services.admission.template_standings import TemplateStanding, list_templates
from consent_tokens.services.campaigns.campaign_file import CampaignFile, Line
from consent_tokens.services.campaigns.faults import CampaignFileError, Fault
from consent_tokens.services.campaigns.parts import RefusedLine
from consent_tokens.services.campaigns.uploads import MAX_LINES, Upload, UploadedLine
from consent_tokens.web.consoles.session import person
from consent_tokens.web.consumer.form_fields import text
from consent_tokens.web.merchant_api.message_schemas import MessageIn
from consent_tokens.web.merchant_api.parsing import flatten_errors
from consent_tokens.web.request_context import app_context, runtime

MAX_OFFERED: Final = 200  # templates, and senders
NO_FILE: Final = N_("Choose a file.")
FIELDS: Final = Fault(N_("Missing or not valid: %(fields)s."))
UNREADABLE, INVALID = "unreadable", "invalid"


@dataclass(frozen=True, slots=True)
class UploadedFile:
    """An uploaded file, in memory."""

    name: str
    content: bytes = field(repr=False)

    def open(self, _mode: Literal["rb"], /) -> IO[bytes]:
        """Open it, from the beginning."""
        return BytesIO(self.content)


def offered_templates(merchant_id: str) -> list[TemplateStanding]:
    """Return the approved templates of a merchant."""
    wanted = ListFilter(limit=MAX_OFFERED, is_newest_first=True)
    found = list_templates(runtime(), wanted, merchant_id=merchant_id)
    return [each for each in found if each.approved_version is not None]


def offered_senders(merchant_id: str) -> list[SenderStanding]:
    """Return the senders of a merchant that are in use."""
    found = list_standings(runtime(), merchant_id, ListFilter(limit=MAX_OFFERED))
    return [each for each in found if each.status is SenderStatus.ADMITTED]


def read_upload(merchant_id: str) -> Upload:
    """Return what the form uploads. Raises InvalidError, and CampaignFileError for its file."""
    file = request.files.get("file")
    content = file.read() if file else b""
    if file is None or not content:
        raise CampaignFileError(NO_FILE)
    name = (file.filename or "").replace("\0", "")
    template_id, sender_id = text("template", 40) or None, text("sender", 40) or None
    timezone = app_context().consent.default_timezone
    source = UploadedFile(name, content)
    supplied = _supplied(merchant_id, template_id)
    campaign = CampaignFile.open(source, timezone, text("encoding", 40) or None, supplied)
    if sender_id and sender_id not in {each.sender.id for each in offered_senders(merchant_id)}:
        raise InvalidError({"sender": ["unknown"]})
    return Upload(
        merchant_id=merchant_id,
        person_id=person().id,
        name=text("name") or name,
        lines=read_lines(campaign),
        timezone=timezone,
        template_id=template_id,
        sender_id=sender_id,
    )


def _supplied(merchant_id: str, template_id: str | None) -> dict[str, str]:
    """Return the members that a chosen template gives to every line. Raises InvalidError."""
    if template_id is None:
        return {}
    for each in offered_templates(merchant_id):
        if each.version.template.id == template_id:
            return {"template": template_id, "purpose": each.version.template.purpose}
    raise InvalidError({"template": ["unknown"]})


def read_lines(campaign: CampaignFile) -> Sequence[UploadedLine]:
    """Return the lines of a file, one more than allowed if there are too many."""
    return [_read(line) for line in islice(campaign.lines(), MAX_LINES + 1)]


def _read(line: Line) -> UploadedLine:
    if line.error:
        refused = RefusedLine(line.number, "", UNREADABLE, str(line.error), line.error)
        return UploadedLine(line.number, refused)
    try:
        message = MessageIn().read_fast(encode(line.body)) or MessageIn().load(dict(line.body))
    except ValidationError as error:
        return UploadedLine(line.number, _invalid(line, flatten_errors(error.messages)))
    return UploadedLine(line.number, message)


def _invalid(line: Line, errors: dict[str, list[str]]) -> RefusedLine:
    detail = "; ".join(f"{name}: {' '.join(why)}" for name, why in sorted(errors.items()))
    fault = Fault(FIELDS.text, {"fields": ", ".join(sorted(errors))})
    reference = str(line.body.get("reference", ""))[:100]
    return RefusedLine(line.number, reference, INVALID, detail, fault)
