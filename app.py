"""The WSGI entry: gunicorn, waitress and other servers load `app` from here.

Such a server reads a request's body in the thread that handles it, so clients that send slowly can
take all threads: put a proxy in front that buffers requests (docs/operations.md, "Another WSGI
server"). It dispatches nothing: run `consent-tokens dispatch` beside it.
"""

import structlog

from consent_tokens import logging_setup
from consent_tokens.app_context import AppContext, reject_simulator
from consent_tokens.settings import Settings
from consent_tokens.web import create_app

logging_setup.configure()
settings = Settings.from_environment()
reject_simulator(settings)
app = create_app(AppContext.from_settings(settings))
structlog.get_logger().warning("wsgi_server", needs="a proxy that buffers requests", app="app.py")
