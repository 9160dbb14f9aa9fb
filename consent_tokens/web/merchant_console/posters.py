"""`/merchant/posters`: codes to hang up, which many people scan; each answers for themselves."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from flask import Response
from flask_babel import gettext as _

from consent_tokens.consent.poster import Poster
from consent_tokens.errors import TooManyOpenError
from consent_tokens.services.consents import posters
from consent_tokens.web.consoles.guard import console_blueprint
from consent_tokens.web.consoles.pages import page, redirect_to
from consent_tokens.web.consoles.session import person, set_done
from consent_tokens.web.consoles.site import MERCHANT
from consent_tokens.web.consoles.tables import Column, csv_response, table_of, table_query
from consent_tokens.web.consumer.form_fields import text
from consent_tokens.web.merchant_console.overview import merchant_id
from consent_tokens.web.merchant_console.request_form import FieldErrors, form_members, try_to_ask
from consent_tokens.web.request_context import app_context, runtime

bp = console_blueprint("posters", MERCHANT)
ONE: Final = "/posters/<poster_id>"
DEFAULT_DAYS: Final = "90"


@dataclass(frozen=True, slots=True)
class ShownPoster:
    """A poster with its public id, the address behind its code, and whether it is open."""

    poster: Poster
    id: str
    url: str
    is_open: bool


@bp.get("/posters", endpoint="show")
def show() -> Response:
    """List the posters."""
    columns = [
        Column[ShownPoster]("created", _("Created on"), lambda each: each.poster.created_at),
        Column[ShownPoster]("name", _("Name"), lambda each: each.poster.name),
        Column[ShownPoster](
            "opened", _("Requests opened"), lambda each: each.poster.opened, is_number=True
        ),
        Column[ShownPoster]("ends", _("Open until"), lambda each: each.poster.expires_at),
    ]
    query = table_query(sort="-created", columns=columns)
    found = [_shown(each) for each in posters.list_posters(runtime(), merchant_id())]
    view = table_of(found, columns, query)
    return csv_response("posters", view) if query.is_csv else page(
        "merchant/posters.html", view=view
    )  # fmt: skip


@bp.get("/posters/new")
def show_form() -> Response:
    """Show the form that creates a poster."""
    return _form_page({})


@bp.post("/posters")
def create() -> Response:
    """Create a poster."""
    name, days = text("name", 61), text("days", 4) or DEFAULT_DAYS
    try:
        created = try_to_ask(
            lambda asked: posters.create_poster(
                runtime(), app_context().consent, merchant_id(), person().id,
                name, asked, int(days) if days.isascii() and days.isdigit() else 0,
            )
        )  # fmt: skip
    except TooManyOpenError:
        words = _("%(most)s posters are open. End one first.", most=posters.MAX_POSTERS)
        return _form_page({"name": words})
    if isinstance(created, FieldErrors):
        return _form_page(created.words)
    set_done(_("The poster was created."))
    return redirect_to("merchant_posters.show_one", poster_id=_shown(created).id)


@bp.get(ONE)
def show_one(poster_id: str) -> Response:
    """Show a poster to print, and how often it was used."""
    return page("merchant/poster.html", shown=_find(poster_id))


@bp.post(f"{ONE}/end")
def end(poster_id: str) -> Response:
    """End a poster."""
    posters.end_poster(runtime(), merchant_id(), poster_id, person().id)
    set_done(_("The poster has ended: its code opens no request any more."))
    return redirect_to("merchant_posters.show_one", poster_id=poster_id)


def _find(poster_id: str) -> ShownPoster:
    return _shown(posters.read_poster(runtime(), merchant_id(), poster_id))


def _shown(poster: Poster) -> ShownPoster:
    context = runtime()
    public_id = context.ids.poster.encode(poster.key)
    url = f"{context.service.base_url}/p/{public_id}"
    return ShownPoster(poster, public_id, url, poster.is_open(context.clock.now()))


def _form_page(errors: Mapping[str, str]) -> Response:
    return page(
        "merchant/new_poster.html",
        errors=errors,
        default_days=DEFAULT_DAYS,
        **form_members(),
    )
