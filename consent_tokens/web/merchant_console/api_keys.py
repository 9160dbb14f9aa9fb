"""`/merchant/api-keys`: create keys for programs, and revoke them."""

from collections.abc import Mapping
from typing import Any, Final

from flask import Response, request
from flask_babel import gettext as _

from consent_tokens.errors import ConflictError, InvalidError
from consent_tokens.relay.admission.api_access import ALL_SCOPES, MAX_NETWORKS, ApiKey, ApiScope
from consent_tokens.services import own_api_keys
from consent_tokens.services.admission.key_networks import create_team_key
from consent_tokens.services.admission.sender_list import end_of_day
from consent_tokens.services.api_keys import MAX_LIVE_KEYS, parse_access
from consent_tokens.web.consoles.guard import console_blueprint
from consent_tokens.web.consoles.pages import page, redirect_to
from consent_tokens.web.consoles.session import person, set_done
from consent_tokens.web.consoles.site import MERCHANT
from consent_tokens.web.consoles.tables import Column, csv_response, table_of, table_query
from consent_tokens.web.consumer.form_fields import MAX_DIGITS, day, text, whole_number
from consent_tokens.web.merchant_api.api_key_schemas import MAX_NETWORK_LENGTH
from consent_tokens.web.merchant_console.overview import merchant_id
from consent_tokens.web.request_context import runtime

bp = console_blueprint("api_keys", MERCHANT)
ONE: Final = "/api-keys/<key_id>"
TEXTS: Final = ("networks", "expires", "rate")
STATUS_TAGS: Final = {"active": "ok", "expired": "off", "revoked": "off"}


@bp.get("/api-keys")
def show() -> Response:
    """List the keys, the newest first."""
    columns = [
        Column[ApiKey]("id", _("Key"), lambda each: each.id),
        Column[ApiKey]("scopes", _("May do"), _scopes, is_sortable=False),
        Column[ApiKey]("status", _("Status"), lambda each: status_label(status_of(each))),
        Column[ApiKey]("expires", _("Expires"), lambda each: each.access.expires_at),
        Column[ApiKey]("created", _("Created on"), lambda each: each.created_at),
    ]
    query = table_query(sort="-created", columns=columns)
    found = own_api_keys.list_of_merchant(runtime(), merchant_id())
    view = table_of(found, columns, query)
    if query.is_csv:
        return csv_response("api-keys", view)
    return _page("merchant/api_keys.html", view=view, has_any=bool(found))


@bp.get("/api-keys/new")
def show_form() -> Response:
    """Show the form of a new key."""
    return _form_page({})


@bp.post("/api-keys")
def create() -> Response:
    """Create a key, and show it this once."""
    try:
        last_day = day("expires")
        access = parse_access(
            scopes=request.form.getlist("scopes")[: len(ApiScope)],
            networks=_networks(),
            expires_at=end_of_day(last_day) if last_day else None,
            rate=whole_number("rate"),
            is_test="test" in request.form,
            now=runtime().clock.now(),
        )
        key, secret = create_team_key(runtime(), merchant_id(), person().id, access)
    except InvalidError as error:
        return _form_page(_field_errors(error.fields))
    except ConflictError:
        words = _("There are %(most)s keys already: revoke one first.", most=MAX_LIVE_KEYS)
        return _form_page({"scopes": words})
    return _page("merchant/new_api_key_shown.html", key=key, secret=secret)


@bp.get(ONE)
def show_one(key_id: str) -> Response:
    """Show what a key may do, and the form that revokes it."""
    keys = own_api_keys.list_of_merchant(runtime(), merchant_id())
    return _page(
        "merchant/api_key.html",
        key=own_api_keys.of_id(keys, key_id),
        created=[each for each in keys if each.created_by == key_id],
    )


@bp.post(f"{ONE}/revoke")
def revoke(key_id: str) -> Response:
    """Revoke a key and, unless they are kept, those that were created with it."""
    own_api_keys.revoke_as_person(
        runtime(), merchant_id(), person().id, key_id, keep_created="keep" in request.form
    )
    set_done(_("The key was revoked. It stops working everywhere within two seconds."))
    return redirect_to("merchant_api_keys.show_one", key_id=key_id)


def status_of(key: ApiKey) -> str:
    """Return whether a key is active, expired or revoked."""
    if key.revoked_at is not None:
        return "revoked"
    return "expired" if key.access.is_expired_at(runtime().clock.now()) else "active"


def status_label(status: str) -> str:
    """Return the status of a key in words."""
    labels = {"active": _("Valid"), "expired": _("Expired"), "revoked": _("Revoked")}
    return str(labels[status])


def scope_label(scope: str) -> str:
    """Return what a scope lets a key do."""
    labels = {
        ApiScope.CONSENTS: _("Ask for consents, read them, fetch tokens"),
        ApiScope.MESSAGES: _("Send messages and read them"),
        ApiScope.MESSAGES_READ: _("Read messages"),
        ApiScope.WEBHOOKS: _("Register and remove webhooks"),
        ApiScope.TEMPLATES: _("Submit and read templates"),
        ApiScope.SENDERS: _("Apply for senders and read them"),
        ApiScope.COMPLAINTS: _("Read counts of complaints"),
        ApiScope.PLANS: _("Nothing yet"),
        ApiScope.API_KEYS: _("Create further keys that do no more, and revoke them"),
    }
    return str(labels[ApiScope(scope)])


def _scopes(key: ApiKey) -> str:
    return ", ".join(sorted(key.access.scopes))


def _networks() -> list[str] | None:
    """Return the networks of the form, one a line; None if there are none."""
    entered = text("networks", (MAX_NETWORKS + 1) * (MAX_NETWORK_LENGTH + 2)).split()
    return entered or None


def _page(template: str, **members: Any) -> Response:  # noqa: ANN401 - what the template shows
    return page(
        template,
        status_of=status_of,
        status_label=status_label,
        status_tags=STATUS_TAGS,
        scope_label=scope_label,
        all_scopes=ALL_SCOPES,
        **members,
    )


def _form_page(errors: Mapping[str, str]) -> Response:
    return _page(
        "merchant/new_api_key.html",
        errors=errors,
        scopes=[each.value for each in ApiScope],
        chosen=request.form.getlist("scopes"),
        is_test="test" in request.form,
        entered={name: text(name) for name in TEXTS},
    )


def _field_errors(fields: Mapping[str, Any]) -> dict[str, str]:
    """Return what is wrong with each field, in words."""
    words = {
        "scopes": ("scopes", _("Choose what the key may do.")),
        "networks": (
            "networks",
            _("Enter up to %(most)s networks such as 192.0.2.0/24, one a line.", most=MAX_NETWORKS),
        ),
        "expires": ("expires", _("Enter a day in the future.")),
        "expires_at": ("expires", _("Enter a day in the future.")),
        "rate": ("rate", _("Enter a whole number from 1 to %(most)s.", most=10**MAX_DIGITS - 1)),
    }
    return {words[name][0]: str(words[name][1]) for name in fields}
