"""`workers`: the workers that run; drain a dispatcher."""

from collections.abc import Mapping
from typing import Any

import click

from consent_tokens.cli.actor import by_operator, deciding
from consent_tokens.cli.context import open_context
from consent_tokens.cli.output import as_json, print_one, print_rows
from consent_tokens.services.supervision import pauses
from consent_tokens.services.supervision.pauses import PausedKind
from consent_tokens.services.supervision.workers import Operation, Worker, read_operation


@click.group()
def workers() -> None:
    """List the workers that run; drain a dispatcher before it is stopped."""


@workers.command("list")
@as_json
def list_workers(*, as_json: bool) -> None:
    """List the workers, with the gateway and throughput of each dispatcher."""
    with open_context() as context:
        found = read_operation(context.runtime)
    print_rows([_row(found, each) for each in found.workers], in_json=as_json)


@workers.command()
@click.argument("worker_id")
@click.option("--reason", required=True, help="Why, for other operators.")
@by_operator
@as_json
def drain(worker_id: str, reason: str, by: str | None, *, as_json: bool) -> None:
    """Let a dispatcher finish what is in flight, and take nothing more."""
    with deciding(by) as (runtime, actor):
        pauses.pause(runtime, actor, PausedKind.WORKER, worker_id, reason)
    print_one({"id": worker_id, "status": "draining"}, in_json=as_json)


@workers.command()
@click.argument("worker_id")
@by_operator
@as_json
def resume(worker_id: str, by: str | None, *, as_json: bool) -> None:
    """Let a dispatcher that was drained send again."""
    with deciding(by) as (runtime, actor):
        pauses.resume(runtime, actor, PausedKind.WORKER, worker_id)
    print_one({"id": worker_id, "status": "resumed"}, in_json=as_json)


def _row(found: Operation, worker: Worker) -> Mapping[str, Any]:
    state = worker.state
    is_dispatcher = state.gateway is not None
    return {
        "id": worker.id,
        "kind": worker.kind.value,
        "host": worker.host,
        "process": worker.process_id,
        "seen_at": worker.seen_at.isoformat(),
        "is_silent": found.is_absent(worker),
        "gateway": state.gateway or "",
        "sessions": f"{state.sessions}/{state.max_sessions}" if is_dispatcher else "",
        "segments_per_minute": state.segments_per_minute if is_dispatcher else "",
        "in_flight": state.in_flight if is_dispatcher else "",
        "error": state.error or "",
        "error_at": state.error_at.isoformat() if state.error_at else "",
    }
