"""`/my`: every consent, over all merchants, after a one-time code."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from flask import Response, request, session, url_for
from flask_babel import gettext as _

from consent_tokens.consent.grant import EndReason, Grant, GrantStatus
from consent_tokens.consent.number_check import NumberFault
from consent_tokens.consent.one_time_code import SIGN_IN
from consent_tokens.errors import InvalidError
from consent_tokens.localization import N_
from consent_tokens.services.consents.amendments import (
    EXTENSIONS,
    extend,
    narrow,
    own_grant_key,
    pause_merchant,
    resume_merchant,
)
from consent_tokens.services.consents.revocation import revoke_merchant
from consent_tokens.services.consents.views import (
    ConsentDetail,
    ConsentSummary,
    by_merchant,
    ended_last,
    find_consent,
    list_consents,
    merchant_of,
)
from consent_tokens.services.consumer_sessions import (
    log_in,
    log_out,
    new_support_code,
    revoke_own,
)
from consent_tokens.services.erasure import claim_number, erase_recipient, revoke_all
from consent_tokens.services.merchants import find_source
from consent_tokens.services.number_verification import ChallengeSecret
from consent_tokens.services.policies_by_rules import with_rules
from consent_tokens.services.preferences.update import find_preferences, find_timezones
from consent_tokens.services.retention.kinds import (
    CHOICE,
    KINDS,
    PROOF,
    SENDING,
    SENDING_AFTER_ERASURE,
)
from consent_tokens.web.consumer import (
    SESSION_SECRET,
    blueprint,
    for_signed_in,
    page,
    redirect_after_post,
    set_result,
    signed_in_recipient,
    take_result,
)
from consent_tokens.web.consumer import form_fields as form
from consent_tokens.web.consumer.abuse_gate import challenge_page, may_send_code
from consent_tokens.web.consumer.confirmations import (
    extended_text,
    narrowed_text,
    paused_text,
    resumed_text,
    undone_text,
)
from consent_tokens.web.consumer.otp_forms import (
    code_page,
    entered_number,
    keep_code_error,
    number_errors,
    remember_number,
    send_code_to,
    take_code_errors,
    verified_masked_number,
    waiting_for,
)
from consent_tokens.web.consumer.preferences import (
    named_periods,
    save_preferences,
    seasons_to_offer,
)
from consent_tokens.web.consumer.retention_period import how_long
from consent_tokens.web.consumer.undo import offer_undo, undo_offered
from consent_tokens.web.request_context import app_context, runtime
from consent_tokens.web.security import begin_session

bp = blueprint("my")

LOGIN_CHALLENGE: Final = "login_challenge"  # key of the cookie session
LIVE_STATUSES: Final = frozenset({GrantStatus.LIVE, GrantStatus.PAUSED})
BASES: Final[Mapping[str, str]] = {  # why a kind is kept, by its `basis`
    SENDING: N_(
        "the rules for text messages ask for records of six months or more (MIIT Order 74)"
    ),
    SENDING_AFTER_ERASURE: N_(
        "the rules for text messages ask for records of six months or more (MIIT Order 74; PIPL 47)"
    ),
    PROOF: N_(
        "so that a consent can be proved until claims are barred (PIPL 14, 17; Civil Code 188)"
    ),
    CHOICE: N_("so that what you decided stays so (PIPL 15, 44)"),
}
PAUSE_DAYS: Final = (7, 30, 90)  # that are offered
NARROWER_LIMITS: Final = (1, 2, 4, 8, 12, 30, 100, 300)  # messages, offered below the present cap
SEARCH_FROM: Final = 5  # consents from which on the page has a search field
CHARTS_TO: Final = 12  # merchants up to which each card has its chart; with more, the card is short
MASKED_NUMBER: Final = "masked_number"  # key of the cookie session
MAX_SEARCH_LENGTH: Final = 60  # characters


@bp.get("/my")
def show() -> Response:
    """Show all consents; without a session, the form for the number or for the code."""
    partition = signed_in_recipient()
    if partition is not None:
        return _list_page(partition)
    if LOGIN_CHALLENGE in session and "again" not in request.args:
        waiting = waiting_for(session[LOGIN_CHALLENGE])
        return code_page("login_code.html", errors=take_code_errors(), waiting=waiting)
    return page("login.html", errors={}, entered="", result=take_result())


def _list_page(partition: int) -> Response:
    now = runtime().clock.now()
    found = list_consents(runtime(), partition)
    search = request.args.get("q", "").strip()[:MAX_SEARCH_LENGTH]
    shown = [each for each in found if search.casefold() in each.merchant.name.casefold()]
    live = [each for each in shown if each.grant.is_live_at(now)]
    result = take_result()
    timezone, *_others = find_timezones(
        runtime(), partition, app_context().consent.default_timezone
    )
    merchants = by_merchant(live)
    preferences = find_preferences(runtime(), partition)
    return page(
        "my.html",
        merchants=merchants,
        has_charts=len(merchants) <= CHARTS_TO,
        masked_number=session.get(MASKED_NUMBER, ""),
        ended=[each for each in shown if not each.grant.is_live_at(now)],
        merchant_count=len({each.merchant.id for each in found if each.grant.is_live_at(now)}),
        submitted_count=sum(week.submitted for each in found for week in each.weeks),
        refused_count=sum(week.refused for each in found for week in each.weeks),
        search=search,
        has_search=len(found) >= SEARCH_FROM or bool(search),
        periods=named_periods(preferences.quiet_periods, now, timezone),
        seasons=seasons_to_offer(preferences.quiet_periods, now, timezone),
        timezone=timezone,
        now=now,
        proof_days=with_rules(runtime(), app_context().consent).retention.proof.days,
        result=result,
        stopped=_stopped(found, result, now),
    )


def _stopped(
    found: Sequence[ConsentSummary], result: dict[str, Any] | None, now: datetime
) -> tuple[ConsentSummary, list[Grant]] | None:
    """Return a consent to the merchant that was just stopped, and those that this ended."""
    own = [each for each in found if result and each.merchant.id == result.get("merchant")]
    if not own:
        return None
    return own[0], ended_last([each.grant for each in own], now)


@bp.get("/my/consents/<grant_id>")
@for_signed_in
def show_consent(partition: int, grant_id: str) -> Response:
    """Show one consent: its scope, its messages, its receipts, and the forms that change it."""
    return _consent_page(find_consent(runtime(), partition, grant_id))


def _consent_page(consent: ConsentDetail, status: int = 200, **errors: str) -> Response:
    scope = consent.grant.scope
    grant_status = consent.grant.status_at(runtime().clock.now())
    first_hour = scope.send_window.opens - scope.send_window.opens % 60
    return page(
        "consent.html",
        status,
        consent=consent,
        scope=scope,
        timezone=scope.send_window.timezones,
        source=find_source(runtime(), consent.merchant.id),
        grant_status=grant_status,
        is_live=grant_status in LIVE_STATUSES,
        limits=[each for each in NARROWER_LIMITS if each < scope.frequency_cap.limit],
        hours=list(range(first_hour, scope.send_window.closes + 1, 60)),
        pause_days=PAUSE_DAYS,
        extension_days=[each.days for each in EXTENSIONS],
        errors=errors,
        entered=request.form if errors else {},
        result=take_result(),
    )


@bp.get("/my/all")
@for_signed_in
def confirm_all(_partition: int) -> Response:
    """Ask for confirmation before all consents are revoked, or all data is erased."""
    policy = with_rules(runtime(), app_context().consent)
    kept = [
        (_(kind.after_erasure), how_long(kind, policy), _(BASES[kind.basis]))
        for kind in KINDS
        if kind.after_erasure
    ]
    return page("all.html", kept=kept)


@bp.post("/my")
def act() -> Response:
    """Sign in, change a consent or a preference, or sign out."""
    action = request.form.get("action", "")
    if action in ACTIONS:
        partition = signed_in_recipient()
        return ACTIONS[action](partition) if partition is not None else _redirect_to_list()
    if action == "leave":
        return _log_out()
    if "code" in request.form:
        return _claim_number() if action == "new_to_me" else _log_in()
    return _send_code()


# --- Signing in and out -------------------------------------------------------------------------


def _send_code() -> Response:
    number = entered_number()
    if isinstance(number, NumberFault):
        return page("login.html", 422, errors=number_errors(number), entered=form.text("phone", 40))
    if not may_send_code(number):
        return challenge_page(url_for("my.act"))
    session[LOGIN_CHALLENGE] = send_code_to(number, SIGN_IN)
    return _redirect_to_list()


def _log_in() -> Response:
    secret = log_in(runtime(), app_context().otp, _challenge_secret(), form.one_time_code())
    if secret is None:
        keep_code_error()
        return _redirect_to_list()
    challenge = _challenge_secret()
    begin_session(**{SESSION_SECRET: secret, MASKED_NUMBER: verified_masked_number(challenge)})
    return remember_number(_redirect_to_list(), challenge)


def _claim_number() -> Response:
    """Revoke what an earlier owner of the number consented to, and show nothing of it."""
    if not claim_number(runtime(), app_context().otp, _challenge_secret(), form.one_time_code()):
        keep_code_error()
        return _redirect_to_list()
    begin_session()
    set_result("number_claimed")
    return _redirect_to_list()


def _log_out() -> Response:
    log_out(runtime(), session.get(SESSION_SECRET, ""))
    begin_session()
    return _redirect_to_list()


def _challenge_secret() -> ChallengeSecret | None:
    return ChallengeSecret.from_text(session.get(LOGIN_CHALLENGE, ""))


# --- Changing consents --------------------------------------------------------------------------


def _revoke(partition: int) -> Response:
    """Stop the merchant of a consent: end all its consents (promise 12)."""
    merchant_id = _merchant_of_form(partition)
    stop = revoke_merchant(runtime(), app_context().consent, partition, merchant_id)
    set_result("revoked", submitted=stop.submitted_meanwhile, merchant=merchant_id)
    return _redirect_to_list()


def _revoke_one(partition: int) -> Response:
    revocation = revoke_own(runtime(), partition, form.text("grant"))
    set_result("revoked_one", submitted=revocation.submitted_meanwhile)
    return _redirect_to_consent()


def _merchant_of_form(partition: int) -> str:
    return merchant_of(runtime(), partition, form.text("grant"))


def _revoke_all(partition: int) -> Response:
    revoke_all(runtime(), partition, EndReason.CONSUMER)
    set_result("revoked_all")
    return _redirect_to_list()


def _erase(partition: int) -> Response:
    erase_recipient(runtime(), partition)
    begin_session()
    set_result("erased")
    return _redirect_to_list()


def _pause(partition: int) -> Response:
    days = form.whole_number("days")
    if days is not None and days not in PAUSE_DAYS:
        raise InvalidError({"days": ["not_offered"]})
    until = runtime().clock.now() + timedelta(days=days) if days else None
    consent = find_consent(runtime(), partition, form.text("grant"))
    paused = pause_merchant(runtime(), partition, consent.merchant.id, until)
    timezone = consent.grant.scope.send_window.timezone
    text = paused_text(consent.merchant.name, paused, until, timezone)
    set_result("paused", text=text, grant=consent.grant_id, undo=offer_undo(paused))
    return _redirect_back()


def _resume(partition: int) -> Response:
    merchant = find_consent(runtime(), partition, form.text("grant")).merchant
    resumed = resume_merchant(runtime(), partition, merchant.id)
    set_result("resumed", text=resumed_text(merchant.name, resumed))
    return _redirect_back()


def _narrow(partition: int) -> Response:
    """Narrow the scope; a form that would leave nothing, or more than before, is an error."""
    grant_id = form.text("grant")
    before = find_consent(runtime(), partition, grant_id)
    try:
        key = own_grant_key(runtime(), partition, grant_id)
        narrowed = narrow(runtime(), key, form.scope_reduction())
    except InvalidError:
        error = _(
            "Leave at least one box ticked, and choose no more than now. To end it all, stop."
        )
        return _consent_page(before, 422, less=error)
    text = narrowed_text(before.grant, narrowed.grant)
    set_result("narrowed", text=text, grant=grant_id, undo=offer_undo([narrowed]))
    return _redirect_to_consent()


def _undo(partition: int) -> Response:
    merchant = find_consent(runtime(), partition, form.text("grant")).merchant
    set_result("undone", text=undone_text(merchant.name, undo_offered(partition)))
    return _redirect_back()


def _show_support_code(_partition: int) -> Response:
    """Show a code to read out, once: it is in no link and no cookie."""
    code = new_support_code(runtime(), session.get(SESSION_SECRET, ""))
    return page("support_code.html", code=code)


def _extend(partition: int) -> Response:
    by = timedelta(days=form.whole_number("days") or 0)
    before = find_consent(runtime(), partition, form.text("grant"))
    extended = extend(runtime(), before.grant.key, by)
    set_result("extended", text=extended_text(before.grant, extended))
    return _redirect_to_consent()


ACTIONS: Final[Mapping[str, Callable[[int], Response]]] = {  # by the value of `action`
    "revoke": _revoke,
    "revoke_one": _revoke_one,
    "revoke_all": _revoke_all,
    "forget": _erase,
    "pause": _pause,
    "resume": _resume,
    "narrow": _narrow,
    "undo": _undo,
    "prolong": _extend,
    "support": _show_support_code,
    "calm": save_preferences,
    "no_calm": save_preferences,
    "limits": save_preferences,
    "rest": save_preferences,
    "invitations": save_preferences,
}


def _redirect_back() -> Response:
    """Redirect to the page that a form came from: the list, or the consent."""
    return _redirect_to_list() if "stay" in request.form else _redirect_to_consent()


def _redirect_to_list() -> Response:
    return redirect_after_post("my.show")


def _redirect_to_consent() -> Response:
    return redirect_after_post("my.show_consent", grant_id=form.text("grant"))
