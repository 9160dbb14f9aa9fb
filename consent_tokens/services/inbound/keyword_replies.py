"""Replies to inbound keywords: one SMS each, without marketing (47 CFR 64.1200(a)(12)).

Each constant is a msgid of the gettext catalogues.
"""

from typing import Final

from consent_tokens.consent.notice import purpose_label
from consent_tokens.consent.purposes import Purpose, in_catalogue_order
from consent_tokens.localization import N_, catalogue, join_list

STOPPED: Final = N_("Stopped. %(merchant)s will not text you any more.")
STOPPED_ALL: Final = N_("All stopped. None of %(count)s merchants will text you any more.")
NARROWED: Final = N_("Done. No more: %(removed)s. Still: %(left)s. Reply STOP to stop it all.")
HELP: Final = N_(
    "%(merchant)s may text you: %(purposes)s. Reply STOP to stop it all, or STOP and a number, "
    "as in STOP 1. All your consents: %(url)s"
)
HELP_WITHOUT_CONSENT: Final = N_(
    "No merchant may text you from this number. All your consents: %(url)s"
)
UNCLEAR: Final = N_("Shall %(merchant)s stop texting you? Reply STOP to stop; else do nothing.")
AGREED: Final = N_("Thank you. %(merchant)s may text you now. Reply STOP at any time to stop.")
ALREADY_LIVE: Final = N_("%(merchant)s may text you already. Reply STOP to stop.")


def reply_text(language: str, msgid: str, **members: object) -> str:
    """Return one of the replies above in a language, filled in."""
    return catalogue(language).gettext(msgid) % members


def numbered_purpose_list(purposes: frozenset[Purpose], language: str) -> str:
    """Return the names of purposes in one line, each with its number in `STOP 1`."""
    names = [
        f"{purpose.keyword_number} {purpose_label(purpose, language)[0]}"
        for purpose in in_catalogue_order(purposes)
    ]
    return join_list(language, names)
