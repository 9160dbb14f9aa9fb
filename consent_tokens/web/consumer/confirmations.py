"""What a page says after a form: what was saved, from when to when, or that nothing changed.

Every text is made from the values that the transaction saved, not from the form (promise 15).
"""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Final, TypeAlias
from zoneinfo import ZoneInfo

from flask_babel import gettext as _
from flask_babel import ngettext

from consent_tokens.consent.grant import Grant, GrantStatus
from consent_tokens.consent.preferences import Preferences
from consent_tokens.services.consents.amendments import Amended
from consent_tokens.web.consumer.template_filters import (
    day,
    last_day,
    period_text,
    scope_label,
    time_of_day,
)

_Text: TypeAlias = Callable[[Preferences, Preferences, datetime, ZoneInfo], str]


def nothing_changed() -> str:
    """Return the text after a form that says what was so already."""
    return str(_("Nothing changed: it was so already."))


def preferences_text(
    action: str, before: Preferences, after: Preferences, now: datetime, timezone: ZoneInfo
) -> str:
    """Return what a form of the preferences changed, by its action."""
    if before == after:
        return nothing_changed()
    return _PREFERENCES[action](before, after, now, timezone)


def narrowed_text(before: Grant, after: Grant) -> str:
    """Return what a consent allows after it was narrowed."""
    if before.scope == after.scope:
        return nothing_changed()
    return str(_("Saved. From the next text on: %(scope)s.", scope=scope_label(after.scope)))


def extended_text(before: Grant, after: Grant) -> str:
    """Return until when a consent lasts after it was extended."""
    if before.scope.ends_at == after.scope.ends_at:
        return nothing_changed()
    until = day(after.scope.ends_at, after.scope.send_window.timezones)
    return str(_("Extended. It now lasts until %(until)s.", until=until))


def paused_text(
    merchant: str, paused: list[Amended], until: datetime | None, timezone: ZoneInfo
) -> str:
    """Return until when a merchant is paused; `paused` are the grants that a form paused."""
    if not paused:
        return nothing_changed()
    if until is None:
        return str(_("%(merchant)s is paused until you resume it.", merchant=merchant))
    return str(
        _("%(merchant)s is paused until %(until)s.", merchant=merchant, until=day(until, timezone))
    )


def resumed_text(merchant: str, resumed: list[Grant]) -> str:
    """Return that a merchant may text again; `resumed` are the grants that a form resumed."""
    if not resumed:
        return nothing_changed()
    return str(_("%(merchant)s may text you again.", merchant=merchant))


def undone_text(merchant: str, undone: list[Grant]) -> str:
    """Return what grants allow after a narrowing or a pause of them was undone."""
    scopes = "; ".join(scope_label(each.scope) for each in undone)
    if all(each.status is GrantStatus.PAUSED for each in undone):
        return str(_("Undone. Once you resume it: %(scopes)s.", scopes=scopes))
    return str(
        _(
            "Undone. %(merchant)s may text you as before: %(scopes)s.",
            merchant=merchant,
            scopes=scopes,
        )
    )


def _quiet_text(before: Preferences, after: Preferences, now: datetime, timezone: ZoneInfo) -> str:
    added = [each for each in after.quiet_periods if each not in before.quiet_periods]
    texts = [period_text(each, now, timezone) for each in added]
    return " ".join([*texts, str(_("News about orders and deliveries still comes."))])


def _quiet_ended_text(
    before: Preferences, after: Preferences, now: datetime, timezone: ZoneInfo
) -> str:
    if after.is_quiet_at(now):
        until = max(each for each in after.quiet_periods if each.covers(now))
        return str(
            _(
                "That quiet period is ended. Another one lasts until the end of %(until)s.",
                until=last_day(until, timezone),
            )
        )
    if before.is_quiet_at(now):
        return str(_("The quiet period is ended. Shops may send you offers again."))
    return str(_("That quiet period is removed."))


def _limits_text(_before: Preferences, after: Preferences, _now: datetime, _zone: ZoneInfo) -> str:
    if not after.rate_limits:
        return str(
            _("Saved: no limit for all shops together. What you agreed with each still counts.")
        )
    return " ".join([str(_("Saved.")), limits_state(after)])


def _daily_text(limit: int) -> str:
    return str(
        ngettext(
            "At most %(n)s offer in any 24 hours.",
            "At most %(n)s offers in any 24 hours.",
            limit,
            n=limit,
        )
    )


def _weekly_text(limit: int) -> str:
    return str(
        ngettext(
            "At most %(n)s offer in any 7 days.",
            "At most %(n)s offers in any 7 days.",
            limit,
            n=limit,
        )
    )


def limits_state(preferences: Preferences) -> str:
    """Return the limits over all merchants in words."""
    daily, weekly = preferences.daily_limit, preferences.weekly_limit
    parts = [_daily_text(daily) if daily else "", _weekly_text(weekly) if weekly else ""]
    return " ".join(filter(None, parts)) or str(_("No limit set."))


def quiet_hours_state(preferences: Preferences) -> str:
    """Return the quiet hours in words."""
    hours = preferences.quiet_hours
    if hours is None:
        return str(_("No quiet hours set."))
    begins, ends = time_of_day(hours.begins), time_of_day(hours.ends)
    return str(_("Every day from %(begins)s to %(ends)s.", begins=begins, ends=ends))


def invitations_state(preferences: Preferences) -> str:
    """Return in words whether merchants may invite."""
    if preferences.no_invitations:
        return str(_("All invitations are blocked."))
    return str(_("Shops that may text you can invite you."))


def _hours_text(_before: Preferences, after: Preferences, _now: datetime, _zone: ZoneInfo) -> str:
    if after.quiet_hours is None:
        return str(_("Saved: no quiet hours any more."))
    return " ".join([str(_("Saved.")), quiet_hours_state(after)])


def _invitations_text(
    _before: Preferences, after: Preferences, _now: datetime, _zone: ZoneInfo
) -> str:
    return " ".join([str(_("Saved.")), invitations_state(after)])


_PREFERENCES: Final[Mapping[str, _Text]] = {
    "calm": _quiet_text,
    "no_calm": _quiet_ended_text,
    "limits": _limits_text,
    "rest": _hours_text,
    "invitations": _invitations_text,
}
