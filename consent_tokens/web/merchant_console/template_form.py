"""The form of a template: what was entered, and what is wrong with it in words."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from flask import request
from flask_babel import gettext as _

from consent_tokens.consent.purposes import Purpose
from consent_tokens.relay.templates.check import TemplateFault
from consent_tokens.relay.templates.declaration import TYPES, with_well_known
from consent_tokens.relay.templates.fault_texts import FAULT_MESSAGES, FAULT_VALUES
from consent_tokens.relay.templates.grammar import DEFAULT_LENGTHS
from consent_tokens.relay.templates.links import MAX_PATTERN_LENGTH
from consent_tokens.relay.templates.template import (
    MAX_TEXT_LENGTH,
    VARIABLE_NAME,
    OnOverflow,
    Template,
    Variable,
    VariableType,
    pieces_of,
)
from consent_tokens.services.admission.templates import Submission
from consent_tokens.web.consumer.form_fields import text
from consent_tokens.web.consumer.template_filters import gap
from consent_tokens.web.merchant_api.template_schemas import MAX_DECLARED

MAX_CHOICES_LENGTH: Final = 500  # characters of all choices of a variable
MAX_LENGTH_DIGITS: Final = 3
CHOICE_SEPARATOR: Final = "|"
# faults whose detail is a sentence, which the text of the fault says already
WITHOUT_DETAIL: Final = frozenset({"length", "too_many_variables", "too_little_fixed_text"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Entered:
    """What stands in the form; without a `purpose`, none was chosen."""

    text: str = ""
    purpose: Purpose | None = None
    variables: Mapping[str, Variable]
    truncates: bool = False
    is_essential: bool = False
    event_type: str = ""
    template_id: str | None = None

    @property
    def names(self) -> list[str]:
        """Return the variables of the text that can be declared."""
        names = dict.fromkeys(pieces_of(self.text).names)
        return [each for each in names if VARIABLE_NAME.fullmatch(each)][:MAX_DECLARED]

    def submission(self, purpose: Purpose) -> Submission:
        """Return what is submitted."""
        return Submission(
            purpose=purpose,
            text=self.text,
            variables=self.variables,
            on_overflow=OnOverflow.TRUNCATE if self.truncates else OnOverflow.REFUSE,
            event_type=self.event_type or None,
            is_essential=self.is_essential,
            template_id=self.template_id,
        )


def entered() -> Entered:
    """Return what was entered into the form."""
    body = text("text", MAX_TEXT_LENGTH + 1).replace("\r\n", "\n")
    purpose = text("purpose", 100)
    return Entered(
        text=body,
        purpose=Purpose(purpose) if purpose in Purpose else None,
        variables=_variables(body),
        truncates="truncates" in request.form,
        is_essential="essential" in request.form,
        event_type=text("event_type", 33),
        template_id=text("template", 40) or None,
    )


def entered_of(template: Template) -> Entered:
    """Return the form of a new version of a template."""
    return Entered(
        text=template.text,
        purpose=Purpose(template.purpose),
        variables=template.variables,
        truncates=template.on_overflow is OnOverflow.TRUNCATE,
        is_essential=template.is_essential,
        event_type=template.event_type or "",
        template_id=template.id,
    )


def _variables(body: str) -> Mapping[str, Variable]:
    """Return the variables of a text: as they were declared, else as their names say."""
    declared = {
        name: _variable(name, TYPES[text(f"type-{name}", 20)])
        for name in Entered(text=body, variables={}).names
        if text(f"type-{name}", 20) in TYPES
    }
    return with_well_known(body, declared)


def _variable(name: str, kind: VariableType) -> Variable:
    more = text(f"more-{name}", MAX_CHOICES_LENGTH)
    if kind is VariableType.CHOICE:
        choices = tuple(each.strip() for each in more.split(CHOICE_SEPARATOR) if each.strip())
        return Variable(kind, max(map(len, choices), default=1), choices=choices)
    digits = text(f"max-{name}", MAX_LENGTH_DIGITS)
    length = int(digits) if digits.isascii() and digits.isdigit() else DEFAULT_LENGTHS[kind]
    pattern = more[:MAX_PATTERN_LENGTH] if kind is VariableType.LINK else ""
    return Variable(kind, length, pattern=pattern)


def fault_label(fault: TemplateFault) -> str:
    """Return what is wrong with a template in the language of the page, and where."""
    words = str(_(FAULT_MESSAGES[fault.code], **FAULT_VALUES))
    about = fault.detail.partition(": ")[0] if fault.code == "max_length" else fault.detail
    return words if not about or fault.code in WITHOUT_DETAIL else f"{words}{gap()}({about})"


def fault_errors(faults: Iterable[TemplateFault]) -> dict[str, str]:
    """Return what is wrong, by field."""
    errors: dict[str, list[str]] = {}
    for fault in faults:
        errors.setdefault(fault.field, []).append(fault_label(fault))
    return {field: gap().join(words) for field, words in errors.items()}
