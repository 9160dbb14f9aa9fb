"""What a port and a signature must be like, and which of two may not stand beside each other."""

import re
from collections.abc import Collection
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from consent_tokens.relay.composition import is_displayable
from consent_tokens.relay.templates.fingerprint import skeleton

MAX_SIGNATURE_LENGTH: Final = 20  # characters
PORT: Final = re.compile(r"[0-9]{3,12}")
EXTENSION: Final = re.compile(r"[0-9]{0,8}")
REST: Final = timedelta(days=180)  # of a freed port: a late reply would stop somebody else
# of adverts; a company may be called so, or have a trademark on it
OFFER_WORDS: Final = (
    "折", "优惠", "特价", "促销", "大促", "秒杀", "返场", "返现", "满减", "红包", "免费", "包邮",
    "抢购", "清仓", "限时", "福利", "中奖", "领取", "低价", "甩卖", "双十一", "双十二", "sale",
    "off", "free", "discount", "coupon", "promo", "deal", "gift", "black friday",
)  # fmt: skip
LIKE_AN_OFFER: Final = "reads like an offer, or has digits, and is not a name of yours"
LATIN_WORD: Final = re.compile(r"[a-z]+")


class SignatureSource(StrEnum):
    """Why a signature is a merchant's."""

    COMPANY = "company"  # the name of the company, or a part of it
    TRADEMARK = "trademark"
    APPLICATION = "application"  # the name of an app in a store
    SITE = "site"  # the name of a registered site


def plain_signature(text: str) -> str:
    """Return a signature without its brackets."""
    return text.strip().removeprefix("【").removesuffix("】").strip()


def check_form(port: str, extension: str, signature: str) -> dict[str, list[str]]:
    """Return what is wrong with the form of a sender, by field."""
    errors: dict[str, list[str]] = {}
    if not PORT.fullmatch(port):
        errors["port"] = ["must be 3 to 12 digits"]
    if not EXTENSION.fullmatch(extension):
        errors["extension"] = ["must be at most 8 digits"]
    is_line = is_displayable(signature) and not any(each in signature for each in "【】\n")
    if not signature or len(signature) > MAX_SIGNATURE_LENGTH or not is_line:
        errors["signature"] = [f"must be one line of 1 to {MAX_SIGNATURE_LENGTH} characters"]
    elif not skeleton(signature):
        errors["signature"] = ["must have letters or digits"]
    return errors


def check_signature(
    signature: str,
    *,
    source: SignatureSource,
    evidence: str | None,
    names: Collection[str | None],
) -> str | None:
    """Return why a legal entity may not have a signature; None if nothing speaks against it.

    One that reads like an advert, or has digits, is taken only of a company or merchant of that
    name (`names`), or with the number of a trademark.
    """
    if source is not SignatureSource.COMPANY and not evidence:
        return f"its source is {source}: name the evidence"
    if not reads_like_an_offer(signature):
        return None
    if source is SignatureSource.TRADEMARK:
        return None
    is_own_name = any(skeleton(signature) in skeleton(name) for name in names if name)
    return None if is_own_name else LIKE_AN_OFFER


def reads_like_an_offer(signature: str) -> bool:
    """Whether a signature has digits, a word of offers, or an address."""
    folded = signature.casefold()
    words = set(LATIN_WORD.findall(folded))
    return (
        any(each.isnumeric() and not _is_chinese_numeral(each) for each in folded)
        or any(each in words if each.isascii() and each.isalpha() else each in folded
               for each in OFFER_WORDS)
        or any(each in folded for each in ("%", "％", "http", "www", "://", "¥", "￥", "$"))
    )  # fmt: skip


def _is_chinese_numeral(each: str) -> bool:
    """Whether a numeral is a Chinese character, as in 三只松鼠: names have them."""
    return "\u4e00" <= each <= "\u9fff"


def ends_rest(revoked_at: datetime | None, valid_until: datetime | None) -> datetime | None:
    """Return when a port that was freed may be another merchant's; None while it is in use."""
    ended = min((each for each in (revoked_at, valid_until) if each), default=None)
    return None if ended is None else ended + REST


def overlap(one: str, other: str) -> bool:
    """Whether a carrier that cuts or appends digits could take one source for the other."""
    return one.startswith(other) or other.startswith(one)
