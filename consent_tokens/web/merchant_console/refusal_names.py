"""Why lines of a campaign are not sent, in words for merchants."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from flask_babel import gettext as _

from consent_tokens.localization import N_
from consent_tokens.relay.decision import Reason

REFUSAL_NAMES: Final[Mapping[str, str]] = MappingProxyType(
    {
        Reason.MERCHANT_SUSPENDED: N_("you may not send at present"),
        Reason.TOKEN_MALFORMED: N_("this is no token of this platform"),
        Reason.TOKEN_SIGNATURE_INVALID: N_("the token was changed"),
        Reason.TOKEN_EXPIRED: N_("the consent ends before it would be sent"),
        Reason.TOKEN_NOT_YOURS: N_("the token is another merchant’s"),
        Reason.CONSENT_REVOKED: N_("the customer has ended the consent"),
        Reason.CONSENT_PAUSED: N_("the customer has paused the consent"),
        Reason.PURPOSE_NOT_GRANTED: N_("the customer did not agree to this purpose"),
        Reason.CHANNEL_NOT_GRANTED: N_("the customer did not agree to texts"),
        Reason.SENDER_NOT_ADMITTED: N_("no sender of yours is admitted for it"),
        Reason.CLASS_NOT_ADMITTED: N_("you may not send texts of this class"),
        Reason.TEMPLATE_REQUIRED: N_("it needs an approved template"),
        Reason.TEMPLATE_REJECTED: N_("the template, or a value in it, is not allowed"),
        Reason.CONTENT_REJECTED: N_("the text has characters that are not allowed"),
        Reason.TEXT_TOO_LONG: N_("the text is too long"),
        Reason.EVENT_REQUIRED: N_("the event that it is about is missing"),
        Reason.EVENT_USED: N_("there were enough texts about this event"),
        Reason.RULE_FORBIDS: N_("a rule of the platform forbids it"),
        Reason.CAP_REACHED: N_("the customer has had as many texts as agreed"),
        Reason.OUTSIDE_HOURS: N_("it could not be sent within the customer’s hours"),
        Reason.HELD_BACK: N_("the rest of this template is not sent"),
        "unreadable": N_("the line cannot be read"),
        "invalid": N_("something in the line is missing or not valid"),
    }
)


def refusal_name(code: str) -> str:
    """Return why a line is not sent."""
    return str(_(REFUSAL_NAMES[code])) if code in REFUSAL_NAMES else code
