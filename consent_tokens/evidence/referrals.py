"""Where a text that was not sent through this service is reported, by the region of the reader.

Mainland China: 12321, the complaint centre for spam. United States and United Kingdom: 7726, of the
carriers. France: 33700, of the carriers. India: 1909, of the TRAI. Elsewhere the carrier knows.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from consent_tokens.consent.phone import PhoneNumber

SHORT_CODES: Final = {"CN": "12321", "US": "7726", "GB": "7726", "FR": "33700", "IN": "1909"}


@dataclass(frozen=True, slots=True)
class Referral:
    """The region (ISO 3166-1) and short code to report to, and the text to send there.

    Region and code are empty where the carrier has to be asked; the text is empty if the reported
    one is not known any more.
    """

    region: str
    short_code: str
    text: str = ""


def referral(region: str) -> Referral:
    """Return where a text is reported in a region."""
    known = region if region in SHORT_CODES else ""
    return Referral(known, SHORT_CODES.get(known, ""))


def region_to_report_in(number: PhoneNumber) -> str:
    """Return the region of a number; empty if it has no short code for reports."""
    return next((each for each in SHORT_CODES if number.is_in_regions(frozenset({each}))), "")


def referral_of_text(region: str, *, sender: str, text: str, at: datetime) -> Referral:
    """Return where a text is reported, with the text in the form that is asked for there.

    `at` is in the reader's time zone.
    """
    known = referral(region)
    match known.region:
        case "CN":
            ready = f"{sender}*{text}"
        case "IN":
            ready = f"{text}, {sender}, {at:%d/%m/%y}"
        case _:
            ready = text
    return Referral(known.region, known.short_code, ready)
