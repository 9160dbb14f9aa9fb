"""`rules`: what rule packs say, and whether they are valid."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import click

from consent_tokens.cli.context import open_context
from consent_tokens.cli.output import as_json, print_one, print_rows
from consent_tokens.clock import SystemClock
from consent_tokens.folder_watch import CHECK_SECONDS
from consent_tokens.rules.pack import Pack, parse_pack
from consent_tokens.rules.rule import Rule
from consent_tokens.rules_source import RulesSource, read_pack_file, read_rules, touch
from consent_tokens.services.rules_dry_run import dry_run
from consent_tokens.settings import Settings


@click.group()
def rules() -> None:
    """Show and check the rules of what may be asked and sent."""


@rules.command("check")
@click.argument("files", nargs=-1, type=click.Path(path_type=Path))
@as_json
def check(files: tuple[Path, ...], *, as_json: bool) -> None:
    """Check rule packs: the FILES, or else all that this installation uses.

    Exits with 1 and names file, rule and member where one is wrong.
    """
    packs: Iterable[Pack]
    if files:
        packs = [parse_pack(str(file), read_pack_file(file)) for file in files]
    else:
        packs = _source().rule_set.packs.values()
    print_rows([_pack_row(pack) for pack in packs], in_json=as_json)


@rules.command("show")
@click.option("--pack", "pack_id", default="", help="Only one pack, such as cn.")
@as_json
def show(pack_id: str, *, as_json: bool) -> None:
    """Show each rule: whether it is enforced, what it rests on, and where that is written.

    `advisory` is a rule whose source nobody has read: it refuses nothing. `shadow` is a new one,
    which refuses nothing either until its time is over.
    """
    found = [
        _rule_row(rule)
        for pack in _source().rule_set.packs.values()
        if pack_id in {"", pack.id}
        for rule in pack.rules
    ]
    print_rows(found, in_json=as_json)


@rules.command("reload")
@as_json
def reload(*, as_json: bool) -> None:
    """Check the rule packs in CONSENT_RULES_DIR, and have running processes read them.

    Processes read them within five seconds, on every machine that shares the folder; `/rules` and
    the log of each say the version that it uses. Nothing changes where a pack is not valid.
    """
    folder = Settings.from_environment().rules_dir
    if folder is None:
        raise click.ClickException(
            "CONSENT_RULES_DIR names no folder: the rules are those of this version"
        )
    rule_set = read_rules(folder)
    touch(folder)
    row = {"version": rule_set.version, "read_within_seconds": int(CHECK_SECONDS)}
    print_one(row, in_json=as_json)


@rules.command("dry-run")
@click.option(
    "--rules",
    "folder",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="A folder with rule packs, in place of those of this installation.",
)
@as_json
def try_out(folder: Path | None, *, as_json: bool) -> None:
    """Try the rules, new ones too, on the messages that were sent in the last week.

    Shows for each rule how many it would not have let leave at that time. Those that only hours or
    days stop would have waited. It reads the messages of all recipients once.
    """
    with open_context() as context:
        rule_set = read_rules(folder) if folder else context.runtime.rules.current()
        found = dry_run(context.runtime, rule_set)
    rows = [
        {
            "id": rule.id,
            "mode": _mode(rule),
            "stopped": found.stopped.get(rule.id, 0),
            "of": found.messages,
        }
        for pack in rule_set.packs.values()
        for rule in pack.rules
        if rule.verified
    ]
    print_rows(rows, in_json=as_json)


def _mode(rule: Rule) -> str:
    return rule.mode_on(SystemClock().now().date()).value


def _source() -> RulesSource:
    """Return the rules that a process would start with. Raises RulesInvalidError, SettingError."""
    return RulesSource.open(Settings.from_environment().rules_dir, SystemClock())


def _pack_row(pack: Pack) -> Mapping[str, Any]:
    modes = [_mode(rule) for rule in pack.rules]
    return {
        "pack": pack.id,
        "regions": " ".join(sorted(pack.regions)),
        **{mode: modes.count(mode) for mode in ("enforced", "shadow", "advisory")},
    }


def _rule_row(rule: Rule) -> Mapping[str, Any]:
    return {
        "id": rule.id,
        "mode": _mode(rule),
        "basis": rule.basis.value,
        "date": rule.date.isoformat(),
        "words": rule.words["en"],
        "article": rule.article,
        "source": rule.source,
    }
