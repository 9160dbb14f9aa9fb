"""One rule: what it limits, for whom, and where that is written.

A rule is validated where it is created; the error names the member at fault.
"""

import datetime as dt
from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, Final

from msgspec import Meta, Struct, field

from consent_tokens.consent.preferences import MAX_WEEKLY_LIMIT, WEEK
from consent_tokens.consent.purposes import Purpose, PurposeClass
from consent_tokens.consent.scope import MAX_DAYS, MAX_MESSAGES, parse_time_of_day
from consent_tokens.localization import LANGUAGES
from consent_tokens.policies import LinkMode, RateLimit

SHADOW_DAYS: Final = 7  # in which a new rule is reported, and refuses nothing
MAX_SHADOW_DAYS: Final = 90
MAX_EXPIRY: Final = 1825  # days
MAX_REST: Final = 3650  # days
MAX_TEXT_DAYS: Final = 365
MAX_PLAN_NOTICE: Final = 720  # hours
MAX_PEAK_MESSAGES: Final = 10_000_000_000  # of all merchants in a day
MAX_SEASONS: Final = 60  # of a rule: those of a moving calendar are listed by year
MAX_WORDS: Final = 400  # characters of a rule in one language

Count = Annotated[int, Meta(ge=1, le=MAX_MESSAGES)]
Days = Annotated[int, Meta(ge=1, le=MAX_DAYS)]
ExpiryDays = Annotated[int, Meta(ge=1, le=MAX_EXPIRY)]
RestDays = Annotated[int, Meta(ge=1, le=MAX_REST)]
Line = Annotated[str, Meta(min_length=1, max_length=MAX_WORDS)]
RuleId = Annotated[str, Meta(pattern=r"^[a-z0-9_]+(\.[a-z0-9_]+)+$", max_length=60)]


class Basis(StrEnum):
    """What a rule rests on."""

    LAW = "law"
    PRACTICE = "practice"  # of carriers and platforms
    OPERATOR = "operator"  # the platform's own choice


class RuleMode(StrEnum):
    """What becomes of what a rule does not allow."""

    ADVISORY = "advisory"  # not verified: shown, and refuses nothing
    SHADOW = "shadow"  # new: counted, and refuses nothing
    ENFORCED = "enforced"


class Weekday(StrEnum):
    """A day of the week, in the order of `date.weekday()`."""

    MON = "mon"
    TUE = "tue"
    WED = "wed"
    THU = "thu"
    FRI = "fri"
    SAT = "sat"
    SUN = "sun"


WEEKDAYS: Final = tuple(Weekday)


class Hours(Struct, frozen=True, forbid_unknown_fields=True):
    """From `opens` to `closes` of the recipient's day, such as `09:00` and `21:00`."""

    opens: str = field(name="from")
    closes: str = field(name="to")

    def __post_init__(self) -> None:
        if parse_time_of_day(self.opens) >= parse_time_of_day(self.closes):
            raise ValueError("`to` must be later than `from`")

    @property
    def minutes(self) -> tuple[int, int]:
        """Return both times in minutes since midnight."""
        return parse_time_of_day(self.opens), parse_time_of_day(self.closes)


class Cap(Struct, frozen=True, forbid_unknown_fields=True):
    """At most `max_messages` in any `per_days` days."""

    max_messages: Count
    per_days: Days

    @property
    def rate_limit(self) -> RateLimit:
        """Return it as a rate limit."""
        return RateLimit(self.max_messages, dt.timedelta(days=self.per_days))


class RecipientCap(Struct, frozen=True, forbid_unknown_fields=True):
    """At most `max_messages` in any `per_days` days to one person, from all merchants together."""

    max_messages: Annotated[int, Meta(ge=1, le=MAX_WEEKLY_LIMIT)]
    per_days: Annotated[int, Meta(ge=1, le=WEEK.days)]  # counted as a person's own limits are

    @property
    def rate_limit(self) -> RateLimit:
        """Return it as a rate limit."""
        return RateLimit(self.max_messages, dt.timedelta(days=self.per_days))


class Retention(Struct, frozen=True, forbid_unknown_fields=True):
    """For how long data is kept: texts no longer, records and proof of consent no shorter."""

    texts_at_most_days: Annotated[int, Meta(ge=0, le=MAX_TEXT_DAYS)] | None = None
    records_at_least_days: Annotated[int, Meta(ge=1, le=MAX_REST)] | None = None
    proof_at_least_days: Annotated[int, Meta(ge=1, le=2 * MAX_REST)] | None = None  # after its end

    def __post_init__(self) -> None:
        members = (self.texts_at_most_days, self.records_at_least_days, self.proof_at_least_days)
        if members == (None, None, None):
            raise ValueError("it must have a period")


class PlanNeeded(Struct, frozen=True, forbid_unknown_fields=True):
    """Texts leave within a plan that their merchant stated this long before they leave."""

    stated_hours_before: Annotated[int, Meta(ge=0, le=MAX_PLAN_NOTICE)]

    @property
    def notice(self) -> dt.timedelta:
        """Return it as a period."""
        return dt.timedelta(hours=self.stated_hours_before)


class Season(Struct, frozen=True, forbid_unknown_fields=True):
    """Days from `first` to `last`, both included: of every year (`11-01`), or of one."""

    first: str
    last: str

    def __post_init__(self) -> None:
        for name in ("first", "last"):
            if not _is_day(getattr(self, name)):
                raise ValueError(f"`{name}` is no day such as 11-01 or 2027-01-23")
        if len(self.first) != len(self.last):
            raise ValueError("`first` and `last` must both have a year, or neither")
        if self.first > self.last:
            raise ValueError("`last` must not be before `first`")

    def covers(self, day: dt.date) -> bool:
        """Whether a day is within it."""
        text = day.isoformat()
        return self.first <= text[-len(self.first) :] <= self.last

    def next_days(self, day: dt.date) -> tuple[dt.date, dt.date] | None:
        """Return the first and the last day of it that is not over on a day; None if all are."""
        has_year = len(self.first) > len("11-01")
        years = [""] if has_year else [f"{year:04}-" for year in (day.year, day.year + 1)]
        for year in years:
            last = _day_of(f"{year}{self.last}")
            if last >= day:
                return _day_of(f"{year}{self.first}"), last
        return None


class Peak(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A peak season, and what the platform plans for it."""

    id: RuleId
    name: Mapping[str, Line]  # by language
    words: Mapping[str, Line]  # what the platform does in it, by language
    season: Season
    # marketing and finance texts of all merchants that it plans to send in a day (UTC)
    messages_per_day: Annotated[int, Meta(ge=1, le=MAX_PEAK_MESSAGES)] | None = None

    def __post_init__(self) -> None:
        for member in ("name", "words"):
            if getattr(self, member).keys() != set(LANGUAGES):
                raise ValueError(f"`{member}` must be in {', '.join(LANGUAGES)}")


class Defaults(Struct, frozen=True, forbid_unknown_fields=True):
    """What a consent request asks for where it does not say."""

    max_messages: Count
    per_days: Days
    hours: Hours
    expires_in_days: ExpiryDays


class Rule(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One rule of a pack. Of what it limits, the members that are set count."""

    id: RuleId
    classes: Annotated[frozenset[PurposeClass], Meta(min_length=1)]
    words: Mapping[str, Line]  # by language
    basis: Basis
    source: Annotated[str, Meta(max_length=MAX_WORDS)]
    article: Annotated[str, Meta(max_length=MAX_WORDS)]
    date: dt.date  # of the source
    verified: bool  # whether the source was read
    since: dt.date  # on which the rule was added in this form
    shadow_days: Annotated[int, Meta(ge=0, le=MAX_SHADOW_DAYS)] = SHADOW_DAYS  # 0: enforced at once
    purposes: frozenset[str] = frozenset()  # only these; empty: all of its classes
    regions: frozenset[str] = frozenset()  # only these of the pack's; empty: all

    seasons: Annotated[tuple[Season, ...], Meta(max_length=MAX_SEASONS)] = ()  # empty: always

    forbidden: bool = False  # nothing may be asked or sent
    cap: Cap | None = None  # under one consent
    recipient_cap: RecipientCap | None = None  # to one person, from all merchants
    hours: Hours | None = None
    weekdays: frozenset[Weekday] = frozenset()  # on which texts may leave; empty: all
    holidays: frozenset[str] = frozenset()  # on which none may: `12-25`, or `2027-03-29`
    expires_in_days: ExpiryDays | None = None  # of a consent, at most
    defaults: Defaults | None = None
    needs_template: bool = False  # free texts are refused
    invitation_rest_days: RestDays | None = None  # after an invitation or a no, at least
    plan: PlanNeeded | None = None  # outside the merchant's plans nothing leaves
    links: LinkMode | None = None  # to the service at the end of texts, at most
    retention: Retention | None = None

    def __post_init__(self) -> None:
        if self.words.keys() != set(LANGUAGES):
            raise ValueError(f"`words` must be in {', '.join(LANGUAGES)}")
        if self.verified and not self.source.strip():
            raise ValueError("`verified` needs a `source`")
        if unknown := sorted(each for each in self.purposes if each not in Purpose):
            raise ValueError(f"`purposes`: {unknown[0]!r} is no purpose")
        if wrong := [each for each in self.holidays if not _is_day(each)]:
            raise ValueError(f"`holidays`: {wrong[0]!r} is no day such as 12-25 or 2027-03-29")
        self._check_limits()

    def _check_limits(self) -> None:
        """Raise ValueError for members that do not go together, or none."""
        is_limited = all(each.is_limited for each in self.classes)
        if self.recipient_cap and not is_limited:
            raise ValueError("`recipient_cap` counts marketing and finance only")
        if self.plan and not is_limited:
            raise ValueError("`plan` is for marketing and finance only")
        if self.plan and self._limits != [self.plan]:
            raise ValueError("`plan` must be all that a rule limits")
        if self.links is LinkMode.PER_MESSAGE:
            raise ValueError("`links` must be none or constant")
        if not self._limits:
            raise ValueError("it limits nothing")

    @property
    def _limits(self) -> list[object]:
        limits = (
            self.forbidden,
            self.cap,
            self.recipient_cap,
            self.hours,
            self.weekdays,
            self.holidays,
            self.expires_in_days,
            self.defaults,
            self.needs_template,
            self.invitation_rest_days,
            self.plan,
            self.links,
            self.retention,
        )
        return [each for each in limits if each]

    @property
    def enforced_from(self) -> dt.date:
        """Return the day (UTC) from which it refuses, if it is verified."""
        return self.since + dt.timedelta(days=self.shadow_days)

    def mode_on(self, day: dt.date) -> RuleMode:
        """Return what it does on a day (UTC)."""
        if not self.verified:
            return RuleMode.ADVISORY
        is_new = self.shadow_days and day < self.enforced_from
        return RuleMode.SHADOW if is_new else RuleMode.ENFORCED

    def is_in_season(self, day: dt.date) -> bool:
        """Whether it is about a day (UTC): in one of its seasons, or without any."""
        return not self.seasons or any(each.covers(day) for each in self.seasons)

    def is_in_season_between(self, first: dt.date, last: dt.date) -> bool:
        """Whether it is about any day (UTC) from `first` to `last`."""
        days = range(first.toordinal(), last.toordinal() + 1)
        return any(self.is_in_season(dt.date.fromordinal(each)) for each in days)

    def binds(self, purpose: str, purpose_class: PurposeClass, regions: frozenset[str]) -> bool:
        """Whether it is about a purpose, and about a recipient who may be in these regions."""
        is_there = bool(self.regions & regions) if self.regions else True
        return is_there and self.is_about(purpose, purpose_class)

    def is_about(self, purpose: str, purpose_class: PurposeClass) -> bool:
        """Whether it is about a purpose, wherever the recipient is."""
        return purpose_class in self.classes and (not self.purposes or purpose in self.purposes)

    def explanation(self, language: str) -> dict[str, str]:
        """Return what it says and where that is written, for an answer."""
        words = self.words[language]
        return {"id": self.id, "words": words, "source": self.source, "article": self.article}

    def is_closed_on(self, day: dt.date) -> bool:
        """Whether no text may leave on a day of the recipient's calendar."""
        if self.weekdays and WEEKDAYS[day.weekday()] not in self.weekdays:
            return True
        text = day.isoformat()
        return text in self.holidays or text[5:] in self.holidays


def _day_of(text: str) -> dt.date:
    """Return a date; of 29 February in a year without it, the day before."""
    try:
        return dt.date.fromisoformat(text)
    except ValueError:
        return dt.date.fromisoformat(text.replace("02-29", "02-28"))


def _is_day(text: str) -> bool:
    """Whether it is a date, or a day of every year, such as `12-25`."""
    try:
        return (
            dt.date.fromisoformat(text if len(text) > len("12-25") else f"2028-{text}") is not None
        )
    except ValueError:
        return False
