"""Addresses of pages: a base path in front of them, and what phones append to a link."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote, urlsplit

from flask import Response, redirect, request

from consent_tokens.crypto.message_link_ids import LINK_ID_CHARACTERS
from consent_tokens.crypto.opaque_ids import ID_CHARACTERS
from consent_tokens.web.request_context import current_request
from consent_tokens.web.wsgi import Environ, StartResponse, WSGIApp

LINK_ID: Final = rf"[A-Za-z0-9_-]{{1,{ID_CHARACTERS}}}"
# drawn, or an encrypted row key
MESSAGE_LINK_ID: Final = (
    rf"(?:[A-Za-z0-9_-]{{{ID_CHARACTERS}}}(?![A-Za-z0-9_-])|[A-Za-z0-9]{{{LINK_ID_CHARACTERS}}})"
)
LINK = re.compile(
    rf"(?P<page>/(?:m/{MESSAGE_LINK_ID}|(?:c|receipts)/{LINK_ID}))(?P<appended>.+)", re.DOTALL
)


def base_path(base_url: str) -> str:
    """Return the path of the base URL: empty, or with a slash in front and none behind."""
    return urlsplit(base_url).path.rstrip("/")


@dataclass(frozen=True, slots=True)
class BasePath:
    """Serve an app under a path: every URL that it builds begins with it (SCRIPT_NAME, PEP 3333).

    A proxy in front may pass the path on or strip it: both are understood.
    """

    app: WSGIApp
    path: str

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Answer a request."""
        environ["SCRIPT_NAME"] = self.path
        found = environ.get("PATH_INFO", "")
        if found == self.path or found.startswith(f"{self.path}/"):
            environ["PATH_INFO"] = found[len(self.path) :] or "/"
        return self.app(environ, start_response)


def redirect_to_link() -> Response | None:
    """Redirect from a link with something appended to the link itself.

    Phones take a full stop, a bracket or a slash behind a link for a part of it, and carriers
    append their own words to a text. Only a GET is redirected, and it changes nothing (promise 8).
    """
    match = LINK.fullmatch(current_request().path)
    if match is None or request.method not in {"GET", "HEAD"} or _is_page():
        return None
    query = request.query_string.decode("latin-1")
    target = request.script_root + quote(match["page"])
    return redirect(f"{target}?{query}" if query else target)  # type: ignore[return-value]  # it is Flask's


def _is_page() -> bool:
    """Whether the path is one of a page, with an id that can be one."""
    ids = (request.view_args or {}).values()
    form = MESSAGE_LINK_ID if request.path.startswith("/m/") else LINK_ID
    return request.url_rule is not None and all(re.fullmatch(form, str(each)) for each in ids)
