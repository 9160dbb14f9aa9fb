"""The WSGI entry: gunicorn and granian find `app` here, and nothing else."""

from consent_tokens.web import create_app
from consent_tokens.world import World

app = create_app(World.from_environment())
