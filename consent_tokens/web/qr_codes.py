"""QR codes as SVG, which any site may show."""

from io import BytesIO

import segno
from flask import Response


def qr_response(url: str) -> Response:
    """Return the QR code of an address."""
    symbol = segno.make(url, error="m", micro=False)
    svg = BytesIO()
    symbol.save(svg, kind="svg", scale=8, border=4)
    response = Response(svg.getvalue(), content_type="image/svg+xml")
    response.headers["Cross-Origin-Resource-Policy"] = "cross-origin"  # any site may show it
    return response
