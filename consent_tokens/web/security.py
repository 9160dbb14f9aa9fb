"""Response headers, the session cookie, CSRF protection and request size limits."""

import hmac
from hashlib import sha256
from io import BytesIO
from typing import Any, Final
from urllib.parse import urlsplit

from flask import Flask, Request, Response, abort, request, session
from flask.sessions import SecureCookieSession, SecureCookieSessionInterface

from consent_tokens.app_context import AppContext
from consent_tokens.crypto.encoding import encode
from consent_tokens.web.request_context import runtime

MAX_BODY_BYTES: Final = 8 * 1024 * 1024  # a batch of 1000 messages, each with a token of 4 KiB
MAX_FORM_BYTES: Final = 64 * 1024
MAX_PICTURE_FORM_BYTES: Final = 1024 * 1024 + MAX_FORM_BYTES
PICTURE_ENDPOINTS: Final = frozenset({"report.update_report"})
SAFE_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS"})
LINK_TOKEN_SECONDS: Final = 24 * 3600
ONE_YEAR: Final = 365 * 24 * 3600

# ASVS 5.0 V3.4; Mozilla's Web Security Guidelines
HEADERS: Final[dict[str, str]] = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; "
        "base-uri 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "X-Robots-Tag": "noindex, nofollow",
    "Cache-Control": "no-store",
}


class _Request(Request):
    """A request whose uploads stay in memory: they may show anything, and are small."""

    def _get_file_stream(self, *_args: object, **_kwargs: object) -> BytesIO:
        return BytesIO()


class _Sessions(SecureCookieSessionInterface):
    """Flask's signed cookie, with SHA-256 in place of its default."""

    salt = "consent-tokens session"
    digest_method = staticmethod(sha256)
    key_derivation = "hmac"

    def open_session(self, app: Flask, request: Request) -> SecureCookieSession | None:
        """Return what the cookie holds; a program without cookies costs no cryptography."""
        if self.get_cookie_name(app) not in request.cookies:
            return self.session_class()
        return super().open_session(app, request)


def secure(app: Flask, context: AppContext) -> None:
    """Set session cookie, request limits and response headers of an app."""
    is_https = context.runtime.service.is_https
    name = "__Host-session" if is_https else "session"
    *older, newest = context.runtime.keyring.session
    app.session_interface = _Sessions()
    app.request_class = _Request
    app.config.update(
        SECRET_KEY=newest,
        SECRET_KEY_FALLBACKS=older,
        SESSION_COOKIE_NAME=name,
        SESSION_COOKIE_SECURE=is_https,
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SAMESITE="Lax",
        MAX_CONTENT_LENGTH=MAX_BODY_BYTES,
        MAX_FORM_MEMORY_SIZE=MAX_FORM_BYTES,
        MAX_FORM_PARTS=100,
    )
    app.after_request(_add_headers)


def _add_headers(response: Response) -> Response:
    present = {name.lower() for name, _ in response.headers}  # a view may set its own
    response.headers.extend(
        (name, value) for name, value in HEADERS.items() if name.lower() not in present
    )
    if runtime().service.is_https:
        response.headers["Strict-Transport-Security"] = f"max-age={ONE_YEAR}; includeSubDomains"
    response.headers.pop("Server", None)
    return response


def allow_script(response: Response) -> Response:
    """Return a page that may run this service's own script: the one that does the work."""
    policy = HEADERS["Content-Security-Policy"]
    response.headers["Content-Security-Policy"] = f"{policy}; script-src 'self'"
    return response


def csrf_token() -> str:
    """Return what a form must carry to be taken from this browser."""
    if "csrf" not in session:
        session["csrf"] = encode(runtime().random.token_bytes(16))
    token: str = session["csrf"]
    return token


def check_csrf() -> None:
    """Refuse a form that did not come from a page of ours in this very browser (ASVS 3.5.1)."""
    if request.method in SAFE_METHODS:
        return
    check_origin()
    sent, expected = request.form.get("csrf", ""), session.get("csrf", "")
    if not expected or not hmac.compare_digest(sent.encode(), expected.encode()):
        abort(403)


def link_csrf_token(code: str) -> str:
    """Return what the form behind a link must carry: it was shown, not only guessed at.

    It is bound to the link and not to a cookie, so that stopping works in any browser; the link
    itself is the secret.
    """
    return runtime().sign_value("link", code)


def check_link_token() -> None:
    """Refuse a form for a link whose page was not shown, or was shown long ago (promise 8)."""
    if request.method in SAFE_METHODS:
        return
    check_origin()
    code = runtime().open_value(
        "link", request.form.get("csrf", ""), max_age_seconds=LINK_TOKEN_SECONDS
    )
    if code is None or code != (request.view_args or {}).get("code"):
        abort(403)


def check_origin() -> None:
    """Refuse a form that a browser says came from another site, or that is too large."""
    takes_picture = request.endpoint in PICTURE_ENDPOINTS
    request.max_content_length = MAX_PICTURE_FORM_BYTES if takes_picture else MAX_FORM_BYTES
    origin = request.headers.get("Origin", "null")
    ours = {request.host, urlsplit(runtime().service.base_url).netloc}
    # under `Referrer-Policy: no-referrer` browsers send `Origin: null` with our own forms too
    if origin != "null" and urlsplit(origin).netloc not in ours:
        abort(403)
    if request.headers.get("Sec-Fetch-Site", "same-origin") not in {"same-origin", "none"}:
        abort(403)


def begin_session(**kept: Any) -> None:  # noqa: ANN401 - what JSON holds
    """Begin the browser's session anew, so that nothing from before a login is worth stealing."""
    language = session.get("language")
    session.clear()
    session.update({name: value for name, value in kept.items() if value is not None})
    if language:
        session["language"] = language
    csrf_token()
