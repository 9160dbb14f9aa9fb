"""What merchants receive about templates."""

from typing import Any

from marshmallow import fields, pre_dump, validate

from consent_tokens.consent.purposes import PurposeClass
from consent_tokens.relay.composition import Coding
from consent_tokens.relay.pacing import Pacing, PacingStatus
from consent_tokens.relay.templates.moves import AppealStatus, MoveStatus
from consent_tokens.relay.templates.template import (
    MAX_TEXTS_PER_EVENT,
    OnOverflow,
    TemplateStatus,
    VariableType,
)
from consent_tokens.services.admission.template_standings import TemplateStanding
from consent_tokens.web.merchant_api.answers import AnswerSchema, PageAnswer


class VariableAnswer(AnswerSchema):
    """A variable of a template."""

    type = fields.Enum(VariableType, by_value=fields.String, required=True)
    max_length = fields.Integer(required=True)
    pattern = fields.String(required=True, metadata={"description": "Empty unless a link."})
    choices = fields.List(
        fields.String(), required=True, metadata={"description": "Empty unless a choice."}
    )


class PreviewAnswer(AnswerSchema):
    """The longest text that a template can make."""

    text = fields.String(
        required=True,
        metadata={"description": "With the longest value of each variable, signature and opt-out."},
    )
    coding = fields.Enum(
        Coding,
        by_value=fields.String,
        required=True,
        metadata={"description": "How the text is encoded: GSM 7-bit, or UCS-2."},
    )
    segments = fields.Integer(
        required=True, metadata={"description": "In how many segments the text leaves."}
    )
    characters_left = fields.Integer(
        required=True, metadata={"description": "In the last segment, in this coding."}
    )
    max_segments = fields.Integer(
        required=True, metadata={"description": "With values that GSM 7-bit cannot encode."}
    )


class RulingAnswer(AnswerSchema):
    """How texts of a kind are classed, and why."""

    id = fields.String(required=True, metadata={"description": "Such as abandoned_basket."})
    purpose_class = fields.Enum(
        PurposeClass,
        by_value=fields.String,
        required=True,
        data_key="class",
        metadata={"description": "The class of purposes that such texts are of."},
    )
    about = fields.String(required=True, metadata={"description": "Which texts it is about."})
    why = fields.String(required=True, metadata={"description": "Why they are of this class."})


class MoveAnswer(AnswerSchema):
    """The last decision to put a template under another purpose."""

    previous_purpose = fields.String(
        required=True, metadata={"description": "The purpose before the decision."}
    )
    purpose = fields.String(required=True, metadata={"description": "The other purpose."})
    status = fields.Enum(
        MoveStatus,
        by_value=fields.String,
        required=True,
        metadata={
            "description": "`announced`: the previous purpose holds until takes_effect_at. "
            "`in_effect`: the other one holds. `reversed`: an appeal was upheld. `dropped`: "
            "another decision came before it took effect, or the template was withdrawn."
        },
    )
    reason = fields.String(required=True, metadata={"description": "Why it was decided."})
    decided_at = fields.AwareDateTime(
        required=True, metadata={"description": "When; an appeal is possible for 60 days."}
    )
    takes_effect_at = fields.AwareDateTime(
        required=True, metadata={"description": "From when on messages name the other purpose."}
    )
    appeal_status = fields.Enum(
        AppealStatus,
        by_value=fields.String,
        required=True,
        allow_none=True,
        metadata={"description": "Null if there is no appeal; upheld, the purpose is as before."},
    )


class PacingAnswer(AnswerSchema):
    """How the texts of a new template leave: part by part, as people react to them."""

    status = fields.Enum(
        PacingStatus,
        by_value=fields.String,
        required=True,
        metadata={
            "description": "`open`: in one of its parts. `held`: nothing leaves. `dropped`: what "
            "was held is refused. `proven`: its texts leave at once."
        },
    )
    stage = fields.Integer(
        required=True, metadata={"description": "1 is the first part of its texts."}
    )
    let_go = fields.Integer(
        required=True, metadata={"description": "Texts that were let go, until it is proven."}
    )
    held = fields.Integer(required=True, metadata={"description": "Messages that are held back."})
    people = fields.Integer(required=True, metadata={"description": "Who got a text of it."})
    stops = fields.Integer(
        required=True, metadata={"description": "People who stopped you after a text of it."}
    )
    part_left_at = fields.AwareDateTime(
        required=True,
        allow_none=True,
        metadata={"description": "Since when people have time to react to this part."},
    )
    held_at = fields.AwareDateTime(
        required=True, allow_none=True, metadata={"description": "Since when it is held."}
    )
    waiting_since = fields.AwareDateTime(
        required=True, allow_none=True, metadata={"description": "For the decision of a person."}
    )
    checked_at = fields.AwareDateTime(
        required=True, metadata={"description": "When these figures were counted."}
    )

    @pre_dump
    def to_members(self, pacing: Pacing, **_: object) -> dict[str, Any]:
        """Return the members. Complaints are not among them: those are shown by the day."""
        return {
            "status": pacing.status,
            "stage": pacing.stage + 1,
            "let_go": pacing.taken,
            "held": pacing.held,
            "people": pacing.seen.people,
            "stops": pacing.seen.stops,
            "part_left_at": pacing.left_at,
            "held_at": pacing.held_at,
            "waiting_since": pacing.waiting_since,
            "checked_at": pacing.checked_at,
        }


class TemplateAnswer(AnswerSchema):
    """The newest version of a template."""

    id = fields.String(
        required=True, metadata={"description": "Names the template in messages, of any version."}
    )
    version = fields.Integer(
        required=True, metadata={"description": "Counts the versions of the template, from 1."}
    )
    status = fields.Enum(
        TemplateStatus,
        by_value=fields.String,
        required=True,
        metadata={
            "description": "Of this version. `submitted`: nobody has decided. `approved`: its "
            "texts leave. `refused`: they do not; see reason. `held`: not until somebody has "
            "looked at it. `withdrawn`: never again."
        },
    )
    purpose = fields.String(
        required=True, metadata={"description": "The purpose that its messages have to name."}
    )
    text = fields.String(
        required=True, metadata={"description": "As submitted, with variables in braces."}
    )
    variables = fields.Dict(
        keys=fields.String(),
        values=fields.Nested(VariableAnswer),
        required=True,
        metadata={"description": "The variables of the text, by name."},
    )
    on_overflow = fields.Enum(
        OnOverflow,
        by_value=fields.String,
        required=True,
        metadata={
            "description": "`truncate`: a name, place or text too long is cut. `refuse`: the "
            "message is refused."
        },
    )
    event_type = fields.String(
        required=True,
        allow_none=True,
        metadata={"description": "Null if its texts need no event."},
    )
    texts_per_event = fields.Integer(
        required=True,
        validate=validate.Range(1, MAX_TEXTS_PER_EVENT),
        metadata={"description": "How many texts one event may have, as the reviewer decided."},
    )
    essential = fields.Boolean(
        required=True,
        metadata={"description": "Whether it needs no event, and two approvals."},
    )
    approved_version = fields.Integer(
        required=True,
        allow_none=True,
        metadata={"description": "The version whose texts leave now; null if none does."},
    )
    reason = fields.String(
        required=True,
        allow_none=True,
        metadata={"description": "What the reviewer wrote to this version; null if nothing."},
    )
    submitted_at = fields.AwareDateTime(
        required=True, metadata={"description": "When this version was submitted."}
    )
    decided_at = fields.AwareDateTime(
        required=True,
        allow_none=True,
        metadata={"description": "When its status was decided; null if nobody has."},
    )
    preview = fields.Nested(
        PreviewAnswer,
        required=True,
        metadata={"description": "The longest text that the template can make, as it is sent."},
    )
    marks = fields.List(
        fields.String(),
        required=True,
        metadata={"description": "What the automatic check shows to the reviewer; advisory."},
    )
    rulings = fields.List(
        fields.Nested(RulingAnswer),
        required=True,
        metadata={"description": "Public rulings that the text may fall under."},
    )
    other_purpose = fields.Nested(
        MoveAnswer,
        required=True,
        allow_none=True,
        metadata={"description": "Null if it was never put under another purpose."},
    )
    pacing = fields.Nested(
        PacingAnswer,
        required=True,
        allow_none=True,
        metadata={"description": "Null if its texts leave at once."},
    )

    @pre_dump
    def to_members(self, standing: TemplateStanding, **_: object) -> dict[str, Any]:
        """Return the members of the answer."""
        version, template = standing.version, standing.version.template
        return {
            "id": template.id,
            "version": template.version,
            "status": template.status,
            "purpose": template.purpose,
            "text": template.text,
            "variables": template.variables,
            "on_overflow": template.on_overflow,
            "event_type": template.event_type,
            "texts_per_event": template.texts_per_event,
            "essential": template.is_essential,
            "approved_version": standing.approved_version,
            "reason": version.reason,
            "submitted_at": version.submitted_at,
            "decided_at": version.decided_at,
            "preview": standing.preview,
            "marks": version.findings,
            "rulings": standing.rulings,
            "other_purpose": standing.move,
            "pacing": standing.pacing,
        }


class TemplatePage(PageAnswer):
    """A page of templates, the oldest first."""

    items = fields.List(fields.Nested(TemplateAnswer), required=True)
