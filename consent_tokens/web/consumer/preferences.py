"""`/my/wishes`: quiet period, limits, quiet hours and invitations, over all merchants."""

from dataclasses import replace
from zoneinfo import ZoneInfo

from flask import Response, request
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
from consent_tokens.consent.scope import MINUTES_PER_DAY
from consent_tokens.consent.timezones import Timezones
from consent_tokens.errors import InvalidError
from consent_tokens.services.preferences.update import (
    find_preferences,
    find_timezones,
    update_preferences,
)
from consent_tokens.web.consumer import (
    blueprint,
    for_signed_in,
    page,
    redirect_after_post,
    set_result,
    take_result,
)
from consent_tokens.web.consumer import form_fields as form
from consent_tokens.web.request_context import app_context, runtime

bp = blueprint("preferences")


@bp.get("/my/wishes")
@for_signed_in
def show(partition: int) -> Response:
    """Show the consumer's preferences, with the forms that change them."""
    return _preferences_page(partition)


def _preferences_page(partition: int, status: int = 200, **errors: str) -> Response:
    now = runtime().clock.now()
    timezones = find_timezones(runtime(), partition, app_context().consent.default_timezone)
    timezone = timezones[0]
    return page(
        "preferences.html",
        status,
        preferences=find_preferences(runtime(), partition),
        seasons=[(each.name, each.next_quiet_period(now, timezone)) for each in SEASONS],
        timezone=timezone,
        has_several_timezones=len(timezones) > 1,
        today=now.astimezone(timezone).date(),
        max_daily_limit=MAX_DAILY_LIMIT,
        max_weekly_limit=MAX_WEEKLY_LIMIT,
        hours=list(range(0, MINUTES_PER_DAY, 60)),
        errors=errors,
        result=take_result(),
    )


def save_preferences(partition: int) -> Response:
    """Save what a form changes, and redirect to the page that it came from."""
    action = request.form["action"]
    try:
        update_preferences(
            runtime(),
            partition,
            action,
            lambda before, timezones: _changed(before, action, timezones),
            default_timezone=app_context().consent.default_timezone,
        )
    except (InvalidError, ValueError):
        error = _("That does not work. Please look at it again.")
        return _preferences_page(partition, 422, **{action: error})
    set_result(action)
    return redirect_after_post("my.show" if "stay" in request.form else "preferences.show")


def _changed(before: Preferences, action: str, timezones: Timezones) -> Preferences:
    """Return preferences as a form changes them. Raises InvalidError, ValueError."""
    match action:
        case "calm":
            return replace(before, quiet_period=_quiet_period(timezones[0]))
        case "no_calm":
            return replace(before, quiet_period=None)
        case "limits":
            return replace(
                before,
                daily_limit=form.whole_number("a_day"),
                weekly_limit=form.whole_number("a_week"),
            )
        case "rest":
            return replace(before, quiet_hours=_quiet_hours(timezones))
        case _:
            return replace(before, no_invitations=form.text("invitations") == "none")


def _quiet_hours(timezones: Timezones) -> QuietHours | None:
    begins, ends = form.minute_of_day("from"), form.minute_of_day("to")
    if begins is None or ends is None:
        return None
    return QuietHours(begins, ends, timezones[0], timezones[1:])


def _quiet_period(timezone: ZoneInfo) -> QuietPeriod:
    """Return the quiet period of a season, or until the end of a day. Raises InvalidError."""
    now = runtime().clock.now()
    season_name = form.text("season")
    for season in SEASONS:
        if season.name == season_name:
            return season.next_quiet_period(now, timezone)
    day = form.day("until")
    if day is None:
        raise InvalidError({"until": ["not_a_day"]})
    return quiet_until(day, now, timezone)
