"""What merchants receive: schemas that render the services' values and describe the answers."""

from datetime import datetime
from typing import Any, Final

from marshmallow import RAISE, Schema, fields, pre_dump, validate

from consent_tokens.clock import start_of_day
from consent_tokens.consent.grant import GrantStatus
from consent_tokens.consent.purposes import in_catalogue_order
from consent_tokens.consent.request import ConsentRequest, RequestStatus
from consent_tokens.consent.scope import SMS, Scope, format_time_of_day
from consent_tokens.crypto.opaque_ids import OpaqueIdCodec
from consent_tokens.evidence.complaints import (
    ComplaintReason,
)
from consent_tokens.relay.admission.api_access import ApiScope
from consent_tokens.relay.decision import Reason
from consent_tokens.relay.message import Message, MessageStatus
from consent_tokens.row_key import RowKey
from consent_tokens.services.consents.requests import RequestStanding
from consent_tokens.services.consents.tokens import Introspection
from consent_tokens.services.submission.message_status import ShownMessage
from consent_tokens.web import problems
from consent_tokens.web.merchant_api.purpose_field import PurposeField
from consent_tokens.web.reasons import REASON_TEXTS
from consent_tokens.web.request_context import runtime

TOKEN_TYPE: Final = "consent+jwt"  # noqa: S105 - a name, not a secret
PROBLEM_CODES: Final = [*problems.DETAILS, *map(str, REASON_TEXTS)]


class PublicId(fields.String):
    """The public id of a row key; `kind` is that of `OpaqueIds`."""

    def __init__(self, kind: str, **options: Any) -> None:  # noqa: ANN401 - marshmallow's
        super().__init__(**options)
        self.kind = kind

    def _serialize(
        self, value: object, attr: str | None, obj: object, **kwargs: object
    ) -> str | None:
        codec: OpaqueIdCodec = getattr(runtime().ids, self.kind)
        public_id = codec.encode(value) if isinstance(value, RowKey) else None
        return super()._serialize(public_id, attr, obj, **kwargs)


class AnswerSchema(Schema):
    """A schema that names every member of its answers."""

    class Meta:
        """Options of marshmallow."""

        unknown = RAISE  # described as `additionalProperties: false`


class Explanation(AnswerSchema):
    """Why a message was refused or failed."""

    code = fields.String(required=True, validate=validate.OneOf([*map(str, REASON_TEXTS)]))
    words = fields.String(required=True)


class RuleAnswer(AnswerSchema):
    """A rule that does not allow what was asked or sent."""

    id = fields.String(required=True, metadata={"example": "cn.marketing.cap_per_month"})
    words = fields.String(required=True)
    source = fields.String(required=True)
    article = fields.String(required=True)


class Problem(AnswerSchema):
    """A problem (RFC 9457, 3.1), with a stable `code`, and `errors` by field."""

    type = fields.String(required=True, metadata={"format": "uri"})
    title = fields.String(required=True)
    status = fields.Integer(required=True, metadata={"example": 422})
    detail = fields.String(required=True)
    code = fields.String(required=True, validate=validate.OneOf(PROBLEM_CODES))
    errors = fields.Dict(keys=fields.String(), values=fields.List(fields.String()))
    rules = fields.List(
        fields.Nested(RuleAnswer),
        metadata={"description": "The rules that led to it, in the order in which they were met."},
    )
    decision = fields.String(
        metadata={
            "description": "The id of a refused message's decision: the operator can explain it.",
            "example": "dec_q83vEjRWeJCrze8SNFZ4kA",
        }
    )
    pointer = fields.String(
        metadata={"description": "JSON pointer (RFC 6901) of the fault in a body."}
    )
    offset = fields.Integer(metadata={"description": "Byte offset of the fault in a body."})
    scopes = fields.List(
        fields.String(validate=validate.OneOf([each.value for each in ApiScope])),
        metadata={"description": "One of these is needed."},
    )
    explain = fields.Nested(Explanation)
    next_at = fields.String(
        metadata={"format": "date-time", "description": "When to try again, if ever."}
    )


class ScopeAnswer(AnswerSchema):
    """What a consumer agreed to."""

    purposes = fields.List(PurposeField(), required=True)
    channels = fields.List(fields.String(validate=validate.Equal(SMS)), required=True)
    max_messages = fields.Integer(required=True)
    per_days = fields.Integer(required=True)
    opens = fields.String(required=True, data_key="from", metadata={"example": "09:00"})
    closes = fields.String(required=True, data_key="to", metadata={"example": "21:00"})
    tz = fields.String(
        required=True,
        metadata={
            "description": "IANA time zone, or several separated by a space: all bind.",
            "example": "Asia/Shanghai",
        },
    )
    expires_at = fields.DateTime(required=True)

    @pre_dump
    def to_members(self, scope: Scope, **_: object) -> dict[str, Any]:
        """Return the members."""
        return {
            "purposes": in_catalogue_order(scope.purposes),
            "channels": [SMS],
            "max_messages": scope.frequency_cap.limit,
            "per_days": scope.frequency_cap.window.days,
            "opens": format_time_of_day(scope.send_window.opens),
            "closes": format_time_of_day(scope.send_window.closes),
            "tz": scope.send_window.timezone_names,
            "expires_at": scope.ends_at,
        }


class ConsentRequestAnswer(AnswerSchema):
    """A consent request; with `grant` and `scope` once it was granted."""

    id = PublicId("request", required=True)
    status = fields.Enum(RequestStatus, by_value=fields.String, required=True)
    consent_url = fields.String(required=True, metadata={"format": "uri"})
    qr_url = fields.String(required=True, metadata={"format": "uri"})
    expires_at = fields.DateTime(required=True)
    reference = fields.String(required=True, allow_none=True)
    grant = PublicId("grant")
    scope = fields.Nested(ScopeAnswer, allow_none=True)

    @pre_dump
    def to_members(self, found: ConsentRequest | RequestStanding, **_: object) -> dict[str, Any]:
        """Return the members of a new request, or of one with the scope as granted."""
        standing = RequestStanding(found, None) if isinstance(found, ConsentRequest) else found
        request = standing.request
        url = f"{runtime().service.base_url}/c/{runtime().ids.consent_page.encode(request.key)}"
        members = {
            "id": request.key,
            "status": request.status_at(runtime().clock.now()),
            "consent_url": url,
            "qr_url": f"{url}/qr.svg",
            "expires_at": request.expires_at,
            "reference": request.terms.reference,
        }
        if request.grant_key is None:
            return members
        return members | {"grant": request.grant_key, "scope": standing.scope}


class TokenAnswer(AnswerSchema):
    """A consent token, and the id of its grant."""

    token = fields.String(required=True)
    grant = fields.String(required=True, attribute="grant_id")


class GrantAnswer(AnswerSchema):
    """A grant: its status, what is left of its cap, and the next possible time."""

    id = fields.String(required=True, attribute="grant_id")
    status = fields.Enum(GrantStatus, by_value=fields.String, required=True)
    request = PublicId("request", required=True, allow_none=True, attribute="request_key")
    reference = fields.String(required=True, allow_none=True)
    scope = fields.Nested(ScopeAnswer, required=True, attribute="grant.scope")
    granted_at = fields.DateTime(required=True, attribute="grant.granted_at")
    remaining = fields.Integer(required=True)
    next_at = fields.DateTime(required=True, allow_none=True)


class IntrospectionAnswer(AnswerSchema):
    """RFC 7662, 2.2; `{"active": false}` alone for whatever is not a live token of yours."""

    active = fields.Boolean(required=True)
    iss = fields.String()
    aud = fields.String()
    client_id = fields.String()
    jti = fields.String(metadata={"description": "The id of the grant."})
    iat = fields.Integer()
    exp = fields.Integer()
    scope = fields.String(metadata={"example": "marketing.events orders.updates"})
    token_type = fields.String(validate=validate.Equal(TOKEN_TYPE))
    remaining = fields.Integer()
    next_at = fields.DateTime(allow_none=True)

    @pre_dump
    def to_members(self, found: Introspection | None, **_: object) -> dict[str, Any]:
        """Return the members; None is a token that is worth nothing."""
        if found is None:
            return {"active": False}
        return {
            "active": True,
            "iss": found.claims.issuer,
            "aud": found.claims.audience,
            "client_id": found.claims.merchant_id,
            "jti": found.claims.jti,
            "iat": int(found.claims.issued_at.timestamp()),
            "exp": int(found.expires_at.timestamp()),
            "scope": " ".join(sorted(found.purposes)),
            "token_type": TOKEN_TYPE,
            "remaining": found.standing.remaining,
            "next_at": found.standing.next_at,
        }


class NothingAnswer(AnswerSchema):
    """An object without members."""


class MessageAnswer(AnswerSchema):
    """A message, without its text, which the merchant has."""

    id = PublicId("message", required=True)
    grant = PublicId("grant", required=True, allow_none=True)
    status = fields.Enum(MessageStatus, by_value=fields.String, required=True)
    purpose = fields.String(required=True)
    reference = fields.String(required=True, allow_none=True)
    accepted_at = fields.DateTime(required=True)
    send_after = fields.DateTime(required=True)
    valid_until = fields.DateTime(required=True)
    changed_at = fields.DateTime(required=True)
    segments = fields.Integer(required=True)
    reason = fields.String(
        required=True,
        allow_none=True,
        metadata={"description": "The relay's reason code, or what gateway or carrier said."},
    )
    explain = fields.Nested(Explanation, required=True, allow_none=True)

    @pre_dump
    def to_members(self, message: Message, **_: object) -> dict[str, Any]:
        """Return the members."""
        return message_members(message)


class MessageDetail(MessageAnswer):
    """A message, with the rules that led to a refusal when it was to be sent."""

    rules = fields.List(
        fields.Nested(RuleAnswer), metadata={"description": "In the order in which they were met."}
    )

    @pre_dump
    def to_members(self, shown: ShownMessage, **_: object) -> dict[str, Any]:
        """Return the members."""
        rules = {"rules": [rule.explanation("en") for rule in shown.rules]} if shown.rules else {}
        return message_members(shown.message) | rules


def message_members(message: Message) -> dict[str, Any]:
    """Return the members of a message's answer."""
    text = REASON_TEXTS.get(message.reason or "")
    return {
        "id": message.key,
        "grant": message.grant_key,
        "status": message.status,
        "purpose": message.purpose,
        "reference": message.reference,
        "accepted_at": message.accepted_at,
        "send_after": message.held_from or message.send_at,
        "valid_until": message.valid_until,
        "changed_at": _shown_change(message),
        "segments": message.segments,
        "reason": message.reason,
        "explain": problems.explain(text.code) if text else None,
    }


def _shown_change(message: Message) -> datetime:
    """Return when a message changed; of a refusal by a revocation the day only (promise 5)."""
    if message.reason != Reason.CONSENT_REVOKED:
        return message.changed_at
    return max(message.accepted_at, start_of_day(message.changed_at))


class ComplaintGroupAnswer(AnswerSchema):
    """How many consumers complained on a day, about which purpose and why; never who or when."""

    day = fields.Date(required=True, metadata={"description": "A day of UTC that is over."})
    purpose = fields.String(
        required=True,
        allow_none=True,
        metadata={"description": "Null if the reported text was not found."},
    )
    reason = fields.Enum(ComplaintReason, by_value=fields.String, required=True)
    count = fields.Integer(required=True)


class LinkDomainsAnswer(AnswerSchema):
    """The domains that texts may link to; without any, to every domain but shorteners."""

    domains = fields.List(
        fields.String(), required=True, metadata={"example": ["shop.example.com"]}
    )


class PageAnswer(AnswerSchema):
    """A page of a list; `next` is the cursor of the page behind it."""

    next = fields.String(required=True, allow_none=True)


class ConsentRequestPage(PageAnswer):
    """A page of consent requests, the oldest first."""

    items = fields.List(fields.Nested(ConsentRequestAnswer), required=True)


class GrantPage(PageAnswer):
    """A page of grants, the oldest first."""

    items = fields.List(fields.Nested(GrantAnswer), required=True)


class MessagePage(PageAnswer):
    """A page of messages, the oldest first."""

    items = fields.List(fields.Nested(MessageAnswer), required=True)


class ComplaintPage(PageAnswer):
    """A page of groups of complaints, the oldest day first."""

    items = fields.List(fields.Nested(ComplaintGroupAnswer), required=True)
