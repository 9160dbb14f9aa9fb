"""The form of a merchant's text: what pretends to be another sender, or hides where a link leads.

What the words say is not read. A link is read as phones do that make one of a text: with or without
a scheme, and after folding wide letters (NFKC), because many phones fold them too.
"""

import re
import unicodedata
from enum import StrEnum
from functools import lru_cache
from typing import Final

MAX_DOMAIN_LENGTH: Final = 253  # characters (RFC 1035, 2.3.4)
MAX_FOLDED_LENGTH: Final = 40_000  # characters; one letter may fold to eighteen
SHORTENERS: Final = frozenset({
    "0x3.me", "985.so", "bit.do", "bit.ly", "bitly.com", "buff.ly", "cutt.ly", "dwz.cn", "dwz.win",
    "goo.gl", "is.gd", "lnkd.in", "mrw.so", "ow.ly", "qrco.de", "rb.gy", "rebrand.ly", "rrd.me",
    "s.id", "shorturl.at", "sina.lt", "suo.im", "suo.nz", "surl.li", "t.cn", "t.co", "t.ly",
    "tiny.cc", "tinyurl.com", "u.nu", "url.cn", "v.gd", "w.url.cn", "x.co",
})  # fmt: skip
# a name that ends in one of these is a link without a scheme; before a slash any name is
TOP_LEVEL: Final = (
    "app|biz|cc|club|cn|co|com|de|edu|fr|gg|gl|gov|hk|icu|im|info|io|jp|kr|ly|mo|net|online|org|ru|"
    "sg|shop|site|so|store|tv|tw|uk|vip|xyz"
)
CJK: Final = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af"
LABEL: Final = rf"(?:[^\W_{CJK}]|-){{1,63}}"  # letters and digits of any script but these
BARE_LINK: Final = re.compile(
    rf"(?<![\w@.-])((?:{LABEL}\.){{1,8}}(?:(?:{TOP_LEVEL})(?![a-z0-9.-])|[a-z]{{2,24}}(?=/)))"
    rf"|(?<=[{CJK}])((?:{LABEL}\.){{1,8}}(?:(?:{TOP_LEVEL})(?![a-z0-9.-])|[a-z]{{2,24}}(?=/)))",
    re.IGNORECASE,
)
SCHEME_LINK: Final = re.compile(r"[a-z][a-z0-9+]{1,9}:[\\/]{2}([^\s/?#\\]{0,300})", re.IGNORECASE)
HOST: Final = re.compile(rf"(?:{LABEL}|[{CJK}]{{1,63}})(?:\.(?:{LABEL}|[{CJK}]{{1,63}}))*")
DISGUISED_LINK: Final = re.compile(
    rf"hxxps?:|[a-z0-9-](?:[\u3002\uff0e\uff61\u2024]|\[\.\]|\(\.\)|\[dot\])(?:{TOP_LEVEL})(?![a-z0-9])",
    re.IGNORECASE,
)
SIGNATURE: Final = re.compile(
    r"[\u3010\u3011\u3016\u3017]|^[^\S\n]*[\[\uff3b][^\]\uff3d\n]{1,40}[\]\uff3d]", re.MULTILINE
)
# letters and symbols that show nothing
BLANK: Final = re.compile("[\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0]")


class TextFault(StrEnum):
    """What is wrong with the form of a text. The values are part of the API and never change."""

    INVISIBLE = "invisible_characters"
    SIGNATURE = "signature_in_text"
    LINK_DISGUISED = "link_disguised"
    LINK_USER = "link_with_user"
    LINK_HOST = "link_host_misleading"
    LINK_SHORTENER = "link_shortener"
    LINK_DOMAIN = "link_domain_not_registered"


# without any of these a text has neither a bracket, nor a link, nor a blank letter, folded or not
REMARKABLE: Final = re.compile(
    "[.:\\[\u034f\u115f\u1160\u17b4\u17b5\u2024-\u2026\u2488-\u249b\u2800\u3010\u3011\u3016\u3017"
    "\u3164\ufe13\ufe19\ufe30\ufe52\ufe55\uff0e\uff1a\uff3b\uff61\uffa0]|[A-Za-z0-9-][\u3002(]"
)
MAX_CACHED_LENGTH: Final = 1000  # characters


def check_form(text: str, link_domains: frozenset[str]) -> TextFault | None:
    """Return what is wrong with the form of a text, if anything is.

    `link_domains` are the lower-case domains that the merchant has registered; with none, a text
    may link to any that is not a shortener. Most texts of a campaign are alike: 2 microseconds for
    an ordinary text, 30 for one with a link, once.
    """
    if not REMARKABLE.search(text):
        return None
    check = _check_cached if len(text) <= MAX_CACHED_LENGTH else _check
    return check(text, link_domains)


def _check(text: str, link_domains: frozenset[str]) -> TextFault | None:
    if SIGNATURE.search(text):
        return TextFault.SIGNATURE
    if BLANK.search(text):
        return TextFault.INVISIBLE
    if DISGUISED_LINK.search(text):
        return TextFault.LINK_DISGUISED
    folded = text if text.isascii() else unicodedata.normalize("NFKC", text)
    if len(folded) > MAX_FOLDED_LENGTH:
        return TextFault.LINK_DISGUISED
    return _check_links(text, folded, link_domains)


_check_cached: Final = lru_cache(maxsize=4096)(_check)


def _check_links(text: str, folded: str, link_domains: frozenset[str]) -> TextFault | None:
    hosts: list[str] = [found[1] or found[2] for found in BARE_LINK.finditer(folded)]
    for match in SCHEME_LINK.finditer(folded):
        if "@" in match[1]:
            return TextFault.LINK_USER
        if _mixes_scripts(match[1].partition(".")[0]):
            return TextFault.LINK_HOST
        if named := HOST.match(match[1]):
            hosts.append(named[0])
    shown = text.lower()
    for host in dict.fromkeys(each.lower().rstrip(".") for each in hosts):
        if host not in shown:
            return TextFault.LINK_DISGUISED
        if fault := _check_host(host, link_domains):
            return fault
    return None


LINK_IN_TEXT: Final = re.compile(
    rf"(?:{SCHEME_LINK.pattern}|{BARE_LINK.pattern})[^\s{CJK}]*", re.IGNORECASE
)


def links_of(text: str) -> list[str]:
    """Return the links of a text, each up to the next blank or Chinese character."""
    folded = unicodedata.normalize("NFKC", text)
    return [match[0] for match in LINK_IN_TEXT.finditer(folded)]


def _check_host(host: str, link_domains: frozenset[str]) -> TextFault | None:
    labels = host.split(".")
    if any(label.startswith("xn--") or _mixes_scripts(label) for label in labels):
        return TextFault.LINK_HOST
    if is_under(host, link_domains):
        return None
    if is_under(host, SHORTENERS):
        return TextFault.LINK_SHORTENER
    return TextFault.LINK_DOMAIN if link_domains else None


def _mixes_scripts(label: str) -> bool:
    """Whether a label has letters of an alphabet other than Latin, or of two scripts.

    Cyrillic, Greek and other alphabets have letters that look like Latin ones.
    """
    if label.isascii():
        return False
    scripts = {unicodedata.name(letter, "?").split(" ")[0] for letter in label if letter.isalpha()}
    return len(scripts) > 1 or not scripts <= {"LATIN", "CJK"} or not label.isalnum()


def is_under(host: str, domains: frozenset[str]) -> bool:
    """Whether a host is one of these domains, or a name under one."""
    labels = host.split(".")
    return any(".".join(labels[place:]) in domains for place in range(len(labels)))


def normal_domain(text: str) -> str | None:
    """Return a domain as it is registered: in lower case; None if it cannot be one."""
    domain = text.strip().lower().rstrip(".")
    is_domain = re.fullmatch(r"(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]{2,24}", domain)
    is_plain = len(domain) <= MAX_DOMAIN_LENGTH and "xn--" not in domain
    return domain if is_domain and is_plain else None
