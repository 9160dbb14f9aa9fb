"""Doors over HTTP. Blueprints call `flow`, and know no SQL, no keys and no carrier."""

from datetime import datetime
from zoneinfo import ZoneInfo

from babel.dates import format_date
from flask import Flask, Response, request
from flask_babel import Babel
from flask_babel import gettext as _
from werkzeug.middleware.proxy_fix import ProxyFix

from consent_tokens.consent.notice import LANGUAGES
from consent_tokens.flow.gather import Gatherer
from consent_tokens.relay.message import MessageState
from consent_tokens.web import problems, public, start
from consent_tokens.web.consumer import error_page, invitation, message_link, my
from consent_tokens.web.consumer.languages import language
from consent_tokens.web.merchant import grants, messages, requests
from consent_tokens.web.security import csrf_token, secure
from consent_tokens.world import World


def create_app(world: World) -> Flask:
    """Return the WSGI app over a world."""
    app = Flask(__name__)
    app.extensions["consent_tokens"] = world
    app.extensions["consent_tokens_gatherer"] = Gatherer(world)
    app.json.ensure_ascii = False  # type: ignore[attr-defined]  # of Flask's default provider
    secure(app, world)
    Babel(app, locale_selector=lambda: language().replace("-", "_"))
    app.jinja_env.globals.update(csrf_token=csrf_token, language=language, languages=LANGUAGES)
    app.jinja_env.filters.update(day=day, state_words=state_words)
    app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True
    app.register_error_handler(Exception, _answer)
    for doors in (
        public.doors,
        requests.doors,
        grants.doors,
        messages.doors,
        invitation.doors,
        my.doors,
        message_link.doors,
        start.doors,
    ):
        app.register_blueprint(doors)
    if world.simulator:
        app.register_blueprint(start.demo)
    if hops := world.trusted_proxies:
        # Flask's own way to wrap an app
        app.wsgi_app = ProxyFix(app.wsgi_app, x_for=hops, x_proto=hops)  # type: ignore[method-assign]  # see above
    return app


def day(moment: datetime, zone: ZoneInfo) -> str:
    """Return the day of a moment: the zone's calendar, in the manner of the reader's language."""
    locale = language().replace("-", "_")
    return str(format_date(moment.astimezone(zone), format="long", locale=locale))


def state_words(state: MessageState) -> str:
    """Return what became of a message, in the reader's words."""
    words: dict[MessageState, str] = {
        MessageState.QUEUED: _("about to leave"),
        MessageState.DEFERRED: _("waits for its hour"),
        MessageState.SENDING: _("about to leave"),
        MessageState.SENT: _("sent"),
        MessageState.DELIVERED: _("delivered"),
        MessageState.UNDELIVERABLE: _("could not be delivered"),
        MessageState.REFUSED: _("kept from you"),
        MessageState.EXPIRED: _("not sent: too late"),
        MessageState.UNKNOWN: _("may have been sent"),
    }
    return words[state]


def _answer(fault: Exception) -> Response:
    """Answer a fault outside any blueprint: in JSON to programs, in a page to people."""
    is_api = request.path.startswith("/v1")
    return problems.answer(fault) if is_api else error_page(fault)
