"""`/p/{id}`: what everybody who scans a merchant's poster sees; going on opens a request."""

from flask import Response

from consent_tokens.errors import (
    ForbiddenError,
    GoneError,
    InvalidError,
    RuleForbidsError,
)
from consent_tokens.services.consents import posters
from consent_tokens.services.otp_limits import Asker
from consent_tokens.web.consumer import blueprint, page, redirect_after_post
from consent_tokens.web.qr_codes import qr_response
from consent_tokens.web.request_context import app_context, client_ip, runtime

bp = blueprint("poster")


@bp.get("/p/<poster_id>")
def show(poster_id: str) -> Response:
    """Say who asks for what; nothing is opened by it, so that link previews open nothing."""
    poster, merchant = posters.find_poster(runtime(), poster_id)
    if why := posters.why_closed(runtime(), app_context().consent, poster):
        return page("closed.html", merchant=merchant, request_status=why)
    return page("poster.html", poster=poster, poster_id=poster_id, merchant=merchant,
                timezone=app_context().consent.default_timezone)  # fmt: skip


@bp.post("/p/<poster_id>")
def open_request(poster_id: str) -> Response:
    """Open a request for whoever goes on, and lead to it."""
    try:
        opened = posters.open_request(
            runtime(), app_context().consent, poster_id, Asker(client_ip())
        )
    except (GoneError, ForbiddenError, InvalidError, RuleForbidsError):
        poster, merchant = posters.find_poster(runtime(), poster_id)
        why = posters.why_closed(runtime(), app_context().consent, poster) or "expired"
        return page("closed.html", merchant=merchant, request_status=why)
    page_id = runtime().ids.consent_page.encode(opened.key)
    return redirect_after_post("consent_request.show", page_id=page_id)


@bp.get("/p/<poster_id>/qr.svg")
def qr(poster_id: str) -> Response:
    """Return the QR code of a poster, as SVG."""
    posters.find_poster(runtime(), poster_id)
    return qr_response(f"{runtime().service.base_url}/p/{poster_id}")
