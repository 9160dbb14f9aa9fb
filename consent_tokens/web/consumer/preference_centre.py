"""`/my`: every consent, over all merchants, after a one-time code."""

from collections.abc import Callable, Mapping
from datetime import timedelta

from flask import Response, request, session, url_for
from flask_babel import gettext as _

from consent_tokens.consent.grant import EndedBy, GrantState
from consent_tokens.consent.one_time_code import LOGIN
from consent_tokens.consent.preferences import SEASONS
from consent_tokens.errors import InvalidError
from consent_tokens.services.consents.amendments import LONGER, narrow, own, pause, prolong, resume
from consent_tokens.services.consents.views import Consent, consents
from consent_tokens.services.consumer_sessions import end_own, home_of, log_in, log_out
from consent_tokens.services.erasure import end_all, forget, new_owner
from consent_tokens.services.number_verification import Secret, send_code, typed_number
from consent_tokens.services.preferences.update import wishes_of
from consent_tokens.web.consumer import blueprint, page, see_other
from consent_tokens.web.consumer import form_fields as form
from consent_tokens.web.consumer.abuse_gate import let_in, work_page
from consent_tokens.web.consumer.locale import language
from consent_tokens.web.consumer.preferences import take_wishes, zone_here
from consent_tokens.web.request_context import client_address, world
from consent_tokens.web.security import begin_session

doors = blueprint("my")

LIVE = frozenset({GrantState.LIVE, GrantState.PAUSED})
PAUSES = (7, 30, 90)  # days
MANY = 5  # consents from which on a search is worth its place


@doors.get("/my")
def look() -> Response:
    """Show all consents, or ask who is there."""
    home = home_of(world(), session.get("visit"))
    if home is not None:
        return _list(home)
    if "login" in session and "again" not in request.args:
        return page("login_code.html", faults={})
    return page("login.html", faults={}, told=session.pop("told", None))


def _list(home: int) -> Response:
    now = world().clock.now()
    found = consents(world(), home)
    asked = request.args.get("q", "").strip()[:60]
    shown = [each for each in found if asked.casefold() in each.merchant.name.casefold()]
    zone = zone_here(found)
    return page(
        "my.html",
        live=[each for each in shown if each.state(now) in LIVE],
        over=[each for each in shown if each.state(now) not in LIVE],
        count=len({each.merchant.id for each in found if each.state(now) in LIVE}),
        came=sum(week.sent for each in found for week in each.weeks),
        kept=sum(week.refused for each in found for week in each.weeks),
        asked=asked,
        has_search=len(found) >= MANY or bool(asked),
        wishes=wishes_of(world(), home),
        season=min(SEASONS, key=lambda each: each.next(now, zone).ends),
        zone=zone,
        now=now,
        told=session.pop("told", None),
    )


@doors.get("/my/consents/<handle>")
def look_at_one(handle: str) -> Response:
    """Show one consent: what it covers, what came, what was kept away, and what can be changed."""
    home = home_of(world(), session.get("visit"))
    if home is None:
        return _to_my()
    own(world(), home, handle)
    found = next((each for each in consents(world(), home) if each.handle == handle), None)
    return _one(found) if found else _to_my()


def _one(consent: Consent, status: int = 200, **faults: str) -> Response:
    scope, now = consent.grant.scope, world().clock.now()
    return page(
        "consent.html",
        status,
        consent=consent,
        scope=scope,
        zone=scope.hours.zone,
        state=consent.state(now),
        is_live=consent.state(now) in LIVE,
        caps=[each for each in (1, 2, 4, 8, 12, 30, 100, 300) if each < scope.cap.most],
        hours=list(range(scope.hours.opens - scope.hours.opens % 60, scope.hours.closes + 1, 60)),
        pauses=PAUSES,
        longer=[each.days for each in LONGER],
        faults=faults,
        told=session.pop("told", None),
    )


@doors.get("/my/all")
def ask_about_all() -> Response:
    """Ask once more before everything ends, or is forgotten."""
    if home_of(world(), session.get("visit")) is None:
        return _to_my()
    return page("all.html")


@doors.post("/my")
def act() -> Response:
    """Prove the number, change a consent or a wish, or leave."""
    action = request.form.get("action", "")
    if action in CHANGES:
        home = home_of(world(), session.get("visit"))
        return CHANGES[action](home) if home is not None else _to_my()
    if action == "leave":
        log_out(world(), session.get("visit", ""))
        begin_session()
        return _to_my()
    if "code" in request.form:
        return _new_owner() if action == "new_to_me" else _prove()
    return _ask_for_code()


# --- Who is there -------------------------------------------------------------------------------


def _ask_for_code() -> Response:
    try:
        number = typed_number(world(), request.form.get("phone", ""))
    except InvalidError:
        wrong = _("This does not look like a phone number.")
        return page("login.html", 422, faults={"phone": wrong})
    if not let_in():
        return work_page(url_for("my.act"))
    secret = send_code(world(), number, about=LOGIN, language=language(), address=client_address())
    session["login"] = secret.to_text()
    return _to_my()


def _prove() -> Response:
    visit = log_in(world(), _secret(), form.typed_code())
    if visit is None:
        return _wrong_code()
    begin_session(visit=visit)
    return _to_my()


def _new_owner() -> Response:
    """End what a former owner of the number agreed to, and show nothing of it."""
    if not new_owner(world(), _secret(), form.typed_code()):
        return _wrong_code()
    begin_session(told="new_to_me")
    return _to_my()


def _wrong_code() -> Response:
    wrong = _("This code is wrong or too old. You can ask for a new one.")
    return page("login_code.html", 422, faults={"code": wrong})


def _secret() -> Secret | None:
    return Secret.from_text(session.get("login", ""))


# --- What can be changed ------------------------------------------------------------------------


def _revoke(home: int) -> Response:
    ended = end_own(world(), home, form.text("grant"))
    session["told"] = {"what": "revoked", "left": ended.left_meanwhile}
    return _to_one() if "stay" in request.form else _to_my()


def _revoke_all(home: int) -> Response:
    count = end_all(world(), home, EndedBy.CONSUMER)
    session["told"] = {"what": "revoked_all", "count": count}
    return _to_my()


def _forget(home: int) -> Response:
    forget(world(), home)
    begin_session(told="forgotten")
    return _to_my()


def _pause(home: int) -> Response:
    days = form.whole("days")
    if days is not None and days not in PAUSES:
        raise InvalidError({"days": ["not_offered"]})
    until = world().clock.now() + timedelta(days=days) if days else None
    pause(world(), own(world(), home, form.text("grant")), until)
    session["told"] = {"what": "paused"}
    return _to_one()


def _resume(home: int) -> Response:
    resume(world(), own(world(), home, form.text("grant")))
    session["told"] = {"what": "resumed"}
    return _to_one()


def _narrow(home: int) -> Response:
    """Take less; that nothing would be left is a reason to stop, and said so."""
    address = own(world(), home, form.text("grant"))
    try:
        narrow(world(), address, form.less())
    except InvalidError:
        handle = form.text("grant")
        found = next(each for each in consents(world(), home) if each.handle == handle)
        nothing = _("Leave at least one ticked, and choose less than before. To end it all: stop.")
        return _one(found, 422, scope=nothing)
    session["told"] = {"what": "narrowed"}
    return _to_one()


def _prolong(home: int) -> Response:
    by = timedelta(days=form.whole("days") or 0)
    prolong(world(), own(world(), home, form.text("grant")), by)
    session["told"] = {"what": "prolonged"}
    return _to_one()


CHANGES: Mapping[str, Callable[[int], Response]] = {
    "revoke": _revoke,
    "revoke_all": _revoke_all,
    "forget": _forget,
    "pause": _pause,
    "resume": _resume,
    "narrow": _narrow,
    "prolong": _prolong,
    "calm": take_wishes,
    "no_calm": take_wishes,
    "limits": take_wishes,
    "rest": take_wishes,
    "invitations": take_wishes,
}


def _to_my() -> Response:
    return see_other("my.look")


def _to_one() -> Response:
    return see_other("my.look_at_one", handle=form.text("grant"))
