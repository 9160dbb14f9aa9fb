"""Offer to undo a narrowing or a pause, on the page that confirms it, in the same session."""

from collections.abc import Sequence
from typing import Final

from flask import session

from consent_tokens.consent.grant import Grant
from consent_tokens.errors import ConflictError
from consent_tokens.services.consents.amendments import Amended
from consent_tokens.services.consents.undo import change_ids, undo
from consent_tokens.web.consumer import form_fields as form
from consent_tokens.web.request_context import runtime

UNDO: Final = "undo"  # key of the cookie session, and field of the form: changes of the last act
SEPARATOR: Final = "."  # of public ids


def offer_undo(amended: Sequence[Amended]) -> str:
    """Return what the form on the next page carries; empty if nothing was changed."""
    offer = SEPARATOR.join(change_ids(runtime(), amended))
    session[UNDO] = offer
    return offer


def undo_offered(partition: int) -> list[Grant]:
    """Undo what this session was offered to undo, once, and return the grants.

    Raises ConflictError if the form carries anything else, and as `services.consents.undo` does.
    """
    offer = session.get(UNDO)
    if not offer or form.text(UNDO) != offer:
        raise ConflictError("not offered in this session")
    undone = undo(runtime(), partition, offer.split(SEPARATOR))
    session[UNDO] = ""
    return undone
