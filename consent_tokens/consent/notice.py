"""The consent notice: the text that a consumer sees and agrees to, in their language.

It is composed here and not in a template, so that the text that was shown, the text that is stored
with the grant and the text whose hash is in the token are the same bytes. The page shows these
lines and adds none that changes their meaning. The sentences are in the gettext catalogues
(`localization`); `tests/vectors/texts.json` holds the composed texts, so no change goes unnoticed.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Final

from babel.dates import format_date

from consent_tokens.consent.purposes import Purpose, PurposeClass, in_catalogue_order
from consent_tokens.consent.request import RequestedTerms
from consent_tokens.consent.scope import (
    MINUTES_PER_DAY,
    FrequencyCap,
    SendWindow,
    parse_time_of_day,
)
from consent_tokens.consent.timezones import common_region, place_name, region_name
from consent_tokens.localization import LOCALES, N_, catalogue, join_list
from consent_tokens.policies import RetentionPolicy

NOON: Final = 12  # o'clock
CHINESE_PERIODS: Final = ((18, "晚上"), (13, "下午"), (12, "中午"), (6, "上午"), (0, "凌晨"))


@dataclass(frozen=True, slots=True, kw_only=True)
class NoticeTerms:
    """What a notice states; the purposes are those requested, or those chosen."""

    merchant: str
    purposes: tuple[Purpose, ...]
    frequency_cap: FrequencyCap
    send_window: SendWindow
    ends_at: datetime
    retention: RetentionPolicy
    legal_name: str | None = None
    contact: str | None = None


@dataclass(frozen=True, slots=True)
class Notice:
    """The text, and the language it is in."""

    language: str
    text: str

    @property
    def digest(self) -> bytes:
        """Return the SHA-256 of the text, as UTF-8."""
        return sha256(self.text.encode()).digest()


def purpose_detail(purpose: Purpose, language: str) -> str:
    """Return what a purpose covers, with an example."""
    words = purpose.words(language)
    text = catalogue(language).gettext("%(description)s, such as “%(example)s”")
    return text % {"description": words.description, "example": words.example}


def purpose_list(purposes: frozenset[Purpose], language: str) -> str:
    """Return the names of purposes in one line."""
    names = [purpose.words(language).name for purpose in in_catalogue_order(purposes)]
    return join_list(language, names)


def limited_kind(purposes: Iterable[Purpose], language: str) -> str:
    """Return what consumers call the texts that frequency cap and send window bind."""
    classes = {purpose.purpose_class for purpose in purposes}
    if PurposeClass.FINANCE not in classes:
        name = N_("Offers")
    elif PurposeClass.MARKETING not in classes:
        name = N_("Financial texts")
    else:
        name = N_("Offers and financial texts")
    return catalogue(language).gettext(name)


def describe_frequency_cap(cap: FrequencyCap, purposes: Iterable[Purpose], language: str) -> str:
    """Return a frequency cap in words, with the kind of texts among `purposes` that it binds."""
    texts, days = catalogue(language), cap.window.days
    return texts.gettext("%(kind)s: at most %(messages)s in any %(days)s") % {
        "kind": limited_kind(purposes, language),
        "messages": texts.ngettext("%(n)s text", "%(n)s texts", cap.limit) % {"n": cap.limit},
        "days": texts.ngettext("%(n)s day", "%(n)s days", days) % {"n": days},
    }


def describe_send_window(window: SendWindow, purposes: Iterable[Purpose], language: str) -> str:
    """Return a send window in words, with the place whose time it is in.

    One in several time zones is open only while it is open in all of them, and says so.
    """
    kind = limited_kind(purposes, language)
    if _is_whole_day(window.opens, window.closes):
        return catalogue(language).gettext("%(kind)s: at any time of day") % {"kind": kind}
    if not window.also:
        text = N_("%(kind)s: from %(opens)s to %(closes)s (%(place)s time)")
        place = place_name(window.timezone, LOCALES[language])
    elif region := common_region(window.timezones):
        text = N_(
            "%(kind)s: from %(opens)s to %(closes)s, in every time zone of your country (%(place)s)"
        )
        place = region_name(region, LOCALES[language])
    else:
        text = N_(
            "%(kind)s: from %(opens)s to %(closes)s, in every time zone that your number may be in"
        )
        place = ""
    members = {"kind": kind, "place": place, **_hours(window, language)}
    return catalogue(language).gettext(text) % members


def describe_hours(window: SendWindow, purposes: Iterable[Purpose], language: str) -> str:
    """Return the hours of a send window in words, for whom no number is known yet."""
    kind = limited_kind(purposes, language)
    if _is_whole_day(window.opens, window.closes):
        return catalogue(language).gettext("%(kind)s: at any time of day") % {"kind": kind}
    text = catalogue(language).gettext("%(kind)s: from %(opens)s to %(closes)s, your local time")
    return text % {"kind": kind, **_hours(window, language)}


def describe_time_range(opens: int, closes: int, language: str) -> str:
    """Return hours of the day in words; `opens` and `closes` are minutes since midnight."""
    texts = catalogue(language)
    if _is_whole_day(opens, closes):
        return texts.gettext("any time")
    return texts.gettext("%(opens)s to %(closes)s") % {
        "opens": localized_time_of_day(opens, language),
        "closes": localized_time_of_day(closes, language),
    }


def _is_whole_day(opens: int, closes: int) -> bool:
    return (opens, closes) == (0, MINUTES_PER_DAY)


def _hours(window: SendWindow, language: str) -> dict[str, str]:
    return {
        "opens": localized_time_of_day(window.opens, language),
        "closes": localized_time_of_day(window.closes, language),
    }


def localized_time_of_day(minute: int, language: str) -> str:
    """Return minutes since midnight as the language writes them; 1440 is the end of the day."""
    hour, rest = divmod(minute, 60)
    if minute == MINUTES_PER_DAY:
        return catalogue(language).gettext("midnight")
    if language == "en":
        return _english_time(hour, rest)
    mark = "点" if language == "zh-CN" else "點"
    on_clock = hour if hour <= NOON else hour - NOON
    return f"{_chinese_period(hour)}{on_clock}{mark}" + (f"{rest:02}分" if rest else "")


def _english_time(hour: int, minute: int) -> str:
    if minute == 0 and hour % NOON == 0:
        return "noon" if hour else "midnight"
    on_clock = hour % NOON or NOON
    return f"{on_clock}{f':{minute:02}' if minute else ''} {'am' if hour < NOON else 'pm'}"


def _chinese_period(hour: int) -> str:
    return next(name for begins, name in CHINESE_PERIODS if hour >= begins)


def localized_day(moment: datetime, window: SendWindow, language: str) -> str:
    """Return the day of a moment in the time zone of a send window."""
    local = moment.astimezone(window.timezone)
    return str(format_date(local, "long", locale=LOCALES[language]))


def describe_expiry(ends_at: datetime, window: SendWindow, language: str) -> str:
    """Return in words when a consent expires."""
    text = catalogue(language).gettext("Until %(day)s; then it stops by itself")
    return text % {"day": localized_day(ends_at, window, language)}


def describe_opt_out(language: str) -> str:
    """Return in words how to revoke a consent."""
    return catalogue(language).gettext("Reply STOP, or open the link in a text: two taps")


def brief_opt_out(language: str) -> str:
    """Return in words how to revoke a consent, for a line that is labelled already."""
    return catalogue(language).gettext("Reply STOP, or tap the link in any text")


def describe_retention(retention: RetentionPolicy, language: str) -> str:
    """Return in words how long texts, records and the consent are kept (PIPL 17)."""
    text = catalogue(language).gettext(
        "What a text said is kept for %(text_days)s days, that it was sent for %(record_days)s, "
        "and this consent for %(proof_days)s after it ends; then they are deleted"
    )
    return text % {
        "text_days": retention.texts.days,
        "record_days": retention.records.days,
        "proof_days": retention.proof.days,
    }


def describe_minors(language: str) -> str:
    """Return in words who decides for a child (PIPL 31)."""
    return catalogue(language).gettext("If you are under 14, your parent or guardian has to decide")


def headline(merchant: str, language: str) -> str:
    """Return the question that a notice opens with."""
    text = catalogue(language).gettext("%(merchant)s would like to text you. Is that all right?")
    return text % {"merchant": merchant}


def describe_merchant(terms: NoticeTerms, language: str) -> list[str]:
    """Return in words who asks, and how to reach them, as far as it is known (PIPL 17, 23)."""
    texts = catalogue(language)
    legal_name = texts.gettext("Sent by: %(legal_name)s") % {"legal_name": terms.legal_name}
    contact = texts.gettext("Contact: %(contact)s") % {"contact": terms.contact}
    return [legal_name] * bool(terms.legal_name) + [contact] * bool(terms.contact)


def describe_replacement(merchant: str, language: str) -> str:
    """Return in words what a consent does to earlier ones to the same merchant."""
    text = catalogue(language).gettext(
        "If you agreed to texts from %(merchant)s before: for the kinds above, this answer counts "
        "instead; the rest stays as it was"
    )
    return text % {"merchant": merchant}


def assurance(merchant: str, language: str) -> str:
    """Return what the service guarantees to the consumer."""
    text = catalogue(language).gettext(
        "%(merchant)s does not see your number. You can change your mind at any time; after that, "
        "nobody can use this consent to reach you."
    )
    return text % {"merchant": merchant}


def compose_notice(terms: NoticeTerms, language: str) -> Notice:
    """Return the notice: one fact a line, in the order of the page."""
    lines = [headline(terms.merchant, language), *describe_merchant(terms, language)]
    item = catalogue(language).gettext("- %(name)s: %(detail)s")
    for purpose in terms.purposes:
        name, detail = purpose.words(language).name, purpose_detail(purpose, language)
        lines.append(item % {"name": name, "detail": detail})
    if any(purpose.is_limited for purpose in terms.purposes):
        lines += [
            describe_frequency_cap(terms.frequency_cap, terms.purposes, language),
            describe_send_window(terms.send_window, terms.purposes, language),
        ]
    lines += [
        describe_expiry(terms.ends_at, terms.send_window, language),
        describe_replacement(terms.merchant, language),
        describe_opt_out(language),
        describe_retention(terms.retention, language),
        describe_minors(language),
        assurance(terms.merchant, language),
    ]
    return Notice(language, "\n".join(lines) + "\n")


def compose_invitation(
    merchant: str, terms: RequestedTerms, language: str, *, takes_reply: bool
) -> str:
    """Return the terms in one SMS: kinds, frequency and period (MIIT Order 31, 2015)."""
    texts = catalogue(language)
    cap = hours = ""
    if any(purpose.is_limited for purpose in terms.purposes):
        cap = texts.gettext("At most %(limit)s in any %(days)s days, ") % {
            "limit": terms.frequency_cap.limit,
            "days": terms.frequency_cap.window.days,
        }
        opens, closes = parse_time_of_day(terms.opens), parse_time_of_day(terms.closes)
        hours = texts.gettext("%(hours)s. ") % {
            "hours": describe_time_range(opens, closes, language)
        }
    by_reply, by_link = texts.gettext("Reply Y to agree."), texts.gettext("To agree, open:")
    return texts.gettext(
        "%(merchant)s would like to text you: %(purposes)s. %(cap)s%(hours)sFor %(days)s days. "
        "%(how)s No answer means no."
    ) % {
        "merchant": merchant,
        "purposes": purpose_list(terms.purposes, language),
        "cap": cap,
        "hours": hours,
        "days": terms.valid_for.days,
        "how": by_reply if takes_reply else by_link,
    }
