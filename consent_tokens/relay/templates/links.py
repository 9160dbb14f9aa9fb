"""Links of templates: https, on a registered domain, with a path that was reviewed.

A pattern is `shop.example/orders/*` or, for each registered domain, `/orders/*`. A `*` stands for
one part of the path, or for one value of the query, of letters, digits, - and _.
"""

import re
from functools import lru_cache
from typing import Final

from consent_tokens.relay.text_form import SHORTENERS, is_under, normal_domain

SCHEME: Final = "https://"
MAX_PATTERN_LENGTH: Final = 200  # characters
MAX_WILDCARD_LENGTH: Final = 40  # characters
PLAIN: Final = "[A-Za-z0-9_-]"
PATTERN: Final = re.compile(
    rf"(?P<host>[^/?#:@]*)(?P<path>(?:/(?:{PLAIN}|\.(?!\.))*(?:\*|{PLAIN})?)+)"
    rf"(?:\?(?P<query>{PLAIN}+=(?:\*|{PLAIN}+)(?:&{PLAIN}+=(?:\*|{PLAIN}+))*))?"
)
# names of parameters that usually tell a page where to send its visitor
REDIRECTS: Final = frozenset({
    "callback", "continue", "dest", "destination", "forward", "from_url", "goto", "go", "jump",
    "jumpurl", "jump_url", "link", "location", "next", "out", "r", "redir", "redirect",
    "redirect_to", "redirect_uri", "redirect_url", "redirecturl", "return", "return_to",
    "return_url", "returnurl", "ret", "target", "target_url", "to", "u", "uri", "url", "view",
    "wap_url", "service",
})  # fmt: skip


def check_pattern(pattern: str, link_domains: frozenset[str]) -> str | None:
    """Return what is wrong with the pattern of a link, if anything is."""
    match = PATTERN.fullmatch(pattern) if len(pattern) <= MAX_PATTERN_LENGTH else None
    if match is None:
        return "link_pattern_malformed"
    if match["path"].startswith("/*") and not match["host"]:
        return "link_pattern_too_wide"
    if has_redirect(match["query"] or ""):
        return "link_redirects"
    return _check_host(match["host"], link_domains) if match["host"] else _check_any(link_domains)


def _check_any(link_domains: frozenset[str]) -> str | None:
    return None if link_domains else "link_domain_not_registered"


def _check_host(host: str, link_domains: frozenset[str]) -> str | None:
    if normal_domain(host) != host:
        return "link_host_misleading"
    if is_under(host, link_domains):
        return None
    return "link_shortener" if is_under(host, SHORTENERS) else "link_domain_not_registered"


def has_redirect(query: str) -> bool:
    """Whether a query has a parameter that tells a page where to send its visitor."""
    names = (part.partition("=")[0].lower() for part in query.split("&"))
    return any(name in REDIRECTS for name in names)


def check_link(link: str, pattern: str, link_domains: frozenset[str]) -> str | None:
    """Return what is wrong with a link that stands in a text, if anything is."""
    if not link.startswith(SCHEME):
        return "link_not_https"
    host, _, _ = link.removeprefix(SCHEME).partition("/")
    if fault := _check_host(host, link_domains):
        return fault
    return None if _expression(pattern).fullmatch(link) else "link_path_not_reviewed"


@lru_cache(maxsize=4096)
def _expression(pattern: str) -> re.Pattern[str]:
    host = "" if not pattern.startswith("/") else "[a-z0-9.-]{1,253}"
    part = f"{PLAIN}{{1,{MAX_WILDCARD_LENGTH}}}"
    return re.compile(re.escape(SCHEME) + host + re.escape(pattern).replace(r"\*", part))
