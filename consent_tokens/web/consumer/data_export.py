"""`/my/data`: all that is kept of a consumer, as JSON and as a page (PIPL 45)."""

from base64 import b64encode
from functools import cache
from hashlib import sha256
from pathlib import Path
from zoneinfo import ZoneInfo

from flask import Response, current_app, json
from flask_babel import gettext as _
from markupsafe import Markup

from consent_tokens.services.consents.export import (
    SubjectAccessExport,
    export_json,
    export_recipient,
)
from consent_tokens.web.consumer import blueprint, for_signed_in, page
from consent_tokens.web.consumer.confirmations import (
    invitations_state,
    limits_state,
    quiet_hours_state,
)
from consent_tokens.web.consumer.template_filters import period_text
from consent_tokens.web.request_context import app_context, runtime

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
    """Return all that is kept, as a page that needs no other file: its style is in it."""
    export = export_recipient(runtime(), partition)
    zones = export.consents[0].grant.scope.send_window.timezones if export.consents else None
    timezone = zones[0] if zones else app_context().consent.default_timezone
    style = _stylesheet(str(current_app.static_folder))
    response = page(
        "data.html",
        export=export,
        zones=zones,
        message_count=sum(len(each.messages) for each in export.consents),
        settings=_settings_in_words(export, timezone),
        stylesheet=Markup(style),  # noqa: S704 - our own file
        base_url=runtime().service.base_url,
    )
    digest = b64encode(sha256(style.encode()).digest()).decode()
    response.headers["Content-Security-Policy"] = (
        f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; frame-ancestors 'none'"
    )
    return _attachment(response, export, "html")


@cache
def _stylesheet(folder: str) -> str:
    return (Path(folder) / "design.css").read_text("utf-8")


def _settings_in_words(export: SubjectAccessExport, timezone: ZoneInfo) -> list[str]:
    """Return what holds for all merchants: quiet periods, limits, quiet hours and invitations."""
    preferences = export.preferences
    periods = [
        period_text(each, export.exported_at, timezone) for each in preferences.quiet_periods
    ]
    return [
        *(periods or [_("No quiet period set.")]),
        limits_state(preferences),
        quiet_hours_state(preferences),
        invitations_state(preferences),
    ]


def _attachment(response: Response, export: SubjectAccessExport, extension: str) -> Response:
    name = f"my-consents-{export.exported_at:%Y-%m-%d}.{extension}"
    response.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    return response
