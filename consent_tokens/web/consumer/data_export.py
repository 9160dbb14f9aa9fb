"""`/my/data`: all that is kept, as a file for programs and as one for people (PIPL 45)."""

from datetime import UTC

from flask import Response, json, session

from consent_tokens.services.consents.views import as_json, everything
from consent_tokens.services.consumer_sessions import home_of
from consent_tokens.web.consumer import blueprint, page, see_other
from consent_tokens.web.request_context import world

doors = blueprint("mydata")


@doors.get("/my/data.json")
def for_programs() -> Response:
    """Hand over all that is kept, as JSON."""
    home = home_of(world(), session.get("visit"))
    if home is None:
        return see_other("my.look")
    kept = everything(world(), home)
    body = json.dumps(as_json(world(), kept), indent=2)
    answer = Response(body, content_type="application/json")
    return _as_file(answer, f"my-consents-{kept.at.astimezone(UTC):%Y-%m-%d}.json")


@doors.get("/my/data.html")
def for_people() -> Response:
    """Hand over all that is kept, as a page that stands by itself."""
    home = home_of(world(), session.get("visit"))
    if home is None:
        return see_other("my.look")
    kept = everything(world(), home)
    answer = page("data.html", kept=kept, now=kept.at)
    return _as_file(answer, f"my-consents-{kept.at.astimezone(UTC):%Y-%m-%d}.html")


def _as_file(answer: Response, name: str) -> Response:
    answer.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    return answer
