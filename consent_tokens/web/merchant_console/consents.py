"""`/merchant/consents`: who lets the merchant write, by the merchant's own references."""

from typing import Final

from flask import Response
from flask_babel import gettext as _

from consent_tokens.consent.grant import GrantStatus
from consent_tokens.services.consents import tokens
from consent_tokens.web.consoles.guard import console_blueprint
from consent_tokens.web.consoles.lists import list_view
from consent_tokens.web.consoles.pages import page
from consent_tokens.web.consoles.site import MERCHANT
from consent_tokens.web.merchant_console.overview import merchant_id
from consent_tokens.web.request_context import runtime

bp = console_blueprint("consents", MERCHANT)

STATUSES: Final = tuple(each.value for each in GrantStatus)


@bp.get("/consents", endpoint="show")
def show() -> Response:
    """List the consents, the newest first."""
    view = list_view(
        STATUSES,
        lambda wanted: tokens.list_grants(runtime(), merchant_id(), wanted),
        lambda each: (each.grant.granted_at, each.grant.key.id),
    )
    return page("merchant/consents.html", view=view, consent_status_label=consent_status_label)


@bp.get("/consents/<grant_id>")
def show_one(grant_id: str) -> Response:
    """Show one consent: what was agreed to, what is left of the cap, and why it ended."""
    return page(
        "merchant/consent.html",
        standing=tokens.read_grant(runtime(), merchant_id(), grant_id),
        consent_status_label=consent_status_label,
    )


def consent_status_label(status: str) -> str:
    """Return the status of a consent in words."""
    labels = {
        GrantStatus.LIVE: _("You may write"),
        GrantStatus.PAUSED: _("Paused by the customer"),
        GrantStatus.REVOKED: _("Ended"),
        GrantStatus.EXPIRED: _("Expired"),
    }
    return str(labels[GrantStatus(status)])
