"""`explain` and `replay`: why a message was accepted or refused, and whether it still would be."""

import sys
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import click

from consent_tokens.cli.context import open_context
from consent_tokens.cli.output import as_json, print_one, print_rows
from consent_tokens.relay.explanation import Outcome, Step
from consent_tokens.rules_source import read_rules
from consent_tokens.services.decisions import explain as explanations
from consent_tokens.services.decisions import replay as replays
from consent_tokens.services.decisions.explain import ExplainedDecision
from consent_tokens.services.decisions.replay import Difference

ALL_DAYS: Final = 36500


@click.command()
@click.argument("message_id")
@as_json
def explain(message_id: str, *, as_json: bool) -> None:
    """Explain the decisions on a message, step by step.

    MESSAGE_ID is the id of a message (msg_...), or of one decision (dec_...), which the answer to a
    refused message names, and `replay`.
    """
    with open_context() as context:
        found = explanations.explain(context.runtime, message_id)
    if as_json:
        print_rows([_explained(each) for each in found], in_json=True)
        return
    for each in found:
        _print_decision(each)


def _print_decision(explained: ExplainedDecision) -> None:
    row = _explained(explained)
    print_one({name: row[name] for name in row if name not in {"steps", "rules"}}, in_json=False)
    for rule in row["rules"]:
        place = f", {rule['article']}" if rule["article"] else ""
        click.echo(f"rule {rule['id']}: {rule['words']} ({rule['source']}{place})")
    if explained.steps:
        print_rows([_row(number, each) for number, each in _numbered(explained)], in_json=False)
    click.echo()


def _numbered(explained: ExplainedDecision) -> list[tuple[int, Step]]:
    """Return the steps that were reached; those after a refusal compare nothing."""
    reached = [each for each in explained.steps if each.outcome is not Outcome.NOT_REACHED]
    return list(enumerate(reached, 1))


def _row(number: int, step: Step) -> Mapping[str, Any]:
    compared = "; ".join(f"{name}: {value}" for name, value in step.compared.items())
    return {
        "step": number,
        "check": step.check,
        "outcome": step.reason.value if step.reason else step.outcome.value,
        "compared": compared,
        "source": step.source,
    }


def _explained(explained: ExplainedDecision) -> dict[str, Any]:
    stages = {None: None, True: "dispatch", False: "acceptance"}
    return {
        "id": explained.id,
        "at": explained.at.isoformat(),
        "merchant": explained.merchant_id,
        "stage": stages[explained.is_of_dispatch],
        "decision": explained.decision,
        "rules_version": explained.rules_version,
        "decided_again": _again(explained),
        "rules": [rule.explanation("en") for rule in explained.rules],
        "steps": [_step(each) for each in explained.steps],
    }


def _again(explained: ExplainedDecision) -> str:
    if explained.missing is not None:
        return explained.missing.value
    return "the same" if explained.is_same else "differs"


def _step(step: Step) -> dict[str, Any]:
    return {
        "check": step.check,
        "outcome": step.outcome.value,
        "reason": step.reason.value if step.reason else None,
        "compared": dict(step.compared),
        "source": step.source,
        "rules": [rule.explanation("en") for rule in step.rules],
    }


@click.command()
@click.option(
    "--days", type=click.IntRange(1, ALL_DAYS), default=ALL_DAYS, help="Only the last so many days."
)
@click.option("--with-current-rules", is_flag=True, help="By the rules as they are now.")
@click.option(
    "--rules",
    "folder",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="By the rule packs in a folder, which need not be in use.",
)
@as_json
def replay(days: int, folder: Path | None, *, with_current_rules: bool, as_json: bool) -> None:
    """Decide past messages again, and show those that come out differently.

    Each by the rules of its time, or by others: what would be different. It reads all events once.
    Exits with 1 if one differs by the rules of its time.
    """
    if folder and with_current_rules:
        raise click.UsageError("--rules and --with-current-rules exclude each other")
    with open_context() as context:
        runtime = context.runtime
        rules = runtime.rules.current() if with_current_rules else None
        since = runtime.clock.now() - timedelta(days=min(days, ALL_DAYS))
        found = replays.replay(runtime, since, read_rules(folder) if folder else rules)
    result = {
        "decisions": found.decisions,
        "differing": found.differing,
        **{f"skipped_{why}": count for why, count in sorted(found.skipped.items())},
    }
    rows = [_difference(each) for each in found.differences]
    print_one({**result, "shown": rows} if as_json else result, in_json=as_json)
    if rows and not as_json:
        print_rows(rows, in_json=False)
    sys.exit(1 if found.differing and not folder and not with_current_rules else 0)


def _difference(difference: Difference) -> Mapping[str, Any]:
    return {
        "id": difference.id,
        "at": difference.at.isoformat(),
        "merchant": difference.merchant_id,
        "before": difference.before,
        "now": difference.now,
        "rules": " ".join(difference.rules),
    }
