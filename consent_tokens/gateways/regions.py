"""The region of a gateway's numbers without a country code: the option `region` of its URL."""

from typing import Final

from consent_tokens.consent.phone import is_region
from consent_tokens.errors import SettingError

DEFAULT_REGION: Final = "CN"


def parse_region(text: str) -> str:
    """Return a region (ISO 3166-1) in capital letters. Raises SettingError."""
    region = text.strip().upper()
    if not is_region(region):
        raise SettingError("CONSENT_GATEWAY_URL: region is one of two letters, such as CN")
    return region
