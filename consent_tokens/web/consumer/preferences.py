"""`/my/wishes`: calm, limits, rest and invitations, over all merchants."""

from collections.abc import Sequence
from dataclasses import replace
from zoneinfo import ZoneInfo

from flask import Response, request, session
from flask_babel import gettext as _

from consent_tokens.consent.preferences import (
    MOST_A_DAY,
    MOST_A_WEEK,
    SEASONS,
    Calm,
    Rest,
    Wishes,
    until_day,
)
from consent_tokens.errors import InvalidError
from consent_tokens.services.consents.views import Consent, consents
from consent_tokens.services.consumer_sessions import home_of
from consent_tokens.services.preferences.update import wish, wishes_of
from consent_tokens.web.consumer import blueprint, page, see_other
from consent_tokens.web.consumer import form_fields as form
from consent_tokens.web.request_context import world

doors = blueprint("wishes")


@doors.get("/my/wishes")
def look() -> Response:
    """Show what the consumer wishes over all merchants."""
    home = home_of(world(), session.get("visit"))
    if home is None:
        return see_other("my.look")
    return _wishes(home)


def _wishes(home: int, status: int = 200, **faults: str) -> Response:
    now = world().clock.now()
    zone = zone_here(consents(world(), home))
    return page(
        "wishes.html",
        status,
        wishes=wishes_of(world(), home),
        seasons=[(each.name, each.next(now, zone)) for each in SEASONS],
        zone=zone,
        today=now.astimezone(zone).date(),
        most_a_day=MOST_A_DAY,
        most_a_week=MOST_A_WEEK,
        hours=list(range(0, 24 * 60, 60)),
        faults=faults,
        told=session.pop("told", None),
    )


def take_wishes(home: int) -> Response:
    """Take a form of wishes, and show them as they are now."""
    action = request.form["action"]
    zone = zone_here(consents(world(), home))
    try:
        wish(world(), home, action, lambda before: _changed(before, action, zone))
    except (InvalidError, ValueError):
        wrong = _("That does not work. Please look at it again.")
        return _wishes(home, 422, **{action: wrong})
    session["told"] = {"what": action}
    return see_other("my.look" if "stay" in request.form else "wishes.look")


def _changed(before: Wishes, action: str, zone: ZoneInfo) -> Wishes:
    """Return wishes with what a form changes in them. Raises InvalidError, ValueError."""
    match action:
        case "calm":
            return replace(before, calm=_calm(zone))
        case "no_calm":
            return replace(before, calm=None)
        case "limits":
            return replace(before, a_day=form.whole("a_day"), a_week=form.whole("a_week"))
        case "rest":
            begins, ends = form.minute("from"), form.minute("to")
            has_rest = begins is not None and ends is not None
            return replace(before, rest=Rest(begins, ends, zone) if has_rest else None)  # type: ignore[arg-type]  # neither is None
        case _:
            return replace(before, no_invitations=form.text("invitations") == "none")


def _calm(zone: ZoneInfo) -> Calm:
    now = world().clock.now()
    wanted = form.text("season")
    for season in SEASONS:
        if season.name == wanted:
            return season.next(now, zone)
    day = form.day("until")
    if day is None:
        raise InvalidError({"until": ["not_a_day"]})
    return until_day(day, now, zone)


def zone_here(found: Sequence[Consent]) -> ZoneInfo:
    """Return whose clock counts: that of the newest consent, else the service's own."""
    return found[0].grant.scope.hours.zone if found else world().zone
