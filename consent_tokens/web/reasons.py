"""Why a message was refused or failed: one table for the API, the pages and the documents.

The relay decides with the codes of `relay.decision.Reason`; what they mean to a merchant, to a
consumer and in HTTP stands here only. `python -m tests.architecture.refusals_page` writes the
tables of docs/refusals.md from it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final

from consent_tokens.localization import N_
from consent_tokens.relay.decision import Reason
from consent_tokens.relay.text_form import TextFault
from consent_tokens.services.dispatch.outcomes import QUARANTINED, UNCERTAIN
from consent_tokens.services.outbox.service_messages import WITHHELD


@dataclass(frozen=True, slots=True)
class ReasonText:
    """What a reason code means."""

    code: str
    explanation: str  # for merchants, in English: `explain` of the API, /docs, docs/refusals.md
    consumer_text: str  # a msgid: why a message did not reach its consumer, on their pages
    status: HTTPStatus = HTTPStatus.FORBIDDEN  # of a refusal: the consumer or the operator says no


# what the relay answers, in the order in which it checks
REFUSALS: Final = (
    ReasonText(
        Reason.MERCHANT_SUSPENDED,
        "The platform does not allow this merchant to send at present.",
        N_("the platform has stopped this shop"),
    ),
    ReasonText(
        Reason.TOKEN_MALFORMED,
        "This is not a token that this service could have issued.",
        N_("there was no valid consent token with it"),
        HTTPStatus.UNPROCESSABLE_ENTITY,
    ),
    ReasonText(
        Reason.TOKEN_SIGNATURE_INVALID,
        "The token was not signed by this service, or was changed afterwards.",
        N_("there was no valid consent token with it"),
    ),
    ReasonText(
        Reason.TOKEN_EXPIRED,
        "The token or its grant expires before the message would be sent.",
        N_("what you agreed to had ended"),
    ),
    ReasonText(
        Reason.TOKEN_NOT_YOURS,
        "The token was issued to another merchant.",
        N_("the consent was given to another shop"),
    ),
    ReasonText(
        Reason.CONSENT_REVOKED,
        "The consent was revoked. That is final: delete the token.",
        N_("you had stopped it"),
    ),
    ReasonText(
        Reason.CONSENT_PAUSED,
        "The consumer has paused this consent.",
        N_("you wanted quiet"),
    ),
    ReasonText(
        Reason.PURPOSE_NOT_GRANTED,
        "The consumer did not agree to messages of this purpose.",
        N_("you did not agree to this kind"),
    ),
    ReasonText(
        Reason.CHANNEL_NOT_GRANTED,
        "The consumer did not agree to this channel.",
        N_("you did not agree to texts"),
    ),
    ReasonText(
        Reason.SENDER_NOT_ADMITTED,
        "The platform has admitted no sender of this merchant for messages of this class.",
        N_("the shop has no number that it may send from"),
    ),
    ReasonText(
        Reason.CLASS_NOT_ADMITTED,
        "The platform has not admitted this merchant for messages of this class, or not for as "
        "many a day, or has suspended it for them.",
        N_("the platform does not allow the shop this kind of text"),
    ),
    ReasonText(
        Reason.TEMPLATE_REQUIRED,
        "A transactional message needs a template that the platform has approved, in place of a "
        "text of its own.",
        N_("nobody had reviewed its text"),
        HTTPStatus.UNPROCESSABLE_ENTITY,
    ),
    ReasonText(
        Reason.TEMPLATE_REJECTED,
        "The template does not exist, is not approved, is for another purpose than the message, or "
        "a variable does not fit; `errors` says which.",
        N_("its text was not as it had been reviewed"),
        HTTPStatus.UNPROCESSABLE_ENTITY,
    ),
    ReasonText(
        Reason.CONTENT_REJECTED,
        "The form of the text is refused; `errors` says which: invisible characters, a signature "
        "in brackets, or a link that is disguised, shortened, misleading or not of a registered "
        "domain.",
        N_("its form is not allowed"),
        HTTPStatus.UNPROCESSABLE_ENTITY,
    ),
    ReasonText(
        Reason.TEXT_TOO_LONG,
        "With signature and opt-out, the text needs more segments than the platform allows.",
        N_("it was too long"),
        HTTPStatus.UNPROCESSABLE_ENTITY,
    ),
    ReasonText(
        Reason.EVENT_REQUIRED,
        "A message of this template needs the `event` that it is about, of the type that the "
        "template was approved for.",
        N_("it did not say which order or booking it was about"),
        HTTPStatus.UNPROCESSABLE_ENTITY,
    ),
    ReasonText(
        Reason.EVENT_USED,
        "The event has had as many messages of this template as it may have.",
        N_("you had this message already"),
    ),
    ReasonText(
        Reason.RULE_FORBIDS,
        "A rule for the region of the recipient does not allow it, though the consumer agreed; "
        "`rules` says which and why, and `next_at` when it will, if ever.",
        N_("the rules for texts in your region do not allow it"),
    ),
    ReasonText(
        Reason.CAP_REACHED,
        "As many messages as the consumer agreed to are sent or scheduled in this period; "
        "`next_at` is when the next one may be sent.",
        N_("it would have been more than you agreed to"),
    ),
    ReasonText(
        Reason.OUTSIDE_HOURS,
        "The agreed hours do not begin again while the message is valid.",
        N_("it was outside your hours"),
    ),
    ReasonText(
        Reason.HELD_BACK,
        "The platform holds texts of this template back: until people have reacted to its first "
        "ones, or until somebody has reviewed it again.",
        N_("the platform reviews its text again first"),
    ),
)
# what else may be the `reason` of a message; gateways and carriers have codes of their own
FAILURES: Final = (
    ReasonText(
        WITHHELD,
        "The consumer takes no invitations at present.",
        N_("you wanted no invitations"),
    ),
    ReasonText(
        QUARANTINED,
        "The message could not be encoded for the gateway, at any attempt.",
        N_("it could not be sent"),
    ),
    ReasonText(
        UNCERTAIN,
        "The connection to the gateway broke after submission: the message may have been sent. "
        "A transactional message is sent again, marketing is not.",
        N_("the connection to the carrier broke"),
    ),
)
# what `errors` of a problem says about a text whose form is refused
TEXT_FAULTS: Final[Mapping[TextFault, str]] = {
    TextFault.INVISIBLE: "It holds control, bidirectional, zero-width or blank characters.",
    TextFault.SIGNATURE: "It holds a signature in brackets; the relay adds the sender's own.",
    TextFault.LINK_DISGUISED: "It holds a link written so that programs do not see it.",
    TextFault.LINK_USER: "It holds a link with a user before the host.",
    TextFault.LINK_HOST: "It holds a link whose host is punycode or mixes alphabets.",
    TextFault.LINK_SHORTENER: "It holds a link of a URL shortener that is not registered.",
    TextFault.LINK_DOMAIN: "It holds a link to a domain that is not registered for this merchant.",
}
REASON_TEXTS: Final[Mapping[str, ReasonText]] = {each.code: each for each in REFUSALS + FAILURES}
CARRIER_CONSUMER_TEXT: Final = N_("the carrier did not deliver it")


def consumer_text(code: str | None) -> str:
    """Return the msgid of a reason, for the consumer's pages; codes that are not ours included."""
    known = REASON_TEXTS.get(code or "")
    return known.consumer_text if known else CARRIER_CONSUMER_TEXT
