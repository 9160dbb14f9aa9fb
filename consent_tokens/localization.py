"""Languages, and the gettext catalogues of every text that a consumer reads.

One pair of files a language holds the texts of pages, SMS and consent notices:
`translations/<locale>/LC_MESSAGES/messages.po`, compiled to `messages.mo`. The msgids are the
English texts, so English needs no file. Pages reach the catalogues through Flask-Babel, all else
through `catalogue`. They are read when this module is imported, as the code is: no later call does
I/O.
"""

from collections.abc import Iterable, Mapping
from gettext import GNUTranslations, NullTranslations
from importlib.resources import files
from typing import Final, NoReturn

LANGUAGES: Final = ("zh-CN", "zh-TW", "en")
LOCALES: Final = {"zh-CN": "zh_Hans_CN", "zh-TW": "zh_Hant_TW", "en": "en"}  # Unicode CLDR
INTERNATIONAL_ENGLISH: Final = "en_001"  # CLDR: English outside the United States
DEFAULT_LANGUAGE: Final = LANGUAGES[0]
TRANSLATIONS: Final = files("consent_tokens") / "translations"

_FAMILIES: Final = {"zh": "zh-CN", "en": "en"}  # ISO 639 code of a locale: the language it gets
_TRADITIONAL_CHINESE: Final = frozenset({"hant", "tw", "hk", "mo"})  # scripts and regions
_LIST_SEPARATORS: Final = {"zh-CN": "、", "zh-TW": "、", "en": ", "}


class _Untranslated(NullTranslations):
    """The end of a catalogue: a missing text is an error, not English in a Chinese notice."""

    def gettext(self, message: str) -> NoReturn:
        raise LookupError(f"no translation of {message!r}")

    def ngettext(self, msgid1: str, msgid2: str, n: int) -> NoReturn:
        del msgid2, n
        raise LookupError(f"no translation of {msgid1!r}")


def _load(locale: str) -> NullTranslations:
    with (TRANSLATIONS / locale / "LC_MESSAGES" / "messages.mo").open("rb") as file:
        loaded = GNUTranslations(file)
    loaded.add_fallback(_Untranslated())
    return loaded


_CATALOGUES: Final[Mapping[str, NullTranslations]] = {
    language: NullTranslations() if language == "en" else _load(locale)
    for language, locale in LOCALES.items()
}


def catalogue(language: str) -> NullTranslations:
    """Return the catalogue of one of LANGUAGES; fill in what its `gettext` returns by `%`.

    `gettext` and `ngettext` raise LookupError where the language lacks the text.
    """
    return _CATALOGUES[language]


def N_(message: str) -> str:  # noqa: N802 - gettext's own name for it
    """Return a msgid unchanged, marked so that it gets into the catalogues."""
    return message


def join_list(language: str, items: Iterable[str]) -> str:
    """Return items in one line, separated as the language does."""
    return _LIST_SEPARATORS[language].join(items)


def supported_language(locale: str | None) -> str | None:
    """Return the language of a locale such as `zh`, `zh_CN` or `en-GB`; None if we lack it."""
    if not locale:
        return None
    family, *subtags = locale.replace("_", "-").lower().split("-")
    if family == "zh" and _TRADITIONAL_CHINESE & set(subtags):
        return "zh-TW"
    return _FAMILIES.get(family)


def date_locale(language: str, preferred: Iterable[str]) -> str:
    """Return the CLDR locale in which a page writes dates and times.

    `preferred` are the locales of the browser, the first one first. English is that of the United
    States only for who prefers it, or names no region: elsewhere the day comes before the month.
    """
    if language != "en":
        return LOCALES[language]
    english = next((each for each in preferred if supported_language(each) == "en"), "en")
    _family, *subtags = english.replace("_", "-").lower().split("-")
    return INTERNATIONAL_ENGLISH if subtags and "us" not in subtags else LOCALES["en"]
