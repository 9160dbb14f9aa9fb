"""The WSGI entry: gunicorn and granian load `app` from here."""

from consent_tokens.app_context import AppContext
from consent_tokens.web import create_app

app = create_app(AppContext.from_environment())
