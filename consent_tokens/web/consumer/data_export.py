"""`/my/data`: all that is kept, as a file for programs and as one for people (PIPL 45)."""

from datetime import UTC

from flask import Response, json

from consent_tokens.services.consents.views import as_json, export_recipient
from consent_tokens.web.consumer import (
    blueprint,
    page,
    redirect_after_post,
    signed_in_recipient,
)
from consent_tokens.web.request_context import runtime

bp = blueprint("data_export")


@bp.get("/my/data.json")
def download_json() -> Response:
    """Hand over all that is kept, as JSON."""
    partition = signed_in_recipient()
    if partition is None:
        return redirect_after_post("my.show")
    kept = export_recipient(runtime(), partition)
    body = json.dumps(as_json(runtime(), kept), indent=2)
    answer = Response(body, content_type="application/json")
    return _attachment(answer, f"my-consents-{kept.exported_at.astimezone(UTC):%Y-%m-%d}.json")


@bp.get("/my/data.html")
def download_html() -> Response:
    """Hand over all that is kept, as a page that stands by itself."""
    partition = signed_in_recipient()
    if partition is None:
        return redirect_after_post("my.show")
    kept = export_recipient(runtime(), partition)
    answer = page("data.html", kept=kept, now=kept.exported_at)
    return _attachment(answer, f"my-consents-{kept.exported_at.astimezone(UTC):%Y-%m-%d}.html")


def _attachment(answer: Response, name: str) -> Response:
    answer.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    return answer
