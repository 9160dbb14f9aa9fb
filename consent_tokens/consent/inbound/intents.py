"""The intents of a reply."""

from dataclasses import dataclass
from enum import StrEnum

from consent_tokens.consent.purposes import Purpose


class Intent(StrEnum):
    """What the consumer wants with a reply."""

    STOP = "stop"
    STOP_ALL = "stop_all"  # over all merchants
    HELP = "help"
    START = "start"
    YES = "yes"
    NO = "no"
    REPORT = "report"  # complains about the last text: an advert
    REPORT_ORDER = "report_order"  # complains about the last text: no such order
    UNCLEAR = "unclear"  # possibly a stop: asked back
    DOUBTFUL = "doubtful"  # less likely a stop: asked back only soon after a message
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class Interpretation:
    """The intent of a reply and its language.

    `purposes` if it is a stop of some purposes only; `leans_to_stop` if a second such reply within
    a day is a stop (a misspelt keyword, a wrong number), and not if it asks about stopping.
    """

    intent: Intent
    language: str | None = None
    purposes: frozenset[Purpose] = frozenset()
    leans_to_stop: bool = False
