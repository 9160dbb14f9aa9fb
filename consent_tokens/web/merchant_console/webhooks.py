"""`/merchant/webhooks`: where the merchant is notified, what was posted there, and replay."""

from collections.abc import Callable, Mapping
from typing import Final, TypeVar

from flask import Response, request
from flask_babel import gettext as _
from flask_babel import ngettext

from consent_tokens.errors import ConflictError, InvalidError
from consent_tokens.relay.sandbox import is_sandbox
from consent_tokens.services import own_webhooks, webhook_deliveries
from consent_tokens.services.own_webhooks import Webhook
from consent_tokens.services.webhooks import MAX_URL_LENGTH, WebhookEventType
from consent_tokens.web.consoles.guard import console_blueprint
from consent_tokens.web.consoles.lists import list_view
from consent_tokens.web.consoles.pages import page, redirect_to
from consent_tokens.web.consoles.session import person, set_done
from consent_tokens.web.consoles.site import MERCHANT
from consent_tokens.web.consumer.form_fields import text
from consent_tokens.web.merchant_console.overview import merchant_id
from consent_tokens.web.request_context import app_context, runtime

Changed = TypeVar("Changed")

bp = console_blueprint("webhooks", MERCHANT)
ONE: Final = "/webhooks/<webhook_id>"
STATUS_TAGS: Final = {"pending": "warn", "held": "", "delivered": "ok", "failed": "danger"}


@bp.get("/webhooks")
def show() -> Response:
    """List the webhooks, those of the sandbox last."""
    found = own_webhooks.list_with_sandbox(runtime(), merchant_id())
    return page("merchant/webhooks.html", webhooks=found, is_test=is_test)


@bp.get("/webhooks/new")
def show_form() -> Response:
    """Show the form of a new webhook."""
    return _form_page({})


@bp.post("/webhooks")
def create() -> Response:
    """Add a webhook, and show its secret this once."""
    chosen = request.form.getlist("events")[: len(WebhookEventType)]
    try:
        webhook, secret = own_webhooks.add_as_person(
            runtime(),
            app_context().webhook_client,
            merchant_id(),
            person().id,
            text("url", MAX_URL_LENGTH + 1),
            chosen,
            is_test="test" in request.form,
        )
    except InvalidError as error:
        words = {
            "url": _("Enter a public address that begins with https://, without a user name."),
            "events": _("Choose from the list."),
        }
        return _form_page({name: str(words[name]) for name in error.fields})
    except ConflictError:
        words_of_limit = _(
            "There are %(most)s webhooks already: delete one first.",
            most=own_webhooks.MAX_WEBHOOKS,
        )
        return _form_page({"url": words_of_limit})
    return page("merchant/webhook_secret.html", webhook=webhook, secret=secret)


@bp.get(ONE)
def show_one(webhook_id: str) -> Response:
    """Show a webhook, and what was posted to it."""
    webhook = _find(webhook_id)
    view = list_view(
        webhook_deliveries.STATUSES,
        lambda wanted: webhook_deliveries.list_deliveries(runtime(), webhook, wanted),
        lambda each: each.position,
    )
    until = webhook.previous_until
    return page(
        "merchant/webhook.html",
        webhook=webhook,
        view=view,
        is_test=is_test,
        signs_twice_until=until if until and until > runtime().clock.now() else None,
        delivery_label=delivery_label,
        status_tags=STATUS_TAGS,
    )


@bp.post(f"{ONE}/rotate-secret")
def rotate_secret(webhook_id: str) -> Response:
    """Give a webhook a new secret, and show it this once; the previous one signs too for a day."""
    webhook, secret = _change(webhook_id, own_webhooks.rotate_secret)
    return page("merchant/webhook_secret.html", webhook=webhook, secret=secret)


@bp.post(f"{ONE}/pause")
def pause(webhook_id: str) -> Response:
    """Deliver nothing to a webhook until it is resumed."""
    _change(webhook_id, own_webhooks.pause)
    set_done(_("The webhook is paused. Events wait for it, for 30 days at most."))
    return _to_webhook(webhook_id)


@bp.post(f"{ONE}/resume")
def resume(webhook_id: str) -> Response:
    """Deliver what waits for a paused webhook."""
    _change(webhook_id, own_webhooks.resume)
    set_done(_("The webhook is resumed. What waited for it is delivered now."))
    return _to_webhook(webhook_id)


@bp.post(f"{ONE}/delete")
def delete(webhook_id: str) -> Response:
    """Remove a webhook, and the events that wait for it."""
    _change(webhook_id, own_webhooks.remove_own)
    set_done(_("The webhook was deleted."))
    return redirect_to("merchant_webhooks.show")


@bp.post(f"{ONE}/replay")
def replay(webhook_id: str) -> Response:
    """Post an event again that was delivered or given up."""
    webhook_deliveries.replay(
        runtime(), _find(webhook_id), text("event", 100), actor_id=person().id
    )
    set_done(_("The event is posted again, under the same id."))
    return _to_webhook(webhook_id)


@bp.post(f"{ONE}/replay-failed")
def replay_failed(webhook_id: str) -> Response:
    """Post again what was given up."""
    count = webhook_deliveries.replay_failed(runtime(), _find(webhook_id), actor_id=person().id)
    set_done(
        ngettext(
            "%(num)s event is posted again, under its id.",
            "%(num)s events are posted again, under their ids.",
            count,
        )
        if count
        else _("Nothing was given up.")
    )
    return _to_webhook(webhook_id)


def is_test(webhook: Webhook) -> bool:
    """Whether a webhook is of the sandbox."""
    return is_sandbox(webhook.merchant_id)


def delivery_label(status: str) -> str:
    """Return how a delivery stands."""
    labels = {
        "pending": _("Tried again"),
        "held": _("Waits: paused"),
        "delivered": _("Delivered"),
        "failed": _("Given up"),
    }
    return str(labels[status])


def _change(webhook_id: str, change: Callable[..., Changed]) -> Changed:
    """Change a webhook as the person who is signed in; return what the change returns."""
    owner = _find(webhook_id).merchant_id
    return runtime().database.run(
        lambda transaction: change(runtime(), transaction, owner, webhook_id, actor_id=person().id)
    )


def _find(webhook_id: str) -> Webhook:
    return own_webhooks.get_with_sandbox(runtime(), merchant_id(), webhook_id)


def _to_webhook(webhook_id: str) -> Response:
    return redirect_to("merchant_webhooks.show_one", webhook_id=webhook_id)


def _form_page(errors: Mapping[str, str]) -> Response:
    return page(
        "merchant/new_webhook.html",
        errors=errors,
        entered={"url": text("url")},
        events=[(each.value, event_label(each)) for each in WebhookEventType],
        chosen=request.form.getlist("events"),
        is_test="test" in request.form,
    )


def event_label(event_type: str) -> str:
    """Return when an event is posted."""
    labels = {
        WebhookEventType.CONSENT_GRANTED: _("A customer agreed"),
        WebhookEventType.CONSENT_DECLINED: _("A customer declined"),
        WebhookEventType.CONSENT_EXPIRED: _("A request was not answered in time"),
        WebhookEventType.CONSENT_REVOKED: _("A consent ended"),
        WebhookEventType.CONSENT_CHANGED: _("A customer changed or paused a consent"),
        WebhookEventType.MESSAGE_DELIVERED: _("A text was delivered"),
        WebhookEventType.MESSAGE_FAILED: _("A text was refused, or not delivered"),
        WebhookEventType.COMPLAINT_OPENED: _("Complaints were filed on a day"),
        WebhookEventType.TEMPLATE_REVIEWED: _("A template was decided on"),
        WebhookEventType.MERCHANT_MEASURE: _("Texts are held back, or let go again"),
    }
    return str(labels[WebhookEventType(event_type)])
