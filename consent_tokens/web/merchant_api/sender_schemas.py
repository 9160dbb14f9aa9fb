"""Schemas of senders: what a merchant applies for, and how its senders stand."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from marshmallow import fields, post_load, pre_dump, validate

from consent_tokens.consent.purposes import PurposeClass
from consent_tokens.relay.admission.sender_rules import MAX_SIGNATURE_LENGTH, SignatureSource
from consent_tokens.services.admission.sender_standings import STATUSES, SenderStanding
from consent_tokens.services.admission.senders import MAX_LENGTHS, SenderDetails
from consent_tokens.web.merchant_api.answers import AnswerSchema, PageAnswer
from consent_tokens.web.merchant_api.schemas import Strict, is_printable


def _text(name: str, description: str) -> fields.String:
    return fields.String(
        load_default=None,
        allow_none=True,
        validate=[validate.Length(1, MAX_LENGTHS[name]), is_printable],
        metadata={"description": description},
    )


class SenderIn(Strict):
    """A sender that a merchant applies for."""

    port = fields.String(
        required=True, validate=validate.Regexp(r"^[0-9]{3,12}\Z"), metadata={"example": "10690001"}
    )
    extension = fields.String(
        load_default="",
        validate=validate.Regexp(r"^[0-9]{0,8}\Z"),
        metadata={"description": "Digits after the port.", "example": "12"},
    )
    signature = fields.String(
        required=True,
        validate=[validate.Length(1, MAX_SIGNATURE_LENGTH + 2), is_printable],
        metadata={"description": "The name before texts.", "example": "晨光书店"},
    )
    source = fields.Enum(
        SignatureSource,
        by_value=fields.String,
        load_default=SignatureSource.COMPANY,
        metadata={"description": "Why the signature is yours; all but `company` need evidence."},
    )
    evidence = _text("evidence", "Of the source, such as the number of a trademark.")
    classes = fields.List(
        fields.Enum(PurposeClass, by_value=fields.String),
        load_default=None,
        allow_none=True,
        validate=validate.Length(1, len(PurposeClass)),
        metadata={"description": "What is to leave from it; else all that you are admitted for."},
    )
    carrier = _text("carrier", "The carrier or SMS provider that admitted the port.")
    licence = _text("licence", "The licence that the port was filed under.")
    filed_use = _text("filed_use", "What the carrier was told it is for.")
    valid_until = fields.AwareDateTime(
        load_default=None,
        allow_none=True,
        default_timezone=UTC,
        metadata={"description": "When nothing leaves from it any more; at most 20 years ahead."},
    )

    @post_load
    def to_form(
        self, members: Mapping[str, Any], **_: object
    ) -> tuple[str, str, str, SenderDetails]:
        """Return port, extension and signature, and what else is known of the sender."""
        classes = members["classes"]
        details = SenderDetails(
            classes=None if classes is None else frozenset(classes),
            carrier=members["carrier"],
            licence=members["licence"],
            filed_use=members["filed_use"],
            valid_until=members["valid_until"],
            source=members["source"],
            evidence=members["evidence"],
        )
        return members["port"], members["extension"], members["signature"], details


class SenderAnswer(AnswerSchema):
    """A sender, and whether texts may leave from it."""

    id = fields.String(required=True, metadata={"description": "The same once it is admitted."})
    status = fields.String(
        required=True,
        validate=validate.OneOf(STATUSES),
        metadata={
            "description": "`submitted`: nobody has decided; nothing leaves from it. `admitted`: "
            "texts may leave from it. `refused`: it was not admitted; see reason. `expired`: its "
            "valid_until is past. `revoked`: for good; nothing leaves from it any more."
        },
    )
    port = fields.String(required=True, metadata={"description": "The carrier's number."})
    extension = fields.String(
        required=True, metadata={"description": "The digits behind the port; may be empty."}
    )
    signature = fields.String(required=True, metadata={"description": "The name before texts."})
    classes = fields.List(
        fields.Enum(PurposeClass, by_value=fields.String),
        required=True,
        allow_none=True,
        metadata={"description": "What may leave from it; null: all that you are admitted for."},
    )
    carrier = fields.String(
        required=True,
        allow_none=True,
        metadata={"description": "That admitted the port; null if it was not said."},
    )
    valid_until = fields.DateTime(
        required=True,
        allow_none=True,
        metadata={"description": "When nothing leaves from it any more; null: no end is set."},
    )
    since = fields.DateTime(
        required=True, metadata={"description": "When it was admitted, or applied for."}
    )
    reason = fields.String(
        required=True, allow_none=True, metadata={"description": "Why it was refused."}
    )

    @pre_dump
    def to_members(self, standing: SenderStanding, **_: object) -> dict[str, Any]:
        """Return the members."""
        sender = standing.sender
        classes = None if sender.classes is None else sorted(sender.classes)
        until: datetime | None = sender.valid_until
        return {
            "id": sender.id,
            "status": standing.status.value,
            "port": sender.port,
            "extension": sender.extension,
            "signature": sender.signature,
            "classes": classes,
            "carrier": sender.carrier,
            "valid_until": until,
            "since": sender.admitted_at,
            "reason": standing.reason,
        }


class SenderPage(PageAnswer):
    """A page of the merchant's senders, the oldest first."""

    items = fields.List(fields.Nested(SenderAnswer), required=True)
