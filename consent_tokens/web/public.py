"""What anyone may ask: the published keys, the configuration, and how the service is."""

from io import BytesIO
from typing import Any

import segno
from flask import Blueprint, Response, json, render_template
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from consent_tokens.consent.notice import LANGUAGES
from consent_tokens.consent.purposes import Purpose
from consent_tokens.errors import DatabaseBusyError, DatabaseUnavailableError, NotReadyError
from consent_tokens.relay.decision import EXPLANATIONS
from consent_tokens.services.consents.decisions import find_open_request
from consent_tokens.services.integrity.readiness import ensure_ready
from consent_tokens.services.metrics_collector import metrics_registry
from consent_tokens.store.schema import is_usable
from consent_tokens.web import openapi, problems
from consent_tokens.web.request_context import world

doors = Blueprint("public", __name__)
doors.register_error_handler(Exception, problems.handle_exception)

KEYS_LAST_SECONDS = 300  # how long a verifier may keep the published keys


@doors.get("/.well-known/jwks.json")
def jwks() -> Response:
    """Publish the keys that verify tokens (RFC 7517, 5; RFC 8037, 2)."""
    keys = [
        {"kty": "OKP", "crv": "Ed25519", "x": key.x, "kid": key.kid, "use": "sig", "alg": "EdDSA"}
        for key in world().keyring.verifying.values()
    ]
    return _cached({"keys": keys}, "application/jwk-set+json")


@doors.get("/.well-known/consent-configuration")
def configuration() -> Response:
    """Publish what this service is, for whoever builds against it."""
    base = world().base_url
    return _cached(
        {
            "issuer": base,
            "audience": f"{base}/relay",
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


@doors.get("/healthz")
def healthz() -> dict[str, str]:
    """Say that the process is alive; whether it may relay is /readyz."""
    return {"status": "alive"}


@doors.get("/readyz")
def readyz() -> tuple[dict[str, Any], int]:
    """Say whether messages may be relayed, and if not, why (promise 9)."""
    here = world()
    try:
        why = [] if is_usable(here.database) else ["schema_outdated"]
        if not why:
            ensure_ready(here)
    except (DatabaseUnavailableError, DatabaseBusyError, NotReadyError) as fault:
        why = [fault.error_code]
    return {"ready": not why, "why": why}, 503 if why else 200


@doors.get("/metrics")
def metrics() -> Response:
    """Publish figures for Prometheus; none names a consumer, a merchant or a number."""
    return Response(generate_latest(metrics_registry(world())), content_type=CONTENT_TYPE_LATEST)


@doors.get("/openapi.json")
def openapi_json() -> dict[str, Any]:
    """Describe the merchant API."""
    return openapi.describe(world().base_url)


@doors.get("/docs")
def docs() -> str:
    """Describe the merchant API for people."""
    return render_template(
        "docs.html",
        api=openapi.describe(world().base_url),
        refusals={reason.value: words for reason, words in EXPLANATIONS.items()},
        errors=problems.DETAILS,
    )


@doors.get("/c/<code>/qr.svg")
def qr(code: str) -> Response:
    """Draw the QR code of a consent request, to print or to show."""
    find_open_request(world(), code)
    drawn = segno.make(f"{world().base_url}/c/{code}", error="m", micro=False)
    svg = BytesIO()
    drawn.save(svg, kind="svg", scale=8, border=4)
    return Response(svg.getvalue(), content_type="image/svg+xml")


def _cached(body: dict[str, Any], content_type: str) -> Response:
    response = Response(json.dumps(body), content_type=content_type)
    response.headers["Cache-Control"] = f"public, max-age={KEYS_LAST_SECONDS}"
    return response
