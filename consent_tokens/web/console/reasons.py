"""Reasons of decisions: one of a list, with words of the reviewer's own.

They are stored as one text, in the language of the page: the merchant reads it.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from flask_babel import gettext as _

from consent_tokens.errors import InvalidError
from consent_tokens.localization import N_
from consent_tokens.web.consumer.form_fields import text
from consent_tokens.web.consumer.template_filters import gap

MAX_WORDS: Final = 250  # characters; with a reason of the list they fit into what is stored
OTHER: Final = "other"

_MISLEADING: Final = N_("It could mislead whoever reads it.")
_ADVERT: Final = N_("It advertises, whatever its purpose says.")
REASONS: Final[Mapping[str, Mapping[str, str]]] = MappingProxyType(
    {
        "return": {
            "documents": N_("A document is missing, or cannot be read."),
            "identity": N_("Name, registration or contact differ from the documents."),
            "use": N_("Say more exactly what is to be sent, and to whom."),
        },
        "refuse_application": {
            "unknown": N_("The company is not in the register that it names."),
            "look_alike": N_("The name could be taken for that of another company."),
            "use": N_("What is to be sent is not allowed here."),
            "false": N_("Something in the application is not true."),
        },
        "refuse_sender": {
            "signature": N_("The signature is not the company's name, trademark, app or site."),
            "look_alike": N_("The signature could be taken for that of another company."),
            "filing": N_("The carrier has not filed the port for this use."),
        },
        "refuse_template": {
            "advert": _ADVERT,
            "variables": N_("A variable can hold more than it needs: bound it, or give choices."),
            "misleading": _MISLEADING,
            "purpose": N_("It does not belong to this purpose."),
        },
        "hold": {
            "values": N_("What variables were filled with has to be looked at."),
            "complaints": N_("People have complained about its texts."),
        },
        "release": {
            "values": N_("What variables were filled with is in order."),
            "complaints": N_("The complaints were not about the text itself."),
        },
        "release_pacing": {
            "text": N_("The text is in order; the reactions had another cause."),
            "mended": N_("The merchant has mended what people objected to."),
        },
        "drop_pacing": {
            "stops": N_("Too many people have stopped it or complained."),
            "misleading": _MISLEADING,
        },
        "withdraw": {"advert": _ADVERT, "misleading": _MISLEADING,
                     "abuse": N_("Its variables were abused.")},
        "recategorise": {
            "advert": N_("It advertises, so it belongs to marketing."),
            "finance": N_("It is about money that is lent, insured or invested."),
            "transactional": N_("It is about something that the reader has ordered or agreed."),
        },
        "appeal": {
            "upheld": N_("The appeal shows what the text is about."),
            "dismissed": N_("The text is what it was taken for."),
        },
        "objection": {
            "upheld": N_("What the merchant says is right."),
            "dismissed": N_("What the merchant says does not change the reasons."),
        },
        "suspend": {
            "complaints": N_("There are too many complaints about its texts."),
            "consents": N_("It could not show that people had agreed."),
            "false": N_("What it said about itself is not true."),
            "asked": N_("The merchant asked for it."),
        },
        "lift": {
            "mended": N_("What led to the suspension is mended."),
            "mistake": N_("The suspension was a mistake."),
            "asked": N_("The merchant asked for it."),
        },
        "revoke": {
            "carrier": N_("The carrier has withdrawn the port."),
            "abuse": N_("The port was abused."),
            "asked": N_("The merchant asked for it."),
        },
        "export": {
            "authority": N_("An authority asks for it."),
            "court": N_("A court asks for it."),
            "consumer": N_("The consumer asks for it."),
            "merchant": N_("It is about a decision against the merchant."),
        },
        "help": {
            "ending": N_("They cannot find how to end a consent."),
            "unwanted": N_("They get texts that they did not agree to."),
            "missing": N_("They miss a text."),
            "understanding": N_("They ask what they agreed to."),
        },
        "join": {
            "documents": N_("Documents or registers show that one controls both."),
            "said": N_("They said so themselves."),
        },
        "reject": {
            "partners": N_("They share it as partners or customers of the same firm."),
            "chance": N_("The likeness is chance."),
        },
    }
)  # fmt: skip


def reason_options(kind: str) -> list[tuple[str, str]]:
    """Return the options of a choice of a reason, with none chosen at first."""
    listed = [(code, str(_(label))) for code, label in REASONS[kind].items()]
    return [("", str(_("Choose a reason"))), *listed, (OTHER, str(_("Another reason")))]


def stated_reason(kind: str) -> str:
    """Return the reason of the form, as it is stored. Raises InvalidError of `words`, `reason`.

    A reason of the list is enough; another one needs words.
    """
    code, words = text("reason"), " ".join(text("words", MAX_WORDS).split())
    known = REASONS[kind]
    if code not in known and code != OTHER:
        raise InvalidError({"reason": ["missing"]})
    if code == OTHER:
        if not words:
            raise InvalidError({"words": ["missing"]})
        return words
    label = str(_(known[code]))
    return f"{label}{gap()}{words}" if words else label


def reason_errors(error: InvalidError, action: str) -> dict[str, str]:
    """Return the errors of a form of a decision, by the ids of its fields."""
    known = {
        "reason": _("Choose a reason."),
        "words": _("Say why in your own words."),
        "class": _("Choose one or more of the classes that it asked for."),
        "purpose": _("This purpose is of no class that it gets."),
        "checked_by": _("Say in one line who checked the identity."),
        "texts_per_event": _("Enter a number from 1 to 5."),
        "event_type": _("Use up to 32 lower-case letters, digits, - and _."),
        "essential": _("Only a transactional template can be essential."),
        "legal_name": _("Use one line of at most 200 characters."),
        "registration": _("Use one line of at most 60 characters."),
        "contact": _("Use one line of at most 200 characters."),
        "website": _("Enter an address that begins with http:// or https://."),
        "daily_limit": _("Enter whole numbers from 1 to 1,000,000,000."),
        "domains": _("One of these is no domain, or there are more than 100."),
        "weight": _("Enter a whole number from 1 to 100."),
        "note": _("Write 1 to 400 characters."),
        "name": _("Use one line of 1 to 60 characters."),
        "port": _("The port with this extension is not free."),
        "signature": _("The signature is not free, or is not proven to be the company's."),
        "valid_until": _("Its validity has ended, or is too long."),
        "classes": _("The merchant is not admitted for these classes."),
        "text": _("The text does not keep the rules of the other purpose."),
    }
    return {
        f"{action}-{name}": str(known.get(name, _("This cannot be done as it is.")))
        for name in error.fields
    }
