"""`/my`: every consent, over all merchants, after a one-time code."""

from collections.abc import Callable, Mapping
from datetime import timedelta

from flask import Response, request, session, url_for
from flask_babel import gettext as _

from consent_tokens.consent.grant import EndReason, GrantStatus
from consent_tokens.consent.one_time_code import LOGIN_INTENT
from consent_tokens.consent.preferences import SEASONS
from consent_tokens.errors import InvalidError
from consent_tokens.services.consents.amendments import (
    EXTENSIONS,
    extend,
    narrow,
    own_grant_key,
    pause,
    resume,
)
from consent_tokens.services.consents.views import ConsentView, list_consents
from consent_tokens.services.consumer_sessions import log_in, log_out, revoke_own
from consent_tokens.services.erasure import claim_number, erase_recipient, revoke_all
from consent_tokens.services.number_verification import (
    ChallengeSecret,
    parse_phone_input,
    send_code,
)
from consent_tokens.services.preferences.update import find_preferences, find_timezone
from consent_tokens.web.consumer import (
    blueprint,
    page,
    redirect_after_post,
    signed_in_recipient,
)
from consent_tokens.web.consumer import form_fields as form
from consent_tokens.web.consumer.abuse_gate import challenge_page, may_send_code
from consent_tokens.web.consumer.locale import language
from consent_tokens.web.consumer.preferences import save_preferences
from consent_tokens.web.request_context import app_context, client_ip, runtime
from consent_tokens.web.security import begin_session

bp = blueprint("my")

LIVE = frozenset({GrantStatus.LIVE, GrantStatus.PAUSED})
PAUSES = (7, 30, 90)  # days
SEARCH_FROM = 5  # consents from which on a search is worth its place


@bp.get("/my")
def show() -> Response:
    """Show all consents; without a session, ask for the number."""
    partition = signed_in_recipient()
    if partition is not None:
        return _consents_page(partition)
    if "login" in session and "again" not in request.args:
        return page("login_code.html", faults={})
    return page("login.html", faults={}, done=session.pop("done", None))


def _consents_page(partition: int) -> Response:
    now = runtime().clock.now()
    found = list_consents(runtime(), partition)
    asked = request.args.get("q", "").strip()[:60]
    shown = [each for each in found if asked.casefold() in each.merchant.name.casefold()]
    timezone = find_timezone(runtime(), partition, app_context().consent.default_timezone)
    return page(
        "my.html",
        live=[each for each in shown if each.status_at(now) in LIVE],
        over=[each for each in shown if each.status_at(now) not in LIVE],
        count=len({each.merchant.id for each in found if each.status_at(now) in LIVE}),
        came=sum(week.submitted for each in found for week in each.weeks),
        kept=sum(week.refused for each in found for week in each.weeks),
        asked=asked,
        has_search=len(found) >= SEARCH_FROM or bool(asked),
        wishes=find_preferences(runtime(), partition),
        season=min(SEASONS, key=lambda each: each.next_quiet_period(now, timezone).ends),
        zone=timezone,
        now=now,
        done=session.pop("done", None),
    )


@bp.get("/my/consents/<grant_id>")
def show_consent(grant_id: str) -> Response:
    """Show one consent: what it covers, what came, what was kept away, and what can be changed."""
    partition = signed_in_recipient()
    if partition is None:
        return _redirect_to_list()
    own_grant_key(runtime(), partition, grant_id)
    found = next(
        (each for each in list_consents(runtime(), partition) if each.grant_id == grant_id), None
    )
    return _consent_page(found) if found else _redirect_to_list()


def _consent_page(consent: ConsentView, status: int = 200, **faults: str) -> Response:
    scope, now = consent.grant.scope, runtime().clock.now()
    return page(
        "consent.html",
        status,
        consent=consent,
        scope=scope,
        zone=scope.send_window.timezone,
        state=consent.status_at(now),
        is_live=consent.status_at(now) in LIVE,
        caps=[each for each in (1, 2, 4, 8, 12, 30, 100, 300) if each < scope.frequency_cap.limit],
        hours=list(
            range(
                scope.send_window.opens - scope.send_window.opens % 60,
                scope.send_window.closes + 1,
                60,
            )
        ),
        pauses=PAUSES,
        longer=[each.days for each in EXTENSIONS],
        faults=faults,
        done=session.pop("done", None),
    )


@bp.get("/my/all")
def confirm_all() -> Response:
    """Ask once more before everything ends, or is forgotten."""
    if signed_in_recipient() is None:
        return _redirect_to_list()
    return page("all.html")


@bp.post("/my")
def act() -> Response:
    """Sign in, change a consent or a preference, or sign out."""
    action = request.form.get("action", "")
    if action in ACTIONS:
        partition = signed_in_recipient()
        return ACTIONS[action](partition) if partition is not None else _redirect_to_list()
    if action == "leave":
        log_out(runtime(), session.get("session", ""))
        begin_session()
        return _redirect_to_list()
    if "code" in request.form:
        return _claim_number() if action == "new_to_me" else _verify_code()
    return _ask_for_code()


# --- Signing in ---------------------------------------------------------------------------------


def _ask_for_code() -> Response:
    try:
        number = parse_phone_input(app_context().otp, request.form.get("phone", ""))
    except InvalidError:
        wrong = _("This does not look like a phone number.")
        return page("login.html", 422, faults={"phone": wrong})
    if not may_send_code():
        return challenge_page(url_for("my.act"))
    secret = send_code(
        runtime(),
        app_context().otp,
        number,
        intent=LOGIN_INTENT,
        language=language(),
        client_ip=client_ip(),
    )
    session["login"] = secret.to_text()
    return _redirect_to_list()


def _verify_code() -> Response:
    secret = log_in(runtime(), app_context().otp, _secret(), form.one_time_code())
    if secret is None:
        return _wrong_code()
    begin_session(session=secret)
    return _redirect_to_list()


def _claim_number() -> Response:
    """End what a former owner of the number agreed to, and show nothing of it."""
    if not claim_number(runtime(), app_context().otp, _secret(), form.one_time_code()):
        return _wrong_code()
    begin_session(done="new_to_me")
    return _redirect_to_list()


def _wrong_code() -> Response:
    wrong = _("This code is wrong or too old. You can ask for a new one.")
    return page("login_code.html", 422, faults={"code": wrong})


def _secret() -> ChallengeSecret | None:
    return ChallengeSecret.from_text(session.get("login", ""))


# --- What can be changed ------------------------------------------------------------------------


def _revoke(partition: int) -> Response:
    ended = revoke_own(runtime(), partition, form.text("grant"))
    session["done"] = {"what": "revoked", "left": ended.submitted_meanwhile}
    return _redirect_to_consent() if "stay" in request.form else _redirect_to_list()


def _revoke_all(partition: int) -> Response:
    count = revoke_all(runtime(), partition, EndReason.CONSUMER)
    session["done"] = {"what": "revoked_all", "count": count}
    return _redirect_to_list()


def _erase(partition: int) -> Response:
    erase_recipient(runtime(), partition)
    begin_session(done="forgotten")
    return _redirect_to_list()


def _pause(partition: int) -> Response:
    days = form.whole_number("days")
    if days is not None and days not in PAUSES:
        raise InvalidError({"days": ["not_offered"]})
    until = runtime().clock.now() + timedelta(days=days) if days else None
    pause(runtime(), own_grant_key(runtime(), partition, form.text("grant")), until)
    session["done"] = {"what": "paused"}
    return _redirect_to_consent()


def _resume(partition: int) -> Response:
    resume(runtime(), own_grant_key(runtime(), partition, form.text("grant")))
    session["done"] = {"what": "resumed"}
    return _redirect_to_consent()


def _narrow(partition: int) -> Response:
    """Take less; that nothing would be left is a reason to stop, and said so."""
    key = own_grant_key(runtime(), partition, form.text("grant"))
    try:
        narrow(runtime(), key, form.scope_reduction())
    except InvalidError:
        grant_id = form.text("grant")
        found = next(
            each for each in list_consents(runtime(), partition) if each.grant_id == grant_id
        )
        nothing = _("Leave at least one ticked, and choose less than before. To end it all: stop.")
        return _consent_page(found, 422, scope=nothing)
    session["done"] = {"what": "narrowed"}
    return _redirect_to_consent()


def _extend(partition: int) -> Response:
    by = timedelta(days=form.whole_number("days") or 0)
    extend(runtime(), own_grant_key(runtime(), partition, form.text("grant")), by)
    session["done"] = {"what": "prolonged"}
    return _redirect_to_consent()


ACTIONS: Mapping[str, Callable[[int], Response]] = {
    "revoke": _revoke,
    "revoke_all": _revoke_all,
    "forget": _erase,
    "pause": _pause,
    "resume": _resume,
    "narrow": _narrow,
    "prolong": _extend,
    "calm": save_preferences,
    "no_calm": save_preferences,
    "limits": save_preferences,
    "rest": save_preferences,
    "invitations": save_preferences,
}


def _redirect_to_list() -> Response:
    return redirect_after_post("my.show")


def _redirect_to_consent() -> Response:
    return redirect_after_post("my.show_consent", grant_id=form.text("grant"))
