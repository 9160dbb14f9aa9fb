"""The rules as the operator's people see them: in force, tried out, and compared by version."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from difflib import unified_diff
from typing import Final

from consent_tokens.errors import NotFoundError
from consent_tokens.rules.pack import RuleSet
from consent_tokens.rules.rule import Rule, RuleMode
from consent_tokens.services.rules_dry_run import DryRun, dry_run
from consent_tokens.services.runtime import Runtime
from consent_tokens.store import rule_versions
from consent_tokens.store.rule_versions import RuleVersion

TRIED_PAGES: Final = 4  # of messages: enough for a sample, and done within seconds


@dataclass(frozen=True, slots=True)
class RuleLine:
    """One rule of a pack, with what it does today (UTC)."""

    pack: str
    rule: Rule
    mode: RuleMode


@dataclass(frozen=True, slots=True)
class RulesInForce:
    """The rules of this process, the versions that are stored, and what is wrong with the files."""

    version: str
    lines: Sequence[RuleLine]
    versions: Sequence[tuple[str, datetime]]  # that decisions were made by, the newest first
    fault: str  # empty: the files are in use as they are


@dataclass(frozen=True, slots=True)
class RulesTried:
    """What rules would have stopped of the messages of the last week, or of a sample of them."""

    lines: Sequence[tuple[RuleLine, int]]  # that are verified, with how many messages they stop
    messages: int


@dataclass(frozen=True, slots=True)
class FileDifference:
    """The lines of a file that two versions have differently, as `diff -u` writes them."""

    name: str
    lines: Sequence[str]


def rules_in_force(runtime: Runtime) -> RulesInForce:
    """Return the rules as they are now."""
    found = runtime.rules.current()
    versions = runtime.database.read(rule_versions.find)
    return RulesInForce(
        found.version,
        _lines(found, runtime.clock.now().date()),
        [(each.version, each.first_used_at) for each in reversed(versions)],
        runtime.rules.fault,
    )


def try_rules(runtime: Runtime) -> RulesTried:
    """Try the rules, new ones too, on the messages of the last week; of many, on a sample."""
    found = runtime.rules.current()
    tried: DryRun = dry_run(runtime, found, max_pages=TRIED_PAGES)
    lines = [each for each in _lines(found, runtime.clock.now().date()) if each.rule.verified]
    return RulesTried(
        [(each, tried.stopped.get(each.rule.id, 0)) for each in lines], tried.messages
    )


def compare_versions(runtime: Runtime, before: str, after: str) -> list[FileDifference]:
    """Return in what two stored versions of the rules differ. Raises NotFoundError."""
    stored = {each.version: each for each in runtime.database.read(rule_versions.find)}
    if before not in stored or after not in stored:
        raise NotFoundError("no rules of that version are stored")
    return _compare(stored[before], stored[after])


def _lines(found: RuleSet, today: date) -> list[RuleLine]:
    return [
        RuleLine(pack.id, rule, rule.mode_on(today))
        for pack in found.packs.values()
        for rule in pack.rules
    ]


def _compare(before: RuleVersion, after: RuleVersion) -> list[FileDifference]:
    names = sorted(before.files.keys() | after.files.keys())
    compared = [
        FileDifference(
            name,
            list(
                unified_diff(
                    before.files.get(name, "").splitlines(),
                    after.files.get(name, "").splitlines(),
                    before.version,
                    after.version,
                    lineterm="",
                )
            ),
        )
        for name in names
    ]
    return [each for each in compared if each.lines]
