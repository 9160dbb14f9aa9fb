"""What a view knows about its request: the app's context and the client's IP address.

Where every request passes, Flask's objects are taken out of their proxies once: each access through
one takes a microsecond.
"""

from typing import cast

from flask import Flask, Request, current_app, request

from consent_tokens.app_context import AppContext
from consent_tokens.relay.admission.api_access import ApiKey
from consent_tokens.services.api_rates import ApiRates
from consent_tokens.services.runtime import Runtime
from consent_tokens.web.failed_authentications import FailedAuthentications
from consent_tokens.web.link_misses import LinkMisses

EXTENSION = "consent_tokens"  # key of the context in `Flask.extensions`
API_KEY = "consent_tokens.api_key"  # in a WSGI environ
RATE = "consent_tokens.rate"  # in a WSGI environ
API_RATES = "consent_tokens.api_rates"
LINK_MISSES = "consent_tokens.link_misses"
FAILED_AUTHENTICATIONS = "consent_tokens.failed_authentications"


def current_request() -> Request:
    """Return the current request, out of its proxy."""
    return cast("Request", request._get_current_object())  # type: ignore[attr-defined]  # noqa: SLF001 - documented


def _app() -> Flask:
    return cast("Flask", current_app._get_current_object())  # type: ignore[attr-defined]  # noqa: SLF001 - documented


def app_context() -> AppContext:
    """Return the context of the current app."""
    return cast("AppContext", _app().extensions[EXTENSION])


def runtime() -> Runtime:
    """Return the runtime of the current app, which services take."""
    return app_context().runtime


def failed_authentications() -> FailedAuthentications:
    """Return where failed authentications of the current app are counted and logged."""
    return cast("FailedAuthentications", _app().extensions[FAILED_AUTHENTICATIONS])


def link_misses() -> LinkMisses:
    """Return where the current app counts links that lead nowhere."""
    return cast("LinkMisses", _app().extensions[LINK_MISSES])


def client_ip() -> str:
    """Return the client's IP address, as given by the trusted proxies if there are any."""
    return current_request().remote_addr or "unknown"


def api_key() -> ApiKey:
    """Return the API key of a request to the merchant API, once it was verified."""
    return cast("ApiKey", current_request().environ[API_KEY])


def api_rates() -> ApiRates:
    """Return the rate limits of the merchant API, as this process counts them."""
    return cast("ApiRates", _app().extensions[API_RATES])
