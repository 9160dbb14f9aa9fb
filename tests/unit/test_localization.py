"""The texts of SMS and notices, in every language, as they are sent."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from consent_tokens.app_context import DEFAULTS
from consent_tokens.consent.notice import (
    NoticeTerms,
    compose_invitation,
    compose_notice,
    purpose_list,
)
from consent_tokens.consent.one_time_code import REPORT, SIGN_IN, consent_use
from consent_tokens.consent.purposes import Purpose
from consent_tokens.consent.request import RequestedTerms
from consent_tokens.consent.scope import FrequencyCap, SendWindow
from consent_tokens.localization import LANGUAGES, catalogue, date_locale, supported_language
from consent_tokens.policies import RetentionPolicy
from consent_tokens.relay.composition import with_signature_and_opt_out
from consent_tokens.services.consents.decisions import receipt_text
from consent_tokens.services.inbound import keyword_replies as replies
from consent_tokens.services.number_verification import otp_text

RECORDED = Path(__file__).parents[1] / "vectors" / "texts.json"
SERVICE, MERCHANT, URL = "Consent Tokens", "晨光书店", "https://c.example/my"
IDENTITY = replace(DEFAULTS.service, base_url="https://c.example/base")
SOME_PURPOSES = frozenset({Purpose.PROMOTIONS, Purpose.ORDERS})
FOUR_IN_A_MONTH = FrequencyCap(4, timedelta(days=30))


def window(opens: str, closes: str, timezone: str) -> SendWindow:
    return SendWindow.parse(opens, closes, ZoneInfo(timezone))


def notice(
    language: str,
    purposes: tuple[Purpose, ...],
    cap: FrequencyCap,
    send_window: SendWindow,
    *,
    legal_name: str | None = None,
) -> str:
    terms = NoticeTerms(
        merchant=MERCHANT,
        purposes=purposes,
        frequency_cap=cap,
        send_window=send_window,
        ends_at=datetime(2027, 3, 5, 12, tzinfo=UTC),
        legal_name=legal_name,
        contact="400 000 0000" if legal_name else None,
        retention=RetentionPolicy(
            texts=timedelta(days=30),
            records=timedelta(days=185),
            proof=timedelta(days=1096),
            backups=timedelta(days=365),
        ),
    )
    return compose_notice(terms, language).text


def invitation(language: str, purposes: frozenset[Purpose], *, takes_reply: bool) -> str:
    terms = RequestedTerms(
        purposes=purposes,
        frequency_cap=FOUR_IN_A_MONTH,
        opens="09:00",
        closes="21:00",
        valid_for=timedelta(days=180),
        locale=language,
    )
    return compose_invitation(MERCHANT, terms, language, takes_reply=takes_reply)


def reply(language: str, msgid: str) -> str:
    return replies.reply_text(
        language,
        msgid,
        merchant=MERCHANT,
        count=2,
        removed=purpose_list(SOME_PURPOSES, language),
        left=purpose_list(frozenset({Purpose.SURVEYS}), language),
        purposes=replies.numbered_purpose_list(SOME_PURPOSES, language),
        url=URL,
    )


def texts(language: str) -> dict[str, str]:
    orders = frozenset({Purpose.ORDERS})
    return {
        "one-time code to sign in": otp_text(IDENTITY, "012345", SIGN_IN, language),
        "one-time code to report": otp_text(IDENTITY, "012345", REPORT, language),
        "one-time code to consent": otp_text(
            IDENTITY, "012345", consent_use("consent x", MERCHANT), language
        ),
        "receipt": receipt_text(SERVICE, "https://c.example/receipts/r", language),
        "stopped": reply(language, replies.STOPPED),
        "stopped all": reply(language, replies.STOPPED_ALL),
        "narrowed": reply(language, replies.NARROWED),
        "help": reply(language, replies.HELP),
        "help, no consent": reply(language, replies.HELP_WITHOUT_CONSENT),
        "unclear": reply(language, replies.UNCLEAR),
        "agreed": reply(language, replies.AGREED),
        "live": reply(language, replies.ALREADY_LIVE),
        "invitation by reply": invitation(language, SOME_PURPOSES, takes_reply=True),
        "invitation by link": invitation(language, SOME_PURPOSES, takes_reply=False),
        "invitation without marketing": invitation(language, orders, takes_reply=True),
        "notice of every purpose": notice(
            language, tuple(Purpose), FOUR_IN_A_MONTH, window("09:00", "21:00", "Asia/Shanghai")
        ),
        "notice of one text a day": notice(
            language,
            (Purpose.PROMOTIONS,),
            FrequencyCap(1, timedelta(days=1)),
            window("00:00", "24:00", "America/New_York"),
        ),
        "notice of a merchant with a legal name": notice(
            language,
            (Purpose.ORDERS,),
            FOUR_IN_A_MONTH,
            window("09:00", "21:00", "Asia/Shanghai"),
            legal_name="晨光图书贸易有限公司",
        ),
        "notice without marketing": notice(
            language,
            (Purpose.DELIVERIES,),
            FOUR_IN_A_MONTH,
            window("09:00", "21:00", "Europe/Berlin"),
        ),
        "opt-out": with_signature_and_opt_out(
            "X", signature="Y", language=language, link="https://c.example/m/1"
        ),
        "opt-out without a link": with_signature_and_opt_out(
            "X", signature="Y", language=language, link=None, is_limited=True
        ),
    }


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_text_changes_unnoticed(language: str) -> None:
    """A notice's hash is in the tokens, and carriers admit SMS by their wording."""
    assert texts(language) == json.loads(RECORDED.read_text("utf-8"))[language]


@pytest.mark.parametrize("language", ["zh-CN", "zh-TW"])
def test_a_text_that_is_not_translated_is_an_error(language: str) -> None:
    with pytest.raises(LookupError):
        catalogue(language).gettext("in no catalogue")
    with pytest.raises(LookupError):
        catalogue(language).ngettext("in no catalogue", "in none", 2)


@pytest.mark.parametrize(
    ("locale", "language"),
    [
        ("zh", "zh-CN"), ("zh_CN", "zh-CN"), ("zh-Hant-HK", "zh-TW"), ("zh-MO", "zh-TW"),
        ("en-GB", "en"), ("EN", "en"), ("de", None), ("", None), (None, None),
    ],
)  # fmt: skip
def test_a_locale_gets_its_language(locale: str | None, language: str | None) -> None:
    assert supported_language(locale) == language


@pytest.mark.parametrize(
    ("language", "preferred", "locale"),
    [
        ("en", ["en-GB", "en-US"], "en_001"), ("en", ["zh-CN", "en-au"], "en_001"),
        ("en", ["en-US", "en-GB"], "en"), ("en", ["en"], "en"), ("en", [], "en"),
        ("en", ["*", "en-Latn-US"], "en"), ("zh-TW", ["en-GB"], "zh_Hant_TW"),
    ],
)  # fmt: skip
def test_a_reader_of_english_gets_the_dates_of_their_region(
    language: str, preferred: list[str], locale: str
) -> None:
    assert date_locale(language, preferred) == locale
