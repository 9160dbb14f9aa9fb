"""`/c/{page_id}`: a merchant's request, the phone number, the one-time code, and yes or no."""

from typing import Any, Final

from flask import Response, request, session, url_for
from flask_babel import gettext as _
from werkzeug.exceptions import Forbidden

from consent_tokens.consent.grant import EndReason
from consent_tokens.consent.notice import Notice
from consent_tokens.consent.number_check import NumberFault
from consent_tokens.consent.request import RequestStatus
from consent_tokens.consent.scope import ScopeReduction
from consent_tokens.consent.timezones import format_timezones
from consent_tokens.errors import ConflictError, InvalidError, NotFoundError
from consent_tokens.services.consents.decisions import (
    ConsentDecision,
    CreatedGrant,
    OpenRequest,
    decline,
    find_open_request,
    find_own_grant,
    grant_consent,
)
from consent_tokens.services.consents.revocation import revoke
from consent_tokens.services.number_verification import ChallengeSecret
from consent_tokens.web.consumer import (
    blueprint,
    error_page,
    page,
    redirect_after_post,
)
from consent_tokens.web.consumer import form_fields as form
from consent_tokens.web.consumer.abuse_gate import challenge_page, may_send_code
from consent_tokens.web.consumer.consent_pages import (
    NOTICE_CHANGED,
    PENDING,
    choice_members,
    confirmation_page,
    decided_page,
    expired_page,
    notice_language,
    pending_choice,
    pending_notice,
    pending_reduction,
    question_page,
)
from consent_tokens.web.consumer.otp_forms import (
    entered_number,
    keep_code_error,
    number_errors,
    remember_number,
    send_code_to,
    waits_for_code_to,
)
from consent_tokens.web.request_context import app_context, runtime
from consent_tokens.web.security import is_own_form

bp = blueprint("consent_request")

DECIDED: Final = "decision"  # key of the cookie session: the decision that was just made


@bp.get("/c/<page_id>")
def show(page_id: str) -> Response:
    """Show the request; to the browser that has just answered it, the decision."""
    open_request = find_open_request(runtime(), app_context().consent, page_id)
    decision = _own_decision(open_request)
    if decision is not None:
        return decided_page(open_request, decision)
    status = open_request.request.status_at(runtime().clock.now())
    if status is not RequestStatus.PENDING:
        return page("closed.html", merchant=open_request.merchant, request_status=status.value)
    if not open_request.request.terms.purposes:  # the rules forbid all that was asked for
        return page("closed.html", merchant=open_request.merchant, request_status="forbidden")
    pending = pending_choice(page_id)
    chosen = pending_reduction(pending)
    if pending and not _is_within_terms(open_request, chosen):  # rules have become stricter since
        session.pop(PENDING, None)
        return question_page(open_request)
    if pending and "again" not in request.args:
        return confirmation_page(open_request)
    return question_page(open_request, chosen=chosen)


@bp.post("/c/<page_id>")
def decide(page_id: str) -> Response:
    """Take the decision: a no counts at once; a yes first sends a code, and counts with it.

    A form that is submitted again after the decision changes nothing and shows the decision, but
    for a no after a yes: that takes the yes back.
    """
    open_request = find_open_request(runtime(), app_context().consent, page_id)
    decision, is_no = _own_decision(open_request), request.form.get("decision") == "decline"
    if decision is not None:
        return _answer_again(open_request, decision, is_no=is_no)
    if is_no:
        return _decline(open_request)
    if request.form.get("action") == "timezone":
        return _choose_timezone(open_request)
    if "code" in request.form:
        return _verify_code(open_request)
    return _send_code(open_request)


@bp.errorhandler(Forbidden)
def show_expired_session(error: Forbidden) -> Response:
    """Show the question again, with what was ticked, where the session of the form is gone."""
    page_id = str((request.view_args or {}).get("page_id", ""))
    try:
        open_request = find_open_request(runtime(), app_context().consent, page_id)
    except NotFoundError:
        return error_page(error)
    if not is_own_form() or open_request.request.status is not RequestStatus.PENDING:
        return error_page(error)
    return expired_page(open_request)


# --- After the decision ---------------------------------------------------------------------------


def _own_decision(open_request: OpenRequest) -> dict[str, Any] | None:
    """Return the decision that this browser made on a request; None if it made none.

    Also where the answer to the yes was lost on its way: its challenge is known.
    """
    decided: dict[str, Any] = session.get(DECIDED, {})
    if decided.get("page_id") == open_request.page_id:
        return decided
    pending = pending_choice(open_request.page_id)
    if not pending or open_request.request.status is RequestStatus.PENDING:
        return None
    challenge = ChallengeSecret.from_text(pending["challenge"])
    created = find_own_grant(runtime(), open_request, challenge)
    return _granted(open_request.page_id, created) if created else None


def _granted(page_id: str, created: CreatedGrant) -> dict[str, Any]:
    replacement = created.replacement
    return {
        "page_id": page_id,
        "answer": "granted",
        "receipt_id": created.receipt_id,
        "replaced": sorted(replacement.purposes),
        "kept": sorted(replacement.purposes_kept),
    }


def _answer_again(open_request: OpenRequest, decision: dict[str, Any], *, is_no: bool) -> Response:
    key = open_request.request.grant_key
    if is_no and decision["answer"] == "granted" and key is not None:
        revoke(runtime(), key, EndReason.CONSUMER)
    return _redirect_decided(decision)


def _decline(open_request: OpenRequest) -> Response:
    """Decline; where the request was answered meanwhile, show what it was answered with."""
    try:
        decline(runtime(), app_context().consent, open_request)
    except ConflictError:
        return redirect_after_post("consent_request.show", page_id=open_request.page_id)
    return _redirect_decided({"page_id": open_request.page_id, "answer": "declined"})


def _redirect_decided(decision: dict[str, Any]) -> Response:
    session.pop(PENDING, None)
    session[DECIDED] = decision
    return redirect_after_post("consent_request.show", page_id=decision["page_id"])


# --- The choice, and a code -----------------------------------------------------------------------


def _send_code(open_request: OpenRequest) -> Response:
    """Send a code to the entered number; the session keeps the choice until it is entered."""
    reduction = form.scope_reduction()
    if not (reduction.purposes or frozenset()) & open_request.request.terms.purposes:
        error = _("Tick at least one, or say no.")
        return question_page(open_request, 422, reduction, purposes=error)
    number = entered_number()
    if isinstance(number, NumberFault):
        return question_page(open_request, 422, reduction, **number_errors(number))
    if not _is_within_terms(open_request, reduction):
        error = _("Choose no more than was asked for.")
        return question_page(open_request, 422, reduction, scope=error)
    before = pending_choice(open_request.page_id)
    challenge = before.get("challenge", "")
    if not waits_for_code_to(number, challenge):
        if not may_send_code(number):
            return challenge_page(url_for("consent_request.decide", page_id=open_request.page_id))
        locale = open_request.request.terms.locale
        challenge = send_code_to(number, open_request.code_use, locale)
    timezones = number.timezones(app_context().consent.default_timezone)
    chosen = before.get("timezone")
    session[PENDING] = {
        "page_id": open_request.page_id,
        "challenge": challenge,
        "timezones": format_timezones(timezones),
        "timezone": chosen if chosen in [each.key for each in timezones] else None,
        **choice_members(reduction),
    }
    return redirect_after_post("consent_request.show", page_id=open_request.page_id)


def _is_within_terms(open_request: OpenRequest, reduction: ScopeReduction) -> bool:
    timezones = (app_context().consent.default_timezone,)
    try:
        open_request.request.scope_for(reduction, timezones, runtime().clock.now())
    except ValueError:
        return False
    return True


# --- The notice, and the decision -----------------------------------------------------------------


def _choose_timezone(open_request: OpenRequest) -> Response:
    """Take the choice among the time zones that the number may be in; empty: all of them."""
    if pending := pending_choice(open_request.page_id):
        chosen = form.text("timezone")
        if chosen and chosen not in pending["timezones"].split(" "):
            raise InvalidError({"timezone": ["not_offered"]})
        session[PENDING] = {**pending, "timezone": chosen or None}
    return redirect_after_post("consent_request.show", page_id=open_request.page_id)


def _verify_code(open_request: OpenRequest) -> Response:
    """Grant consent if the code verifies the number and the notice is still the one shown."""
    pending, page_id = pending_choice(open_request.page_id), open_request.page_id
    if not pending:
        return expired_page(open_request)
    try:
        notice = pending_notice(open_request, pending)
    except ValueError:  # the choice of a time zone is still to be made
        return redirect_after_post("consent_request.show", page_id=page_id)
    if request.form.get("notice") != notice.digest.hex():
        session[NOTICE_CHANGED] = True
        return redirect_after_post("consent_request.show", page_id=page_id)
    context = app_context()
    decision = _decision(open_request, pending, notice)
    try:
        created = grant_consent(runtime(), context.otp, context.consent, open_request, decision)
    except ConflictError:  # it was answered elsewhere, or the merchant may not ask at present
        meanwhile = find_open_request(runtime(), context.consent, page_id)
        if meanwhile.request.status is RequestStatus.PENDING:
            raise
        return redirect_after_post("consent_request.show", page_id=page_id)
    if created is None:
        keep_code_error()
        return redirect_after_post("consent_request.show", page_id=page_id)
    answer = _redirect_decided(_granted(page_id, created))
    return remember_number(answer, decision.challenge)


def _decision(
    open_request: OpenRequest, pending: dict[str, Any], notice: Notice
) -> ConsentDecision:
    return ConsentDecision(
        reduction=pending_reduction(pending),
        language=notice_language(open_request),
        notice_digest=notice.digest,
        challenge=ChallengeSecret.from_text(pending["challenge"]),
        code=form.one_time_code(),
        timezone=pending["timezone"],
        wants_receipt_sms="receipt" in request.form,
    )
