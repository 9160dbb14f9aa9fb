"""What merchants send and receive about templates."""

from collections.abc import Mapping
from typing import Any, Final

from marshmallow import fields, post_load, validate

from consent_tokens.relay.templates.declaration import MAX_CHOICES, with_well_known
from consent_tokens.relay.templates.grammar import DEFAULT_LENGTHS, MAX_LENGTHS
from consent_tokens.relay.templates.links import MAX_PATTERN_LENGTH
from consent_tokens.relay.templates.template import (
    MAX_TEXT_LENGTH,
    OnOverflow,
    TemplateStatus,
    Variable,
    VariableType,
)
from consent_tokens.services.admission.actors import MAX_REASON_LENGTH
from consent_tokens.services.admission.templates import Submission
from consent_tokens.web.merchant_api.message_decoding import (
    MAX_NAME_LENGTH,
    MAX_TEMPLATE_ID_LENGTH,
)
from consent_tokens.web.merchant_api.purpose_field import PurposeField
from consent_tokens.web.merchant_api.schemas import PageQuery, Strict, is_printable

MAX_DECLARED: Final = 20  # variables; more than five are a fault that is named


class VariableIn(Strict):
    """The type of a variable, and what the type needs."""

    type = fields.Enum(VariableType, by_value=fields.String, required=True)
    max_length = fields.Integer(
        strict=True,
        validate=validate.Range(1, max(MAX_LENGTHS.values())),
        metadata={"description": "The most characters of a value; by default what the type takes."},
    )
    pattern = fields.String(
        load_default="",
        validate=validate.Length(1, MAX_PATTERN_LENGTH),
        metadata={"description": "Of a link: host/path, with * for one part of the path."},
    )
    choices = fields.List(
        fields.String(validate=validate.Length(1, MAX_LENGTHS[VariableType.CHOICE])),
        load_default=(),
        validate=validate.Length(1, MAX_CHOICES),
        metadata={"description": "Of a choice: the values that it can take."},
    )

    @post_load
    def to_variable(self, members: Mapping[str, Any], **_: object) -> Variable:
        """Return the variable."""
        kind: VariableType = members["type"]
        choices = tuple(members["choices"])
        longest = max(map(len, choices), default=DEFAULT_LENGTHS[kind])
        length = members.get("max_length") or longest
        return Variable(kind, length, pattern=members["pattern"], choices=choices)


class TemplateIn(Strict):
    """A template, as it is submitted for review."""

    purpose = PurposeField(required=True, metadata={"example": "orders.updates"})
    text = fields.String(
        required=True,
        validate=validate.Length(1, MAX_TEXT_LENGTH),
        metadata={
            "description": "Variables stand in braces. Well-known names such as {name}, {order} or "
            "{date} have the type that they say.",
            "example": "订单{order}已发出",
        },
    )
    variables = fields.Dict(
        keys=fields.String(validate=validate.Length(1, MAX_NAME_LENGTH)),
        values=fields.Nested(VariableIn),
        load_default=dict,
        validate=validate.Length(max=MAX_DECLARED),
    )
    on_overflow = fields.Enum(
        OnOverflow,
        by_value=fields.String,
        load_default=OnOverflow.REFUSE,
        metadata={"description": "What becomes of a text with a name, place or text too long."},
    )
    event_type = fields.String(
        load_default=None,
        allow_none=True,
        validate=validate.Length(1, 32),
        metadata={"description": "The kind of event that each text is about, such as order."},
    )
    essential = fields.Boolean(
        load_default=False,
        truthy={True},
        falsy={False},
        metadata={"description": "Such as a recall: needs no event, and two approvals."},
    )
    template = fields.String(
        load_default=None,
        allow_none=True,
        validate=[validate.Length(1, MAX_TEMPLATE_ID_LENGTH), is_printable],
        metadata={"description": "The template that this is a new version of."},
    )

    @post_load
    def to_submission(self, members: Mapping[str, Any], **_: object) -> Submission:
        """Return the submission."""
        text = members["text"]
        return Submission(
            purpose=members["purpose"],
            text=text,
            variables=with_well_known(text, members["variables"]),
            on_overflow=members["on_overflow"],
            event_type=members["event_type"],
            is_essential=members["essential"],
            template_id=members["template"],
        )


class TemplatesQuery(PageQuery):
    """Which templates to list."""

    status = fields.Enum(TemplateStatus, by_value=fields.String)
    purpose = PurposeField()
    created_from = fields.AwareDateTime(
        format="iso", metadata={"description": "Only what was submitted at this time or later."}
    )
    created_before = fields.AwareDateTime(
        format="iso", metadata={"description": "Only what was submitted before this time."}
    )


class AppealIn(Strict):
    """An appeal against another purpose."""

    reason = fields.String(
        required=True,
        validate=[validate.Length(1, MAX_REASON_LENGTH), is_printable],
        metadata={"description": "Why the previous purpose is the right one."},
    )
