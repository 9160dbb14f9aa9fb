"""Which language a page is in: as chosen, else as the browser asks, else as the merchant asked."""

from flask import request, session

from consent_tokens.consent.notice import LANGUAGES, supported

CHINESE_FIRST = LANGUAGES[0]


def language(asked: str | None = None) -> str:
    """Return the language of this page; `asked` is what the merchant thinks the consumer reads."""
    chosen = supported(request.args.get("lang"))
    if chosen:
        session["language"] = chosen
        return chosen
    kept = supported(session.get("language"))
    if kept:
        return kept
    for wanted, _quality in request.accept_languages:
        if found := supported(wanted):
            return found
    return supported(asked) or CHINESE_FIRST
