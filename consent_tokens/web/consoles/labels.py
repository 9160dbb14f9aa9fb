"""What statuses, classes, decisions and marks of admission are called in the consoles."""

from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, date, datetime
from typing import Final

from babel.dates import format_date
from flask_babel import gettext as _

from consent_tokens.localization import N_, join_list
from consent_tokens.relay.templates.template import Variable, VariableType
from consent_tokens.web.consumer.locale import language, locale_of_dates


def class_label(purpose_class: str) -> str:
    """Return the name of a class of purposes."""
    labels = {
        "marketing": _("Marketing"),
        "transactional": _("Transactional"),
        "finance": _("Finance"),
    }
    return str(labels.get(purpose_class, purpose_class))


def standing_label(status: str) -> str:
    """Return the name of a status of a merchant, application, sender or template."""
    labels = {
        "applied": _("Applied"),
        "active": _("Admitted"),
        "suspended": _("Suspended"),
        "refused": _("Refused"),
        "submitted": _("Submitted"),
        "returned": _("Sent back"),
        "approved": _("Approved"),
        "admitted": _("Admitted"),
        "expired": _("Expired"),
        "revoked": _("Revoked"),
        "live": _("In use"),
        "held": _("Held"),
        "withdrawn": _("Withdrawn"),
        "open": _("Not decided yet"),
        "upheld": _("Upheld"),
        "dismissed": _("Dismissed"),
    }
    return str(labels.get(status, status))


def plan_label(status: str) -> str:
    """Return how a plan stands."""
    labels = {
        "upcoming": _("Upcoming"),
        "current": _("Current"),
        "over": _("Over"),
        "withdrawn": _("Withdrawn"),
    }
    return str(labels[status])


def plan_tag(status: str) -> str:
    """Return the class of the stylesheet for how a plan stands."""
    return {"upcoming": "warn", "current": "ok"}.get(status, "off")


STANDING_TAGS: Final = {
    "active": "ok", "live": "ok", "approved": "ok", "admitted": "ok",
    "open": "warn", "upheld": "ok", "dismissed": "off",
    "applied": "warn", "submitted": "warn", "returned": "warn", "held": "warn", "expired": "warn",
    "suspended": "danger", "refused": "off", "revoked": "off", "withdrawn": "off",
}  # fmt: skip


def standing_tag(status: str) -> str:
    """Return the class of the stylesheet for a status."""
    return STANDING_TAGS.get(status, "")


def review_label(kind: str) -> str:
    """Return what something is called that waits for a reviewer."""
    labels = {
        "applications": _("Application"),
        "senders": _("Sender"),
        "templates": _("Template"),
        "held": _("Held template"),
        "pacing": _("Rest held back"),
        "appeals": _("Appeal"),
        "objections": _("Objection"),
    }
    return str(labels.get(kind, kind))


def pacing_label(status: str) -> str:
    """Return how much of a new template may leave."""
    labels = {
        "open": _("Leaves in parts"),
        "held": _("Rest held back"),
        "dropped": _("Rest refused"),
        "proven": _("Leaves without parts"),
    }
    return str(labels.get(status, status))


def signal_label(signal: str) -> str:
    """Return what two merchants share."""
    labels = {
        "registration": _("registration number"),
        "legal_person": _("legal representative"),
        "contact": _("contact"),
        "domain": _("domain"),
        "network": _("network of API keys"),
        "name": _("look-alike name"),
        "name_part": _("part of the name"),
    }
    return str(labels.get(signal, signal))


def proposal_label(status: str) -> str:
    """Return what was decided about two merchants that share something."""
    labels = {"open": _("Undecided"), "joined": _("One group"), "rejected": _("Not related")}
    return str(labels.get(status, status))


ACTIONS: Final = {
    "approve": N_("Approved"),
    "return": N_("Sent back"),
    "refuse": N_("Refused"),
    "refuse_as_abuse": N_("Refused as abuse"),
    "suspend": N_("Suspended"),
    "restore": N_("Restored, or agreed to"),
    "revoke": N_("Revoked"),
    "recategorise": N_("Put under another purpose"),
    "hold": N_("Held"),
    "release": N_("Released"),
    "withdraw": N_("Withdrawn"),
    "drop": N_("Rest refused"),
    "uphold_dispute": N_("Reported texts: adverts"),
    "dismiss_dispute": N_("Reported texts: no adverts"),
    "uphold_appeal": N_("Appeal upheld"),
    "dismiss_appeal": N_("Appeal dismissed"),
    "join": N_("Joined with another merchant"),
    "reject": N_("Not related to another merchant"),
    "note": N_("Note"),
    "pause": N_("Sending paused"),
    "resume": N_("Sending resumed"),
}


def action_label(action: str) -> str:
    """Return what a reviewer decided."""
    return str(_(ACTIONS[action])) if action in ACTIONS else action


MARKS: Final = {
    "offer": N_("offer"),
    "finance": N_("finance"),
    "price": N_("price"),
    "contact": N_("contact"),
    "link": N_("link"),
    "validity": N_("validity of the code"),
    "code_word": N_("one-time code under another purpose"),
}


def mark_label(mark: str) -> str:
    """Return a mark of the automatic check, such as `offer: 优惠`, with its kind in words."""
    kind, _sep, words = mark.partition(": ")
    return f"{_(MARKS[kind]) if kind in MARKS else kind}: {words}"


VARIABLE_TYPES: Final[Mapping[str, str]] = {
    VariableType.NAME: N_("Person’s name"),
    VariableType.CODE: N_("Code, for once or to pick up"),
    VariableType.ORDER: N_("Order number"),
    VariableType.DATE: N_("Date"),
    VariableType.TIME: N_("Time"),
    VariableType.AMOUNT: N_("Amount"),
    VariableType.NUMBER: N_("Number"),
    VariableType.PLACE: N_("Place"),
    VariableType.TEXT: N_("Short text"),
    VariableType.LINK: N_("Link"),
    VariableType.CHOICE: N_("One of a list"),
}


def type_label(variable_type: str) -> str:
    """Return what a type of variables is called."""
    return str(_(VARIABLE_TYPES[variable_type]))


def variable_label(variable: Variable) -> str:
    """Return what a variable takes: its type, its bound, and its pattern or choices."""
    limits = variable.pattern or " / ".join(variable.choices)
    kind = type_label(variable.type)
    bound = _("%(type)s, up to %(n)s characters", type=kind, n=variable.max_length)
    return f"{bound}: {limits}" if limits else str(bound)


def source_label(source: str) -> str:
    """Return what a signature is taken from."""
    labels = {
        "company": _("name of the company"),
        "trademark": _("trademark"),
        "application": _("app"),
        "site": _("website"),
    }
    return str(labels.get(source, source))


def day_label(day: date) -> str:
    """Return a day in words; of a moment, its day in UTC."""
    utc = day.astimezone(UTC) if isinstance(day, datetime) else day
    return str(format_date(utc, format="medium", locale=locale_of_dates()))


def in_words(texts: Iterable[object]) -> str:
    """Return texts as a list in the language of the page."""
    return join_list(language(), [str(each) for each in texts])


LABELS: Final[dict[str, Callable[..., str]]] = {
    "class_label": class_label,
    "standing_label": standing_label,
    "standing_tag": standing_tag,
    "review_label": review_label,
    "pacing_label": pacing_label,
    "signal_label": signal_label,
    "proposal_label": proposal_label,
    "action_label": action_label,
    "mark_label": mark_label,
    "type_label": type_label,
    "variable_label": variable_label,
    "source_label": source_label,
    "day_label": day_label,
    "in_words": in_words,
}
