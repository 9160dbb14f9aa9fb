"""Schemas of plans: what a merchant states, and how much of it was used."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from marshmallow import fields, post_load, pre_dump, validate

from consent_tokens.relay.plan import PlanStatus
from consent_tokens.services.plans import MAX_MESSAGES, PlanStanding, PlanTerms
from consent_tokens.web.merchant_api.answers import AnswerSchema, PageAnswer
from consent_tokens.web.merchant_api.purpose_field import PurposeField
from consent_tokens.web.merchant_api.schemas import (
    MAX_REFERENCE_LENGTH,
    PageQuery,
    Strict,
    is_printable,
)

MAX_ID_LENGTH = 40  # of templates and senders


def _time(words: str, example: str) -> fields.AwareDateTime:
    return fields.AwareDateTime(
        format="iso", required=True, metadata={"description": words, "example": example}
    )


def _text(most: int, words: str) -> fields.String:
    return fields.String(
        load_default=None,
        allow_none=True,
        validate=[validate.Length(1, most), is_printable],
        metadata={"description": words},
    )


class PlanIn(Strict):
    """What a merchant plans to send: a number of messages that leave in a time.

    Without purpose, template and sender it is for all marketing and finance messages.
    """

    starts_at = _time("When the first message leaves.", "2026-11-11T00:00:00Z")
    ends_at = _time(
        "Up to when messages leave, this time not included; within 31 days.", "2026-11-12T00:00:00Z"
    )
    messages = fields.Integer(
        required=True,
        strict=True,
        validate=validate.Range(1, MAX_MESSAGES),
        metadata={"description": "How many messages leave at most.", "example": 50_000},
    )
    purpose = PurposeField(
        load_default=None, allow_none=True, metadata={"description": "Only of this purpose."}
    )
    template = _text(MAX_ID_LENGTH, "Only of this template.")
    sender = _text(MAX_ID_LENGTH, "Only from this sender.")
    reference = _text(MAX_REFERENCE_LENGTH, "Your own name of the plan.")

    @post_load
    def to_terms(self, members: Mapping[str, Any], **_: object) -> PlanTerms:
        """Return the terms, to the second."""
        starts_at: datetime = members["starts_at"]
        ends_at: datetime = members["ends_at"]
        return PlanTerms(
            starts_at=starts_at.replace(microsecond=0),
            ends_at=ends_at.replace(microsecond=0),
            messages=members["messages"],
            purpose=members["purpose"],
            template_id=members["template"],
            sender_id=members["sender"],
            reference=members["reference"],
        )


class PlanAnswer(AnswerSchema):
    """A plan, and what was accepted of it."""

    id = fields.String(required=True)
    status = fields.Enum(PlanStatus, by_value=fields.String, required=True)
    starts_at = fields.DateTime(required=True)
    ends_at = fields.DateTime(required=True)
    messages = fields.Integer(required=True, metadata={"description": "How many are planned."})
    purpose = fields.String(required=True, allow_none=True)
    template = fields.String(required=True, allow_none=True)
    sender = fields.String(required=True, allow_none=True)
    reference = fields.String(required=True, allow_none=True)
    accepted = fields.Integer(
        required=True, metadata={"description": "Messages that were accepted to leave in it."}
    )
    refused = fields.Integer(
        required=True, metadata={"description": "Messages refused because it was used up."}
    )
    created_at = fields.DateTime(required=True)
    stated_at = fields.DateTime(
        required=True,
        metadata={"description": "Since when it plans no less. Rules want plans some time before."},
    )

    @pre_dump
    def to_members(self, standing: PlanStanding, **_: object) -> dict[str, Any]:
        """Return the members."""
        plan = standing.plan
        return {
            "id": plan.id,
            "status": standing.status,
            "starts_at": plan.starts_at,
            "ends_at": plan.ends_at,
            "messages": plan.messages,
            "purpose": plan.purpose,
            "template": plan.template_id,
            "sender": plan.sender_id,
            "reference": plan.reference,
            "accepted": plan.accepted,
            "refused": plan.excess,
            "created_at": plan.created_at,
            "stated_at": plan.stated_at,
        }


class PlanPage(PageAnswer):
    """A page of the merchant's plans, the oldest first."""

    items = fields.List(fields.Nested(PlanAnswer), required=True)


class PlansQuery(PageQuery):
    """Which plans to list."""

    status = fields.Enum(PlanStatus, by_value=fields.String)
    reference = fields.String(
        validate=[validate.Length(1, MAX_REFERENCE_LENGTH), is_printable],
        metadata={"example": "double-11-first-wave"},
    )
