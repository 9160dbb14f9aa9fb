"""Public documents: verification keys, service configuration, health and API docs."""

from typing import Any

from flask import Blueprint, Response, json, render_template, url_for

from consent_tokens.consent.purposes import Purpose
from consent_tokens.errors import NotFoundError
from consent_tokens.localization import LANGUAGES
from consent_tokens.services.consents.decisions import find_open_request
from consent_tokens.services.integrity.heartbeat import readiness_warnings
from consent_tokens.services.integrity.readiness import unready_reasons
from consent_tokens.web import api_reference, openapi, problems
from consent_tokens.web.qr_codes import qr_response
from consent_tokens.web.reasons import FAILURES, REFUSALS
from consent_tokens.web.request_context import app_context, runtime

bp = Blueprint("public", __name__)
bp.register_error_handler(Exception, problems.handle_exception)

MAX_AGE_SECONDS = 300  # how long a verifier may cache the keys and the configuration


@bp.get("/.well-known/jwks.json")
def jwks() -> Response:
    """Publish the keys that verify tokens, as a JWK Set (RFC 7517, 5; RFC 8037, 2)."""
    keys = [
        {"kty": "OKP", "crv": "Ed25519", "x": key.x, "kid": key.kid, "use": "sig", "alg": "EdDSA"}
        for key in runtime().keyring.verifying.values()
    ]
    return _cached({"keys": keys}, "application/jwk-set+json")


@bp.get("/.well-known/consent-configuration")
def configuration() -> Response:
    """Publish the service's URLs and what it supports, for API clients."""
    base, issuer = runtime().service.base_url, runtime().service.issuer
    return _cached(
        {
            "issuer": issuer,
            "audience": f"{issuer}/relay",
            "jwks_uri": f"{base}/.well-known/jwks.json",
            "openapi": f"{base}/openapi.json",
            "api": f"{base}/v1",
            "introspection_endpoint": f"{base}/v1/tokens/introspect",
            "revocation_endpoint": f"{base}/v1/tokens/revoke",
            "token_type": "consent+jwt",
            "signing_alg_values_supported": ["EdDSA"],
            "channels_supported": ["sms"],
            "purposes_supported": [purpose.value for purpose in Purpose],
            "locales_supported": list(LANGUAGES),
        },
        "application/json",
    )


@bp.get("/healthz")
def healthz() -> dict[str, str]:
    """Report that the process is alive (liveness probe)."""
    return {"status": "alive"}


@bp.get("/readyz")
def readyz() -> tuple[dict[str, Any], int]:
    """Report whether messages may be accepted and sent, and if not, why (promise 9).

    `warnings` is there only if there are any: what is accepted waits while no dispatcher runs.
    """
    why = unready_reasons(runtime())
    body: dict[str, Any] = {"ready": not why, "why": why}
    if not why and (warnings := readiness_warnings(runtime())):
        body["warnings"] = warnings
    return body, 503 if why else 200


@bp.get("/openapi.json")
def openapi_json() -> dict[str, Any]:
    """Describe the merchant API."""
    return openapi.describe()


@bp.get("/docs")
def docs() -> str:
    """Describe the merchant API for people, but for its calls: those are on pages of their own."""
    api = openapi.describe()
    sections = api_reference.sections(api)
    return render_template(
        "docs.html",
        base_url=runtime().service.base_url,
        sections=sections,
        pages={
            call.id: url_for("public.docs_section", section_id=each.id, _anchor=call.id)
            for each in sections
            for call in each.calls
        },
        webhooks=api_reference.webhooks(api),
        purposes=api_reference.purposes("en"),  # as the whole reference is in English
        refusals=[(each.code, each.explanation) for each in REFUSALS],
        failures=[(each.code, each.explanation) for each in FAILURES],
        errors=problems.DETAILS.items(),
    )


@bp.get("/docs/<section_id>")
def docs_section(section_id: str) -> str:
    """Describe the calls of one kind of resource."""
    for section in api_reference.sections(openapi.describe()):
        if section.id == section_id:
            return render_template("docs_section.html", section=section)
    raise NotFoundError("no such section")


@bp.get("/c/<page_id>/qr.svg")
def qr(page_id: str) -> Response:
    """Return the QR code of a consent request, as SVG."""
    find_open_request(runtime(), app_context().consent, page_id)
    return qr_response(f"{runtime().service.base_url}/c/{page_id}")


def _cached(body: dict[str, Any], content_type: str) -> Response:
    response = Response(json.dumps(body), content_type=content_type)
    response.headers["Cache-Control"] = f"public, max-age={MAX_AGE_SECONDS}"
    return response
