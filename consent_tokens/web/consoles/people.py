"""The people of a console: operators at `/console/people`, a merchant's at `/merchant/team`."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Final

from flask import Blueprint, Response, url_for
from flask_babel import gettext as _

from consent_tokens.errors import ConflictError, InvalidError
from consent_tokens.localization import N_
from consent_tokens.services.admission.operators import MAX_NAME_LENGTH
from consent_tokens.services.people import sessions, team
from consent_tokens.services.people.person import ROLES, Person
from consent_tokens.services.people.team import Member
from consent_tokens.services.runtime import Runtime
from consent_tokens.web.consoles.filters import role_label
from consent_tokens.web.consoles.guard import console_blueprint
from consent_tokens.web.consoles.pages import page, redirect_to
from consent_tokens.web.consoles.session import person, set_done
from consent_tokens.web.consoles.sign_in import field_errors
from consent_tokens.web.consoles.site import MERCHANT, OPERATOR, Site
from consent_tokens.web.consoles.tables import Column, csv_response, table_of, table_query
from consent_tokens.web.consumer.form_fields import text
from consent_tokens.web.request_context import runtime


@dataclass(frozen=True, slots=True, kw_only=True)
class PeoplePages:
    """What differs between the two consoles."""

    site: Site
    name: str  # of the blueprint and in the path
    title: str  # a msgid
    members: Callable[[Runtime, Person], list[Member]]
    add: Callable[[Runtime, Person, str, str], tuple[Person, str]]

    def endpoint(self, view: str) -> str:
        """Return the endpoint of a view of these pages."""
        return self.site.endpoint(f"{self.name}.{view}")


def _add_merchant_person(context: Runtime, by: Person, name: str, role: str) -> tuple[Person, str]:
    return team.add_merchant_person(context, by.id, by.merchant_id or "", name, role)


OPERATORS: Final = PeoplePages(
    site=OPERATOR,
    name="people",
    title=N_("People"),
    members=lambda context, _by: team.list_operators(context),
    add=lambda context, by, name, role: team.add_operator(context, by.actor, name, role),
)
TEAM: Final = PeoplePages(
    site=MERCHANT,
    name="team",
    title=N_("Team"),
    members=lambda context, by: team.list_team(context, by.merchant_id or ""),
    add=_add_merchant_person,
)


def blueprint(pages: PeoplePages) -> Blueprint:
    """Return the pages of the people of a console."""
    bp = console_blueprint(pages.name, pages.site)
    path = f"/{pages.name}"
    one = f"{path}/<person_id>"
    bp.get(path, endpoint="show")(partial(show, pages))
    bp.post(path, endpoint="invite")(partial(invite, pages))
    bp.get(one, endpoint="show_person")(partial(show_person, pages))
    bp.post(f"{one}/role", endpoint="change_role")(partial(change_role, pages))
    bp.post(f"{one}/disable", endpoint="disable")(partial(disable, pages))
    bp.post(f"{one}/enable", endpoint="enable")(partial(enable, pages))
    bp.post(f"{one}/invitation", endpoint="invite_again")(partial(invite_again, pages))
    bp.post(f"{one}/sessions", endpoint="end_session")(partial(end_session, pages))
    return bp


def show(pages: PeoplePages) -> Response:
    """List the people, with the form that invites one."""
    return _list_page(pages)


def _list_page(
    pages: PeoplePages, errors: dict[str, str] | None = None, name: str = ""
) -> Response:
    columns = [
        Column[Member]("name", _("Name"), lambda each: each.person.name),
        Column[Member]("role", _("Role"), lambda each: role_label(each.person.role)),
        Column[Member]("status", _("Status"), status_of),
        Column[Member]("added", _("Added on"), lambda each: each.added_at),
    ]
    query = table_query(sort="name", columns=columns)
    view = table_of(pages.members(runtime(), person()), columns, query)
    if query.is_csv:
        return csv_response(pages.name, view)
    return page(
        "consoles/people.html",
        errors=errors or {},
        pages=pages,
        people=view,
        name=name,
        roles=_role_options(pages),
        status_of=status_of,
    )


def status_of(member: Member) -> str:
    """Return whether somebody can sign in."""
    if member.person.is_disabled:
        return str(_("Disabled"))
    if member.has_accepted:
        return str(_("Can sign in"))
    return str(_("Invited") if member.is_invited else _("Not invited yet"))


def invite(pages: PeoplePages) -> Response:
    """Add somebody, and show the link of their invitation once."""
    name = text("name", MAX_NAME_LENGTH)
    try:
        added, link = pages.add(runtime(), person(), name, text("role"))
    except InvalidError as error:
        return _list_page(pages, field_errors(error), name)
    except ConflictError:
        return _list_page(pages, {"name": _("Somebody of that name signs in here.")}, name)
    return _link_page(pages, added, link)


def _link_page(pages: PeoplePages, invited: Person, link: str) -> Response:
    return page(
        "consoles/invitation_link.html",
        invited=invited,
        link=link,
        back=url_for(pages.endpoint("show")),
        back_label=_("Back to the list"),
    )


def show_person(pages: PeoplePages, person_id: str) -> Response:
    """Show one person, with what may be changed."""
    found = _person(pages, person_id)
    return page(
        "consoles/person.html",
        pages=pages,
        shown=found,
        sessions=sessions.list_sessions(runtime(), found.id),
        roles=_role_options(pages),
    )


def change_role(pages: PeoplePages, person_id: str) -> Response:
    """Give somebody another role."""
    role = text("role")
    changed = team.change_role(runtime(), person(), person_id, role)
    set_done(_("%(name)s is now %(role)s.", name=changed.name, role=role_label(role)))
    return _to_person(pages, person_id)


def disable(pages: PeoplePages, person_id: str) -> Response:
    """Let somebody sign in no more."""
    changed = team.disable(runtime(), person(), person_id)
    set_done(_("%(name)s cannot sign in any more.", name=changed.name))
    return _to_person(pages, person_id)


def enable(pages: PeoplePages, person_id: str) -> Response:
    """Let somebody sign in again."""
    changed = team.enable(runtime(), person(), person_id)
    set_done(_("%(name)s can sign in again.", name=changed.name))
    return _to_person(pages, person_id)


def invite_again(pages: PeoplePages, person_id: str) -> Response:
    """Delete what somebody signs in with, and show the link of a new invitation once."""
    by = person()
    invited, link = team.invite_again(
        runtime(), by.id, by.console, person_id, merchant_id=by.merchant_id
    )
    return _link_page(pages, invited, link)


def end_session(pages: PeoplePages, person_id: str) -> Response:
    """End a session of somebody."""
    found = _person(pages, person_id)
    sessions.end_session(runtime(), found, text("session", 24), actor_id=person().id)
    set_done(_("That browser was signed out."))
    return _to_person(pages, person_id)


def _person(pages: PeoplePages, person_id: str) -> Person:
    return team.get_person(runtime(), pages.site.console, person_id, person().merchant_id)


def _role_options(pages: PeoplePages) -> list[tuple[str, str]]:
    return [(role, role_label(role)) for role in ROLES[pages.site.console]]


def _to_person(pages: PeoplePages, person_id: str) -> Response:
    return redirect_to(pages.endpoint("show_person"), person_id=person_id)
