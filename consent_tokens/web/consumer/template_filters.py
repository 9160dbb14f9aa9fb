"""Template filters: dates, times, scopes, statuses and reasons in the language of the page."""

import re
from collections.abc import Callable, Collection, Sequence
from datetime import datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from babel.dates import format_date, format_time
from flask_babel import gettext as _
from flask_babel import ngettext

from consent_tokens.consent.grant import Grant
from consent_tokens.consent.notice import (
    describe_time_range,
    localized_time_of_day,
)
from consent_tokens.consent.purposes import Purpose, in_catalogue_order
from consent_tokens.consent.quiet_periods import QuietPeriod
from consent_tokens.consent.scope import Scope, parse_time_of_day
from consent_tokens.consent.timezones import Timezones, city_name
from consent_tokens.localization import LOCALES, join_list
from consent_tokens.relay.message import MessageStatus
from consent_tokens.services.consents.amendments import Amendment
from consent_tokens.web.consumer.complaint_labels import (
    complaint_reason_label,
    complaint_status_label,
    finding_label,
    ground_label,
    verdict_label,
)
from consent_tokens.web.consumer.error_texts import duration
from consent_tokens.web.consumer.locale import language, locale_of_dates
from consent_tokens.web.reasons import consumer_text


def day(moment: datetime, where: Timezones | ZoneInfo) -> str:
    """Return the date of a moment in a time zone; in the first of several."""
    timezone = where if isinstance(where, ZoneInfo) else where[0]
    return str(format_date(moment.astimezone(timezone), format="long", locale=locale_of_dates()))


def local_datetime(moment: datetime, where: Timezones | ZoneInfo | None = None) -> str:
    """Return date and time of a moment in a time zone; without one, in UTC, and says so.

    Of several it takes the first, and says which that is: the reader may be in another.
    """
    timezones = (where,) if isinstance(where, ZoneInfo) else where or ()
    timezone = timezones[0] if timezones else ZoneInfo("UTC")
    local, locale = moment.astimezone(timezone), locale_of_dates()
    day_written = format_date(local, format="medium", locale=locale)
    time_written = format_time(local, format="short", locale=locale, tzinfo=timezone)
    written = f"{day_written} {time_written}".replace("\u202f", " ")
    if len(timezones) == 1:
        return written
    return f"{written} UTC" if not timezones else f"{written} {timezone_label(timezone)}"


def city(timezone: ZoneInfo) -> str:
    """Return the city that a time zone is named after."""
    return city_name(timezone, LOCALES[language()])


def timezone_label(timezone: ZoneInfo) -> str:
    """Return the name of a time zone: whose time it is."""
    return str(_("(%(city)s time)", city=city(timezone)))


def last_day(period: QuietPeriod, timezone: ZoneInfo) -> str:
    """Return the last day of a quiet period, which ends at midnight after it."""
    return day(period.ends - timedelta(seconds=1), timezone)


def initials(name: str) -> str:
    """Return one or two letters that stand for a name, in place of a logo."""
    words = [word for word in re.split(r"[\W_]+", name) if word]
    if not words:
        return "#"
    if not words[0].isascii():
        return words[0][:1]
    return "".join(word[0] for word in words[:2]).upper()


def spaced(digits: str) -> str:
    """Return the digits of a sender in groups of four, to read them."""
    return " ".join(digits[at : at + 4] for at in range(0, len(digits), 4))


def period_text(period: QuietPeriod, now: datetime, timezone: ZoneInfo) -> str:
    """Return from when to when a quiet period lasts, or until when if it has begun."""
    until = last_day(period, timezone)
    if period.begins <= now:
        return str(_("No offers until the end of %(until)s.", until=until))
    begins = day(period.begins, timezone)
    return str(_("No offers from %(begins)s to %(until)s.", begins=begins, until=until))


def season_name(name: str) -> str:
    """Return the name of a sales season."""
    return {
        "double11": str(_("Double 11")),
        "618": str(_("618")),
        "spring_festival": str(_("Spring Festival")),
    }[name]


def scope_line(scope: Scope) -> str:
    """Return a scope in one line for a list: purposes, frequency cap and end."""
    until = day(scope.ends_at, scope.send_window.timezones)
    names = purpose_names(scope.purposes)
    if not any(purpose.is_limited for purpose in scope.purposes):
        return str(_("%(purposes)s, until %(until)s", purposes=names, until=until))
    return str(
        _(
            "%(purposes)s, at most %(most)s in %(days)s days, until %(until)s",
            purposes=names,
            most=scope.frequency_cap.limit,
            days=scope.frequency_cap.window.days,
            until=until,
        )
    )


def time_of_day(minute: int) -> str:
    """Return minutes since midnight as a time of day."""
    return localized_time_of_day(minute, language())


def time_range(opens: str, closes: str) -> str:
    """Return two times of day, HH:MM, in words."""
    return describe_time_range(parse_time_of_day(opens), parse_time_of_day(closes), language())


def purpose_name(purpose: str) -> str:
    """Return the name of a purpose, or of an invitation."""
    if purpose not in Purpose:
        return str(_("A question to you"))
    return Purpose(purpose).words(language()).name


def purpose_names(purposes: Collection[str]) -> str:
    """Return the names of purposes in one line, in the order of the catalogue."""
    known = in_catalogue_order(frozenset(map(Purpose, purposes)))
    return join_list(language(), [purpose_name(purpose) for purpose in known])


def all_purposes(grants: Collection[Grant]) -> str:
    """Return the names of the purposes of several grants in one line."""
    return purpose_names(frozenset().union(*(each.scope.purposes for each in grants)))


def scope_label(scope: Scope) -> str:
    """Return a scope in one line: purposes, frequency cap and send window."""
    parts = [purpose_names(scope.purposes)]
    if any(purpose.is_limited for purpose in scope.purposes):
        parts.append(
            _(
                "at most %(most)s in any %(days)s days",
                most=scope.frequency_cap.limit,
                days=scope.frequency_cap.window.days,
            )
        )
        window = scope.send_window
        parts.append(describe_time_range(window.opens, window.closes, language()))
    return (", " if language() == "en" else "，").join(parts)


def status_label(status: MessageStatus, is_held_back: bool = False) -> str:  # noqa: FBT001, FBT002 - a filter
    """Return the status of a message; one may be held back by the pacing of its template."""
    if is_held_back and status is MessageStatus.DEFERRED:
        return str(_("waits: few people get a new text first"))
    labels: dict[MessageStatus, str] = {
        MessageStatus.QUEUED: _("about to be sent"),
        MessageStatus.DEFERRED: _("waits for the hours you agreed to"),
        MessageStatus.SENDING: _("about to be sent"),
        MessageStatus.SENT: _("sent"),
        MessageStatus.DELIVERED: _("delivered"),
        MessageStatus.UNDELIVERABLE: _("could not be delivered"),
        MessageStatus.REFUSED: _("blocked"),
        MessageStatus.EXPIRED: _("not sent: too late"),
        MessageStatus.UNKNOWN: _("may have been sent"),
    }
    return labels[status]


def amendment_label(amendment: str) -> str:
    """Return how a consent was amended."""
    labels: dict[Amendment, str] = {
        Amendment.NARROWED: _("Fewer texts allowed"),
        Amendment.WIDENED: _("That change undone"),
        Amendment.PAUSED: _("Paused"),
        Amendment.RESUMED: _("Resumed"),
        Amendment.EXTENDED: _("Extended"),
    }
    return labels[Amendment(amendment)]


def reason_label(code: str | None) -> str:
    """Return why a message did not reach the reader."""
    return str(_(consumer_text(code)))


def message_count_options(counts: Sequence[int]) -> list[tuple[int, str]]:
    """Return the options of a choice of numbers of messages."""
    return [(each, ngettext("%(n)s text", "%(n)s texts", each, n=each)) for each in counts]


def days_options(days: Sequence[int]) -> list[tuple[int, str]]:
    """Return the options of a choice of numbers of days."""
    return [(each, ngettext("%(n)s day", "%(n)s days", each, n=each)) for each in days]


def time_of_day_options(minutes: Sequence[int]) -> list[tuple[int, str]]:
    """Return the options of a choice of times of day."""
    return [(each, time_of_day(each)) for each in minutes]


def gap() -> str:
    """Return what stands between two sentences: nothing in Chinese, whose full stop is wide."""
    return " " if language() == "en" else ""


OPTIONS: Final[dict[str, Callable[[Sequence[int]], list[tuple[int, str]]]]] = {
    "message_count_options": message_count_options,
    "days_options": days_options,
    "time_of_day_options": time_of_day_options,
}
FILTERS: Final[dict[str, Callable[..., str]]] = {
    "city": city,
    "day": day,
    "duration": duration,
    "local_datetime": local_datetime,
    "last_day": last_day,
    "initials": initials,
    "spaced": spaced,
    "period_text": period_text,
    "season_name": season_name,
    "scope_line": scope_line,
    "time_of_day": time_of_day,
    "time_range": time_range,
    "purpose_name": purpose_name,
    "purpose_names": purpose_names,
    "all_purposes": all_purposes,
    "scope_label": scope_label,
    "status_label": status_label,
    "amendment_label": amendment_label,
    "reason_label": reason_label,
    "complaint_reason_label": complaint_reason_label,
    "verdict_label": verdict_label,
    "finding_label": finding_label,
    "ground_label": ground_label,
    "complaint_status_label": complaint_status_label,
}
