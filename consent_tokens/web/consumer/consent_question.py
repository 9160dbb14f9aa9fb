"""What the page of a consent request shows: its terms in words, and the narrower choices."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final, Self
from zoneinfo import ZoneInfo

from consent_tokens.consent import notice
from consent_tokens.consent.purposes import Purpose, PurposeClass, in_catalogue_order
from consent_tokens.consent.request import RequestedTerms
from consent_tokens.consent.scope import ScopeReduction, SendWindow
from consent_tokens.policies import ConsentPolicy
from consent_tokens.services.consents.decisions import OpenRequest

OFFERED_LIMITS: Final = (1, 2, 4, 8, 12, 30, 100, 300)  # messages, if below the requested cap
OFFERED_DAYS: Final = (7, 30, 90, 180, 365, 730)  # if below the requested validity
HOUR_STEP: Final = 60  # minutes between the times of day that are offered


@dataclass(frozen=True, slots=True)
class OfferedPurpose:
    """One checkbox of the page."""

    purpose: Purpose
    name: str
    detail: str
    is_checked: bool
    is_first_of_finance: bool  # above it the page says that each of these is a choice of its own


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsentQuestion:
    """The terms of a consent request in the consumer's language."""

    headline: str
    purposes: list[OfferedPurpose]
    frequency_cap: str
    send_window: str
    ends_at: datetime
    timezone: ZoneInfo
    opt_out: str
    retention: str
    minors: str
    assurance: str
    has_limited: bool

    @classmethod
    def compose(
        cls,
        open_request: OpenRequest,
        chosen: ScopeReduction,
        policy: ConsentPolicy,
        language: str,
        now: datetime,
    ) -> Self:
        """Return the question. A checkbox is checked only if the consumer has checked it before."""
        terms = open_request.request.terms
        window = requested_window(terms, policy)
        purposes = in_catalogue_order(terms.purposes)
        finance = (each for each in purposes if each.purpose_class is PurposeClass.FINANCE)
        first_of_finance = next(finance, None)
        return cls(
            headline=notice.headline(open_request.merchant.name, language),
            purposes=[
                OfferedPurpose(
                    purpose,
                    purpose.words(language).name,
                    notice.purpose_detail(purpose, language),
                    is_checked=purpose in (chosen.purposes or ()),
                    is_first_of_finance=purpose is first_of_finance,
                )
                for purpose in purposes
            ],
            frequency_cap=notice.describe_frequency_cap(
                terms.frequency_cap, terms.purposes, language
            ),
            send_window=notice.describe_hours(window, terms.purposes, language),
            ends_at=now + terms.valid_for,
            timezone=window.timezone,
            opt_out=notice.brief_opt_out(language),
            retention=notice.describe_retention(policy.retention, language),
            minors=notice.describe_minors(language),
            assurance=notice.assurance(open_request.merchant.name, language),
            has_limited=any(purpose.is_limited for purpose in terms.purposes),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class NarrowerChoices:
    """What the consumer may choose instead of the requested terms."""

    limits: list[int]  # messages
    days: list[int]
    times: list[int]  # minutes since midnight, within the requested window

    @classmethod
    def of(cls, terms: RequestedTerms, window: SendWindow) -> Self:
        """Return the choices that are narrower than the requested terms."""
        first_time = window.opens + HOUR_STEP - window.opens % HOUR_STEP
        return cls(
            limits=[each for each in OFFERED_LIMITS if each < terms.frequency_cap.limit],
            days=[each for each in OFFERED_DAYS if each < terms.valid_for.days],
            times=list(range(first_time, window.closes, HOUR_STEP)),
        )


def requested_window(terms: RequestedTerms, policy: ConsentPolicy) -> SendWindow:
    """Return the requested send window. Its time zone means nothing: there is no number yet."""
    return SendWindow.parse(terms.opens, terms.closes, policy.default_timezone)
