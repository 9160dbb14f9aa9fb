"""Schemas of API keys."""

from datetime import UTC
from typing import Any

from marshmallow import fields, pre_dump, validate

from consent_tokens.relay.admission.api_access import MAX_NETWORKS, MAX_RATE, ApiKey, ApiScope
from consent_tokens.web.merchant_api.answers import AnswerSchema
from consent_tokens.web.merchant_api.schemas import Strict
from consent_tokens.web.request_context import runtime

MAX_NETWORK_LENGTH = 43  # characters: an IPv6 address and its prefix


class ApiKeyIn(Strict):
    """What a new API key may do; what is left out is as of the key that creates it."""

    scopes = fields.List(
        fields.String(validate=validate.OneOf([each.value for each in ApiScope])),
        required=True,
        validate=validate.Length(1, len(ApiScope)),
    )
    networks = fields.List(
        fields.String(validate=validate.Length(1, MAX_NETWORK_LENGTH)),
        validate=validate.Length(1, MAX_NETWORKS),
        metadata={"description": "Where it may be used from, in CIDR notation."},
    )
    expires_at = fields.AwareDateTime(default_timezone=UTC)
    rate = fields.Integer(
        strict=True,
        validate=validate.Range(1, MAX_RATE),
        metadata={"description": "Requests a minute."},
    )
    test = fields.Boolean(
        truthy={True},
        falsy={False},
        metadata={"description": "Whether it is for tests: nothing leaves."},
    )


class RevocationIn(Strict):
    """How to revoke an API key."""

    keep_created = fields.Boolean(
        load_default=False,
        truthy={True},
        falsy={False},
        metadata={"description": "Keep the keys that were created with it."},
    )


class ApiKeyAnswer(AnswerSchema):
    """An API key, without its secret."""

    id = fields.String(required=True)
    status = fields.String(required=True, validate=validate.OneOf(["active", "revoked", "expired"]))
    scopes = fields.List(
        fields.String(validate=validate.OneOf([each.value for each in ApiScope])), required=True
    )
    test = fields.Boolean(
        required=True, metadata={"description": "Whether it is for tests: nothing leaves."}
    )
    networks = fields.List(
        fields.String(), required=True, allow_none=True, metadata={"description": "Null: any."}
    )
    expires_at = fields.DateTime(required=True, allow_none=True)
    rate = fields.Integer(
        required=True, allow_none=True, metadata={"description": "Requests a minute."}
    )
    created_at = fields.DateTime(required=True)
    created_by = fields.String(
        required=True,
        allow_none=True,
        metadata={
            "description": "The key that created it. Null: the operator, or a person of your team."
        },
    )

    @pre_dump
    def to_members(self, key: ApiKey, **_: object) -> dict[str, Any]:
        """Return the members."""
        access = key.access
        is_expired = access.is_expired_at(runtime().clock.now())
        return {
            "id": key.id,
            "status": "revoked" if key.revoked_at else "expired" if is_expired else "active",
            "scopes": sorted(access.scopes),
            "test": access.is_test,
            "networks": access.networks and [str(each) for each in access.networks],
            "expires_at": access.expires_at,
            "rate": access.rate,
            "created_at": key.created_at,
            "created_by": key.created_by,
        }


class CreatedApiKey(ApiKeyAnswer):
    """A new API key with its secret, which is shown this once."""

    api_key = fields.String(required=True, metadata={"description": "Shown this once."})

    @pre_dump
    def to_members(self, created: Any, **_: object) -> dict[str, Any]:  # noqa: ANN401 - key and text
        """Return the members."""
        key, text = created
        return {**super().to_members(key), "api_key": text}


class ApiKeyList(AnswerSchema):
    """API keys, the oldest first."""

    items = fields.List(fields.Nested(ApiKeyAnswer), required=True)
    next = fields.String(required=True, allow_none=True)
