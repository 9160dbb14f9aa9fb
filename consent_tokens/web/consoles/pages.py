"""Render the pages of the consoles, with the navigation of whoever is signed in."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus
from typing import Any

from flask import Response, make_response, redirect, render_template, request, url_for
from flask_babel import gettext as _

from consent_tokens.services.people.passkeys import RelyingParty
from consent_tokens.services.people.person import Console
from consent_tokens.services.people.waiting import count_waiting
from consent_tokens.web.consoles.permissions import may
from consent_tokens.web.consoles.session import console_csrf_token, take_done, who
from consent_tokens.web.consoles.site import SITES, Site
from consent_tokens.web.request_context import runtime
from consent_tokens.web.security_headers import allow_script


@dataclass(frozen=True, slots=True)
class ShownItem:
    """A link of the navigation as it is shown."""

    url: str
    label: str
    is_current: bool
    count: int | None


@dataclass(frozen=True, slots=True)
class ShownGroup:
    """A heading of the navigation and its links."""

    label: str
    items: list[ShownItem]


def page(template: str, status: int | None = None, **members: object) -> Response:
    """Return a page of the console that somebody is signed in to.

    Without a status it is 422 if the page shows `errors`, else 200.
    """
    signed_in = who()
    site = SITES[signed_in.person.console]
    waiting = count_waiting(runtime()) if site.console is Console.OPERATOR else {}
    body = render_template(
        template,
        site=site,
        base="consoles/shell.html",
        person=signed_in.person,
        navigation=navigation(site, waiting),
        waiting_counts=waiting,
        may=partial(may, signed_in.person.role),
        done=take_done(),
        **_shared(members),
    )
    return allow_script(make_response(body, status or _status_of(members)))


def plain_page(site: Site, template: str, status: int | None = None, **members: object) -> Response:
    """Return a page of a console that needs no sign-in; the status is as that of `page`."""
    body = render_template(template, site=site, base="consoles/plain.html", **_shared(members))
    return allow_script(make_response(body, status or _status_of(members)))


def _status_of(members: Mapping[str, object]) -> int:
    return HTTPStatus.UNPROCESSABLE_ENTITY if members.get("errors") else HTTPStatus.OK


def redirect_to(endpoint: str, **values: Any) -> Response:  # noqa: ANN401 - as url_for takes them
    """Redirect after a form (303), so that reloading does not submit it again."""
    return make_response(redirect(url_for(endpoint, **values), HTTPStatus.SEE_OTHER))


def navigation(site: Site, waiting: Mapping[str, int]) -> list[ShownGroup]:
    """Return the links that the role of whoever is signed in may open, with what waits there."""
    role = who().person.role
    current = (request.endpoint or "").partition(".")[0]
    groups = [
        ShownGroup(
            _(group.label) if group.label else "",
            [
                ShownItem(
                    url=url_for(item.endpoint),
                    label=_(item.label),
                    is_current=item.endpoint.partition(".")[0] == current,
                    count=waiting.get(item.waiting) if item.waiting else None,
                )
                for item in group.items
                if may(role, item.endpoint)
            ],
        )
        for group in site.navigation
    ]
    return [group for group in groups if group.items]


def _shared(members: dict[str, object]) -> dict[str, object]:
    """Return what every page is rendered with, and the members of this one."""
    party = RelyingParty.of(runtime().service)
    return {"csrf": console_csrf_token(), "takes_passkeys": party.takes_passkeys,
            "errors": {}} | members  # fmt: skip
