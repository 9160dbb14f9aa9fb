"""Words and numbers as the reader has them: days, hours, states and reasons, for the templates."""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from babel.dates import format_date, format_time
from flask_babel import gettext as _

from consent_tokens.consent.notice import LOCALES, purpose_words, time_of_day
from consent_tokens.consent.preferences import Calm
from consent_tokens.consent.purposes import Purpose, in_order
from consent_tokens.consent.scope import Scope
from consent_tokens.evidence.complaints import ComplaintState, Verdict, Why
from consent_tokens.relay.decision import Reason
from consent_tokens.relay.message import MessageState
from consent_tokens.web.consumer.locale import language


def day(moment: datetime, zone: ZoneInfo) -> str:
    """Return the day of a moment: the zone's calendar, in the manner of the reader's language."""
    return str(format_date(moment.astimezone(zone), format="long", locale=LOCALES[language()]))


def moment_words(moment: datetime, zone: ZoneInfo | None = None) -> str:
    """Return day and time of a moment, in the reader's manner; of UTC, if in no zone."""
    zone = zone or ZoneInfo("UTC")
    local, locale = moment.astimezone(zone), LOCALES[language()]
    day_written = format_date(local, format="medium", locale=locale)
    time_written = format_time(local, format="short", locale=locale, tzinfo=zone)
    return f"{day_written} {time_written}".replace("\u202f", " ")


def last_day(calm: Calm, zone: ZoneInfo) -> str:
    """Return the last day of a calm time: it ends with that day."""
    return day(calm.ends - timedelta(seconds=1), zone)


def clock(minute: int) -> str:
    """Return minutes since midnight in the reader's manner."""
    return time_of_day(minute, language())


def purpose_name(purpose: str) -> str:
    """Return a purpose in the reader's words."""
    if purpose not in set(Purpose):
        return str(_("A question to you"))
    return purpose_words(Purpose(purpose), language())[0]


def scope_words(scope: Scope) -> str:
    """Return a scope in one line: what, how often, which hours."""
    names = [purpose_name(purpose) for purpose in in_order(scope.purposes)]
    parts = [(", " if language() == "en" else "、").join(names)]
    if any(purpose.is_marketing for purpose in scope.purposes):
        parts.append(
            _(
                "at most %(most)s in any %(days)s days",
                most=scope.cap.most,
                days=scope.cap.within.days,
            )
        )
        opens, closes = clock(scope.hours.opens), clock(scope.hours.closes)
        parts.append(_("%(opens)s to %(closes)s", opens=opens, closes=closes))
    return (", " if language() == "en" else "，").join(parts)


def state_words(state: MessageState) -> str:
    """Return what became of a message, in the reader's words."""
    words: dict[MessageState, str] = {
        MessageState.QUEUED: _("about to leave"),
        MessageState.DEFERRED: _("waits for its hour"),
        MessageState.SENDING: _("about to leave"),
        MessageState.SENT: _("sent"),
        MessageState.DELIVERED: _("delivered"),
        MessageState.UNDELIVERABLE: _("could not be delivered"),
        MessageState.REFUSED: _("kept from you"),
        MessageState.EXPIRED: _("not sent: too late"),
        MessageState.UNKNOWN: _("may have been sent"),
    }
    return words[state]


def reason_words(code: str | None) -> str:
    """Return why a message was kept away, in the reader's words."""
    words: dict[str, str] = {
        Reason.MERCHANT_SUSPENDED: _("the platform has stopped this shop"),
        Reason.TOKEN_EXPIRED: _("what you agreed to had ended"),
        Reason.CONSENT_REVOKED: _("you had stopped it"),
        Reason.CONSENT_PAUSED: _("you wanted quiet"),
        Reason.PURPOSE_NOT_GRANTED: _("you did not agree to this kind"),
        Reason.CAP_REACHED: _("it would have been more than you agreed to"),
        Reason.OUTSIDE_HOURS: _("it was outside your hours"),
        "withheld": _("you wanted no invitations"),
    }
    return str(words.get(code or "", _("it was not fit to be sent")))


def why_words(why: Why) -> str:
    """Return a reason for a complaint, as the consumer would say it."""
    words: dict[Why, str] = {
        Why.NEVER_AGREED: _("I never agreed to this"),
        Why.AFTER_REFUSAL: _("It came after I said stop"),
        Why.TOO_OFTEN: _("They write too often"),
        Why.AT_NIGHT: _("It came at night"),
        Why.FRAUD: _("It looks like fraud"),
        Why.OTHER: _("Something else"),
    }
    return words[why]


def verdict_words(verdict: Verdict) -> str:
    """Return what the records say of a message, in plain words."""
    words: dict[Verdict, str] = {
        Verdict.UNDER_CONSENT: _("Our records say: it was sent under a consent of yours."),
        Verdict.OUTSIDE_SCOPE: _("Our records say: it went beyond what you agreed to."),
        Verdict.NO_CONSENT: _(
            "Our records say: the sender is one of ours, but no consent stands behind this text."
        ),
        Verdict.NOT_THROUGH_US: _("Our records say: this text was not sent through us."),
    }
    return words[verdict]


def complaint_words(state: ComplaintState) -> str:
    """Return where a complaint stands, in plain words."""
    words: dict[ComplaintState, str] = {
        ComplaintState.RECEIVED: _("We have it. A person will look at it."),
        ComplaintState.IN_REVIEW: _("A person is looking at it."),
        ComplaintState.UPHELD: _("You were right; the shop was told to put it right."),
        ComplaintState.NOT_UPHELD: _("We looked, and found nothing against the rules."),
        ComplaintState.HANDED_ON: _("We have handed it on to the regulator."),
    }
    return words[state]


def texts_options(counts: Sequence[int]) -> list[tuple[int, str]]:
    """Return numbers of texts to choose from."""
    return [(each, _("%(n)s texts", n=each)) for each in counts]


def days_options(days: Sequence[int]) -> list[tuple[int, str]]:
    """Return numbers of days to choose from."""
    return [(each, _("%(n)s days", n=each)) for each in days]


def clock_options(minutes: Sequence[int]) -> list[tuple[int, str]]:
    """Return times of the day to choose from."""
    return [(each, clock(each)) for each in minutes]


OPTIONS: Final[dict[str, Callable[[Sequence[int]], list[tuple[int, str]]]]] = {
    "texts_options": texts_options,
    "days_options": days_options,
    "clock_options": clock_options,
}
FILTERS: Final[dict[str, Callable[..., str]]] = {
    "day": day,
    "moment": moment_words,
    "last_day": last_day,
    "clock": clock,
    "purpose_name": purpose_name,
    "scope_words": scope_words,
    "state_words": state_words,
    "reason_words": reason_words,
    "why_words": why_words,
    "verdict_words": verdict_words,
    "complaint_words": complaint_words,
}
