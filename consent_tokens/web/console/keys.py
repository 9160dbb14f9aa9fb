"""`/console/keys`: the keys that rotate, what needs each, and their withdrawal by two people."""

from collections.abc import Mapping
from typing import Final

from flask import Response, request
from flask_babel import gettext as _

from consent_tokens.errors import InvalidError, NotFoundError
from consent_tokens.services.admission.merchant_file import operator_names
from consent_tokens.services.supervision import keys
from consent_tokens.services.supervision.keys import (
    MAX_COUNTED,
    KeyKind,
    KeyState,
    KeyStatus,
    can_change_keys,
)
from consent_tokens.web.consoles.guard import console_blueprint
from consent_tokens.web.consoles.pages import page, redirect_to
from consent_tokens.web.consoles.session import person, set_done
from consent_tokens.web.consoles.site import OPERATOR
from consent_tokens.web.consoles.tables import Column, csv_response, table_of, table_query
from consent_tokens.web.request_context import runtime

bp = console_blueprint("keys", OPERATOR)

ONE: Final = "/keys/<kid>"
MAX_REASON: Final = 400  # characters


@bp.get("/keys")
def show() -> Response:
    """List the keys."""
    columns = [
        Column[KeyState]("kind", _("Kind"), lambda each: each.kind.value),
        Column[KeyState]("id", _("Id"), lambda each: each.kid),
        Column[KeyState]("status", _("Status"), lambda each: status_label(each.status)),
        Column[KeyState]("from", _("In use from"), lambda each: each.starts_at),
        Column[KeyState]("until", _("In use until"), lambda each: each.ends_at),
    ]
    query = table_query(sort="kind", columns=columns)
    view = table_of(keys.list_states(runtime()), columns, query)
    if query.is_csv:
        return csv_response("keys", view)
    return page(
        "console/keys.html",
        view=view,
        now=runtime().clock.now(),
        kinds=[(each, kind_label(each)) for each in KeyKind],
        kind_label=kind_label,
        status_label=status_label,
        can_change=can_change_keys(runtime()),
    )


@bp.post("/keys/rotate")
def rotate() -> Response:
    """Create the next key of a kind."""
    named = request.form.get("kind", "")
    if named not in set(KeyKind):
        raise NotFoundError("no such kind")
    at_once = request.form.get("at_once") == "on"
    made = keys.rotate_key(runtime(), person().actor, KeyKind(named), at_once=at_once)
    set_done(_("Key %(kid)s was created.", kid=made.kid))
    return redirect_to("console_keys.show")


@bp.get(ONE)
def show_one(kid: str) -> Response:
    """Show a key, and how much needs it."""
    return _key_page(kid, {})


def _key_page(kid: str, errors: Mapping[str, str]) -> Response:
    state = keys.read_key(runtime(), kid)
    return page(
        "console/key.html",
        errors=errors,
        state=state,
        names=operator_names(runtime()),
        proposal=keys.find_proposal(runtime(), kid),
        may_be_withdrawn=state.status not in {KeyStatus.IN_USE, KeyStatus.WITHDRAWN},
        max_counted=MAX_COUNTED,
        kind_label=kind_label,
        status_label=status_label,
        need_label=need_label,
        cost_label=cost_label,
    )


@bp.post(f"{ONE}/withdraw")
def withdraw(kid: str) -> Response:
    """Propose to withdraw a key; another administrator approves it."""
    reason = request.form.get("reason", "").replace("\0", "")[: MAX_REASON + 1]
    try:
        keys.propose_withdrawal(runtime(), person().actor, kid, reason)
    except InvalidError:
        return _key_page(kid, {"reason": _("Write why, in 1 to 400 characters.")})
    set_done(_("It is proposed. Another administrator has to approve it, under Proposals."))
    return redirect_to("console_keys.show_one", kid=kid)


def kind_label(kind: KeyKind) -> str:
    """Return what a kind of keys does."""
    labels = {
        KeyKind.SIGNING: _("Signs tokens and receipts"),
        KeyKind.WRAPPING: _("Wraps data keys"),
        KeyKind.SESSION: _("Keeps consumers signed in"),
        KeyKind.TOKEN_MAC: _("Proves the newest token of a grant"),
    }
    return str(labels[kind])


def status_label(status: KeyStatus) -> str:
    """Return what a key is used for at present."""
    labels = {
        KeyStatus.PENDING: _("Not in use yet"),
        KeyStatus.IN_USE: _("In use"),
        KeyStatus.OLDER: _("Older: still read"),
        KeyStatus.MISSING: _("File is missing"),
        KeyStatus.WITHDRAWN: _("Withdrawn"),
    }
    return str(labels[status])


def need_label(kind: KeyKind) -> str:
    """Return what is counted as needing a key of a kind."""
    labels = {
        KeyKind.SIGNING: _("live consents that were given while it signed"),
        KeyKind.WRAPPING: _("rows with a data key under it"),
        KeyKind.SESSION: _("consumers who are signed in, at most"),
        KeyKind.TOKEN_MAC: _("grants whose MAC is under it"),
    }
    return str(labels[kind])


def cost_label(kind: KeyKind) -> str:
    """Return what a withdrawal costs."""
    labels = {
        KeyKind.SIGNING: _(
            "Tokens under it are refused. Merchants can renew the newest token of a grant; each "
            "other grant needs a new consent. Receipts that it signed cannot be verified any more."
        ),
        KeyKind.WRAPPING: _(
            "What is sealed under it is lost. While rows need it, it cannot be withdrawn: a "
            "dispatcher wraps them again under the newest key."
        ),
        KeyKind.SESSION: _("Consumers are signed out, and open forms have to be opened again."),
        KeyKind.TOKEN_MAC: _(
            "Tokens with a MAC under it are proved by their signature until they are used again."
        ),
    }
    return str(labels[kind])
