"""Phone numbers in E.164, protected against accidental output."""

import re
from dataclasses import dataclass, field
from enum import Enum
from typing import Final, NoReturn, Self
from zoneinfo import ZoneInfo

import phonenumbers
from phonenumbers import PhoneNumberFormat, PhoneNumberType, timezone

from consent_tokens.consent.timezones import (
    Timezones,
    distinct_timezones,
    timezones_of_region,
)

MAX_TYPED_LENGTH: Final = 40  # characters, with spaces and brackets
RANGE_DIGITS: Final = 4  # SMS pumping goes through ranges of adjacent numbers
UNKNOWN_TIMEZONE: Final = "Etc/Unknown"  # what the library returns for non-geographic numbers
CARRIER_ADDRESS = re.compile(r"\+?[\d\s().-]+")  # the library would read letters as digits
INTERNATIONAL_PREFIX: Final = "00"  # ITU-T E.123; other prefixes by the rules of a region
INTERNATIONAL: Final = "001"  # what it calls the region of numbers of no country
NATIONWIDE_MOBILE_PREFIXES: Final = frozenset({62})  # country codes; it says they have area codes
# no country has this code (ITU-T, list of assigned country codes): whoever types such a number is
# refused, and no phone has it
TEST_COUNTRY_CODE: Final = "+999"
TEST_DIGITS: Final = 12  # after it: E.164 has 15 at most
SMS_CAPABLE_TYPES: Final = frozenset({PhoneNumberType.MOBILE, PhoneNumberType.FIXED_LINE_OR_MOBILE})


class NumberFormat(Enum):
    """The form in which a carrier says that it writes a number: SMPP's type of number (TON)."""

    UNKNOWN = "unknown"
    INTERNATIONAL = "international"
    NATIONAL = "national"


def is_region(text: str) -> bool:
    """Whether a text is a region that has phone numbers (ISO 3166-1, two capital letters)."""
    return text in phonenumbers.SUPPORTED_REGIONS


@dataclass(frozen=True, slots=True)
class PhoneNumber:
    """One E.164 number. Only `reveal()` returns it, so that its uses can be searched for."""

    _e164: str = field(repr=False)

    @classmethod
    def parse(cls, text: str, region: str | None = None) -> Self:
        """Return the number in `text`, with country code or in the national format of `region`.

        Raises ValueError, without the text, if it is not a possible number.
        """
        if len(text) > MAX_TYPED_LENGTH:
            raise ValueError("not a phone number")
        try:
            parsed = phonenumbers.parse(text, region)
        except phonenumbers.NumberParseException:
            # `from None`: the library's message may contain the text
            raise ValueError("not a phone number") from None
        if not phonenumbers.is_possible_number(parsed):
            raise ValueError("not a phone number")
        return cls(phonenumbers.format_number(parsed, PhoneNumberFormat.E164))

    @classmethod
    def from_carrier(
        cls, text: str, region: str, number_format: NumberFormat = NumberFormat.UNKNOWN
    ) -> Self:
        """Return the number of an inbound message, as a carrier of `region` writes it.

        Reads it as a number of the region and as an international one. A reading that is a valid
        mobile number wins over one that is only possible. Of two equally good ones the
        international reading wins if the text or `number_format` says so, else the region's.
        Raises ValueError, without the text, if it is not a possible number.
        """
        if not CARRIER_ADDRESS.fullmatch(text.strip()):
            raise ValueError("not a phone number")
        digits = re.sub(r"\D", "", text)
        international = "+" + digits.removeprefix(INTERNATIONAL_PREFIX)
        is_international = (
            text.strip().startswith("+")
            or digits.startswith(INTERNATIONAL_PREFIX)
            or number_format is NumberFormat.INTERNATIONAL
        )
        readings = [(international, None), (digits, region)]
        found: list[Self] = []
        for reading, of_region in readings if is_international else reversed(readings):
            try:
                found.append(cls.parse(reading, of_region))
            except ValueError:
                continue
        if not found:
            raise ValueError("not a phone number")
        return max(found, key=lambda number: number.plausibility)  # of equals, the first

    @classmethod
    def for_tests(cls, digits: str) -> Self:
        """Return the test number with these digits. Raises ValueError unless TEST_DIGITS."""
        if len(digits) != TEST_DIGITS or not digits.isdecimal() or not digits.isascii():
            raise ValueError("not the digits of a test number")
        return cls(TEST_COUNTRY_CODE + digits)

    @property
    def is_test(self) -> bool:
        """Whether it is a test number, which is nobody's and reaches no gateway."""
        return self._e164.startswith(TEST_COUNTRY_CODE)

    @property
    def test_digits(self) -> str:
        """Return the digits of a test number. Raises ValueError if it is none."""
        if not self.is_test:
            raise ValueError("not a test number")
        return self._e164.removeprefix(TEST_COUNTRY_CODE)

    @property
    def plausibility(self) -> int:
        """Return 2 for a valid mobile number, 1 for another valid one, 0 for a possible one."""
        is_valid = phonenumbers.is_valid_number(phonenumbers.parse(self._e164))
        return int(is_valid) + int(self.can_receive_sms)

    @property
    def country_code(self) -> str:
        """Return the digits of the country calling code (ITU-T E.164, 6.2.1)."""
        return str(phonenumbers.parse(self._e164).country_code)

    @property
    def can_receive_sms(self) -> bool:
        """Whether it is a valid mobile number, not premium, pager, shared-cost or fixed line."""
        parsed = phonenumbers.parse(self._e164)
        return (
            phonenumbers.is_valid_number(parsed)
            and phonenumbers.number_type(parsed) in SMS_CAPABLE_TYPES
        )

    def is_in_regions(self, regions: frozenset[str]) -> bool:
        """Whether its region is one of `regions` (ISO 3166-1); an empty set stands for all."""
        return (
            not regions
            or phonenumbers.region_code_for_number(phonenumbers.parse(self._e164)) in regions
        )

    def number_range(self) -> str:
        """Return the number without its last four digits, which adjacent numbers share."""
        return self._e164[:-RANGE_DIGITS]

    def timezones(self, default: ZoneInfo) -> Timezones:
        """Return the time zones that it may be in, the best known one first.

        Zones with the same time are one. `default` alone if the number is of no region.
        """
        parsed = phonenumbers.parse(self._e164)
        known = [
            name for name in timezone.time_zones_for_number(parsed) if name != UNKNOWN_TIMEZONE
        ]
        regions = _possible_regions(parsed)
        own = [name for region in regions for name in timezones_of_region(region)]
        here = [name for name in known if name in own]
        # an area code is more exact than the region, unless it is known to lie elsewhere
        is_exact = here and _has_area_code(parsed)
        found = distinct_timezones(known, (here if is_exact else own) or known, regions)
        return found or (default,)

    def reveal(self) -> str:
        """Return the number as text: for submission, sealing and the blind index."""
        return self._e164

    def __format__(self, _spec: str) -> NoReturn:
        raise TypeError("a phone number is not formatted by accident; call reveal()")

    def __str__(self) -> str:
        return "PhoneNumber()"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a phone number is not pickled")


def _possible_regions(parsed: phonenumbers.PhoneNumber) -> list[str]:
    """Return the regions (ISO 3166-1) that a number may be of: some share a range."""
    regions = phonenumbers.region_codes_for_country_code(parsed.country_code or 0)
    fitting = [each for each in regions if phonenumbers.is_valid_number_for_region(parsed, each)]
    return [each for each in fitting or regions[:1] if each != INTERNATIONAL]


def _has_area_code(parsed: phonenumbers.PhoneNumber) -> bool:
    return (
        phonenumbers.is_number_geographical(parsed)
        and parsed.country_code not in NATIONWIDE_MOBILE_PREFIXES
    )
