"""What the pages of reviews share: the queue, and what is before and after a review in it."""

from typing import Any

from flask import Response, url_for

from consent_tokens.services.admission.merchant_file import operator_names
from consent_tokens.services.admission.review_queue import (
    ReviewKind,
    WaitingReview,
    list_reviews,
    neighbours,
)
from consent_tokens.services.admission.senders import SENDER_ID_PREFIX
from consent_tokens.web.console.reasons import reason_options
from consent_tokens.web.consoles.pages import page
from consent_tokens.web.request_context import runtime


def review_page(
    template: str,
    *,
    id_: str,
    kinds: tuple[ReviewKind, ...],
    **members: Any,  # noqa: ANN401 - what the template shows
) -> Response:
    """Return the page of something that waits for a reviewer, or did."""
    reviews = list_reviews(runtime())
    waiting = next((each for each in reviews if each.id == id_ and each.kind in kinds), None)
    return page(
        template,
        waiting=waiting,
        beside=neighbours(reviews, kinds, id_),
        review_url=review_url,
        now=runtime().clock.now(),
        names=operator_names(runtime()),
        reason_options=reason_options,
        **members,
    )


def review_url(review: WaitingReview) -> str:
    """Return the address of the page on which a review is decided."""
    match review.kind:
        case ReviewKind.APPLICATIONS:
            return url_for("console_applications.show_one", merchant_id=review.id)
        case ReviewKind.SENDERS:
            return url_for("console_sender_applications.show_one", sender_id=review.id)
        case ReviewKind.PACING if review.id.startswith(SENDER_ID_PREFIX):
            return url_for("console_senders.show_one", sender_id=review.id)
        case ReviewKind.OBJECTIONS:
            return url_for("console_appeals.show_one", objection_id=review.id)
        case ReviewKind.TEMPLATES | ReviewKind.PACING | ReviewKind.HELD | ReviewKind.APPEALS:
            return url_for("console_templates.show_one", template_id=review.id)
