"""An empty Flask JSON POST, on the same server: what HTTP and Flask cost alone."""

from typing import Any

from flask import Flask, request


def app() -> Flask:
    made = Flask(__name__)

    @made.post("/v1/messages")
    def take() -> dict[str, Any]:
        return {"length": len(request.get_json())}

    return made
