"""Whether a typed phone number can be sent a code. The form of a number is no secret.

By the metadata of libphonenumber; a range that a carrier opened later is unknown to it.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import phonenumbers
from phonenumbers import NumberParseException, PhoneNumberType, ValidationResult

from consent_tokens.consent.phone import MAX_TYPED_LENGTH, PhoneNumber

GLOBAL_REGION: Final = "001"  # satellite and other numbers of no country (ITU-T E.164)
MOBILE_TYPES: Final = frozenset(
    {PhoneNumberType.MOBILE, PhoneNumberType.FIXED_LINE_OR_MOBILE, PhoneNumberType.UNKNOWN}
)
COSTLY_TYPES: Final = frozenset(
    {
        PhoneNumberType.PREMIUM_RATE,
        PhoneNumberType.SHARED_COST,
        PhoneNumberType.TOLL_FREE,
        PhoneNumberType.PAGER,
        PhoneNumberType.UAN,
        PhoneNumberType.VOICEMAIL,
    }
)


class NumberFault(StrEnum):
    """Why no code is sent to a typed number."""

    NOT_A_NUMBER = "not_a_number"
    TOO_SHORT = "too_short"
    TOO_LONG = "too_long"
    NO_SUCH_NUMBER = "no_such_number"
    WITHOUT_COUNTRY_CODE = "without_country_code"
    NOT_FOR_TEXTS = "not_for_texts"  # premium, shared cost, pager, satellite
    LANDLINE = "landline"  # may be confirmed
    COUNTRY_NOT_SERVED = "country_not_served"


PARSE_FAULTS: Final = {
    NumberParseException.TOO_LONG: NumberFault.TOO_LONG,
    NumberParseException.TOO_SHORT_NSN: NumberFault.TOO_SHORT,
    NumberParseException.TOO_SHORT_AFTER_IDD: NumberFault.TOO_SHORT,
}


@dataclass(frozen=True, slots=True)
class NumberRules:
    """`default_region` of numbers without a country code; `countries` that get codes, or all."""

    default_region: str
    countries: frozenset[str]


def check_number(
    text: str, rules: NumberRules, *, is_confirmed: bool = False
) -> PhoneNumber | NumberFault:
    """Return the number that a consumer typed, or what is wrong with it.

    `is_confirmed`: the consumer says that a landline number can receive texts.
    """
    parsed = _parse(text, rules.default_region)
    if isinstance(parsed, NumberFault):
        return parsed
    if not phonenumbers.is_valid_number(parsed):
        return _fault_of_invalid(text, parsed)
    kind = phonenumbers.number_type(parsed)
    region = phonenumbers.region_code_for_number(parsed)
    if kind in COSTLY_TYPES or region == GLOBAL_REGION:
        return NumberFault.NOT_FOR_TEXTS
    if rules.countries and region not in rules.countries:
        return NumberFault.COUNTRY_NOT_SERVED
    if kind not in MOBILE_TYPES and not is_confirmed:
        return NumberFault.LANDLINE
    return PhoneNumber.parse(text, rules.default_region)


def _parse(text: str, region: str | None) -> phonenumbers.PhoneNumber | NumberFault:
    if len(text) > MAX_TYPED_LENGTH:
        return NumberFault.TOO_LONG
    try:
        return phonenumbers.parse(text, region)
    except NumberParseException as error:
        return PARSE_FAULTS.get(error.error_type, NumberFault.NOT_A_NUMBER)


def _fault_of_invalid(text: str, parsed: phonenumbers.PhoneNumber) -> NumberFault:
    if not text.strip().startswith(("+", "＋", "00")):
        abroad = _parse(f"+{text.strip()}", None)
        if not isinstance(abroad, NumberFault) and phonenumbers.is_valid_number(abroad):
            return NumberFault.WITHOUT_COUNTRY_CODE
    reason = phonenumbers.is_possible_number_for_type_with_reason(parsed, PhoneNumberType.MOBILE)
    match reason:
        case ValidationResult.TOO_SHORT:
            return NumberFault.TOO_SHORT
        case ValidationResult.TOO_LONG:
            return NumberFault.TOO_LONG
        case _:
            return NumberFault.NO_SUCH_NUMBER


def masked_number(number: PhoneNumber) -> str:
    """Return a number as its owner recognises it: country code, first digits and last four."""
    parsed = phonenumbers.parse(number.reveal())
    national = phonenumbers.national_significant_number(parsed)
    first, last = national[:-8], national[-4:]
    return f"+{parsed.country_code} {first} •••• {last}".replace("  ", " ")
