"""What the service answers to an inbound message: one SMS, with no marketing in it.

One confirmation and nothing else in it: 47 CFR 64.1200(a)(12).
"""

from typing import Final

from consent_tokens.consent.notice import purpose_label
from consent_tokens.consent.purposes import Purpose, in_catalogue_order

WORDS: Final[dict[str, dict[str, str]]] = {
    "zh-CN": {
        "stopped": "已停止。{merchant}不会再给您发短信。",
        "stopped_all": "已全部停止。{count} 家商家都不会再给您发短信。",
        "narrowed": "好的，不再发：{gone}。还会发：{left}。全部停止请回 R。",
        "help": (
            "{merchant}可以给您发：{list}。全部停止请回 R，只停一种请回“退订”加数字，"
            "如“退订 1”。您的全部同意：{url}"
        ),
        "help_nobody": "没有商家可以从这个号码给您发短信。您的全部同意：{url}",
        "unclear": "要{merchant}停止发短信吗？要停请回 R，不停不用回。",
        "agreed": "好的，{merchant}可以给您发短信了。随时回 R 就停。",
        "live": "{merchant}本来就可以给您发短信。要停请回 R。",
    },
    "zh-TW": {
        "stopped": "已停止。{merchant}不會再傳簡訊給您。",
        "stopped_all": "已全部停止。{count} 家商家都不會再傳簡訊給您。",
        "narrowed": "好的，不再傳：{gone}。還會傳：{left}。全部停止請回 R。",
        "help": (
            "{merchant}可以傳給您：{list}。全部停止請回 R，只停一種請回「退訂」加數字，"
            "如「退訂 1」。您的全部同意：{url}"
        ),
        "help_nobody": "沒有商家可以從這個號碼傳簡訊給您。您的全部同意：{url}",
        "unclear": "要{merchant}停止傳簡訊嗎？要停請回 R，不停不用回。",
        "agreed": "好的，{merchant}可以傳簡訊給您了。隨時回 R 就停。",
        "live": "{merchant}本來就可以傳簡訊給您。要停請回 R。",
    },
    "en": {
        "stopped": "Stopped. {merchant} will not text you any more.",
        "stopped_all": "All stopped. None of {count} merchants will text you any more.",
        "narrowed": "Done. No more: {gone}. Still: {left}. Reply STOP to stop it all.",
        "help": (
            "{merchant} may text you: {list}. Reply STOP to stop it all, or STOP and a number, "
            "as in STOP 1. All your consents: {url}"
        ),
        "help_nobody": "No merchant may text you from this number. All your consents: {url}",
        "unclear": "Shall {merchant} stop texting you? Reply STOP to stop; else do nothing.",
        "agreed": "Thank you. {merchant} may text you now. Reply STOP at any time to stop.",
        "live": "{merchant} may text you already. Reply STOP to stop.",
    },
}


def reply_text(language: str, name: str, **members: object) -> str:
    """Return the reply of that name, filled in."""
    return WORDS[language][name].format(**members)


def purpose_list(purposes: frozenset[Purpose], language: str) -> str:
    """Return the labels of purposes, in one line."""
    labels = [purpose_label(purpose, language)[0] for purpose in in_catalogue_order(purposes)]
    return _joined(labels, language)


def numbered_purpose_list(purposes: frozenset[Purpose], language: str) -> str:
    """Return the labels of purposes, each with its number in `STOP 1`."""
    labels = [
        f"{purpose.keyword_number} {purpose_label(purpose, language)[0]}"
        for purpose in in_catalogue_order(purposes)
    ]
    return _joined(labels, language)


def _joined(labels: list[str], language: str) -> str:
    return (", " if language == "en" else "、").join(labels)
