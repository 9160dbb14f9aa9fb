"""`/my/data`: all that is kept of a consumer, as JSON and as a page (PIPL 45)."""

from flask import Response, json

from consent_tokens.services.consents.export import (
    SubjectAccessExport,
    export_json,
    export_recipient,
)
from consent_tokens.web.consumer import blueprint, for_signed_in, page
from consent_tokens.web.request_context import runtime

bp = blueprint("data_export")


@bp.get("/my/data.json")
@for_signed_in
def download_json(partition: int) -> Response:
    """Return all that is kept, as a file of JSON."""
    export = export_recipient(runtime(), partition)
    body = json.dumps(export_json(runtime(), export), indent=2)
    return _attachment(Response(body, content_type="application/json"), export, "json")


@bp.get("/my/data.html")
@for_signed_in
def download_html(partition: int) -> Response:
    """Return all that is kept, as a page that needs no other file."""
    export = export_recipient(runtime(), partition)
    return _attachment(page("data.html", export=export), export, "html")


def _attachment(response: Response, export: SubjectAccessExport, extension: str) -> Response:
    name = f"my-consents-{export.exported_at:%Y-%m-%d}.{extension}"
    response.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    return response
