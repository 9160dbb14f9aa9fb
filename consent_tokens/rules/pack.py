"""Rule packs: the rules of one jurisdiction, as one TOML file, and all of them as one version."""

import hashlib
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cached_property
from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta, Struct

from consent_tokens.consent.phone import is_region
from consent_tokens.errors import RulesInvalidError
from consent_tokens.localization import LANGUAGES
from consent_tokens.rules.rule import Line, Peak, Rule, RuleMode

DEMONSTRATION: Final = "demo"  # the pack of merchants of that kind, whatever the region
EVERYWHERE_ELSE: Final = "*"  # the region of a pack for recipients of regions without one
MAX_RULES: Final = 500  # of one pack
MAX_PEAKS: Final = 100  # of one pack: those of a moving calendar are listed by year
VERSION_LENGTH: Final = 12  # hexadecimal digits


class _PackFile(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    id: Annotated[str, Meta(pattern=r"^[a-z]{2,20}$")]
    name: Mapping[str, Line]
    regions: frozenset[str]
    rules: Annotated[list[dict[str, Any]], Meta(max_length=MAX_RULES)]
    peaks: Annotated[tuple[Peak, ...], Meta(max_length=MAX_PEAKS)] = ()


@dataclass(frozen=True, slots=True)
class Pack:
    """The rules of one jurisdiction: of recipients whose numbers are of its regions."""

    id: str
    name: Mapping[str, str]  # by language
    regions: frozenset[str]  # ISO 3166-1, or EVERYWHERE_ELSE
    rules: tuple[Rule, ...]
    peaks: tuple[Peak, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class WantedRetention:
    """For how long rules have data kept: texts at most, records and proof of consent at least."""

    texts: Sequence[timedelta]
    records: Sequence[timedelta]
    proof: Sequence[timedelta]


def _periods(days: Iterable[int | None]) -> tuple[timedelta, ...]:
    return tuple(timedelta(days=each) for each in days if each is not None)


@dataclass(frozen=True, eq=False)
class RuleSet:
    """All packs, as read together. `version` is a digest of their files."""

    version: str
    packs: Mapping[str, Pack]  # by id
    by_region: Mapping[str, Pack]
    files: Mapping[str, str]  # that they were read from, by name

    @cached_property
    def longest_cap(self) -> timedelta:
        """Return the longest period that a rule counts texts in; zero if none counts."""
        rules = (rule for pack in self.packs.values() for rule in pack.rules)
        return max((rule.cap.rate_limit.window for rule in rules if rule.cap), default=timedelta())

    def invitation_rest(self, day: date) -> timedelta:
        """Return how long the enforced rules have invitations rest on a day (UTC): the longest."""
        days = [rule.invitation_rest_days or 0 for rule in self._enforced(day)]
        return timedelta(days=max(days, default=0))

    def retention(self, day: date) -> WantedRetention:
        """Return for how long the enforced rules have data kept on a day (UTC)."""
        wanted = [rule.retention for rule in self._enforced(day) if rule.retention]
        return WantedRetention(
            texts=_periods(each.texts_at_most_days for each in wanted),
            records=_periods(each.records_at_least_days for each in wanted),
            proof=_periods(each.proof_at_least_days for each in wanted),
        )

    def _enforced(self, day: date) -> list[Rule]:
        return [
            rule
            for pack in self.packs.values()
            for rule in pack.rules
            if rule.mode_on(day) is RuleMode.ENFORCED and rule.is_in_season(day)
        ]

    def packs_for(self, regions: frozenset[str], *, is_demonstration: bool) -> tuple[Pack, ...]:
        """Return the packs for a recipient whose number may be of these regions.

        A region without a pack, and a number of no region, fall under the pack for everywhere else.
        """
        if is_demonstration:
            return (self.packs[DEMONSTRATION],)
        other = self.by_region[EVERYWHERE_ELSE]
        found = {self.by_region.get(each, other).id for each in regions} or {other.id}
        return tuple(self.packs[each] for each in sorted(found))


def parse_pack(name: str, text: str) -> Pack:
    """Return the pack in a TOML text; `name` is its file's.

    Raises RulesInvalidError, which names file, rule and member.
    """
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise RulesInvalidError(f"{name}: no TOML: {error}") from None
    try:
        file = msgspec.convert(table, _PackFile)
    except msgspec.ValidationError as error:
        raise RulesInvalidError(f"{name}: {error}") from None
    rules = tuple(_parse_rule(name, each) for each in file.rules)
    pack = Pack(file.id, file.name, file.regions, rules, file.peaks)
    if fault := _fault_of(pack):
        raise RulesInvalidError(f"{name}: {fault}")
    return pack


def _parse_rule(name: str, table: dict[str, Any]) -> Rule:
    try:
        return msgspec.convert(table, Rule)
    except msgspec.ValidationError as error:
        raise RulesInvalidError(f"{name}: rule {table.get('id')!r}: {error}") from None


def _fault_of(pack: Pack) -> str | None:
    """Return what is wrong with a pack as a whole."""
    if pack.name.keys() != set(LANGUAGES):
        return f"`name` must be in {', '.join(LANGUAGES)}"
    for region in sorted(pack.regions):
        if region != EVERYWHERE_ELSE and not is_region(region):
            return f"`regions`: {region!r} is no region of two letters, such as CN"
    for rule in pack.rules:
        if not rule.regions <= pack.regions:
            return f"rule {rule.id!r}: `regions` must be of the pack's"
    return _fault_of_ids(pack)


def _fault_of_ids(pack: Pack) -> str | None:
    seen: set[str] = set()
    named = [("rule", each.id) for each in pack.rules] + [("peak", each.id) for each in pack.peaks]
    for kind, name in named:
        if name in seen:
            return f"{kind} {name!r}: `id` is there twice"
        if not name.startswith(f"{pack.id}."):
            return f"{kind} {name!r}: `id` must begin with {pack.id}."
        seen.add(name)
    return None


def rule_set(files: Mapping[str, str]) -> RuleSet:
    """Return the rules in files, by name. Raises RulesInvalidError.

    There must be a pack for demonstrations and one for everywhere else, and one pack a region.
    """
    packs: dict[str, Pack] = {}
    by_region: dict[str, Pack] = {}
    for name, text in sorted(files.items()):
        pack = parse_pack(name, text)
        if pack.id in packs:
            raise RulesInvalidError(f"{name}: `id`: another file has the pack {pack.id!r}")
        if twice := sorted(pack.regions & by_region.keys()):
            raise RulesInvalidError(f"{name}: `regions`: another pack has {twice[0]!r}")
        packs[pack.id] = pack
        by_region |= dict.fromkeys(pack.regions, pack)
    if DEMONSTRATION not in packs or EVERYWHERE_ELSE not in by_region:
        raise RulesInvalidError(
            f"there must be a pack {DEMONSTRATION!r}, and one with the region {EVERYWHERE_ELSE!r}"
        )
    return RuleSet(_version(files), packs, by_region, dict(files))


def _version(files: Mapping[str, str]) -> str:
    digest = hashlib.sha256()
    for name, text in sorted(files.items()):
        digest.update(f"{name}\0{len(text)}\0{text}".encode())
    return digest.hexdigest()[:VERSION_LENGTH]
