"""The session of a console in a browser: its cookie, its CSRF token, and what was done last."""

from typing import Final

from flask import Response, request, session

from consent_tokens.crypto.encoding import encode
from consent_tokens.crypto.keyed_hashes import constant_time_equal
from consent_tokens.services.people.person import Person
from consent_tokens.services.people.sessions import (
    SESSION_LIFETIME,
    SignedIn,
    end_former,
    signed_in,
)
from consent_tokens.services.people.sign_in import BROWSER_SECONDS, Begun, Browser
from consent_tokens.web.consoles.site import Site
from consent_tokens.web.request_context import client_ip, runtime
from consent_tokens.web.security import csrf_token, read_cookie, set_cookie

SIGNED_IN: Final = "consent_tokens.signed_in"  # in a WSGI environ
BROWSER_COOKIE: Final = "console-browser"
PENDING: Final = "console_pending"  # key of the cookie session: a right password, signed
DONE: Final = "console_done"  # key of the cookie session: what the last form did
MAX_USER_AGENT_LENGTH: Final = 200


def find_signed_in(site: Site) -> SignedIn | None:
    """Return who is signed in to a console with this browser, if somebody is; asks once."""
    if SIGNED_IN not in request.environ:
        secret = read_cookie(site.cookie)
        request.environ[SIGNED_IN] = signed_in(runtime(), site.console, secret)
    found: SignedIn | None = request.environ[SIGNED_IN]
    return found


def who() -> SignedIn:
    """Return who is signed in; for views, which nobody else reaches."""
    found: SignedIn = request.environ[SIGNED_IN]
    return found


def person() -> Person:
    """Return the person who is signed in; for views."""
    return who().person


def browser() -> Browser:
    """Return the browser that signs in."""
    return Browser(
        client_ip=client_ip(),
        user_agent=request.headers.get("User-Agent", "")[:MAX_USER_AGENT_LENGTH],
        proof=read_cookie(BROWSER_COOKIE),
    )


def begin(site: Site, response: Response, begun: Begun) -> Response:
    """Give the browser the cookie of a session that began; the one that it had ends."""
    end_former(runtime(), read_cookie(site.cookie))
    session.pop(PENDING, None)
    session.pop("csrf", None)
    set_cookie(
        response, site.cookie, begun.secret, int(SESSION_LIFETIME.total_seconds()), is_strict=True
    )
    set_cookie(response, BROWSER_COOKIE, begun.proof, BROWSER_SECONDS, is_strict=True)
    return response


def end(site: Site, response: Response) -> Response:
    """Take the cookie of a session back."""
    session.pop("csrf", None)
    set_cookie(response, site.cookie, "", 0, is_strict=True)
    return response


def console_csrf_token() -> str:
    """Return the CSRF token: that of the console's session, before the sign-in the browser's."""
    found: SignedIn | None = request.environ.get(SIGNED_IN)
    if found is None:
        return csrf_token()
    return encode(runtime().rate_limit_key("console_csrf", found.session.id.hex()))


def has_csrf_token() -> bool:
    """Whether the form carries the CSRF token of its session (ASVS 5.0, 3.5.1)."""
    is_signed_in = request.environ.get(SIGNED_IN) is not None
    expected = console_csrf_token() if is_signed_in else session.get("csrf", "")
    sent = request.form.get("csrf", "").encode("utf-8", "surrogatepass")
    return bool(expected) and constant_time_equal(sent, expected.encode())


def set_done(text: str) -> None:
    """Keep what a form did, in words, for the page after the redirect."""
    session[DONE] = text


def take_done() -> str | None:
    """Return what the form before this page did, once; None if there was none."""
    done: str | None = session.pop(DONE, None)
    return done
