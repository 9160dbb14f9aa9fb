"""Doors over HTTP. Blueprints call `flow`, and know no SQL, no keys and no carrier."""

from flask import Flask, Response, request
from flask_babel import Babel
from werkzeug.middleware.proxy_fix import ProxyFix

from consent_tokens.app_context import AppContext
from consent_tokens.consent.notice import LANGUAGES, LOCALES
from consent_tokens.services.submission.group_commit import GroupCommit
from consent_tokens.web import home as start
from consent_tokens.web import problems, public
from consent_tokens.web.consumer import consent_request as invitation
from consent_tokens.web.consumer import data_export as mydata
from consent_tokens.web.consumer import error_page, message_link, receipts, report
from consent_tokens.web.consumer import preference_centre as my
from consent_tokens.web.consumer import preferences as wishes
from consent_tokens.web.consumer import template_filters as words
from consent_tokens.web.consumer.locale import language
from consent_tokens.web.merchant_api import complaints, grants, messages, requests
from consent_tokens.web.security import csrf_token, secure


def create_app(world: AppContext) -> Flask:
    """Return the WSGI app over a world."""
    app = Flask(__name__)
    app.extensions["consent_tokens"] = world
    app.extensions["consent_tokens_gatherer"] = GroupCommit(world)
    app.json.ensure_ascii = False  # type: ignore[attr-defined]  # of Flask's default provider
    secure(app, world)
    Babel(app, locale_selector=lambda: LOCALES[language()])
    app.jinja_env.globals.update(
        csrf_token=csrf_token, language=language, languages=LANGUAGES, **words.OPTIONS
    )
    app.jinja_env.filters.update(words.FILTERS)
    app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True
    app.register_error_handler(Exception, _answer)
    for doors in (
        public.doors,
        requests.doors,
        grants.doors,
        messages.doors,
        complaints.doors,
        invitation.doors,
        my.doors,
        wishes.doors,
        mydata.doors,
        message_link.doors,
        report.doors,
        receipts.doors,
        start.doors,
    ):
        app.register_blueprint(doors)
    if world.simulator:
        app.register_blueprint(start.demo)
    if hops := world.trusted_proxies:
        # Flask's own way to wrap an app
        app.wsgi_app = ProxyFix(app.wsgi_app, x_for=hops, x_proto=hops)  # type: ignore[method-assign]  # see above
    return app


def _answer(fault: Exception) -> Response:
    """Answer a fault outside any blueprint: in JSON to programs, in a page to people."""
    is_api = request.path.startswith("/v1")
    return problems.handle_exception(fault) if is_api else error_page(fault)
