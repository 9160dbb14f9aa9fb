"""`queue`: what waits to be sent; pause and resume it."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import click

from consent_tokens.cli.actor import by_operator, deciding
from consent_tokens.cli.context import open_context
from consent_tokens.cli.output import as_json, print_one, print_rows
from consent_tokens.services.supervision import pauses
from consent_tokens.services.supervision.pauses import ALL, PausedKind
from consent_tokens.services.supervision.workers import Operation, Queue, read_operation

of_merchant = click.option("--merchant", "merchant_id", help="Only this merchant.")
of_sender = click.option("--sender", "sender_id", help="Only this sender, by its id.")


@click.group()
def queue() -> None:
    """Show what waits to be sent; pause it, and resume it."""


@queue.command()
@as_json
def show(*, as_json: bool) -> None:
    """Show how much waits, and for how long the oldest is due.

    Counts end at 10,001, which says that there are more.
    """
    with open_context() as context:
        found = read_operation(context.runtime)
    queues = {**found.messages, "webhooks": found.webhooks}
    print_rows([_row(found, name, each) for name, each in queues.items()], in_json=as_json)


@queue.command("pauses")
@as_json
def list_pauses(*, as_json: bool) -> None:
    """List what is paused."""
    with open_context() as context:
        found = pauses.list_pauses(context.runtime)
    print_rows(
        [
            {
                "kind": each.pause.kind.value,
                "id": each.pause.subject_id,
                "name": each.name,
                "since": each.pause.paused_at.isoformat(),
                "by": each.pause.paused_by,
                "reason": each.pause.reason,
            }
            for each in found
        ],
        in_json=as_json,
    )


@queue.command()
@of_merchant
@of_sender
@click.option("--reason", required=True, help="Why, for other operators.")
@by_operator
@as_json
def pause(
    merchant_id: str | None, sender_id: str | None, reason: str, by: str | None, *, as_json: bool
) -> None:
    """Send nothing more, or nothing of a merchant or sender, until it is resumed.

    Messages are accepted, wait, and expire with their validity.
    """
    kind, subject_id = _subject(merchant_id, sender_id)
    with deciding(by) as (runtime, actor):
        pauses.pause(runtime, actor, kind, subject_id, reason)
    print_one({"kind": kind.value, "id": subject_id, "status": "paused"}, in_json=as_json)


@queue.command()
@of_merchant
@of_sender
@by_operator
@as_json
def resume(
    merchant_id: str | None, sender_id: str | None, by: str | None, *, as_json: bool
) -> None:
    """Send again what was paused."""
    kind, subject_id = _subject(merchant_id, sender_id)
    with deciding(by) as (runtime, actor):
        pauses.resume(runtime, actor, kind, subject_id)
    print_one({"kind": kind.value, "id": subject_id, "status": "resumed"}, in_json=as_json)


def _subject(merchant_id: str | None, sender_id: str | None) -> tuple[PausedKind, str]:
    if merchant_id and sender_id:
        raise click.UsageError("name a merchant or a sender, not both")
    if merchant_id:
        return PausedKind.MERCHANT, merchant_id
    return (PausedKind.SENDER, sender_id) if sender_id else (PausedKind.ALL, ALL)


def _row(found: Operation, name: str, each: Queue) -> Mapping[str, Any]:
    age = found.age(each) or timedelta()
    return {"queue": name, "waiting": each.waiting, "oldest_due_seconds": int(age.total_seconds())}
