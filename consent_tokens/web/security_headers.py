"""Response headers that every answer has, unless a view set them otherwise."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from flask import Response

from consent_tokens.web.wsgi import Environ, Fields, StartResponse, WSGIApp

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
HSTS: Final = {"Strict-Transport-Security": f"max-age={ONE_YEAR}; includeSubDomains"}  # RFC 6797


@dataclass(frozen=True, slots=True)
class SecurityHeaders:
    """Serve an app, and add these headers to its answers.

    They are added around the app: inside, werkzeug looks at each header of an answer three times,
    which was 30 of the 180 microseconds that Flask took for a message.
    """

    app: WSGIApp
    by_lower_name: dict[str, tuple[str, str]]

    @classmethod
    def around(cls, app: WSGIApp, *, is_https: bool) -> "SecurityHeaders":
        """Return the app with the headers, over HTTPS with that which demands it."""
        headers = HEADERS | HSTS if is_https else HEADERS
        return cls(app, {name.lower(): (name, value) for name, value in headers.items()})

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Answer a request."""

        def start(status: str, headers: Fields, *error: object) -> object:
            added = self.by_lower_name.copy()
            for name, _ in headers:
                added.pop(name.lower(), None)
            return start_response(status, [*headers, *added.values()], *error)

        return self.app(environ, start)


def allow_script(response: Response, *, may_fetch: bool = False) -> Response:
    """Allow a page to run this service's own scripts, and those to fetch from it.

    They solve the proof of work, count down to the next code, and refresh the demonstration; only
    the last fetches.
    """
    policy = f"{HEADERS['Content-Security-Policy']}; script-src 'self'"
    fetch = "; connect-src 'self'" if may_fetch else ""
    response.headers["Content-Security-Policy"] = policy + fetch
    return response
