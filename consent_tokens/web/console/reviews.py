"""`/console/reviews`: what waits for a reviewer, what is due first first."""

from collections.abc import Collection
from functools import partial
from typing import Final

from flask import Blueprint, Response
from flask_babel import gettext as _

from consent_tokens.services.admission.review_queue import (
    ReviewKind,
    WaitingReview,
    list_reviews,
)
from consent_tokens.web.console.review_pages import review_url
from consent_tokens.web.consoles.guard import console_blueprint
from consent_tokens.web.consoles.labels import review_label
from consent_tokens.web.consoles.pages import page
from consent_tokens.web.consoles.site import OPERATOR
from consent_tokens.web.consoles.tables import Column, csv_response, table_of, table_query
from consent_tokens.web.request_context import runtime

ALL: Final = frozenset(ReviewKind)
# blueprint, path and kinds of each queue
QUEUES: Final = (
    ("reviews", "/reviews", ALL),
    ("applications", "/reviews/applications", {ReviewKind.APPLICATIONS}),
    ("sender_applications", "/reviews/senders", {ReviewKind.SENDERS}),
    (
        "template_reviews",
        "/reviews/templates",
        {ReviewKind.TEMPLATES, ReviewKind.HELD, ReviewKind.PACING},
    ),
    ("appeals", "/reviews/appeals", {ReviewKind.APPEALS, ReviewKind.OBJECTIONS}),
)


def show(name: str, kinds: Collection[ReviewKind]) -> Response:
    """Show a queue."""
    columns = [
        Column[WaitingReview]("what", _("What"), lambda each: each.title),
        Column[WaitingReview]("kind", _("Kind"), lambda each: review_label(each.kind)),
        Column[WaitingReview]("merchant", _("Merchant"), lambda each: each.merchant_name),
        Column[WaitingReview]("since", _("Waiting since"), lambda each: each.since),
        Column[WaitingReview]("due", _("Due"), lambda each: each.due_at),
    ]
    reviews = list_reviews(runtime())
    query = table_query(sort="due", columns=columns)
    view = table_of([each for each in reviews if each.kind in kinds], columns, query)
    if query.is_csv:
        return csv_response(name, view)
    return page(
        "console/reviews.html",
        reviews=view,
        name=name,
        counts={
            queue: sum(each.kind in of_queue for each in reviews)
            for queue, _path, of_queue in QUEUES
        },
        review_url=review_url,
        now=runtime().clock.now(),
    )


def _blueprint(name: str, path: str, kinds: Collection[ReviewKind]) -> Blueprint:
    bp = console_blueprint(name, OPERATOR)
    bp.get(path, endpoint="show")(partial(show, name, kinds))
    return bp


BLUEPRINTS: Final = {name: _blueprint(name, path, kinds) for name, path, kinds in QUEUES}
