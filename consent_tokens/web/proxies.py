"""Reverse proxies: whose `X-Forwarded-For` names the client; a log line if nobody's does."""

import threading
from collections.abc import Iterable

import structlog
from werkzeug.middleware.proxy_fix import ProxyFix

from consent_tokens.web.wsgi import Environ, StartResponse, WSGIApp

log = structlog.get_logger()


def trust_proxies(app: WSGIApp, hops: int) -> WSGIApp:
    """Take client IP and scheme from as many proxies as the operator trusts (`X-Forwarded-*`)."""
    return ProxyFix(app, x_for=hops, x_proto=hops) if hops else _Notice(app)


class _Notice:
    """Logs, once a process, that a proxy names clients and is not believed."""

    def __init__(self, app: WSGIApp) -> None:
        self.app = app
        self.is_logged = threading.Event()

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Log if this request came through a proxy, and answer it."""
        if "HTTP_X_FORWARDED_FOR" in environ and not self.is_logged.is_set():
            self.is_logged.set()
            log.warning("proxy_not_trusted", setting="CONSENT_TRUSTED_PROXIES")
        return self.app(environ, start_response)
