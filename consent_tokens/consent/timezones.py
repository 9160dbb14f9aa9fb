"""The time zones that a phone number may be in, and their names for people.

A list of several zones has the best known one first; days and times are shown in that one. Zones
that have the same time are one: a number of Leeds has not four zones because of Guernsey, Jersey
and the Isle of Man.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, time, timedelta
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo

from babel import Locale
from babel.core import get_global
from babel.dates import get_timezone_location

MAX_TIMEZONES: Final = 40  # of one number; +1 has the most
ZONE_NAME: Final = re.compile(r"[A-Za-z0-9_+-]+(/[A-Za-z0-9_+-]+)*")  # IANA, and no path
# zones are the same if they are from 2026 to 2031: laws change, and tzdata with them
COMPARED_FROM: Final = datetime(2026, 1, 1, tzinfo=UTC)
COMPARED_DAYS: Final = 5 * 366
REMOTE: Final = ("Antarctica/", "Arctic/", "Etc/")  # never named if another zone has the same time
# of regions with several times: the zone of the capital, or of most people (ISO 3166-1)
MAIN_TIMEZONES: Final[Mapping[str, str]] = {
    "AU": "Australia/Sydney",
    "BR": "America/Sao_Paulo",
    "CA": "America/Toronto",
    "CD": "Africa/Kinshasa",
    "CL": "America/Santiago",
    "CN": "Asia/Shanghai",
    "EC": "America/Guayaquil",
    "ES": "Europe/Madrid",
    "FM": "Pacific/Ponape",
    "GL": "America/Godthab",
    "ID": "Asia/Jakarta",
    "KI": "Pacific/Tarawa",
    "KZ": "Asia/Almaty",
    "MN": "Asia/Ulaanbaatar",
    "MX": "America/Mexico_City",
    "NZ": "Pacific/Auckland",
    "PF": "Pacific/Tahiti",
    "PG": "Pacific/Port_Moresby",
    "PT": "Europe/Lisbon",
    "RU": "Europe/Moscow",
    "US": "America/New_York",
}

Timezones = tuple[ZoneInfo, ...]


@lru_cache(maxsize=1024)
def parse_timezones(names: str) -> Timezones:
    """Return the zones in a space-separated list of IANA names. Raises ValueError."""
    parts = names.split(" ")
    if len(parts) > MAX_TIMEZONES or len({*parts}) < len(parts):
        raise ValueError("not a list of different time zones")
    return tuple(_timezone(name) for name in parts)


def _timezone(name: str) -> ZoneInfo:
    if not ZONE_NAME.fullmatch(name):
        raise ValueError("not a time zone")
    try:
        return ZoneInfo(name)
    except (KeyError, OSError) as error:
        raise ValueError("not a time zone") from error


def format_timezones(timezones: Iterable[ZoneInfo]) -> str:
    """Return IANA names, separated by a space."""
    return " ".join(each.key for each in timezones)


def distinct_timezones(
    known: Sequence[str], possible: Iterable[str], regions: Sequence[str]
) -> Timezones:
    """Return one zone for each different time among `possible`, the main one of `regions` first.

    Of zones with the same time it takes a main zone, else one of `known`. All are IANA names; those
    that this machine does not know are left out.
    """
    main = [MAIN_TIMEZONES[region] for region in regions if region in MAIN_TIMEZONES]

    def rank(name: str) -> tuple[bool, bool, bool, str]:
        return name not in main, name.startswith(REMOTE), name not in known, name

    chosen: dict[object, ZoneInfo] = {}
    for name in sorted(possible, key=rank):
        try:
            zone = _timezone(name)
        except ValueError:
            continue
        chosen.setdefault(_behaviour(name), zone)
    return tuple(chosen.values())


def timezones_of_region(region: str) -> list[str]:
    """Return the zones of a region (ISO 3166-1), by the Unicode CLDR."""
    return list(get_global("territory_zones").get(region, ()))


@lru_cache(maxsize=1024)
def _behaviour(name: str) -> tuple[tuple[datetime, timedelta], ...]:
    """Return the changes of a zone's offset from UTC, each to the hour, in the compared years."""
    zone = ZoneInfo(name)
    changes = [(COMPARED_FROM, _offset(zone, COMPARED_FROM))]
    for day in range(7, COMPARED_DAYS, 7):
        at = COMPARED_FROM + timedelta(days=day)
        if _offset(zone, at) != changes[-1][1]:
            changes.append((_first_hour(zone, at), _offset(zone, at)))
    return tuple(changes)


def _first_hour(zone: ZoneInfo, at: datetime) -> datetime:
    """Return the hour of the last week in which the offset became that of `at`."""
    hour, offset = at, _offset(zone, at)
    while _offset(zone, hour - timedelta(hours=1)) == offset and at - hour < timedelta(days=7):
        hour -= timedelta(hours=1)
    return hour


def _offset(zone: ZoneInfo, at: datetime) -> timedelta:
    return at.astimezone(zone).utcoffset() or timedelta()


def next_local_time(zone: ZoneInfo, minute: int, after: datetime) -> datetime:
    """Return the first time after `after` at which clocks of a zone show a minute of the day.

    Goes by local wall-clock time, also on days of 23 or 25 hours: a time in the skipped hour is
    taken after it. A minute that a change of the clock repeats counts each time.
    """
    day = after.astimezone(zone).date()
    while True:
        local = datetime.combine(day, time(minute // 60, minute % 60), zone)
        for moment in (local, local.replace(fold=1)):
            found = moment.astimezone(after.tzinfo)
            if found > after:
                return found
        day += timedelta(days=1)


def minute_of_day(zone: ZoneInfo, at: datetime) -> int:
    """Return the local time of day in a zone, in minutes since midnight."""
    local = at.astimezone(zone)
    return local.hour * 60 + local.minute


# --- Names ----------------------------------------------------------------------------------------


def place_name(zone: ZoneInfo, locale: str) -> str:
    """Return a place whose time a zone is: the country, or the city where it has several times."""
    region = region_of(zone)
    if region is None or len(distinct_timezones((), timezones_of_region(region), ())) > 1:
        return city_name(zone, locale)
    return region_name(region, locale)


def city_name(zone: ZoneInfo, locale: str) -> str:
    """Return the city that a zone is named after (CLDR)."""
    return str(get_timezone_location(zone, locale=locale, return_city=True))


def region_name(region: str, locale: str) -> str:
    """Return the name of a region (CLDR)."""
    return str(Locale.parse(locale).territories.get(region, region))


def region_of(zone: ZoneInfo) -> str | None:
    """Return the region of a zone (ISO 3166-1); None if it has none."""
    region: str | None = get_global("zone_territories").get(zone.key)
    return region if region and region.isalpha() else None


@lru_cache(maxsize=1024)
def regions_of(timezones: Timezones) -> frozenset[str]:
    """Return the regions of zones (ISO 3166-1); empty if none of them has one."""
    found = {region_of(zone) for zone in timezones}
    return frozenset(each for each in found if each)


def common_region(timezones: Sequence[ZoneInfo]) -> str | None:
    """Return the region of the first zone if that is the main region of all; else None."""
    regions = {region_of(zone) for zone in timezones} - DEPENDENCIES
    return regions.pop() if len(regions) == 1 else None


DEPENDENCIES: Final = frozenset({"AQ", "CC", "CX", "SJ"})  # whose numbers look like their country's
