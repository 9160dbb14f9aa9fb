"""The session cookie, CSRF protection and request size limits."""

import hmac
from collections.abc import Mapping
from io import BytesIO
from typing import Any, Final
from urllib.parse import urlsplit

from flask import Flask, Request, Response, abort, request, session
from flask.sessions import SecureCookieSession, SecureCookieSessionInterface
from itsdangerous import URLSafeTimedSerializer
from werkzeug.exceptions import HTTPException

from consent_tokens.app_context import AppContext
from consent_tokens.crypto.encoding import encode
from consent_tokens.crypto.signed_values import serializer
from consent_tokens.services.integrity.key_set import ensure_compared
from consent_tokens.web.addresses import base_path
from consent_tokens.web.request_context import EXTENSION, current_request, runtime

MAX_BODY_BYTES: Final = 8 * 1024 * 1024  # a batch of 1000 messages, each with a token of 4 KiB
MAX_FORM_BYTES: Final = 64 * 1024
MAX_PICTURE_FORM_BYTES: Final = 1024 * 1024 + MAX_FORM_BYTES
MAX_FORM_BYTES_OF: Final[Mapping[str, int]] = {  # by endpoint: of forms that take a file
    "report.act": MAX_PICTURE_FORM_BYTES,
    "report.update_report": MAX_PICTURE_FORM_BYTES,
    "merchant_campaigns.upload": MAX_BODY_BYTES,
    "console_new_application.submit": MAX_BODY_BYTES,
}
LONG_BODIES: Final = (
    "/v1/",
    "/merchant/campaigns",
    "/console/applications",
)  # what the paths begin with
SAFE_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS"})
LINK_TOKEN_SECONDS: Final = 24 * 3600

REFUSAL: Final = "consent_tokens.refusal"  # in a WSGI environ: the error to answer with


class _Request(Request):
    """A request whose uploads stay in memory: they are small, and may contain anything."""

    def _get_file_stream(self, *_args: object, **_kwargs: object) -> BytesIO:
        return BytesIO()


class _Sessions(SecureCookieSessionInterface):
    """Flask's signed cookie, under the session keys, which rotate while the process runs."""

    def open_session(self, app: Flask, request: Request) -> SecureCookieSession | None:
        """Open the session cookie, if there is one; API clients without cookies cost nothing."""
        has_any = "HTTP_COOKIE" in request.environ
        if not has_any or self.get_cookie_name(app) not in request.cookies:
            return self.session_class()
        return super().open_session(app, request)

    def get_signing_serializer(self, app: Flask) -> URLSafeTimedSerializer:
        """Return what signs with the current key, and accepts the others."""
        context: AppContext = app.extensions[EXTENSION]
        return serializer(context.runtime.keyring, "session", self.serializer)


def max_body_bytes(path: str) -> int:
    """Return the most that the body of a request to a path may have, in bytes."""
    return MAX_BODY_BYTES if path.startswith(LONG_BODIES) else MAX_PICTURE_FORM_BYTES


def secure(app: Flask, context: AppContext) -> None:
    """Configure the session cookie and request limits of an app."""
    is_https = context.runtime.service.is_https
    path = base_path(context.runtime.service.base_url)
    app.session_interface = _Sessions()
    app.request_class = _Request
    app.config.update(
        SESSION_COOKIE_NAME=_cookie_name("session", path, is_https=is_https),
        SESSION_COOKIE_PATH=path or "/",
        SESSION_COOKIE_SECURE=is_https,
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SAMESITE="Lax",
        MAX_CONTENT_LENGTH=MAX_BODY_BYTES,
        MAX_FORM_MEMORY_SIZE=MAX_FORM_BYTES,
        MAX_FORM_PARTS=100,
    )
    app.before_request(_raise_refusal)
    app.before_request(_refuse_null_bytes)
    app.before_request(_ensure_own_keys)


def _raise_refusal() -> None:
    """Raise the error with which the server refuses a request that no view is to look at."""
    error: HTTPException | None = current_request().environ.get(REFUSAL)
    if error is not None:
        raise error


def _refuse_null_bytes() -> None:
    """Abort with 404 for a path with a null byte: nothing has such an id; PostgreSQL takes none."""
    if "\0" in current_request().path:
        abort(404)


def _ensure_own_keys() -> None:
    """Raise KeysChangedError before a change, if the database is not that of these keys."""
    if current_request().method not in SAFE_METHODS:
        ensure_compared(runtime())


def _cookie_name(name: str, path: str, *, is_https: bool) -> str:
    """Return the name of a cookie: `__Host-` needs the path `/` (RFC 6265bis, 4.1.3)."""
    if not is_https:
        return name
    return f"__Secure-{name}" if path else f"__Host-{name}"


def read_cookie(name: str) -> str:
    """Return a cookie that `set_cookie` set; empty if there is none."""
    service = runtime().service
    return request.cookies.get(
        _cookie_name(name, base_path(service.base_url), is_https=service.is_https), ""
    )


def set_cookie(
    response: Response, name: str, value: str, max_age_seconds: int, *, is_strict: bool = False
) -> None:
    """Set a cookie as strict as that of the session, which outlives it.

    With `is_strict` a browser sends it only where the request is from a page of this service.
    """
    service = runtime().service
    path = base_path(service.base_url)
    response.set_cookie(
        _cookie_name(name, path, is_https=service.is_https),
        value,
        max_age=max_age_seconds,
        path=path or "/",
        secure=service.is_https,
        httponly=True,
        samesite="Strict" if is_strict else "Lax",
    )


def csrf_token() -> str:
    """Return the CSRF token of this browser's session, creating it if needed."""
    if "csrf" not in session:
        session["csrf"] = encode(runtime().random.token_bytes(16))
    token: str = session["csrf"]
    return token


def check_csrf() -> None:
    """Abort with 403 unless the form carries this session's CSRF token (ASVS 5.0, 3.5.1)."""
    if request.method in SAFE_METHODS:
        return
    check_origin()
    sent, expected = request.form.get("csrf", ""), session.get("csrf", "")
    if not expected or not hmac.compare_digest(sent.encode(), expected.encode()):
        abort(403)


def link_csrf_token(link_id: str) -> str:
    """Return the CSRF token of a page that is reached by a secret link.

    It is bound to the link and not to a cookie, so that the page works without cookies.
    """
    return runtime().sign_value("link", link_id)


def check_link_token() -> None:
    """Abort with 403 unless the form carries its link's CSRF token, under a day old (promise 8)."""
    if request.method in SAFE_METHODS:
        return
    check_origin()
    link_id = runtime().open_value(
        "link", request.form.get("csrf", ""), max_age_seconds=LINK_TOKEN_SECONDS
    )
    if link_id is None or link_id != (request.view_args or {}).get("link_id"):
        abort(403)


def check_origin() -> None:
    """Abort with 403 for a form from another site; limit the size of its body."""
    most = MAX_FORM_BYTES_OF.get(request.endpoint or "", MAX_FORM_BYTES)
    request.max_content_length = most
    # the parser holds it against the part of a file that it has in its buffer, too
    request.max_form_memory_size = most
    origin = request.headers.get("Origin", "null")
    own_hosts = {request.host, urlsplit(runtime().service.base_url).netloc}
    # under `Referrer-Policy: no-referrer` browsers send `Origin: null` with same-site forms too
    if origin != "null" and _netloc(origin) not in own_hosts:
        abort(403)
    if request.headers.get("Sec-Fetch-Site", "same-origin") not in {"same-origin", "none"}:
        abort(403)


def is_own_form() -> bool:
    """Whether the browser says that the form is from a page of this service, and not of another."""
    return request.headers.get("Sec-Fetch-Site") == "same-origin"


def _netloc(origin: str) -> str:
    """Return host and port of an origin; empty if it is none."""
    try:
        return urlsplit(origin).netloc
    except ValueError:
        return ""


def begin_session(**values: Any) -> None:  # noqa: ANN401 - any JSON value
    """Replace the browser's session at login, against session fixation; keep the language."""
    language = session.get("language")
    session.clear()
    session.update({name: value for name, value in values.items() if value is not None})
    if language:
        session["language"] = language
    csrf_token()
