"""`webhook`: merchants' webhooks, and the events that could not be delivered."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import click

from consent_tokens.cli.actor import by_operator, deciding, operating_system_user
from consent_tokens.cli.context import open_context
from consent_tokens.cli.output import as_json, print_one, print_rows
from consent_tokens.errors import NotFoundError
from consent_tokens.services import own_webhooks
from consent_tokens.services.admission.actors import find_actor
from consent_tokens.services.supervision.webhook_failures import (
    FailingEvent,
    FailureSearch,
    WebhookEventStatus,
    list_failing,
    replay_all,
)
from consent_tokens.services.supervision.webhook_failures import replay as replay_events
from consent_tokens.services.webhooks import WebhookEventType, add_webhook
from consent_tokens.store import webhooks
from consent_tokens.store.webhooks import Webhook

MAX_SHOWN: Final = 200  # events of one list


@click.group()
def webhook() -> None:
    """Add, list and remove webhooks; list and replay failed events."""


@webhook.command()
@click.argument("merchant_id")
@click.argument("url")
@click.option(
    "--event", "event_types", multiple=True,
    type=click.Choice([each.value for each in WebhookEventType]),
    help="Only events of this type; may be given several times.",
)  # fmt: skip
@by_operator
@as_json
def add(
    merchant_id: str, url: str, event_types: Sequence[str], by: str | None, *, as_json: bool
) -> None:
    """Add a webhook. Its secret is shown this once (Standard Webhooks, `whsec_...`)."""
    with open_context() as context:
        actor = find_actor(context.runtime, by=by, os_user=operating_system_user())
        added, secret = add_webhook(
            context.runtime,
            context.webhook_client,
            merchant_id,
            url,
            event_types,
            actor_id=actor.id,
        )
    print_one({"id": added.id, "secret": secret}, in_json=as_json)


@webhook.command("list")
@click.option("--merchant", "merchant_id", help="Only those of this merchant.")
@as_json
def list_webhooks(merchant_id: str | None, *, as_json: bool) -> None:
    """List webhooks, without their secrets."""
    with open_context() as context:
        found = context.runtime.database.read(webhooks.list_all)
    print_rows(
        [_webhook_row(each) for each in found if merchant_id in {None, each.merchant_id}],
        in_json=as_json,
    )


@webhook.command()
@click.argument("webhook_id")
@by_operator
@as_json
def remove(webhook_id: str, by: str | None, *, as_json: bool) -> None:
    """Remove a webhook, and the events that wait for it."""
    with deciding(by) as (runtime, actor):
        own_webhooks.remove(runtime, webhook_id, actor_id=actor.id)
    print_one({"id": webhook_id, "status": "removed"}, in_json=as_json)


@webhook.command()
@as_json
def failed(*, as_json: bool) -> None:
    """List the events whose delivery failed for good, the newest first."""
    wanted = FailureSearch(status=WebhookEventStatus.FAILED)
    with open_context() as context:
        found = list_failing(context.runtime, wanted, limit=MAX_SHOWN)
    print_rows([_event_row(*each) for each in found.events], in_json=as_json)


@webhook.command()
@click.argument("event_id", required=False)
@click.option("--all", "is_all", is_flag=True, help="All failed events.")
@by_operator
@as_json
def replay(event_id: str | None, by: str | None, *, is_all: bool, as_json: bool) -> None:
    """Deliver failed events again: one by its id, or all."""
    if (event_id is None) is not is_all:
        raise click.UsageError("name one event, or give --all")
    with deciding(by) as (runtime, actor):
        if event_id is None:
            count = replay_all(runtime, actor, FailureSearch(), limit=None)
        else:
            count = replay_events(runtime, actor, [event_id])
            if not count:
                raise NotFoundError("no failed event of that id")
    print_one({"requeued": count}, in_json=as_json)


def _webhook_row(found: Webhook) -> Mapping[str, Any]:
    return {
        "id": found.id,
        "merchant": found.merchant_id,
        "url": found.url,
        "events": " ".join(sorted(found.event_types)),
    }


def _event_row(public_id: str, found: FailingEvent) -> Mapping[str, Any]:
    return {
        "id": public_id,
        "merchant": found.merchant_id,
        "webhook": found.webhook_id,
        "event": found.event_type,
        "created_at": found.created_at.isoformat(),
        "attempts": found.attempts,
        "response": found.response,
    }
