"""Messages as merchants submit them, and what the relay decides on each."""

from datetime import datetime, timedelta

from msgspec import Struct

from consent_tokens.relay.decision import Decision, Reason
from consent_tokens.relay.message import DEFAULT_VALIDITY
from consent_tokens.row_key import RowKey
from consent_tokens.services.submission.template_texts import MessageEvent, TemplateCall
from consent_tokens.store.token_macs import MacChange
from consent_tokens.tokens.claims import Claims


class MessageRequest(Struct, frozen=True, kw_only=True):
    """A message that a merchant wants to send; the token stands for the phone number.

    It has a text, or a template that is filled in.
    """

    token: str
    purpose: str
    text: str = ""
    template: TemplateCall | None = None
    event: MessageEvent | None = None
    reference: str | None = None
    send_at: datetime | None = None
    validity: timedelta = DEFAULT_VALIDITY
    sender_id: str | None = None  # that a campaign was given; else the first for the class


class VerifiedRequest(Struct, frozen=True):
    """A message request, with the claims of its token, or why the token is invalid."""

    request: MessageRequest
    claims: Claims | Reason
    mac: MacChange | None = None  # of the token, to be stored
    grant: RowKey | None = None  # that the claims name, if they name the merchant


class SubmissionResult(Struct, frozen=True):
    """The relay's decision on one message; key and what is left if it was accepted."""

    decision: Decision
    key: RowKey | None = None
    segments: int = 0  # that it has, or would have had
    characters_left: int = 0  # in the last segment, in the coding of the text
    event: RowKey | None = None  # of a refusal
