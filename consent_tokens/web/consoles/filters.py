"""Template filters of the consoles: roles, browsers and numbers in words."""

from collections.abc import Callable
from typing import Final

from flask_babel import gettext as _

from consent_tokens.web.consoles.charts import number
from consent_tokens.web.consoles.labels import LABELS

# in this order: Chrome's User-Agent names Safari too, and Edge's names both
BROWSERS: Final = (
    ("Edg", "Edge"), ("Firefox", "Firefox"), ("Chrome", "Chrome"), ("Safari", "Safari"),
)  # fmt: skip
SYSTEMS: Final = (
    ("Android", "Android"), ("iPhone", "iPhone"), ("iPad", "iPad"), ("Windows", "Windows"),
    ("Mac OS", "macOS"), ("Linux", "Linux"),
)  # fmt: skip


def role_label(role: str) -> str:
    """Return the name of a role of either console."""
    labels = {
        "admin": _("Administrator"),
        "reviewer": _("Reviewer"),
        "analyst": _("Analyst"),
        "auditor": _("Auditor"),
        "owner": _("Owner"),
        "developer": _("Developer"),
        "marketer": _("Marketer"),
        "viewer": _("Viewer"),
    }
    return str(labels.get(role, role))


def waiting_label(kind: str) -> str:
    """Return what a kind of things that wait for a person is called."""
    labels = {
        "applications": _("Applications of merchants"),
        "senders": _("Applications for senders"),
        "templates": _("Templates to review"),
        "appeals": _("Appeals and objections of merchants"),
        "complaints": _("Complaints"),
        "proposals": _("Proposals for a second person"),
    }
    return str(labels.get(kind, kind))


def browser_label(user_agent: str) -> str:
    """Return browser and system of a User-Agent, such as `Firefox, Linux`."""
    found = [
        next((label for mark, label in names if mark in user_agent), "")
        for names in (BROWSERS, SYSTEMS)
    ]
    return ", ".join(each for each in found if each) or str(_("Unknown browser"))


FILTERS: Final[dict[str, Callable[..., str]]] = {
    "role_label": role_label,
    "waiting_label": waiting_label,
    "browser_label": browser_label,
    "number": number,
    **LABELS,
}
