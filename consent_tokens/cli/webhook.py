"""`webhook`: where merchants are told what became of their consents and messages."""

from collections.abc import Mapping, Sequence
from typing import Any

import click

from consent_tokens.app_context import AppContext
from consent_tokens.cli.merchants import open_context
from consent_tokens.cli.output import as_json, print_one, print_rows
from consent_tokens.errors import NotFoundError
from consent_tokens.services.webhooks import WebhookEventType, add_webhook
from consent_tokens.store import webhooks
from consent_tokens.store.webhooks import Webhook

MAX_SHOWN = 200


@click.group()
def webhook() -> None:
    """Let merchants be told by webhook; look after what could not be delivered."""


@webhook.command()
@click.argument("merchant_id")
@click.argument("url")
@click.option(
    "--event", "events", multiple=True,
    type=click.Choice([each.value for each in WebhookEventType]),
    help="Only this kind of news; may be given several times.",
)  # fmt: skip
@as_json
def add(merchant_id: str, url: str, events: Sequence[str], *, as_json: bool) -> None:
    """Add a webhook. Its secret is shown once, here (Standard Webhooks, `whsec_...`)."""
    with open_context() as world:
        made, secret = add_webhook(world, merchant_id, url, events)
    print_one({"id": made.id, "secret": secret}, in_json=as_json)


@webhook.command("list")
@as_json
def list_webhooks(*, as_json: bool) -> None:
    """List all webhooks."""
    with open_context() as world:
        found = world.database.read(webhooks.list_all)
    print_rows([_row(each) for each in found], in_json=as_json)


@webhook.command()
@click.argument("webhook_id")
def remove(webhook_id: str) -> None:
    """Remove a webhook, and what waits for it."""
    with open_context() as world:
        if not world.database.run(lambda transaction: webhooks.remove(transaction, webhook_id)):
            raise NotFoundError("no webhook of that id")
    click.echo("removed")


@webhook.command()
@as_json
def failed(*, as_json: bool) -> None:
    """List what was given up, the newest first."""
    with open_context() as world:
        found = world.database.read(lambda transaction: webhooks.failed(transaction, MAX_SHOWN))
        rows = [
            {
                "id": world.keyring.ids.webhook_event.encode(each.key),
                "webhook": each.webhook_id,
                "event": each.event_type,
                "made_at": each.created_at.isoformat(),
                "answer": each.response,
            }
            for each in found
        ]
    print_rows(rows, in_json=as_json)


@webhook.command()
@click.argument("notification_id", required=False)
@click.option("--all", "is_all", is_flag=True, help="All that were given up.")
@as_json
def replay(notification_id: str | None, *, is_all: bool, as_json: bool) -> None:
    """Send again what was given up: one by its id, or all."""
    if (notification_id is None) is not is_all:
        raise click.UsageError("name one notification, or say --all")
    with open_context() as world:
        count = _requeue(world, notification_id)
    print_one({"sent_again": count}, in_json=as_json)


def _requeue(world: AppContext, notification_id: str | None) -> int:
    address = world.keyring.ids.webhook_event.decode(notification_id) if notification_id else None
    if notification_id and address is None:
        raise NotFoundError("no notification of that id")
    now = world.clock.now()
    count = world.database.run(lambda transaction: webhooks.requeue(transaction, address, now))
    if address is not None and not count:
        raise NotFoundError("no dead notification of that id")
    return count


def _row(found: Webhook) -> Mapping[str, Any]:
    return {
        "id": found.id,
        "merchant": found.merchant_id,
        "url": found.url,
        "events": " ".join(sorted(found.event_types)),
    }
