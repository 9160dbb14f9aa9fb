"""The gettext catalogues of pages, SMS and notices are complete, compiled and consistent."""

import re
from functools import cache
from itertools import chain
from pathlib import Path

import opencc
import pytest
from babel.messages.extract import extract_from_dir
from babel.messages.frontend import parse_mapping_cfg
from babel.messages.mofile import read_mo
from babel.messages.pofile import read_po

ROOT = Path(__file__).parents[2]
TRANSLATIONS = ROOT / "consent_tokens" / "translations"
LOCALES = ("zh_Hans_CN", "zh_Hant_TW")
SHARED_CHARACTERS = "台里准了后干只面"  # simplified forms that are also correct in Taiwan


Forms = tuple[str, ...]  # of a msgid or a translation: the text, or its singular and plural


def forms(text: object) -> Forms:
    return tuple(map(str, text)) if isinstance(text, tuple | list) else (str(text),)


@cache
def msgids_in_code() -> frozenset[Forms]:
    """Return what `make translations` extracts from code and templates."""
    with (ROOT / "babel.cfg").open() as file:
        methods, options = parse_mapping_cfg(file)  # type: ignore[no-untyped-call]  # Babel's
    found = extract_from_dir(ROOT, methods, options)
    return frozenset(forms(message) for _file, _line, message, _comments, _context in found)


def catalogue(locale: str, kind: str) -> dict[Forms, Forms]:
    path = TRANSLATIONS / locale / "LC_MESSAGES" / f"messages.{kind}"
    with path.open("rb") as file:
        messages = read_po(file) if kind == "po" else read_mo(file)
    return {forms(message.id): forms(message.string) for message in messages if message.id}


def placeholders(texts: Forms) -> set[Forms]:
    return {tuple(sorted(re.findall(r"%\((\w+)\)", text))) for text in texts}


@pytest.mark.parametrize("locale", LOCALES)
def test_every_text_is_translated(locale: str) -> None:
    kept = catalogue(locale, "po")
    assert msgids_in_code() == set(kept), "run: make translations"
    assert [msgid for msgid, text in kept.items() if not all(text)] == [], "translate these"


@pytest.mark.parametrize("locale", LOCALES)
def test_the_compiled_catalogue_is_that_of_the_text(locale: str) -> None:
    assert catalogue(locale, "mo") == catalogue(locale, "po"), "run: make translations"


@pytest.mark.parametrize("locale", LOCALES)
def test_a_translation_has_the_same_placeholders(locale: str) -> None:
    for msgid, text in catalogue(locale, "po").items():
        assert placeholders(msgid) == placeholders(text), msgid


def test_traditional_chinese_holds_no_simplified_character() -> None:
    to_traditional = opencc.OpenCC("s2t")
    for character in "".join(chain.from_iterable(catalogue("zh_Hant_TW", "po").values())):
        is_simplified = to_traditional.convert(character) != character
        assert not is_simplified or character in SHARED_CHARACTERS, character


def test_a_complaint_is_called_by_one_word() -> None:
    others = {"zh_Hans_CN": ("投诉",), "zh_Hant_TW": ("投訴", "舉報")}
    for locale, words in others.items():
        texts = "".join(chain.from_iterable(catalogue(locale, "po").values()))
        assert [each for each in words if each in texts] == [], locale
