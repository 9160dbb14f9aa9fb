"""The notice: the exact words that a consumer sees and agrees to, in their language.

The text is composed here, not in a template, so that the words that were shown, the words that
are kept with the grant, and the words whose hash is in the token are the same bytes. The page
shows these lines and adds none that change their meaning.
"""

from dataclasses import dataclass
from datetime import datetime, time
from hashlib import sha256
from typing import Final

from babel.dates import format_date, format_time, get_timezone_location

from consent_tokens.consent.purposes import Purpose, in_catalogue_order
from consent_tokens.consent.request import RequestedTerms
from consent_tokens.consent.scope import (
    MINUTES_PER_DAY,
    FrequencyCap,
    SendWindow,
    parse_time_of_day,
)
from consent_tokens.policies import RetentionPolicy

LANGUAGES: Final = ("zh-CN", "zh-TW", "en")
LOCALES: Final = {"zh-CN": "zh_Hans_CN", "zh-TW": "zh_Hant_TW", "en": "en"}  # Unicode CLDR
LANGUAGE_FAMILIES: Final = {"zh": "zh-CN", "en": "en"}  # of languages: what whoever reads them gets
TRADITIONAL_CHINESE_TAGS: Final = frozenset({"hant", "tw", "hk", "mo"})

PURPOSE_LABELS: Final[dict[str, dict[Purpose, tuple[str, str]]]] = {
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
    "zh-TW": {
        Purpose.PROMOTIONS: ("折扣和活動", "例如「滿 200 折 50，今晚八點」"),
        Purpose.RECOMMENDATIONS: ("為您挑選的推薦", "例如「您喜歡的作者出新書了」"),
        Purpose.EVENTS: ("實體活動邀請", "例如「週六下午店裡有簽書會」"),
        Purpose.SURVEYS: ("想聽您的意見", "例如「這次購物您滿意嗎」"),
        Purpose.ORDERS: ("您的訂單", "例如「您的書已寄出」"),
        Purpose.DELIVERIES: ("您的包裹", "例如「預計週四送到」"),
        Purpose.APPOINTMENTS: ("您的預約", "例如「明天上午十點，請準時」"),
        Purpose.NOTICES: ("服務通知", "例如「您的會員卡下個月到期」"),
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

SENTENCES: Final[dict[str, dict[str, str]]] = {
    "zh-CN": {
        "headline": "{merchant}想给您发短信，您愿意吗？",
        "purpose": "· {name}（{example}）",
        "often": "打折、推荐一类：任意 {days} 天最多 {most} 条",
        "hours": "打折、推荐一类：{opens} 到 {closes}（{place}时间）",
        "until": "到 {day}，到期自动停止",
        "stop": "回复 R，或点短信里的链接，两下就停",
        "records": "短信内容留 {texts} 天，发过什么的记录留 {sendings} 天，然后删掉",
        "age": "不满 14 岁，要由爸爸妈妈或监护人来决定",
        "promise": (
            "{merchant}看不到您的手机号码。您随时可以反悔；反悔以后，谁也不能再用这次同意找到您。"
        ),
        "by_text": (
            "{merchant}想给您发短信：{kinds}。{often}{hours}有效 {valid} 天。{how}不回就是不愿意。"
        ),
        "by_text_often": "{days} 天最多 {most} 条，",
        "by_text_hours": "{opens}-{closes}，",
        "by_reply": "愿意请回 Y。",
        "by_link": "愿意请点开：",
    },
    "zh-TW": {
        "headline": "{merchant}想傳簡訊給您，您願意嗎？",
        "purpose": "· {name}（{example}）",
        "often": "折扣、推薦一類：任意 {days} 天最多 {most} 則",
        "hours": "折扣、推薦一類：{opens} 到 {closes}（{place}時間）",
        "until": "到 {day}，到期自動停止",
        "stop": "回覆 R，或點簡訊裡的連結，兩下就停",
        "records": "簡訊內容保留 {texts} 天，傳過什麼的紀錄保留 {sendings} 天，然後刪掉",
        "age": "未滿 14 歲，要由爸爸媽媽或監護人來決定",
        "promise": (
            "{merchant}看不到您的手機號碼。您隨時可以反悔；反悔以後，誰也不能再用這次同意找到您。"
        ),
        "by_text": (
            "{merchant}想傳簡訊給您：{kinds}。{often}{hours}有效 {valid} 天。{how}不回就是不願意。"
        ),
        "by_text_often": "{days} 天最多 {most} 則，",
        "by_text_hours": "{opens}-{closes}，",
        "by_reply": "願意請回 Y。",
        "by_link": "願意請點開：",
    },
    "en": {
        "headline": "{merchant} would like to text you. Is that all right?",
        "purpose": "- {name} ({example})",
        "often": "Offers and the like: at most {most} {texts} in any {days} {day_word}",
        "hours": "Offers and the like: from {opens} to {closes} ({place} time)",
        "until": "Until {day}; then it stops by itself",
        "stop": "Reply STOP, or open the link in a text: two taps",
        "records": (
            "What a text said is kept for {texts} days, that it was sent for {sendings}; "
            "then both are deleted"
        ),
        "age": "If you are under 14, your parent or guardian has to decide",
        "promise": (
            "{merchant} does not see your number. You can change your mind at any time; "
            "after that, nobody can use this consent to reach you."
        ),
        "by_text": "{merchant} would like to text you: {kinds}. {often}{hours}For {valid} days. "
        "{how} No answer means no.",
        "by_text_often": "At most {most} in any {days} days, ",
        "by_text_hours": "{opens} to {closes}. ",
        "by_reply": "Reply Y to agree.",
        "by_link": "To agree, open:",
    },
}


@dataclass(frozen=True, slots=True, kw_only=True)
class NoticeTerms:
    """What the notice is about; the purposes are those on offer, or those chosen."""

    merchant: str
    purposes: tuple[Purpose, ...]
    frequency_cap: FrequencyCap
    send_window: SendWindow
    ends_at: datetime
    retention: RetentionPolicy


@dataclass(frozen=True, slots=True)
class Notice:
    """The words, and the language they are in."""

    language: str
    text: str

    @property
    def digest(self) -> bytes:
        """Return the SHA-256 of the very bytes that were shown."""
        return sha256(self.text.encode()).digest()


def purpose_label(purpose: Purpose, language: str) -> tuple[str, str]:
    """Return a purpose in plain words, and an example of it."""
    return PURPOSE_LABELS[language][purpose]


def sentence(language: str, what: str, **members: object) -> str:
    """Return one of the sentences above, filled in."""
    return SENTENCES[language][what].format(**members)


def describe_frequency_cap(cap: FrequencyCap, language: str) -> str:
    """Return the cap in plain words."""
    days = cap.window.days
    texts, day_word = ("text" if cap.limit == 1 else "texts"), ("day" if days == 1 else "days")
    return sentence(language, "often", most=cap.limit, days=days, texts=texts, day_word=day_word)


def describe_send_window(hours: SendWindow, language: str) -> str:
    """Return the hours in plain words, with the place whose clock counts."""
    return sentence(
        language,
        "hours",
        opens=localized_time_of_day(hours.opens, language),
        closes=localized_time_of_day(hours.closes, language),
        place=timezone_city(hours, language),
    )


def localized_time_of_day(minute: int, language: str) -> str:
    """Return minutes since midnight in the reader's manner; the end of the day is 24:00."""
    if minute == MINUTES_PER_DAY:
        return {"en": "midnight"}.get(language, "24:00")
    written = format_time(time(minute // 60, minute % 60), "short", locale=LOCALES[language])
    return str(written).replace("\u202f", " ")  # what GSM and small phones cannot show


def timezone_city(hours: SendWindow, language: str) -> str:
    """Return the city whose clock counts, in the reader's words (Unicode CLDR)."""
    locale = LOCALES[language]
    return str(get_timezone_location(hours.timezone, locale=locale, return_city=True))


def localized_day(moment: datetime, hours: SendWindow, language: str) -> str:
    """Return the day of a moment, as the recipient's calendar has it."""
    local = moment.astimezone(hours.timezone)
    return str(format_date(local, "long", locale=LOCALES[language]))


def describe_expiry(ends: datetime, hours: SendWindow, language: str) -> str:
    """Return the end in plain words."""
    return sentence(language, "until", day=localized_day(ends, hours, language))


def describe_opt_out(language: str) -> str:
    """Return the ways to end it, in plain words."""
    return sentence(language, "stop")


def describe_retention(records: RetentionPolicy, language: str) -> str:
    """Return how long what is kept, in plain words (PIPL 17)."""
    return sentence(language, "records", texts=records.texts.days, sendings=records.records.days)


def describe_minors(language: str) -> str:
    """Return who decides for a child (PIPL 31)."""
    return sentence(language, "age")


def headline(merchant: str, language: str) -> str:
    """Return the question itself."""
    return sentence(language, "headline", merchant=merchant)


def assurance(merchant: str, language: str) -> str:
    """Return what the consumer may count on."""
    return sentence(language, "promise", merchant=merchant)


def compose_notice(terms: NoticeTerms, language: str) -> Notice:
    """Return the notice: one fact a line, in the order of the page."""
    lines = [headline(terms.merchant, language)]
    for purpose in terms.purposes:
        name, example = purpose_label(purpose, language)
        lines.append(sentence(language, "purpose", name=name, example=example))
    if any(purpose.is_marketing for purpose in terms.purposes):
        lines += [
            describe_frequency_cap(terms.frequency_cap, language),
            describe_send_window(terms.send_window, language),
        ]
    lines += [
        describe_expiry(terms.ends_at, terms.send_window, language),
        describe_opt_out(language),
        describe_retention(terms.retention, language),
        describe_minors(language),
        assurance(terms.merchant, language),
    ]
    return Notice(language, "\n".join(lines) + "\n")


def compose_invitation(
    merchant: str, terms: RequestedTerms, language: str, *, takes_reply: bool
) -> str:
    """Return the question as one text says it: kind, number, period (MIIT Order 31, 2015)."""
    names = [purpose_label(purpose, language)[0] for purpose in in_catalogue_order(terms.purposes)]
    often = hours = ""
    if any(purpose.is_marketing for purpose in terms.purposes):
        cap = terms.frequency_cap
        often = sentence(language, "by_text_often", most=cap.limit, days=cap.window.days)
        hours = sentence(
            language,
            "by_text_hours",
            opens=localized_time_of_day(parse_time_of_day(terms.opens), language),
            closes=localized_time_of_day(parse_time_of_day(terms.closes), language),
        )
    return sentence(
        language,
        "by_text",
        merchant=merchant,
        kinds=(", " if language == "en" else "、").join(names),
        often=often,
        hours=hours,
        valid=terms.valid_for.days,
        how=sentence(language, "by_reply" if takes_reply else "by_link"),
    )


def supported_language(locale: str | None) -> str | None:
    """Return the language of a locale such as `zh`, `zh_CN` or `en-GB`; None if we lack it."""
    if not locale:
        return None
    family, *more = locale.replace("_", "-").lower().split("-")
    if family == "zh" and TRADITIONAL_CHINESE_TAGS & set(more):
        return "zh-TW"
    return LANGUAGE_FAMILIES.get(family)
