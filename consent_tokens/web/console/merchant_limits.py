"""What operators set for a merchant: identity, messages a day, link domains, share of sending."""

from typing import Final

from flask import Response
from flask_babel import gettext as _

from consent_tokens.consent.purposes import PurposeClass
from consent_tokens.errors import InvalidError
from consent_tokens.services.admission import daily_limits, merchant_options
from consent_tokens.services.merchants import MAX_IDENTITY_LENGTHS
from consent_tokens.web.console.merchants import ONE, bp, merchant_page, to_merchant
from consent_tokens.web.console.reasons import reason_errors
from consent_tokens.web.consoles.session import person, set_done
from consent_tokens.web.consumer.form_fields import text
from consent_tokens.web.request_context import runtime

__all__ = ["bp"]

MAX_DIGITS: Final = 10
MAX_DOMAINS_LENGTH: Final = 8000  # characters


@bp.post(f"{ONE}/identity")
def set_identity(merchant_id: str) -> Response:
    """Set who a merchant is; consumers read it in notices and on pages."""
    changes = {name: text(name, length + 1) for name, length in MAX_IDENTITY_LENGTHS.items()}
    if not changes["checked_by"]:
        del changes["checked_by"]  # a change undoes an earlier check
    try:
        merchant_options.change_identity(runtime(), person().actor, merchant_id, changes)
    except InvalidError as error:
        return merchant_page(merchant_id, reason_errors(error, "identity"))
    set_done(_("The identity was set."))
    return to_merchant(merchant_id)


@bp.post(f"{ONE}/daily-limits")
def set_daily_limits(merchant_id: str) -> Response:
    """Set how many messages of each class are accepted in a day; none where nothing is entered."""
    entered = {each: text(each.value, MAX_DIGITS) for each in PurposeClass}
    try:
        limits = {each: _number(found) for each, found in entered.items() if found}
        daily_limits.set_daily_limits(runtime(), person().actor, merchant_id, limits)
    except InvalidError as error:
        return merchant_page(merchant_id, reason_errors(error, "limits"))
    set_done(_("The limits were set."))
    return to_merchant(merchant_id)


@bp.post(f"{ONE}/link-domains")
def set_link_domains(merchant_id: str) -> Response:
    """Set the domains that a merchant's texts may link to; with none, any."""
    try:
        domains = text("domains", MAX_DOMAINS_LENGTH).split()
        merchant_options.set_link_domains(runtime(), person().actor, merchant_id, domains)
    except InvalidError as error:
        return merchant_page(merchant_id, reason_errors(error, "domains"))
    set_done(_("The domains were set."))
    return to_merchant(merchant_id)


@bp.post(f"{ONE}/weight")
def set_weight(merchant_id: str) -> Response:
    """Set a merchant's share of the throughput."""
    try:
        weight = _number(text("weight", MAX_DIGITS))
        merchant_options.set_weight(runtime(), person().actor, merchant_id, weight)
    except InvalidError as error:
        return merchant_page(merchant_id, reason_errors(error, "weight"))
    set_done(_("The share was set."))
    return to_merchant(merchant_id)


def _number(entered: str) -> int:
    """Return a whole number as it was entered; 0, which no limit may be, for anything else."""
    return int(entered) if entered.isascii() and entered.isdigit() else 0
