"""The privacy notice, the help page and the service's logo.

The texts are Markdown in `web/texts`; an operator's own, in the folder that CONSENT_PAGES_DIR
names, come first. Both may hold the placeholders of `_values`, written `$operator`.
"""

from importlib.resources import files
from pathlib import Path
from string import Template
from typing import Final

from flask import Response, url_for
from flask_babel import gettext as _
from markdown_it import MarkdownIt
from markupsafe import Markup

from consent_tokens.errors import NotFoundError
from consent_tokens.policies import LOGO_TYPES, ConsentPolicy, ServiceIdentity
from consent_tokens.services.policies_by_rules import with_rules
from consent_tokens.services.retention.kinds import KINDS
from consent_tokens.web.consumer import blueprint, page
from consent_tokens.web.consumer.locale import language
from consent_tokens.web.consumer.retention_period import how_long
from consent_tokens.web.request_context import app_context, runtime

bp = blueprint("about")

TEXTS: Final = files("consent_tokens.web") / "texts"
MAX_TEXT_BYTES: Final = 200_000
# raw HTML in a text is shown as text; links of other schemes than http and mailto are dropped
MARKDOWN: Final = MarkdownIt("commonmark", {"html": False})


@bp.get("/privacy")
def show_privacy() -> Response:
    """Show the privacy notice (PIPL art. 17; GDPR art. 13)."""
    return _text_page("privacy", _("Privacy notice"))


@bp.get("/help")
def show_help() -> Response:
    """Show how to agree, stop, get fewer texts, and report."""
    return _text_page("help", _("Help"))


@bp.get("/logo")
def show_logo() -> Response:
    """Return the operator's logo. Raises NotFoundError if there is none, or no more."""
    logo = runtime().service.logo
    if logo is None or not logo.is_file():
        raise NotFoundError("no logo")
    response = Response(logo.read_bytes(), content_type=LOGO_TYPES[logo.suffix])
    response.headers["Cache-Control"] = "public, max-age=3600"
    return response


def logo_url() -> str:
    """Return the URL of the service's mark: on pages, and as their icon."""
    if runtime().service.logo:
        return url_for("about.show_logo")
    return url_for("static", filename="icon.svg")


def _text_page(name: str, title: str) -> Response:
    source = _read_text(runtime().service, f"{name}.{language()}.md")
    body = MARKDOWN.render(Template(source).safe_substitute(_values()))
    # markdown-it escapes raw HTML, and the placeholders are settings of the operator
    return page("about.html", title=title, body=Markup(body))  # noqa: S704 - see above


def _read_text(service: ServiceIdentity, file_name: str) -> str:
    """Return a text: the operator's own, or else the built-in one."""
    own = service.pages_dir / file_name if service.pages_dir else None
    if own and own.is_file():
        return _read_limited(own)
    return (TEXTS / file_name).read_text(encoding="utf-8")


def _read_limited(path: Path) -> str:
    with path.open("rb") as file:
        return file.read(MAX_TEXT_BYTES).decode("utf-8", "replace")


def _kept(policy: ConsentPolicy) -> str:
    """Return a Markdown list of what is kept of consumers, and for how long."""
    shown = (kind for kind in KINDS if kind.is_on_page)
    return "\n".join(
        f"* {_('%(what)s: %(how_long)s.', what=_(kind.what), how_long=how_long(kind, policy))}"
        for kind in shown
    )


def _values() -> dict[str, str]:
    """Return the values of the placeholders in a text."""
    service = runtime().service
    policy = with_rules(runtime(), app_context().consent)
    unnamed = _("not named: this is a demonstration")
    operator = service.operator
    return {
        "service": service.name_in(language()),
        "operator": operator.legal_name or unnamed,
        "registration": operator.registration or unnamed,
        "contact": operator.contact or unnamed,
        "text_days": str(policy.retention.texts.days),
        "record_days": str(policy.retention.records.days),
        "cooldown_days": str(policy.invitation_cooldown.days),
        "kept": _kept(policy),
        "my_url": url_for("my.show"),
        "report_url": url_for("report.show"),
        "privacy_url": url_for("about.show_privacy"),
    }
