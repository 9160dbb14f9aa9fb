"""`/my/wishes`: quiet periods, limits, quiet hours and invitations, over all merchants."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Final
from zoneinfo import ZoneInfo

from flask import Response, request
from flask_babel import gettext as _

from consent_tokens.clock import utc_from_epoch
from consent_tokens.consent.preferences import (
    MAX_DAILY_LIMIT,
    MAX_WEEKLY_LIMIT,
    Preferences,
    QuietHours,
)
from consent_tokens.consent.quiet_periods import (
    MAX_QUIET_PERIODS,
    SEASONS,
    QuietPeriod,
    QuietPeriods,
    TooManyQuietPeriodsError,
    add_quiet_period,
    end_quiet_period,
    next_seasons,
    quiet_until,
)
from consent_tokens.consent.scope import MINUTES_PER_DAY
from consent_tokens.consent.timezones import Timezones
from consent_tokens.errors import InvalidError
from consent_tokens.localization import N_
from consent_tokens.rules.limits import rules_over_all
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
from consent_tokens.web.consumer.confirmations import (
    invitations_state,
    limits_state,
    preferences_text,
    quiet_hours_state,
)
from consent_tokens.web.consumer.locale import language
from consent_tokens.web.request_context import app_context, runtime

bp = blueprint("preferences")

MAX_EPOCH_DIGITS: Final = 10  # of seconds since 1970 in a form
FAULTS: Final[Mapping[str, str]] = {  # by the code of an InvalidError
    "not_a_day": N_("Enter a day from today on, at most two years ahead."),
    "too_many": N_("You have %(n)s quiet periods already. End one of them first."),
    "not_a_season": N_("The days of that season are not known yet."),
    "not_a_daily_limit": N_("Enter a whole number from 1 to 100, or leave the field empty."),
    "not_a_weekly_limit": N_("Enter a whole number from 1 to 500, or leave the field empty."),
    "more_than_a_week": N_("The limit for 24 hours cannot be higher than the limit for 7 days."),
    "no_begin": N_("Choose when the quiet hours begin, or leave both fields empty."),
    "no_end": N_("Choose when the quiet hours end, or leave both fields empty."),
    "not_hours": N_("Choose an end that differs from the start and leaves time for texts."),
}


@bp.get("/my/wishes")
@for_signed_in
def show(partition: int) -> Response:
    """Show the consumer's preferences, with the forms that change them."""
    return _preferences_page(partition)


def _preferences_page(
    partition: int, status: int = 200, errors: Mapping[str, str] | None = None
) -> Response:
    now = runtime().clock.now()
    timezones = find_timezones(runtime(), partition, app_context().consent.default_timezone)
    timezone = timezones[0]
    preferences = find_preferences(runtime(), partition)
    return page(
        "preferences.html",
        status,
        preferences=preferences,
        periods=named_periods(preferences.quiet_periods, now, timezone),
        seasons=seasons_to_offer(preferences.quiet_periods, now, timezone),
        limits_state=limits_state(preferences),
        limits_of_rules=_limits_of_rules(timezones, now),
        quiet_hours_state=quiet_hours_state(preferences),
        invitations_state=invitations_state(preferences),
        timezone=timezone,
        now=now,
        has_several_timezones=len(timezones) > 1,
        today=now.astimezone(timezone).date(),
        max_periods=MAX_QUIET_PERIODS,
        max_daily_limit=MAX_DAILY_LIMIT,
        max_weekly_limit=MAX_WEEKLY_LIMIT,
        hours=list(range(0, MINUTES_PER_DAY, 60)),
        errors=errors or {},
        entered=request.form if errors else {},
        result=take_result(),
    )


def _limits_of_rules(timezones: Timezones, now: datetime) -> list[str]:
    """Return in words how many texts the rules let all shops together send to the consumer."""
    found = rules_over_all(runtime().rules.current(), timezones, now.date())
    return [rule.words[language()] for rule in found]


def named_periods(
    periods: QuietPeriods, now: datetime, timezone: ZoneInfo
) -> list[tuple[str, QuietPeriod]]:
    """Return the periods that are not over, each with the name of its season, or an empty one."""
    return [
        (next((each.name for each in SEASONS if each.is_period(period, timezone)), ""), period)
        for period in periods
        if period.ends > now
    ]


def seasons_to_offer(
    periods: QuietPeriods, now: datetime, timezone: ZoneInfo
) -> Sequence[tuple[str, QuietPeriod]]:
    """Return the next seasons in which it is not quiet already, by name, the next one first."""
    return [
        (season.name, period)
        for season, period in next_seasons(now, timezone)
        if not any(each.begins <= period.begins and each.ends >= period.ends for each in periods)
    ]


def save_preferences(partition: int) -> Response:
    """Save what a form changes, and redirect to the page that it came from."""
    action = request.form["action"]
    default_timezone = app_context().consent.default_timezone
    try:
        saved = update_preferences(
            runtime(),
            partition,
            action,
            lambda before, timezones: _changed(before, action, timezones),
            default_timezone=default_timezone,
        )
    except InvalidError as error:
        errors = {
            name: _(FAULTS[codes[0]], n=MAX_QUIET_PERIODS) for name, codes in error.fields.items()
        }
        return _preferences_page(partition, 422, errors)
    timezone, *_others = find_timezones(runtime(), partition, default_timezone)
    now = runtime().clock.now()
    set_result(action, text=preferences_text(action, saved.before, saved.after, now, timezone))
    return redirect_after_post("my.show" if "stay" in request.form else "preferences.show")


def _changed(before: Preferences, action: str, timezones: Timezones) -> Preferences:
    """Return preferences as a form changes them. Raises InvalidError."""
    match action:
        case "calm":
            return replace(before, quiet_periods=_with_new_period(before, timezones[0]))
        case "no_calm":
            return replace(before, quiet_periods=_without_ended_period(before))
        case "limits":
            return _with_limits(before)
        case "rest":
            return replace(before, quiet_hours=_quiet_hours(timezones))
        case _:
            return replace(before, no_invitations=form.text("invitations") == "none")


def _with_limits(before: Preferences) -> Preferences:
    daily = _limit("a_day", MAX_DAILY_LIMIT, "not_a_daily_limit")
    weekly = _limit("a_week", MAX_WEEKLY_LIMIT, "not_a_weekly_limit")
    if daily is not None and weekly is not None and daily > weekly:
        raise InvalidError({"a_day": ["more_than_a_week"]})
    return replace(before, daily_limit=daily, weekly_limit=weekly)


def _limit(name: str, maximum: int, fault: str) -> int | None:
    try:
        limit = form.whole_number(name)
    except InvalidError:
        raise InvalidError({name: [fault]}) from None
    if limit is not None and not 1 <= limit <= maximum:
        raise InvalidError({name: [fault]})
    return limit


def _quiet_hours(timezones: Timezones) -> QuietHours | None:
    """Return the quiet hours of a form; None if both fields are empty. Raises InvalidError."""
    begins, ends = _minute("from", "rest-from"), _minute("to", "rest-to")
    if begins is None and ends is None:
        return None
    if begins is None:
        raise InvalidError({"rest-from": ["no_begin"]})
    if ends is None:
        raise InvalidError({"rest-to": ["no_end"]})
    try:
        return QuietHours(begins, ends, timezones[0], timezones[1:])
    except ValueError:
        raise InvalidError({"rest-to": ["not_hours"]}) from None


def _minute(name: str, field_id: str) -> int | None:
    try:
        return form.minute_of_day(name)
    except InvalidError:
        raise InvalidError({field_id: ["not_hours"]}) from None


def _with_new_period(before: Preferences, timezone: ZoneInfo) -> QuietPeriods:
    now = runtime().clock.now()
    try:
        return add_quiet_period(before.quiet_periods, _quiet_period(now, timezone), now)
    except TooManyQuietPeriodsError:
        raise InvalidError({"until": ["too_many"]}) from None


def _without_ended_period(before: Preferences) -> QuietPeriods:
    """Return the quiet periods without that of a form; none if it names none."""
    ends = form.text("ends", MAX_EPOCH_DIGITS)
    if not ends:
        return ()
    if not ends.isascii() or not ends.isdigit():
        return before.quiet_periods
    return end_quiet_period(before.quiet_periods, utc_from_epoch(int(ends)))


def _quiet_period(now: datetime, timezone: ZoneInfo) -> QuietPeriod:
    """Return the quiet period of a season, or until the end of a day. Raises InvalidError."""
    if season_name := form.text("season"):
        found = [each for each in SEASONS if each.name == season_name]
        period = found[0].next_quiet_period(now, timezone) if found else None
        if period is None:
            raise InvalidError({"until": ["not_a_season"]})
        return period
    day = form.day("until")
    if day is None:
        raise InvalidError({"until": ["not_a_day"]})
    try:
        return quiet_until(day, now, timezone)
    except ValueError:
        raise InvalidError({"until": ["not_a_day"]}) from None
