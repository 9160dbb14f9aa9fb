"""The notice: the exact words that a consumer sees and agrees to, in their language.

The text is composed here, not in a template, so that the words that were shown, the words that
are kept with the grant, and the words whose hash is in the token are the same bytes. The page
shows these lines and adds none that change their meaning.
"""

from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Final

from babel.dates import get_timezone_location

from consent_tokens.consent.purposes import Purpose
from consent_tokens.consent.scope import Cap, Hours, clock_time

LANGUAGES: Final = ("zh-CN", "en")

PURPOSE_WORDS: Final[dict[str, dict[Purpose, tuple[str, str]]]] = {
    "zh-CN": {
        Purpose.PROMOTIONS: ("打折和活动", "例如“满 200 减 50，今晚八点”"),
        Purpose.RECOMMENDATIONS: ("为您挑选的推荐", "例如“您喜欢的作者出新书了”"),
        Purpose.EVENTS: ("线下活动邀请", "例如“周六下午店里有签售”"),
        Purpose.SURVEYS: ("想听您的意见", "例如“这次购物您满意吗”"),
        Purpose.ORDERS: ("您的订单", "例如“您的书已发出”"),
        Purpose.DELIVERIES: ("您的快递", "例如“预计周四送到”"),
        Purpose.APPOINTMENTS: ("您的预约", "例如“明天上午十点，请准时”"),
        Purpose.NOTICES: ("服务通知", "例如“您的会员卡下月到期”"),
    },
    "en": {
        Purpose.PROMOTIONS: ("Sales and offers", "such as “50 off 200, tonight at eight”"),
        Purpose.RECOMMENDATIONS: (
            "Suggestions picked for you",
            "such as “An author you like has a new book”",
        ),
        Purpose.EVENTS: ("Invitations to events", "such as “Book signing on Saturday”"),
        Purpose.SURVEYS: ("Questions about how we did", "such as “Were you happy with it?”"),
        Purpose.ORDERS: ("Your orders", "such as “Your book is on its way”"),
        Purpose.DELIVERIES: ("Your deliveries", "such as “Arriving on Thursday”"),
        Purpose.APPOINTMENTS: ("Your appointments", "such as “Tomorrow at ten”"),
        Purpose.NOTICES: ("Service notices", "such as “Your card ends next month”"),
    },
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What the notice is about; the purposes are those on offer, or those chosen."""

    merchant: str
    purposes: tuple[Purpose, ...]
    cap: Cap
    hours: Hours
    ends: datetime


@dataclass(frozen=True, slots=True)
class Notice:
    """The words, and the language they are in."""

    language: str
    text: str

    @property
    def digest(self) -> bytes:
        """Return the SHA-256 of the very bytes that were shown."""
        return sha256(self.text.encode()).digest()


def purpose_words(purpose: Purpose, language: str) -> tuple[str, str]:
    """Return a purpose in plain words, and an example of it."""
    return PURPOSE_WORDS[language][purpose]


def how_often(cap: Cap, language: str) -> str:
    """Return the cap in plain words."""
    if language == "zh-CN":
        return f"打折、推荐一类：任意 {cap.within.days} 天最多 {cap.most} 条"
    texts = "text" if cap.most == 1 else "texts"
    days = "day" if cap.within.days == 1 else "days"
    return f"Offers and the like: at most {cap.most} {texts} in any {cap.within.days} {days}"


def which_hours(hours: Hours, language: str) -> str:
    """Return the hours in plain words, with the place whose clock counts."""
    opens, closes = clock_time(hours.opens), clock_time(hours.closes)
    if language == "zh-CN":
        return f"打折、推荐一类：{opens} 到 {closes}（{place(hours, language)}时间）"
    return f"Offers and the like: from {opens} to {closes} ({place(hours, language)} time)"


def place(hours: Hours, language: str) -> str:
    """Return the city whose clock counts, in the reader's words (Unicode CLDR)."""
    locale = language.replace("-", "_")
    return str(get_timezone_location(hours.zone, locale=locale, return_city=True))


def until_when(ends: datetime, hours: Hours, language: str) -> str:
    """Return the end in plain words, as the recipient's calendar has it."""
    day = ends.astimezone(hours.zone)
    if language == "zh-CN":
        return f"{day.year} 年 {day.month} 月 {day.day} 日，到期自动停止"
    return f"{day.day} {day.strftime('%B')} {day.year}; then it stops by itself"


def how_to_stop(language: str) -> str:
    """Return the ways to end it, in plain words."""
    if language == "zh-CN":
        return "回复 R，或点短信里的链接，两下就停"
    return "Reply STOP, or open the link in a text: two taps"


def headline(merchant: str, language: str) -> str:
    """Return the question itself."""
    if language == "zh-CN":
        return f"{merchant}想给您发短信，您愿意吗？"
    return f"{merchant} would like to text you. Is that all right?"


def promise(merchant: str, language: str) -> str:
    """Return what the consumer may count on."""
    if language == "zh-CN":
        return (
            f"{merchant}看不到您的手机号码。您随时可以反悔；反悔以后，谁也不能再用这次同意找到您。"
        )
    return (
        f"{merchant} does not see your number. You can change your mind at any time; "
        "after that, nobody can use this consent to reach you."
    )


def compose(terms: Terms, language: str) -> Notice:
    """Return the notice: one fact a line, in the order of the page."""
    lines = [headline(terms.merchant, language)]
    for purpose in terms.purposes:
        name, example = purpose_words(purpose, language)
        lines.append(f"· {name}（{example}）" if language == "zh-CN" else f"- {name} ({example})")
    lines += [
        how_often(terms.cap, language),
        which_hours(terms.hours, language),
        until_when(terms.ends, terms.hours, language),
        how_to_stop(language),
        promise(terms.merchant, language),
    ]
    return Notice(language, "\n".join(lines) + "\n")


def supported(locale: str | None) -> str | None:
    """Return the language of a locale such as `zh`, `zh_CN` or `en-GB`; None if we lack it."""
    if not locale:
        return None
    return {"zh": "zh-CN", "en": "en"}.get(locale.replace("_", "-").split("-")[0].lower())
