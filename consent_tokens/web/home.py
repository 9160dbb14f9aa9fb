"""The home page and `robots.txt`."""

from flask import Response

from consent_tokens.web.consumer import blueprint, page

bp = blueprint("home")


@bp.get("/")
def show_home() -> Response:
    """Describe the service, with links to its pages."""
    return page("start.html")


@bp.get("/robots.txt")
def robots() -> Response:
    """Exclude crawlers, because pages here concern one merchant and one consumer."""
    return Response("User-agent: *\nDisallow: /\n", content_type="text/plain")
