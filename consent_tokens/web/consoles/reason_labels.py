"""Why texts were refused and consents ended, in words, and what a merchant can do about each."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from flask_babel import gettext as _

from consent_tokens.consent.grant import EndReason
from consent_tokens.evidence.rollups import EXPIRED
from consent_tokens.localization import N_
from consent_tokens.relay.decision import Reason
from consent_tokens.services.rollups.figures import CUSTOMER_OR_PLATFORM


@dataclass(frozen=True, slots=True)
class Refusal:
    """What a reason is called, and what helps; both are msgids."""

    label: str
    advice: str


REFUSALS: Final[Mapping[str, Refusal]] = {
    Reason.MERCHANT_SUSPENDED: Refusal(
        N_("merchant suspended"), N_("Ask the platform what led to the suspension.")
    ),
    Reason.TOKEN_MALFORMED: Refusal(
        N_("not a token"), N_("Send the token exactly as you fetched it.")
    ),
    Reason.TOKEN_SIGNATURE_INVALID: Refusal(
        N_("token not valid"), N_("Send the token exactly as you fetched it.")
    ),
    Reason.TOKEN_EXPIRED: Refusal(
        N_("consent over"), N_("Delete the token, and ask the customer again.")
    ),
    Reason.TOKEN_NOT_YOURS: Refusal(
        N_("token of another merchant"), N_("Use only tokens that were issued to you.")
    ),
    Reason.CONSENT_REVOKED: Refusal(
        N_("consent ended"), N_("Delete the token: this is final.")
    ),
    Reason.CONSENT_PAUSED: Refusal(
        N_("consent paused"), N_("Wait: the customer wants quiet for a while.")
    ),
    Reason.PURPOSE_NOT_GRANTED: Refusal(
        N_("purpose not agreed to"), N_("Send only for purposes that the consent has.")
    ),
    Reason.CHANNEL_NOT_GRANTED: Refusal(
        N_("texts not agreed to"), N_("Do not text this customer.")
    ),
    Reason.SENDER_NOT_ADMITTED: Refusal(
        N_("no sender"), N_("Apply for a sender for this class of texts.")
    ),
    Reason.CLASS_NOT_ADMITTED: Refusal(
        N_("class not admitted, or daily limit"),
        N_("Wait until tomorrow if you have a daily limit; else ask the platform."),
    ),
    Reason.TEMPLATE_REQUIRED: Refusal(
        N_("no template"), N_("Submit a template, and send with it.")
    ),
    Reason.TEMPLATE_REJECTED: Refusal(
        N_("template not usable"),
        N_("See the template’s status; check purpose and variables against it."),
    ),
    Reason.CONTENT_REJECTED: Refusal(
        N_("form of the text"),
        N_("Take out links, brackets or characters that the answer of the API names."),
    ),
    Reason.TEXT_TOO_LONG: Refusal(N_("text too long"), N_("Shorten the text.")),
    Reason.EVENT_REQUIRED: Refusal(
        N_("event missing"), N_("Name the order or booking that the text is about.")
    ),
    Reason.EVENT_USED: Refusal(
        N_("event used up"), N_("This event has had all its texts: send no more about it.")
    ),
    Reason.RULE_FORBIDS: Refusal(
        N_("rule of the region"), N_("Send at the time that the answer names, if it names one.")
    ),
    Reason.CAP_REACHED: Refusal(
        N_("frequency cap reached"),
        N_("Wait until the time that the answer names; send fewer texts to each customer."),
    ),
    Reason.OUTSIDE_HOURS: Refusal(
        N_("outside the agreed hours"),
        N_("Send within the hours, or let the text be valid longer."),
    ),
    Reason.HELD_BACK: Refusal(
        N_("held back"), N_("Wait until the platform has looked at the template again.")
    ),
    EXPIRED: Refusal(
        N_("expired before it was sent"), N_("Let texts be valid longer, or send fewer at once.")
    ),
}  # fmt: skip


def refusal_label(code: str) -> str:
    """Return what a reason of a refusal is called; the code itself if it is none of ours."""
    found = REFUSALS.get(code)
    return str(_(found.label)) if found else code


def refusal_advice(code: str) -> str:
    """Return what a merchant can do about a refusal; nothing for a code that is none of ours."""
    found = REFUSALS.get(code)
    return str(_(found.advice)) if found else ""


def loss_label(code: str) -> str:
    """Return what ended a consent."""
    labels: dict[str, str] = {
        EndReason.CONSUMER: _("stopped on a page"),
        EndReason.REPLY: _("stopped by reply"),
        EndReason.MERCHANT: _("ended by the merchant"),
        EndReason.EXPIRY: _("its time was over"),
        EndReason.NUMBER: _("the number changed hands"),
        EndReason.REPLACED: _("replaced by a newer consent"),
        EndReason.JOURNAL: _("ended before a backup was restored"),
        CUSTOMER_OR_PLATFORM: _("ended by the customer or the platform"),
    }
    return str(labels.get(code, code))
