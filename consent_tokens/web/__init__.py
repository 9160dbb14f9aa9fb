"""The service over HTTP: public documents, the merchant API and the consumer's pages.

A view parses the request, calls one service and renders what it returns. Views know no SQL, no keys
and no carrier.
"""

from collections.abc import Callable
from typing import Any, Final

from flask import Flask, Response, request
from flask_babel import Babel

from consent_tokens.app_context import AppContext
from consent_tokens.localization import LANGUAGES, LOCALES, TRANSLATIONS
from consent_tokens.services.api_rates import ApiRates
from consent_tokens.web import (
    about,
    console,
    demo,
    home,
    merchant_console,
    openapi,
    problems,
    public,
    rules_page,
)
from consent_tokens.web.addresses import BasePath, base_path, redirect_to_link
from consent_tokens.web.consoles import figures, record_labels
from consent_tokens.web.consoles import filters as console_filters
from consent_tokens.web.consumer import (
    consent_request,
    data_export,
    error_page,
    message_link,
    poster,
    preference_centre,
    preferences,
    receipts,
    report,
    template_filters,
)
from consent_tokens.web.consumer.locale import language
from consent_tokens.web.failed_authentications import FailedAuthentications
from consent_tokens.web.link_misses import LinkMisses
from consent_tokens.web.proxies import trust_proxies
from consent_tokens.web.request_context import (
    API_RATES,
    EXTENSION,
    FAILED_AUTHENTICATIONS,
    LINK_MISSES,
)
from consent_tokens.web.request_id import RequestIds
from consent_tokens.web.security import csrf_token, secure
from consent_tokens.web.security_headers import SecurityHeaders
from consent_tokens.web.wsgi import WSGIApp

BLUEPRINTS: Final = (
    public.bp,
    consent_request.bp,
    poster.bp,
    preference_centre.bp,
    preferences.bp,
    data_export.bp,
    message_link.bp,
    report.bp,
    receipts.bp,
    home.bp,
    about.bp,
    rules_page.bp,
)
CONSOLES: Final = (*console.BLUEPRINTS, *merchant_console.BLUEPRINTS)


class App(Flask):
    """The WSGI app, which has no coroutines."""

    def ensure_sync(self, func: Callable[..., Any]) -> Callable[..., Any]:
        """Return a function as it is: Flask looks at a score of them in each request."""
        return func


def create_app(context: AppContext) -> Flask:
    """Return the WSGI app."""
    app = App(__name__)
    app.extensions[EXTENSION] = context
    app.extensions[API_RATES] = ApiRates(context.runtime, context.api_rate)
    app.extensions[LINK_MISSES] = LinkMisses(context.runtime.clock)
    app.extensions[FAILED_AUTHENTICATIONS] = FailedAuthentications(context.runtime.clock)
    app.json.ensure_ascii = False  # type: ignore[attr-defined]  # of Flask's default provider
    app.json.sort_keys = False  # type: ignore[attr-defined]  # members in the order of the schemas
    secure(app, context)
    Babel(
        app,
        locale_selector=lambda: LOCALES[language()],
        default_translation_directories=str(TRANSLATIONS),
    )
    app.jinja_env.globals.update(
        csrf_token=csrf_token,
        language=language,
        languages=LANGUAGES,
        service=context.runtime.service,
        service_name=lambda: context.runtime.service.name_in(language()),
        logo_url=about.logo_url,
        is_demonstration=context.simulator is not None,
        **template_filters.OPTIONS,
        gap=template_filters.gap,
    )
    app.jinja_env.filters.update(
        template_filters.FILTERS | console_filters.FILTERS | record_labels.FILTERS | figures.FILTERS
    )
    app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True
    app.register_error_handler(Exception, _error_response)
    for bp in (*openapi.BLUEPRINTS, *BLUEPRINTS):
        app.register_blueprint(bp)
    for bp in CONSOLES:
        app.register_blueprint(bp)
    if context.simulator:
        app.register_blueprint(demo.bp)
    app.before_request(redirect_to_link)
    app.wsgi_app = _around(app.wsgi_app, context)  # type: ignore[method-assign,assignment]  # Flask's own way to wrap an app
    return app


def _around(app: WSGIApp, context: AppContext) -> WSGIApp:
    """Return an app with what is done before and after Flask looks at a request."""
    service = context.runtime.service
    if path := base_path(service.base_url):
        app = BasePath(app, path)
    app = trust_proxies(app, context.trusted_proxies)
    app = SecurityHeaders.around(app, is_https=service.is_https)
    return RequestIds.around(app, context.runtime.random)


def _error_response(error: Exception) -> Response:
    """Answer an error outside any blueprint: programs get JSON, people a page."""
    is_api = request.path.startswith("/v1")
    return problems.handle_exception(error) if is_api else error_page(error)
