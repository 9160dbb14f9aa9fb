"""Which language a page is in: as chosen, else as the browser asks, else as the merchant asked."""

from flask import request, session

from consent_tokens.localization import DEFAULT_LANGUAGE, date_locale, supported_language


def language(asked: str | None = None) -> str:
    """Return the language of this page; `asked` is what the merchant thinks the consumer reads."""
    chosen = supported_language(request.args.get("lang"))
    if chosen:
        session["language"] = chosen
        return chosen
    kept = supported_language(session.get("language"))
    if kept:
        return kept
    for wanted, _quality in request.accept_languages:
        if found := supported_language(wanted):
            return found
    return supported_language(asked) or DEFAULT_LANGUAGE


def locale_of_dates() -> str:
    """Return the CLDR locale in which this page writes dates and times."""
    return date_locale(language(), request.accept_languages.values())
