"""Configuration of SMPP sessions, parsed from `CONSENT_GATEWAY_URL`."""

from dataclasses import dataclass, field
from typing import Final, Self
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

from consent_tokens.errors import SettingError
from consent_tokens.gateways.regions import DEFAULT_REGION, parse_region
from consent_tokens.gateways.smpp.message_ids import IdBase

DEFAULT_PORT: Final = 2775
DEFAULT_WINDOW: Final = 64  # submissions in flight on one session
MAX_WINDOW: Final = 1000
MAX_BINDS: Final = 16
VENDOR_TAGS: Final = range(0x1400, 0x4000)  # vendor-specific tags (SMPP 3.4, 5.3.2)
# as Kannel's option of this name: the base of the ids in responses, and of those in reports
ID_BASES: Final = {
    None: (IdBase.TEXT, IdBase.TEXT),
    "0": (IdBase.DECIMAL, IdBase.DECIMAL),
    "1": (IdBase.HEXADECIMAL, IdBase.DECIMAL),
    "2": (IdBase.DECIMAL, IdBase.HEXADECIMAL),
    "3": (IdBase.HEXADECIMAL, IdBase.HEXADECIMAL),
}
SETTING: Final = "CONSENT_GATEWAY_URL"
FALSE_VALUES: Final = frozenset({"0", "no", "off", "false"})


@dataclass(frozen=True, slots=True, kw_only=True)
class CarrierProfile:
    """How a carrier deviates from the defaults; each field is an option of the gateway's URL."""

    uses_message_payload: bool = False  # long texts in one message_payload, not in segments
    sends_validity_period: bool = True
    vendor_tlvs: tuple[tuple[int, bytes], ...] = ()  # with every submission (India's DLT)
    # in a delivery report: the number is not in service any more, as `MK:0001` or `err:001`
    deactivated_codes: frozenset[str] = frozenset()
    refused_codes: frozenset[str] = frozenset()  # in a report: the number is on its blacklist
    region: str = DEFAULT_REGION  # of numbers without a country code (ISO 3166-1)
    response_id_base: IdBase = IdBase.TEXT
    report_id_base: IdBase = IdBase.TEXT


@dataclass(frozen=True, slots=True, kw_only=True)
class BindConfig:
    """Host, credentials and options of one session."""

    host: str
    port: int
    system_id: str
    password: str = field(repr=False)
    is_tls: bool
    is_transmitter_receiver_pair: bool = False  # two binds, instead of one transceiver
    system_type: str = ""
    window: int = DEFAULT_WINDOW
    profile: CarrierProfile = field(default_factory=CarrierProfile)

    @classmethod
    def parse_all(cls, urls: str, default_region: str = DEFAULT_REGION) -> list[Self]:
        """Return the sessions of one or several URLs, separated by spaces. Raises SettingError."""
        return [config for url in urls.split() for config in cls._parse_url(url, default_region)]

    @classmethod
    def _parse_url(cls, url: str, default_region: str) -> list[Self]:
        """Return the sessions of `smpp://user:password@host:port?binds=2`. Raises SettingError."""
        parts = urlsplit(url)
        options = {
            "region": default_region,
            **dict(parse_qsl(parts.query, keep_blank_values=True)),
        }
        config = cls._from_parts(parts, options)
        binds = _whole_number(options, "binds", 1, MAX_BINDS)
        if options:
            raise SettingError(f"{SETTING}: no such option: {', '.join(sorted(options))}")
        return [config] * binds

    @classmethod
    def _from_parts(cls, parts: SplitResult, options: dict[str, str]) -> Self:
        """Return the configuration; removes the options that it knows from `options`."""
        bind = options.pop("bind", "trx")
        if bind not in {"trx", "pair"}:
            raise SettingError(f"{SETTING}: bind is trx or pair")
        return cls(
            host=parts.hostname or "",
            port=parts.port or DEFAULT_PORT,
            system_id=unquote(parts.username or ""),
            password=unquote(parts.password or ""),
            is_tls=parts.scheme == "smpps",
            is_transmitter_receiver_pair=bind == "pair",
            system_type=options.pop("system_type", ""),
            window=_whole_number(options, "window", DEFAULT_WINDOW, MAX_WINDOW),
            profile=_profile(options),
        )


def _profile(options: dict[str, str]) -> CarrierProfile:
    """Return the options of a carrier, and remove them from `options`. Raises SettingError."""
    region = parse_region(options.pop("region"))
    id_type = options.pop("msg-id-type", None)
    if id_type not in ID_BASES:
        raise SettingError(f"{SETTING}: msg-id-type is 0, 1, 2 or 3")
    response_id_base, report_id_base = ID_BASES[id_type]
    vendor = [name for name in options if name.startswith("tlv.")]
    return CarrierProfile(
        uses_message_payload=options.pop("payload", "0") not in FALSE_VALUES,
        sends_validity_period=options.pop("validity", "1") not in FALSE_VALUES,
        vendor_tlvs=tuple(_vendor_tlv(name, options.pop(name)) for name in vendor),
        deactivated_codes=_codes(options, "gone"),
        refused_codes=_codes(options, "refused"),
        region=region,
        response_id_base=response_id_base,
        report_id_base=report_id_base,
    )


def _codes(options: dict[str, str], name: str) -> frozenset[str]:
    return frozenset(filter(None, options.pop(name, "").lower().split(",")))


def _whole_number(options: dict[str, str], name: str, default: int, limit: int) -> int:
    text = options.pop(name, str(default))
    if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= limit:
        raise SettingError(f"{SETTING}: {name} is a whole number from 1 to {limit}")
    return int(text)


def _vendor_tlv(name: str, text: str) -> tuple[int, bytes]:
    """Return tag and value of `tlv.0x1400=text`. Raises SettingError."""
    try:
        tag = int(name.removeprefix("tlv."), 16)
    except ValueError:
        tag = 0
    if tag not in VENDOR_TAGS:
        raise SettingError(f"{SETTING}: {name}: a vendor tag is 0x1400 to 0x3fff")
    return tag, text.encode()
