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
from consent_tokens.services.consumer_sessions import log_in, log_out, recipient_of, revoke_own
from consent_tokens.services.erasure import claim_number, erase_recipient, revoke_all
from consent_tokens.services.number_verification import (
    ChallengeSecret,
    parse_phone_input,
    send_code,
)
from consent_tokens.services.preferences.update import find_preferences
from consent_tokens.web.consumer import blueprint, page, redirect_after_post
from consent_tokens.web.consumer import form_fields as form
from consent_tokens.web.consumer.abuse_gate import challenge_page, may_send_code
from consent_tokens.web.consumer.locale import language
from consent_tokens.web.consumer.preferences import save_preferences, timezone_of_newest
from consent_tokens.web.request_context import client_ip, world
from consent_tokens.web.security import begin_session

doors = blueprint("my")

LIVE = frozenset({GrantStatus.LIVE, GrantStatus.PAUSED})
PAUSES = (7, 30, 90)  # days
SEARCH_FROM = 5  # consents from which on a search is worth its place


@doors.get("/my")
def show() -> Response:
    """Show all consents, or ask who is there."""
    home = recipient_of(world(), session.get("visit"))
    if home is not None:
        return _consents_page(home)
    if "login" in session and "again" not in request.args:
        return page("login_code.html", faults={})
    return page("login.html", faults={}, told=session.pop("told", None))


def _consents_page(home: int) -> Response:
    now = world().clock.now()
    found = list_consents(world(), home)
    asked = request.args.get("q", "").strip()[:60]
    shown = [each for each in found if asked.casefold() in each.merchant.name.casefold()]
    zone = timezone_of_newest(found)
    return page(
        "my.html",
        live=[each for each in shown if each.status_at(now) in LIVE],
        over=[each for each in shown if each.status_at(now) not in LIVE],
        count=len({each.merchant.id for each in found if each.status_at(now) in LIVE}),
        came=sum(week.submitted for each in found for week in each.weeks),
        kept=sum(week.refused for each in found for week in each.weeks),
        asked=asked,
        has_search=len(found) >= SEARCH_FROM or bool(asked),
        wishes=find_preferences(world(), home),
        season=min(SEASONS, key=lambda each: each.next_quiet_period(now, zone).ends),
        zone=zone,
        now=now,
        told=session.pop("told", None),
    )


@doors.get("/my/consents/<handle>")
def show_consent(handle: str) -> Response:
    """Show one consent: what it covers, what came, what was kept away, and what can be changed."""
    home = recipient_of(world(), session.get("visit"))
    if home is None:
        return _redirect_to_list()
    own_grant_key(world(), home, handle)
    found = next((each for each in list_consents(world(), home) if each.grant_id == handle), None)
    return _consent_page(found) if found else _redirect_to_list()


def _consent_page(consent: ConsentView, status: int = 200, **faults: str) -> Response:
    scope, now = consent.grant.scope, world().clock.now()
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
        told=session.pop("told", None),
    )


@doors.get("/my/all")
def confirm_all() -> Response:
    """Ask once more before everything ends, or is forgotten."""
    if recipient_of(world(), session.get("visit")) is None:
        return _redirect_to_list()
    return page("all.html")


@doors.post("/my")
def act() -> Response:
    """Prove the number, change a consent or a wish, or leave."""
    action = request.form.get("action", "")
    if action in ACTIONS:
        home = recipient_of(world(), session.get("visit"))
        return ACTIONS[action](home) if home is not None else _redirect_to_list()
    if action == "leave":
        log_out(world(), session.get("visit", ""))
        begin_session()
        return _redirect_to_list()
    if "code" in request.form:
        return _claim_number() if action == "new_to_me" else _verify_code()
    return _ask_for_code()


# --- Who is there -------------------------------------------------------------------------------


def _ask_for_code() -> Response:
    try:
        number = parse_phone_input(world(), request.form.get("phone", ""))
    except InvalidError:
        wrong = _("This does not look like a phone number.")
        return page("login.html", 422, faults={"phone": wrong})
    if not may_send_code():
        return challenge_page(url_for("my.act"))
    secret = send_code(
        world(), number, intent=LOGIN_INTENT, language=language(), client_ip=client_ip()
    )
    session["login"] = secret.to_text()
    return _redirect_to_list()


def _verify_code() -> Response:
    visit = log_in(world(), _secret(), form.one_time_code())
    if visit is None:
        return _wrong_code()
    begin_session(visit=visit)
    return _redirect_to_list()


def _claim_number() -> Response:
    """End what a former owner of the number agreed to, and show nothing of it."""
    if not claim_number(world(), _secret(), form.one_time_code()):
        return _wrong_code()
    begin_session(told="new_to_me")
    return _redirect_to_list()


def _wrong_code() -> Response:
    wrong = _("This code is wrong or too old. You can ask for a new one.")
    return page("login_code.html", 422, faults={"code": wrong})


def _secret() -> ChallengeSecret | None:
    return ChallengeSecret.from_text(session.get("login", ""))


# --- What can be changed ------------------------------------------------------------------------


def _revoke(home: int) -> Response:
    ended = revoke_own(world(), home, form.text("grant"))
    session["told"] = {"what": "revoked", "left": ended.submitted_meanwhile}
    return _redirect_to_consent() if "stay" in request.form else _redirect_to_list()


def _revoke_all(home: int) -> Response:
    count = revoke_all(world(), home, EndReason.CONSUMER)
    session["told"] = {"what": "revoked_all", "count": count}
    return _redirect_to_list()


def _erase(home: int) -> Response:
    erase_recipient(world(), home)
    begin_session(told="forgotten")
    return _redirect_to_list()


def _pause(home: int) -> Response:
    days = form.whole_number("days")
    if days is not None and days not in PAUSES:
        raise InvalidError({"days": ["not_offered"]})
    until = world().clock.now() + timedelta(days=days) if days else None
    pause(world(), own_grant_key(world(), home, form.text("grant")), until)
    session["told"] = {"what": "paused"}
    return _redirect_to_consent()


def _resume(home: int) -> Response:
    resume(world(), own_grant_key(world(), home, form.text("grant")))
    session["told"] = {"what": "resumed"}
    return _redirect_to_consent()


def _narrow(home: int) -> Response:
    """Take less; that nothing would be left is a reason to stop, and said so."""
    address = own_grant_key(world(), home, form.text("grant"))
    try:
        narrow(world(), address, form.scope_reduction())
    except InvalidError:
        handle = form.text("grant")
        found = next(each for each in list_consents(world(), home) if each.grant_id == handle)
        nothing = _("Leave at least one ticked, and choose less than before. To end it all: stop.")
        return _consent_page(found, 422, scope=nothing)
    session["told"] = {"what": "narrowed"}
    return _redirect_to_consent()


def _extend(home: int) -> Response:
    by = timedelta(days=form.whole_number("days") or 0)
    extend(world(), own_grant_key(world(), home, form.text("grant")), by)
    session["told"] = {"what": "prolonged"}
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
    return redirect_after_post("my.show_consent", handle=form.text("grant"))
