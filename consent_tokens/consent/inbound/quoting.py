"""Sets aside what the consumer did not write: quotes, reactions, mail headers and our own text.

Works on lines and positions, in one pass each: no pattern can be made to take long.
"""

import unicodedata
from collections.abc import Callable
from typing import Final

from consent_tokens.consent.inbound.folding import fold_characters

MAX_PART: Final = 4000  # characters read at the beginning, and again at the end
MAX_LINES: Final = 100  # read at the beginning, and again at the end
MIN_QUOTE: Final = 24  # characters between quotation marks that are a quote, not a keyword
MAX_KEPT_LINE: Final = 40  # characters after a signature that the consumer may have written
MAX_POLITE: Final = 4  # characters after 【退订】, as in 【退订】谢谢
MAX_REACTION: Final = 60  # characters around a quote that a phone writes
LINK: Final = "/m/"
SCHEMES: Final = ("https://", "http://")
QUOTES: Final = {
    "“": "”",
    "„": "“”",
    "«": "»",
    "「": "」",
    "『": "』",
    '"': '"',
    "‘": "’",
    "”": "”",
}
BRACKETS: Final = {"【": "】", "[": "]", "［": "］"}
INSTRUCTIONS: Final = (
    "reply stop to refuse",
    "reply stop to opt out",
    "拒收请回复r",
    "拒收请回复 r",
)
SIGNATURE_LINES: Final = (
    "sent from my", "sent via", "get outlook for", "发自我的", "来自我的", "从我的",
    "envoye de mon",
    "envoye depuis mon", "enviado desde mi", "enviado do meu", "von meinem", "gesendet von m",
    "sent with",
)  # fmt: skip
FORWARD_LINES: Final = (
    "original message", "forwarded message", "message transfere", "message d origine",
    "message d'origine", "mensaje original", "mensaje reenviado", "ursprungliche nachricht",
    "weitergeleitete nachricht", "原始邮件", "转发的消息", "转发的邮件", "begin forwarded",
)  # fmt: skip
FORWARD_PREFIXES: Final = (
    "fwd:", "fw:", "tr:", "wg:", "rv:", "转发:", "转:", "转发自", "forwarded:", "fwd ",
)  # fmt: skip
HEADERS: Final = (("on ", "wrote:"), ("le ", "ecrit :"), ("le ", "ecrit:"), ("el ", "escribio:"),
                  ("am ", "schrieb:"), ("am ", ":"), ("在", "写道:"), ("于", "写道:"),
                  ("", "写道:"), ("", "wrote:"), ("", "a ecrit :"), ("", "escribio:"))  # fmt: skip
REACTIONS: Final = (
    "liked", "loved", "disliked", "laughed at", "emphasized", "emphasised", "questioned", "reacted",
    "removed", "喜欢", "爱", "不喜欢", "大笑", "觉得", "强调",
    "疑问", "质疑", "对", "点赞", "赞", "取消", "移除", "回应", "表示",
    "a aime", "a adore", "n'a pas aime", "a ri",
    "a reagi", "a mis", "a insiste", "a souligne", "a accentue", "s'interroge", "a questionne",
    "a supprime", "a retire", "le gusto", "le encanto", "no le gusto", "se rio", "enfatizo",
    "destaco", "resalto", "cuestiono", "reacciono", "elimino", "quito", "ha reaccionado",
    "le ha gustado", "gefallt", "mag", "liebt", "hat ", "lacht", "betont", "hebt hervor",
    "le disgusto", "marco", "puso", "me gusta", "me encanta", "j'aime", "j'adore", "hervorgehoben",
    "lachte", "mochte", "liebte", "fragte", "betonte",
    "已对", "已喜欢", "踩", "笑", "感叹", "❤", "👍", "😂", "👎",
    "hinterfragt", "reagierte", "reagiert", "findet", "entfernte", "a su ", "ha ",
)  # fmt: skip
REACTION_OBJECTS: Final = ("an image", "a photo", "a movie", "a video", "an attachment",
                           "an audio", "a link", "a sticker", "a message")  # fmt: skip


def own_text(text: str, is_clear: Callable[[str], bool]) -> str:
    """Return what the consumer wrote.

    `is_clear` says whether a short text asks for something: such a text after a signature, as in
    `【退订】TD`, is kept. What is only our opt-out instruction is kept too: it was typed back.
    """
    text = _visible(_bounded(text))
    lines = _without_quoted_lines(_bounded_lines(text.splitlines()))
    kept = [_kept_of_line(line, is_clear) for line in _without_own_messages(lines, is_clear)]
    left = "\n".join(line for line in kept if line.strip())
    if not left and not _is_message_of_ours(text):
        whole = text.strip().strip('“”„«»「」『』"‘’ ')
        left = whole if len(whole) <= MAX_PART and "\n" not in whole and not _reaction(text) else ""
    return left


def _bounded(text: str) -> str:
    """Return a text, or the beginning and the end of a long one, in whole lines where it can."""
    if len(text) <= 2 * MAX_PART:
        return text
    head, tail = text[:MAX_PART], text[-MAX_PART:]
    _, newline, whole_lines = tail.partition("\n")
    return f"{head}\n{whole_lines if newline else tail}"


def _bounded_lines(lines: list[str]) -> list[str]:
    """Return the lines, or of very many the first and the last."""
    return lines if len(lines) <= 2 * MAX_LINES else lines[:MAX_LINES] + lines[-MAX_LINES:]


def _visible(text: str) -> str:
    """Return a text without characters that format others, such as zero-width spaces."""
    if text.isascii():
        return text
    return "".join(letter for letter in text if unicodedata.category(letter) != "Cf")


def _without_quoted_lines(lines: list[str]) -> list[str]:
    """Return the lines before a mail header or signature, without those that begin with `>`."""
    kept: list[str] = []
    for index, line in enumerate(lines):
        bare = line.strip()
        if bare.startswith((">", "＞", "|")):
            continue
        folded = fold_characters(bare[:200])
        if bare in {"--", "—", "--\u3000", "---"} and kept:
            break
        if folded.startswith(SIGNATURE_LINES):
            continue
        if _is_forward(folded) or _is_header(folded, lines[index + 1 : index + 2]):
            return kept + _below_quote(lines[index + 1 :])
        kept.append(line)
    return kept


def _is_forward(folded: str) -> bool:
    bare = folded.strip("-_*= ")
    return bare.startswith(FORWARD_LINES) or folded.startswith(FORWARD_PREFIXES)


def _is_header(folded: str, following: list[str]) -> bool:
    if not folded.endswith((":", "写道")):
        return False
    if following and not following[0].strip():
        following = [">"]  # a blank line after a header: a quote follows
    return any(
        folded.startswith(first) and folded.endswith(last)
        and (last != ":" or "schrieb" in folded or bool(following and following[0].startswith(">")))
        for first, last in HEADERS
    )  # fmt: skip


def _below_quote(lines: list[str]) -> list[str]:
    """Return the lines below a quote whose lines are marked; nothing if they are not marked."""
    marked = [index for index, line in enumerate(lines) if line.lstrip().startswith((">", "＞"))]
    return _without_quoted_lines(lines[marked[-1] + 1 :]) if marked else []


def _without_own_messages(lines: list[str], is_clear: Callable[[str], bool]) -> list[str]:
    """Return lines without a message of ours in several lines: from a signature to the link."""
    kept: list[str] = []
    start: int | None = None
    for line in lines:
        if start is None and _signature_end(line) and not is_clear(_after_signature(line)):
            start = len(kept)
        kept.append(line)
        link = _link_end(line)
        if start is not None and link is not None:
            before, _ = _before_signature(kept[start])
            kept[start:] = [before, line[link:]]
            start = None
        elif start is not None and not line.strip():
            start = None
    return kept


def _kept_of_line(line: str, is_clear: Callable[[str], bool]) -> str:
    """Return what the consumer wrote in one line."""
    line = _without_instruction(_without_quote(line, is_clear))
    before, rest = _before_signature(line)
    if rest is None:
        return line
    if any(letter.isalnum() for letter in before):  # as in 回复【R】
        return line if len(line) <= MAX_KEPT_LINE and is_clear(line) else before
    after = _after_signature(line)
    if len(after.strip()) <= MAX_KEPT_LINE and is_clear(after):
        return after
    inside = line.strip()[1 : _signature_end(line)]
    return inside if len(after.strip()) <= MAX_POLITE and is_clear(inside) else ""


def _signature_end(line: str) -> int:
    """Return where the 【..】 or [..] at the beginning of a line ends, else 0."""
    bare = line.lstrip()
    if not bare or bare[0] not in BRACKETS:
        return 0
    end = bare.find(BRACKETS[bare[0]], 1, 60)
    return end if end > 1 else 0


def _after_signature(line: str) -> str:
    return line.lstrip()[_signature_end(line) + 1 :]


def _before_signature(line: str) -> tuple[str, str | None]:
    """Return what is before the first bracketed name of a line and what begins with it."""
    starts = [line.find(mark) for mark in BRACKETS if mark in line]
    for start in sorted(starts):
        if _signature_end(line[start:]):
            return line[:start], line[start:]
    return line, None


def _link_end(line: str) -> int | None:
    """Return where the link of a message of ours ends, or None."""
    found = line.find(LINK)
    if found < 0:
        return None
    end = found + len(LINK)
    while end < len(line) and (line[end].isascii() and (line[end].isalnum() or line[end] in "-_")):
        end += 1
    return end


def _without_instruction(line: str) -> str:
    """Return a line without the opt-out instruction and the link after it."""
    end = _link_end(line)
    if end is None:
        folded = fold_characters(line)
        if len(folded) == len(line):
            for each in INSTRUCTIONS:
                start = folded.find(each)
                if start > 0 and line[:start].strip():
                    return line[:start] + line[start + len(each) :].lstrip(": 。.")
        return line
    starts = [start for each in SCHEMES if (start := line.rfind(each, 0, end)) >= 0]
    start = max(starts, default=line.rfind(" ", 0, end) + 1)
    before = line[:start]
    folded = fold_characters(before).rstrip(": ")
    for each in INSTRUCTIONS:
        if folded.endswith(each):
            before = before.rstrip(":： ")[: -len(each)]
    return before + line[end:].lstrip('”"»“」』’') if before.strip() else line[end:]


def _reaction(text: str) -> bool:
    """Whether a text begins as the reactions do that phones send as text."""
    folded = fold_characters(text[:MAX_REACTION].lstrip("\u200b\u200a\u2009 "))
    if folded.startswith(REACTIONS):
        return any(mark in text for mark in QUOTES) or any(
            each in folded for each in REACTION_OBJECTS
        )
    start = min((text.find(mark) for mark in QUOTES if mark in text), default=-1)
    before = fold_characters(text[: max(start, 0)]).strip()
    return start > 0 and before.endswith((" to", " a", " auf", " sur")) and not before[0].isascii()


def _without_quote(line: str, is_clear: Callable[[str], bool]) -> str:
    """Return a line without a long text in quotation marks, or a reaction to any text."""
    found = _quoted_span(line)
    if found is None:
        return "" if _reaction(line) else line
    start, end = found
    before, inside, after = line[:start], line[start + 1 : end], line[end + 1 :]
    if _reaction(line):
        return after if len(after) <= MAX_REACTION and is_clear(after) else ""
    if LINK in inside or _signature_end(inside) or len(inside) >= MIN_QUOTE:
        return f"{before} {after}"
    return line


def _quoted_span(line: str) -> tuple[int, int] | None:
    """Return where the first quotation opens and the last one closes; it may never close."""
    starts = sorted((line.find(mark), mark) for mark in QUOTES if mark in line)
    for start, mark in starts:
        if mark in "‘’'”":
            continue
        end = max(line.rfind(close) for close in QUOTES[mark])
        return start, end if end > start else len(line)
    return None


def _is_message_of_ours(text: str) -> bool:
    return any(mark in text for mark in BRACKETS) or LINK in text or ">" in text
