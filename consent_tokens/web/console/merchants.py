"""`/console/merchants`: the list of merchants, and one with what it may and what was done."""

from collections.abc import Mapping
from typing import Final

from flask import Response, url_for
from flask_babel import format_decimal
from flask_babel import gettext as _

from consent_tokens.consent.purposes import PurposeClass
from consent_tokens.errors import ConflictError, InvalidError
from consent_tokens.relay.admission.api_access import ALL_SCOPES
from consent_tokens.services.admission import control_groups, suspension
from consent_tokens.services.admission.merchant_file import (
    MERCHANT_STATUSES,
    ListedMerchant,
    add_note,
    list_merchants,
    operator_names,
    read_merchant_file,
)
from consent_tokens.services.admission.operators import MAX_NAME_LENGTH
from consent_tokens.services.people import lifting, team
from consent_tokens.services.rollups.figures import read_figures
from consent_tokens.web.console.lists import list_page
from consent_tokens.web.console.reasons import reason_errors, reason_options, stated_reason
from consent_tokens.web.consoles.guard import console_blueprint
from consent_tokens.web.consoles.labels import class_label, in_words, standing_label
from consent_tokens.web.consoles.pages import page, redirect_to
from consent_tokens.web.consoles.session import person, set_done
from consent_tokens.web.consoles.site import OPERATOR
from consent_tokens.web.consoles.tables import Column, table_query
from consent_tokens.web.consumer.form_fields import text
from consent_tokens.web.request_context import runtime

bp = console_blueprint("merchants", OPERATOR)
ONE: Final = "/merchants/<merchant_id>"
MAX_NOTE_LENGTH: Final = 400  # characters


@bp.get("/merchants")
def show() -> Response:
    """List the merchants."""
    columns = [
        Column[ListedMerchant]("name", _("Merchant"), lambda each: each.merchant.name),
        Column[ListedMerchant](
            "status", _("Status"), lambda each: standing_label(each.merchant.status)
        ),
        Column[ListedMerchant]("classes", _("Classes"), _classes, is_sortable=False),
        Column[ListedMerchant]("group", _("Group"), lambda each: each.merchant.control_group),
        Column[ListedMerchant](
            "senders", _("Senders"), lambda each: each.senders, is_number=True, is_sortable=False
        ),
        Column[ListedMerchant](
            "templates",
            _("Templates"),
            lambda each: each.templates,
            is_number=True,
            is_sortable=False,
        ),
        Column[ListedMerchant](
            "admitted", _("Merchant since"), lambda each: each.merchant.admitted_at
        ),
    ]
    query = table_query(sort="name", columns=columns, more=("status", "class", "group"))
    return list_page(
        "console/merchants.html",
        "merchants",
        columns,
        query,
        lambda wanted: list_merchants(runtime(), wanted),
        statuses=[(each.value, standing_label(each)) for each in MERCHANT_STATUSES],
        classes=[(each.value, class_label(each)) for each in PurposeClass],
        classes_of=_classes,
    )


def _classes(listed: ListedMerchant) -> str:
    return in_words(class_label(each) for each in sorted(listed.merchant.classes))


@bp.get(ONE)
def show_one(merchant_id: str) -> Response:
    """Show a merchant."""
    return merchant_page(merchant_id, {})


def merchant_page(merchant_id: str, errors: Mapping[str, str], note: str = "") -> Response:
    found = read_merchant_file(runtime(), merchant_id)
    return page(
        "console/merchant.html",
        errors=errors,
        file=found,
        merchant=found.merchant,
        liftings=[
            (each, lifting.suspended_of(each))
            for each in lifting.open_proposals(runtime(), found.merchant)
        ],
        figures=read_figures(runtime(), merchant_id),
        team=team.list_team(runtime(), merchant_id),
        names=operator_names(runtime()),
        now=runtime().clock.now(),
        reason_options=reason_options,
        to_suspend=_to_suspend(found.merchant.usable_classes),
        note=note,
        limits_in_words=_limits_in_words,
        scopes=len(ALL_SCOPES),
    )


def _limits_in_words(limits: Mapping[PurposeClass, int]) -> str:
    return in_words(
        f"{class_label(each)} {format_decimal(limits[each])}" for each in sorted(limits)
    )


def _to_suspend(usable: frozenset[PurposeClass]) -> list[tuple[str, str]]:
    classes = [(each.value, class_label(each)) for each in sorted(usable)]
    return [(lifting.WHOLLY, str(_("All of it"))), *classes]


@bp.post(f"{ONE}/suspend")
def suspend(merchant_id: str) -> Response:
    """Stop a merchant's requests and messages: all, or those of a class."""
    try:
        suspension.suspend(
            runtime(), person().actor, merchant_id, stated_reason("suspend"), _suspended_classes()
        )
    except InvalidError as error:
        return merchant_page(merchant_id, reason_errors(error, "suspend"))
    set_done(_("It is suspended from now on."))
    return to_merchant(merchant_id)


def _suspended_classes() -> list[PurposeClass]:
    """Return the class of the form; none stands for the whole merchant. Raises InvalidError."""
    wanted = text("suspended", 16)
    if wanted not in {lifting.WHOLLY, *PurposeClass}:
        raise InvalidError({"suspended": ["unknown"]})
    return [PurposeClass(wanted)] if wanted else []


@bp.post(f"{ONE}/lift")
def lift(merchant_id: str) -> Response:
    """Propose to lift a suspension."""
    suspended = text("suspended", 16)
    try:
        reason = stated_reason("lift")
        is_lifted = lifting.lift(runtime(), person().actor, merchant_id, reason, suspended)
    except InvalidError as error:
        return merchant_page(merchant_id, reason_errors(error, f"lift-{suspended or 'all'}"))
    set_done(
        _("The suspension is lifted.")
        if is_lifted
        else _("Your proposal was recorded. Another administrator has to approve it.")
    )
    return to_merchant(merchant_id)


@bp.post(f"{ONE}/lift/approve")
def approve_lifting(merchant_id: str) -> Response:
    """Approve what another administrator proposed: the suspension is lifted."""
    lifting.approve(runtime(), person().actor, merchant_id, text("proposal", 40))
    set_done(_("The suspension is lifted."))
    return to_merchant(merchant_id)


@bp.post(f"{ONE}/lift/reject")
def reject_lifting(merchant_id: str) -> Response:
    """Reject a proposal: the merchant stays suspended."""
    lifting.reject(runtime(), person().actor, merchant_id, text("proposal", 40))
    set_done(_("The proposal was rejected. The suspension stays."))
    return to_merchant(merchant_id)


@bp.post(f"{ONE}/notes")
def write_note(merchant_id: str) -> Response:
    """Add a note, which operators read and the merchant does not."""
    note = text("note", MAX_NOTE_LENGTH)
    try:
        add_note(runtime(), person().actor, merchant_id, note)
    except InvalidError:
        errors = {"note": _("Write 1 to 400 characters.")}
        return merchant_page(merchant_id, errors, note)
    set_done(_("The note was added."))
    return to_merchant(merchant_id)


@bp.post(f"{ONE}/group/join")
def join_group(merchant_id: str) -> Response:
    """Put two merchants into one control group."""
    other = text("other", 40)
    try:
        reason = stated_reason("join")
        control_groups.join(runtime(), person().actor, merchant_id, other, reason=reason)
    except InvalidError as error:
        return merchant_page(merchant_id, reason_errors(error, f"join-{other}"))
    set_done(_("They are in one control group."))
    return to_merchant(merchant_id)


@bp.post(f"{ONE}/group/reject")
def reject_twin(merchant_id: str) -> Response:
    """Record that two merchants are not under one control."""
    other = text("other", 40)
    try:
        reason = stated_reason("reject")
        control_groups.reject(runtime(), person().actor, merchant_id, other, reason=reason)
    except InvalidError as error:
        return merchant_page(merchant_id, reason_errors(error, f"reject-{other}"))
    set_done(_("It was recorded that they are not under one control."))
    return to_merchant(merchant_id)


@bp.post(f"{ONE}/owner")
def invite_owner(merchant_id: str) -> Response:
    """Invite somebody to sign in for a merchant, and show the link once."""
    name = text("name", MAX_NAME_LENGTH)
    try:
        invited, link = team.add_merchant_person(runtime(), person().id, merchant_id, name, "owner")
    except InvalidError as error:
        return merchant_page(merchant_id, reason_errors(error, "owner"))
    except ConflictError:
        errors = {"owner-name": _("Somebody of that name signs in here.")}
        return merchant_page(merchant_id, errors)
    return page(
        "consoles/invitation_link.html",
        invited=invited,
        link=link,
        back=url_for("console_merchants.show_one", merchant_id=merchant_id),
        back_label=_("Back to the merchant"),
    )


def to_merchant(merchant_id: str) -> Response:
    return redirect_to("console_merchants.show_one", merchant_id=merchant_id)
