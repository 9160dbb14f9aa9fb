"""A phone number that does not leak: it prints nothing, and leaves by one word only."""

from dataclasses import dataclass, field
from typing import Final, NoReturn, Self
from zoneinfo import ZoneInfo

import phonenumbers
from phonenumbers import PhoneNumberFormat, PhoneNumberType, timezone

MAX_TYPED_LENGTH: Final = 40  # characters that a person may type, blanks and brackets included
RANGE_DIGITS: Final = 4  # ten thousand neighbours: what pumping runs through
UNKNOWN_TIMEZONE: Final = "Etc/Unknown"  # what the library says for numbers of no place
SMS_CAPABLE_TYPES: Final = frozenset({PhoneNumberType.MOBILE, PhoneNumberType.FIXED_LINE_OR_MOBILE})


@dataclass(frozen=True, slots=True)
class PhoneNumber:
    """One E.164 number. `reveal()` is the only way out, so grep finds every place that uses it."""

    _e164: str = field(repr=False)

    @classmethod
    def parse(cls, text: str, region: str | None = None) -> Self:
        """Return the number in `text`, typed with its country code or as people of `region` do.

        Raises ValueError, without the text, if it is none that could exist.
        """
        if len(text) > MAX_TYPED_LENGTH:
            raise ValueError("not a phone number")
        try:
            parsed = phonenumbers.parse(text, region)
        except phonenumbers.NumberParseException:
            # `from None`: the fault of the library may carry the text
            raise ValueError("not a phone number") from None
        if not phonenumbers.is_possible_number(parsed):
            raise ValueError("not a phone number")
        return cls(phonenumbers.format_number(parsed, PhoneNumberFormat.E164))

    @property
    def can_receive_sms(self) -> bool:
        """Whether it is a valid mobile number: no premium, pager, shared-cost or fixed line."""
        parsed = phonenumbers.parse(self._e164)
        return (
            phonenumbers.is_valid_number(parsed)
            and phonenumbers.number_type(parsed) in SMS_CAPABLE_TYPES
        )

    def is_in_regions(self, regions: frozenset[str]) -> bool:
        """Whether its region is one of these (ISO 3166-1); every region is in none at all."""
        return (
            not regions
            or phonenumbers.region_code_for_number(phonenumbers.parse(self._e164)) in regions
        )

    def number_range(self) -> str:
        """Return the number without its last four digits: its neighbours share it."""
        return self._e164[:-RANGE_DIGITS]

    def timezone(self, default: ZoneInfo) -> ZoneInfo:
        """Return the time zone of the number's region: the first, where there are several."""
        names = timezone.time_zones_for_number(phonenumbers.parse(self._e164))
        return default if names[0] == UNKNOWN_TIMEZONE else ZoneInfo(names[0])

    def reveal(self) -> str:
        """Return the digits, for the gateway, the seal and the blind index."""
        return self._e164

    def __format__(self, _spec: str) -> NoReturn:
        raise TypeError("a phone number is not formatted by accident; call reveal()")

    def __str__(self) -> str:
        return "PhoneNumber()"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a phone number is not pickled")
