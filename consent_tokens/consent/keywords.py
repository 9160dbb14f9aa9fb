"""Interprets replies: stop, stop all, help, start, yes and no, as keywords and in sentences.

Sources of the keyword table: 47 CFR 64.1200(a)(10) for the English per-se keywords and (a)(12) for
clarification messages; the keyword lists of Twilio, AWS and Telnyx (English; AWS: ARRET, AIDE, TD);
Tencent Cloud (`TD`, `T`, `N`) and Huawei Cloud (`R`) for Chinese ports; the rest is common usage.
An operator adds keywords by a file: docs/inbound.md.

The whole text, folded, is looked up first; a keyword acts at once. Otherwise patterns classify the
sentence: a clear stop acts, a possible stop is asked back once, anything else changes nothing.
"""

import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import lru_cache
from typing import Final

import opencc

from consent_tokens.consent.purposes import Purpose

MAX_REPLY_LENGTH: Final = 300  # characters; a longer text is not interpreted
MAX_KEYWORD_LENGTH: Final = 40  # characters


class Intent(StrEnum):
    """What the consumer wants with a reply."""

    STOP = "stop"
    STOP_ALL = "stop_all"  # over all merchants
    HELP = "help"
    START = "start"
    YES = "yes"
    NO = "no"
    UNCLEAR = "unclear"  # possibly a stop: asked back once
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class Interpretation:
    """The intent of a reply and its language; `purposes` if it is a stop of some purposes only."""

    intent: Intent
    language: str | None = None
    purposes: frozenset[Purpose] = frozenset()


KEYWORDS: Final[dict[str, dict[Intent, tuple[str, ...]]]] = {
    "en": {
        Intent.STOP: (
            # statutory (47 CFR 64.1200(a)(10)), then Twilio, AWS, Telnyx
            "stop", "quit", "end", "revoke", "opt out", "cancel", "unsubscribe",
            "optout", "opt-out", "remove", "remove me", "unsub", "stop it", "stop now",
            "stop please", "please stop", "stop texting", "stop texting me", "no more",
            "leave me alone", "stop this", "stop messaging me", "stopp it",
        ),
        Intent.STOP_ALL: ("stopall", "stop all", "stop everything", "stop everyone",
                          "end all", "cancel all", "unsubscribe all"),
        Intent.HELP: ("help", "info", "help me", "who is this", "who are you"),
        Intent.START: ("start", "unstop", "subscribe", "resume", "join", "opt in", "optin"),
        Intent.YES: ("yes", "y", "ok", "okay", "yes please", "i agree", "agree", "sure"),
        Intent.NO: ("no", "no thanks", "no thank you", "nope"),
    },
    "zh": {
        Intent.STOP: (
            "R", "TD", "T", "N", "退订", "取消订阅", "拒收", "停止", "0000", "QX", "退订R",
            "退订TD", "退订T", "退订N", "回T退订", "TDTD", "取消", "停发", "停", "不要再发",
            "别再发了", "别发了", "不要发了", "不要再发了", "不需要", "不要", "勿扰", "请勿打扰",
            "滚", "别烦我", "停止接收", "取消接收", "不再接收", "拒绝接收", "拒绝", "我要退订",
            "请退订", "申请退订", "退", "退定", "推订", "不想收了", "停止发送",
        ),
        Intent.STOP_ALL: ("全部退订", "退订全部", "全部停止", "停止全部", "所有都退订",
                          "退订所有", "全退", "QBTD"),
        Intent.HELP: ("帮助", "人工", "客服", "BZ", "你是谁", "你们是谁", "这是谁", "?"),
        Intent.START: ("订阅", "恢复", "开通", "DY", "恢复订阅", "重新订阅", "继续接收", "开始"),
        Intent.YES: ("同意", "愿意", "好", "好的", "可以", "是", "确认", "我同意", "我愿意"),
        Intent.NO: ("不同意", "不愿意", "不", "不用", "不用了", "不了"),
    },
    "fr": {
        Intent.STOP: ("arret", "arrêt", "arreter", "arrêtez", "desabonner", "désabonnement",
                      "stop svp", "stop sms", "desinscription", "me desinscrire", "ca suffit"),
        Intent.STOP_ALL: ("stop tout", "arret total", "tout arreter"),
        Intent.HELP: ("aide", "info", "qui etes-vous"),
        Intent.START: ("debut", "commencer", "reprendre"),
        Intent.YES: ("oui", "d'accord"),
        Intent.NO: ("non", "non merci"),
    },
    "es": {
        Intent.STOP: ("baja", "alto", "parar", "cancelar", "no mas", "no más", "detener",
                      "darme de baja", "basta", "pare", "para", "anular", "quitar", "eliminar"),
        Intent.STOP_ALL: ("baja todo", "parar todo", "cancelar todo", "baja total"),
        Intent.HELP: ("ayuda", "info", "quien es"),
        Intent.START: ("alta", "iniciar", "empezar", "reanudar"),
        Intent.YES: ("si", "sí", "vale", "acepto"),
        Intent.NO: ("no gracias",),
    },
    "de": {
        Intent.STOP: ("stopp", "abmelden", "ende", "abbestellen", "kündigen", "austragen",
                      "aufhören", "schluss", "keine sms", "keine sms mehr", "beenden"),
        Intent.STOP_ALL: ("alles stopp", "alle abmelden", "alles beenden", "stopp alle"),
        Intent.HELP: ("hilfe", "info", "wer ist da"),
        Intent.START: ("anmelden", "weiter", "wieder"),
        Intent.YES: ("ja", "einverstanden", "gern"),
        Intent.NO: ("nein", "nein danke"),
    },
}  # fmt: skip

# what a scoped stop may name: words, or a purpose's keyword number (`STOP 3`)
MARKETING_PURPOSES: Final = frozenset(purpose for purpose in Purpose if purpose.is_marketing)
SCOPE_KEYWORDS: Final[dict[str, frozenset[Purpose]]] = {
    "ads": MARKETING_PURPOSES, "ad": MARKETING_PURPOSES, "advertising": MARKETING_PURPOSES, "marketing": MARKETING_PURPOSES,
    "promo": MARKETING_PURPOSES, "promos": MARKETING_PURPOSES, "promotions": MARKETING_PURPOSES, "offers": MARKETING_PURPOSES,
    "广告": MARKETING_PURPOSES, "营销": MARKETING_PURPOSES, "推广": MARKETING_PURPOSES, "促销": MARKETING_PURPOSES,
    "打折": MARKETING_PURPOSES, "活动": MARKETING_PURPOSES, "pub": MARKETING_PURPOSES, "publicite": MARKETING_PURPOSES,
    "publicidad": MARKETING_PURPOSES, "werbung": MARKETING_PURPOSES,
    "orders": frozenset({Purpose.ORDERS}), "order": frozenset({Purpose.ORDERS}),
    "订单": frozenset({Purpose.ORDERS}), "deliveries": frozenset({Purpose.DELIVERIES}),
    "delivery": frozenset({Purpose.DELIVERIES}), "快递": frozenset({Purpose.DELIVERIES}),
    "物流": frozenset({Purpose.DELIVERIES}), "surveys": frozenset({Purpose.SURVEYS}),
    "survey": frozenset({Purpose.SURVEYS}), "问卷": frozenset({Purpose.SURVEYS}),
    "events": frozenset({Purpose.EVENTS}), "recommendations": frozenset({Purpose.RECOMMENDATIONS}),
    "推荐": frozenset({Purpose.RECOMMENDATIONS}),
    **{str(purpose.keyword_number): frozenset({purpose}) for purpose in Purpose},
}  # fmt: skip

# Patterns for sentences, matched on normalized text: lower case, no accents, single spaces. Those
# of QUESTION_PATTERNS come first: a question about stopping, or its negation, is not a stop.
QUESTION_PATTERNS: Final[dict[str, tuple[str, ...]]] = {
    "en": (
        r"\b(how|where|when|why|can|could|do|does|did|what|should|will|if)\b.*"
        r"\b(stop|unsubscribe|opt out|cancel|quit|end|remove)\b.*\?",
        r"\b(how|what)\b.*\b(stop|unsubscribe|opt out|cancel)\b",
        r"\b(do not|dont|don t|never|not)\b (want to |wish to |please )?"
        r"(stop|unsubscribe|cancel|opt out|quit|end|remove)\b",
        r"\b(already|have|has|had|was|were|been)\b.*\b(stopped|unsubscribed|cancelled|canceled)\b",
        r"\b(bus|train|next|full|pit|non) stop\b|\bstop by\b|\b(at|to) the end\b|\bweek ?end\b",
        r"\bcancel (my|the|this) (order|appointment|booking|reservation|delivery|meeting)\b",
        r"\bstop (my|the) (order|delivery|payment)\b|\bwill (not|never) stop\b",
    ),
    "zh": (
        r"(如何|怎么|怎样|哪里|为什么|为何|咋).*(退订|取消|停止|拒收|退)",
        r"(退订|取消|停止|拒收)(了)?(吗|么|嘛|没有|没|\?)",
        r"(不要|别|不想|不用|不|没有|没|不会|勿|无需|不需要|千万别)(要|想|用)?(给我|帮我)?(退订|取消|停止|拒收|停)",
        r"(已|已经|刚|早就|昨天|前天|之前)(经)?.*(退订|取消|停止|拒收)",
        r"(取消|退).{0,4}(订单|预约|货|款|票|换|会议|约会|挂号)|停止(营业|服务|供)|不要(忘|迟到|紧|急)",
        r"(退订|取消|停止).*(恢复|误|错|收费|多少钱|费用)",
    ),
    "fr": (
        r"\b(comment|pourquoi|quand|ou|est ce que|puis je)\b.*"
        r"\b(stop|arret|arreter|desabonner|desinscrire)\b",
        r"\bne\b.*\b(arretez|arreter|stoppez|desabonnez|desinscrivez|desinscrire|desabonner)\b.*\bpas\b",
        r"\bne pas (arreter|stopper|me desabonner|me desinscrire)\b",
        r"\b(arret de bus|stop voiture|bus stop)\b|\bdeja\b.*\b(desabonne|desinscrit|arrete)\b",
        r"\b(annuler|annulez) (ma|mon|la|le) (commande|rendez vous|livraison|reservation)\b",
        r"\b(stop|arret|desabonner|desinscrire)\b.*\?",
    ),
    "es": (
        r"\b(como|donde|cuando|por que|puedo|se puede)\b.*"
        r"\b(baja|parar|cancelar|detener|stop|alto)\b",
        r"\bno (quiero |deseo |voy a )?(cancelar|parar|detener|darme de baja|me den de baja|pare|paren)\b",
        r"\bno me (den|des|de) de baja\b|\b(parada|alto) de (autobus|bus)\b|\bya\b.*\b(cancele|baja)\b",
        r"\b(cancelar|anular) (mi|el|la) (pedido|cita|reserva|compra|entrega)\b",
        r"\b(baja|parar|cancelar|detener)\b.*\?",
    ),
    "de": (
        r"\b(wie|wo|wann|warum|kann|muss)\b.*\b(keine sms|stopp?|abmelden|abbestellen|kundigen|stoppen|ende)\b",
        r"\bnicht (abmelden|abbestellen|kundigen|stoppen|aufhoren|beenden)\b",
        r"\b(schon|bereits)\b.*\b(abgemeldet|abbestellt|gekundigt)\b|\bbushaltestelle\b|\bwochenende\b",
        r"\b(termin|bestellung|reservierung)\b.*\b(absagen|stornieren|kundigen|abbestellen)\b",
        r"\b(abmelden|abbestellen|kundigen|stoppen|stopp?)\b.*\?",
    ),
}  # fmt: skip
STOP_PATTERNS: Final[dict[str, tuple[str, ...]]] = {
    "en": (
        r"\b(stop|quit|cease)\b.*\b(text|texts|texting|sending|send|messag\w*|sms|spam\w*|contact\w*|"
        r"bother\w*|this|these|that|it|me|now|please|already|ads?|notif\w*|promo\w*|marketing)\b",
        r"\b(please|pls|plz|just|now)\b.*\b(stop|unsubscribe|quit|cancel|remove|opt out)\b",
        r"^(stop|unsubscribe|cancel|quit|end|revoke|optout|opt out)\b",
        r"\b(unsubscribe|unsub|opt ?out|opt me out|remove me|take me off|delete my number|"
        r"remove my number|lose my number|delete me|get me off)\b",
        r"\b(do not|dont|don t|never|no longer)\b.*\b(text|message|contact|send|sms|write|bother|spam|"
        r"want (these|this|your|any|to (get|receive|hear))|wish to (receive|get))\b",
        r"\bno more\b.*\b(text|texts|messages?|sms|ads?|offers?|spam|promo\w*|marketing)\b",
        r"\bleave me (alone|be)\b|\bnot interested\b|\bi revoke\b|\brevoke my consent\b|"
        r"\bwithdraw my consent\b|\b(fuck|piss|buzz|bugger) off\b|\bgo away\b|\bcancel (my )?"
        r"(subscription|sms|texts?|messages?)\b|\bi(m| am)? ?(want|would like|d like) (out|to "
        r"(stop|unsubscribe|cancel|opt out|quit|end))\b|\bwrong number\b.*\bstop\b|"
        r"\benough (with|of) (the|these|your|this)\b|\bno (texts?|messages?|sms|spam|ads)( please)?$|\bopting out\b|\bget lost\b|"
        r"\btake (my|this) (number|name) off\b|\bcease and desist\b|\b(signed? up|sick|enough|spam|never)\b.*\bstop$",
    ),
    "zh": (
        r"(别|不要|不许|勿|请勿|甭|莫|不准|停止|禁止)(再|给我|向我|继续|老|总|老是|一直|天天)*"
        r"(发|打扰|骚扰|推送|发送|烦|联系|来)",
        r"(不想|不愿|不愿意|不需要|不用|不要|拒绝|停止|取消|无需|不再|谢绝)(再|继续|想)?"
        r"(收到|接收|接受|看到|收|看|推送|订阅|这些|这种|这类|此类|你们的|任何)?(到)?.{0,6}"
        r"(短信|信息|消息|广告|推送|骚扰|垃圾|通知|营销|推销|促销|接收|收了)",
        r"(我要|请|帮我|给我|麻烦|申请|要求|立即|马上|赶紧|我想|快)(你们)?(帮我|给我|把我)?"
        r"(退订|取消|停止|拒收|停|删)",
        r"(别|不要|不用|不许|甭|勿).{0,6}(发|打广告|打电话|推销|打扰|骚扰|收到|看到)(我|了|过来|短信|信息|广告|你|$)",
        r"(别|不要|不许|甭).{0,4}打广告|(不要|不想)再(收到|看到)|不用再发|(拉黑|屏蔽)(了|你们)?$|不同意(接收|发送)",
        r"(号码|手机号|电话).{0,4}(剔除|删除|移除|去掉|删掉)|退订(此|该|这个|本|这)(服务|短信|号|类)?",
        r"(全部|所有|一切|统统|都)(.{0,4})(退订|取消|停止|停)|^(不需要|不要)(了)?谢谢$",
        r"^(退订|取消订阅|拒收|停止)(短信|信息|广告|推送|服务|吧|了|谢谢|一下|营销|订阅)*$",
        r"(烦死|烦不烦|有完没完|够了|滚蛋|滚开|别烦|投诉你|再发.*(投诉|举报|报警)|删(除|掉)我的(号|手机|电话))",
        r"(回复|回)?(td|退订)(退订|td|回t)|撤回(我的)?(同意|授权)|把我.*(删|移除|拉黑|去掉)",
        r"(没|不)兴趣.*(别|不要|停)|(别|不要).*(再|)(发|打扰)(我|了|过来)",
    ),
    "fr": (
        r"\b(arretez|arrete|stoppez|cessez|stop)\b.*\b(envo\w*|sms|messages?|textos?|contact\w*|pub\w*|"
        r"m|me|svp|merci|tout de suite|harcel\w*|ca)\b",
        r"\b(je|j)\b.*\b(desabonn\w*|desinscri\w*|ne veux plus|ne souhaite plus|refuse|retire)\b",
        r"\b(desabonnez|desinscrivez|retirez|supprimez|enlevez|rayez)( |-)?(moi|mon numero|me)\b",
        r"\bne\b.*\b(plus|pas|jamais)\b.*\b(contact\w*|envo\w*|ecri\w*|messages?|sms|recevoir|derang\w*)\b|"
        r"\bne m \w+ (plus|pas)\b|\bne me \w+ (plus|pas)\b|\bplus de (sms|messages?|pub\w*|textos?)\b",
        r"\b(laissez|fichez|foutez) moi (tranquille|la paix)\b|\bpas interesse\w*\b|"
        r"\bveuillez (arreter|cesser|me desabonner|me desinscrire|me retirer)\b|"
        r"\bme (desabonner|desinscrire)\b|^(stop|arret)\b|\b(merci|priere) (d |de )(arreter|cesser|stopper)\b",
    ),
    "es": (
        r"\b(dejen|deja|deje|dejad|paren|pare|basta)\b.*\b(de )?(enviar\w*|mandar\w*|escribir\w*|"
        r"molestar\w*|mensajes?|sms|ya|contactar\w*)\b",
        r"\bno (me )?(envien|envie|envies|manden|mande|mandes|escriban|escriba|escribas|molesten|moleste|"
        r"contacten|contacte|llamen)\b",
        r"\bno (quiero|deseo|necesito|me interesa\w*)\b.*\b(mas|recibir|mensajes?|sms|publicidad|nada|"
        r"promociones|ofertas)\b|\bno me interesa\b|\bno estoy interesad\w\b",
        r"\b(dar\w*|den|dame|deme|denme|quiero|solicito|pido)\b.*\b(de )?baja\b|"
        r"\b(quiero|deseo|solicito|por favor|favor de)\b.*\b(cancelar|parar|detener|anular|borrar|quitar)\b",
        r"\b(borren|borre|eliminen|elimine|quiten|quite|saquen|saqueme|borrenme|quitenme|eliminenme)\b.*"
        r"\b(mi|numero|lista|me|de)\b|\bno mas (mensajes?|sms|publicidad|spam|ofertas|promociones)\b|"
        r"\bdejenme en paz\b|\b(cancelen|cancele|cancela)\b.*\b(suscripcion|mensajes?|sms)\b|"
        r"\bdejen de\b|\bque (paren|dejen|pare|deje)\b|\b(quiten|borren|eliminen|saquen)me\b|^(stop|alto|baja|cancelar|parar)\b|\bretiro mi consentimiento\b",
    ),
    "de": (
        r"\b(bitte|sofort|jetzt|endlich|mich)\b.*\b(abmelden|abbestellen|austragen|stoppen|aufhoren|"
        r"loschen|entfernen|beenden|einstellen|kundigen|stopp?)\b",
        r"\bkeine?n?\b.*\b(sms|nachrichten?|werbung|mehr|infos?|interesse|angebote|texte|mitteilungen)\b",
        r"\b(hort|horen|hor)\b.*\bauf\b|\blasst? mich in ruhe\b|\blassen sie mich in ruhe\b|"
        r"\b(schreiben|schreibt|kontaktieren|kontaktiert|schicken|schickt|senden|sendet|belastigen)\b.*"
        r"\b(nicht|nichts|nie|keine)\b",
        r"\b(nehmen|nehmt|streichen|streicht|loschen|loscht|entfernen|tragen|meldet|melden|trag)\b.*"
        r"\b(mich|meine nummer|meine handynummer)\b|\bich (mochte|will|wunsche|widerrufe|kundige)\b.*"
        r"\b(nicht|keine|abmelden|abbestellen|raus|austragen|einwilligung|zustimmung|stopp?|nichts)\b|"
        r"^(stopp?|abmelden|abbestellen)\b|\bnicht mehr (schreiben|senden|schicken|kontaktieren)\b",
    ),
}  # fmt: skip
ALL_SENDERS_PATTERN: Final = (
    r"\b(everything|everyone|everybody|every (shop|store|company|merchant|sender)|"
    r"all (shops|stores|companies|merchants|senders|of (you|them|it))|stop all(?! (these|those|this|that|the|your))|tout le monde|"
    r"stop tout(?! de suite)|todos|parar todo|baja todo|alles|alle (abmelden|abbestellen|stoppen))\b|"
    r"全部|所有|一切|统统"
)
SYMBOLS: Final = {"🛑": " stop ", "🚫": " stop ", "⛔": " stop ", "✋": " stop "}
# a word about stopping in a sentence that no pattern covers: possibly a stop
POSSIBLE_STOP_PATTERN: Final = (
    r"\b(stop\w*|unsubscribe\w*|opt ?out|arret\w*|desabonn\w*|desinscri\w*|baja|cancelar|abmeld\w*|"
    r"abbestell\w*|stopp\w*)\b|退订|拒收|\btd\b"
)
SHORT_NUMBER: Final = re.compile(r"\d{4,8}")


@lru_cache(maxsize=1)
def _simplifier() -> opencc.OpenCC:
    return opencc.OpenCC("t2s")


def normalize(text: str) -> str:
    """Return a text for pattern matching: NFKC, lower case, 繁 to 简, no accents, single spaces."""
    for sign, word in SYMBOLS.items():
        text = text.replace(sign, word)
    wide = unicodedata.normalize("NFKC", text).casefold()
    if not wide.isascii():
        wide = _simplifier().convert(wide)
        wide = unicodedata.normalize("NFKD", wide)
    kept = [
        letter if unicodedata.category(letter)[0] in "LN" or letter == "?" else " "
        for letter in wide
        if unicodedata.category(letter) != "Mn"
    ]
    return " ".join("".join(kept).split())


def fold(text: str) -> str:
    """Return a text for keyword look-up: as `normalize`, without spaces and question marks."""
    bare = normalize(text)
    return bare.replace(" ", "").replace("?", "") or bare


def _compiled(patterns: Mapping[str, Iterable[str]]) -> dict[str, re.Pattern[str]]:
    return {
        language: re.compile("|".join(f"(?:{each})" for each in of_language))
        for language, of_language in patterns.items()
    }


QUESTIONS: Final = _compiled(QUESTION_PATTERNS)
STOP_SENTENCES: Final = _compiled(STOP_PATTERNS)
ALL_SENDERS: Final = re.compile(ALL_SENDERS_PATTERN)
POSSIBLE_STOP: Final = re.compile(POSSIBLE_STOP_PATTERN)
SCOPED_STOP: Final = re.compile(
    r"^(?:stop|unsubscribe|arret|baja|stopp|abmelden|退订|拒收|停止|td|不要)\s*(?P<scope>\S{1,20})$"
)


@dataclass(frozen=True, slots=True)
class KeywordMatcher:
    """Keywords by their folded form, each with its intent and language."""

    entries: Mapping[str, tuple[Intent, str]] = field(repr=False)

    @classmethod
    def from_table(cls, table: Mapping[str, Mapping[Intent, Iterable[str]]]) -> "KeywordMatcher":
        """Return the matcher of a table by language and intent; stop wins over other intents."""
        entries: dict[str, tuple[Intent, str]] = {}
        for intent in Intent:  # in the order of the enumeration: STOP comes first
            for language, keywords in table.items():
                for keyword in keywords.get(intent, ()):
                    entries.setdefault(fold(keyword), (intent, language))
        return cls(entries)

    def extended_with(
        self, table: Mapping[str, Mapping[Intent, Iterable[str]]]
    ) -> "KeywordMatcher":
        """Return the matcher with an operator's table, which overrides the entries of this one."""
        return KeywordMatcher({**self.entries, **KeywordMatcher.from_table(table).entries})

    def interpret(self, text: str) -> Interpretation:
        """Return the interpretation of a reply."""
        text = text.strip()
        if len(text) > MAX_REPLY_LENGTH:
            return Interpretation(Intent.OTHER)
        if len(text) <= MAX_KEYWORD_LENGTH and (entry := self.entries.get(fold(text))):
            intent, language = entry
            is_question = "?" in normalize(text) and intent in {Intent.STOP, Intent.STOP_ALL}
            return (
                Interpretation(Intent.UNCLEAR, language)
                if is_question
                else Interpretation(intent, language)
            )
        line = normalize(text)
        if scoped := self._interpret_scoped_stop(line):
            return scoped
        return _interpret_sentence(line)

    def _interpret_scoped_stop(self, line: str) -> Interpretation | None:
        """Return a stop of some purposes only (`STOP 3`, `STOP ads`, `退订广告`), or None."""
        match = SCOPED_STOP.fullmatch(line)
        purposes = SCOPE_KEYWORDS.get(match["scope"]) if match else None
        if match is None or purposes is None:
            return None
        is_chinese = any("\u4e00" <= letter <= "\u9fff" for letter in line)
        return Interpretation(Intent.STOP, "zh" if is_chinese else "en", purposes)


def _interpret_sentence(line: str) -> Interpretation:
    joined = line.replace(" ", "")  # Chinese has no spaces, but some phones insert them
    for language, pattern in QUESTIONS.items():
        if pattern.search(joined if language == "zh" else line):
            return Interpretation(Intent.UNCLEAR, language)
    for language, pattern in STOP_SENTENCES.items():
        if pattern.search(joined if language == "zh" else line):
            is_stop_all = ALL_SENDERS.search(line) and POSSIBLE_STOP.search(line)
            return Interpretation(Intent.STOP_ALL if is_stop_all else Intent.STOP, language)
    if POSSIBLE_STOP.search(line) or SHORT_NUMBER.fullmatch(joined):
        return Interpretation(Intent.UNCLEAR)
    return Interpretation(Intent.OTHER)


DEFAULT_MATCHER: Final = KeywordMatcher.from_table(KEYWORDS)
