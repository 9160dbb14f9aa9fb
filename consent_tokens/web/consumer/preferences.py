"""`/my/wishes`: calm, limits, rest and invitations, over all merchants."""

from collections.abc import Sequence
from dataclasses import replace
from zoneinfo import ZoneInfo

from flask import Response, request, session
from flask_babel import gettext as _

from consent_tokens.consent.preferences import (
    MAX_DAILY_LIMIT,
    MAX_WEEKLY_LIMIT,
    SEASONS,
    Preferences,
    QuietHours,
    QuietPeriod,
    quiet_until,
)
from consent_tokens.errors import InvalidError
from consent_tokens.services.consents.views import ConsentView, list_consents
from consent_tokens.services.consumer_sessions import recipient_of
from consent_tokens.services.preferences.update import find_preferences, update_preferences
from consent_tokens.web.consumer import blueprint, page, redirect_after_post
from consent_tokens.web.consumer import form_fields as form
from consent_tokens.web.request_context import world

doors = blueprint("preferences")


@doors.get("/my/wishes")
def show() -> Response:
    """Show what the consumer wishes over all merchants."""
    home = recipient_of(world(), session.get("visit"))
    if home is None:
        return redirect_after_post("my.show")
    return _preferences_page(home)


def _preferences_page(home: int, status: int = 200, **faults: str) -> Response:
    now = world().clock.now()
    zone = timezone_of_newest(list_consents(world(), home))
    return page(
        "wishes.html",
        status,
        wishes=find_preferences(world(), home),
        seasons=[(each.name, each.next_quiet_period(now, zone)) for each in SEASONS],
        zone=zone,
        today=now.astimezone(zone).date(),
        most_a_day=MAX_DAILY_LIMIT,
        most_a_week=MAX_WEEKLY_LIMIT,
        hours=list(range(0, 24 * 60, 60)),
        faults=faults,
        told=session.pop("told", None),
    )


def save_preferences(home: int) -> Response:
    """Take a form of wishes, and show them as they are now."""
    action = request.form["action"]
    zone = timezone_of_newest(list_consents(world(), home))
    try:
        update_preferences(world(), home, action, lambda before: _changed(before, action, zone))
    except (InvalidError, ValueError):
        wrong = _("That does not work. Please look at it again.")
        return _preferences_page(home, 422, **{action: wrong})
    session["told"] = {"what": action}
    return redirect_after_post("my.show" if "stay" in request.form else "preferences.show")


def _changed(before: Preferences, action: str, zone: ZoneInfo) -> Preferences:
    """Return wishes with what a form changes in them. Raises InvalidError, ValueError."""
    match action:
        case "calm":
            return replace(before, quiet_period=_quiet_period(zone))
        case "no_calm":
            return replace(before, quiet_period=None)
        case "limits":
            return replace(
                before,
                daily_limit=form.whole_number("a_day"),
                weekly_limit=form.whole_number("a_week"),
            )
        case "rest":
            begins, ends = form.minute_of_day("from"), form.minute_of_day("to")
            has_rest = begins is not None and ends is not None
            return replace(before, quiet_hours=QuietHours(begins, ends, zone) if has_rest else None)  # type: ignore[arg-type]  # neither is None
        case _:
            return replace(before, no_invitations=form.text("invitations") == "none")


def _quiet_period(zone: ZoneInfo) -> QuietPeriod:
    now = world().clock.now()
    wanted = form.text("season")
    for season in SEASONS:
        if season.name == wanted:
            return season.next_quiet_period(now, zone)
    day = form.day("until")
    if day is None:
        raise InvalidError({"until": ["not_a_day"]})
    return quiet_until(day, now, zone)


def timezone_of_newest(found: Sequence[ConsentView]) -> ZoneInfo:
    """Return whose clock counts: that of the newest consent, else the service's own."""
    return found[0].grant.scope.send_window.timezone if found else world().default_timezone
