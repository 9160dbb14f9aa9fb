"""The WSGI entry: gunicorn and granian find `app` here, and nothing else."""

from consent_tokens.app_context import World
from consent_tokens.web import create_app

app = create_app(World.from_environment())
