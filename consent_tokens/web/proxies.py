"""Reverse proxies: whose `X-Forwarded-For` names the client; a log line if nobody's does."""

import threading

import structlog
from flask import Flask, request
from werkzeug.middleware.proxy_fix import ProxyFix

log = structlog.get_logger()


def trust_proxies(app: Flask, hops: int) -> None:
    """Take client IP and scheme from as many proxies as the operator trusts (`X-Forwarded-*`)."""
    if hops:
        app.wsgi_app = ProxyFix(app.wsgi_app, x_for=hops, x_proto=hops)  # type: ignore[method-assign]  # Flask's own way to wrap an app
    else:
        app.before_request(_Notice().look)


class _Notice:
    """Logs, once a process, that a proxy names clients and is not believed."""

    def __init__(self) -> None:
        self.is_logged = threading.Event()

    def look(self) -> None:
        """Log if this request came through a proxy."""
        if "X-Forwarded-For" in request.headers and not self.is_logged.is_set():
            self.is_logged.set()
            log.warning("proxy_not_trusted", setting="CONSENT_TRUSTED_PROXIES")
