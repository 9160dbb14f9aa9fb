"""What the codes of faults of templates and values mean, for merchants."""

from collections.abc import Mapping
from typing import Final

from consent_tokens.localization import N_
from consent_tokens.relay.templates.check import MIN_FIXED_COLUMNS
from consent_tokens.relay.templates.declaration import MAX_CHOICES
from consent_tokens.relay.templates.grammar import MAX_DIGIT_RUN
from consent_tokens.relay.templates.template import (
    MAX_TEXT_LENGTH,
    MAX_VARIABLES,
    VARIABLE_NAME,
)

# what the texts are filled in with
FAULT_VALUES: Final[Mapping[str, str | int]] = {
    "text_length": MAX_TEXT_LENGTH,
    "variable_name": VARIABLE_NAME.pattern,
    "variables": MAX_VARIABLES,
    "columns": MIN_FIXED_COLUMNS,
    "choices": MAX_CHOICES,
    "digits": MAX_DIGIT_RUN,
}
FAULT_MESSAGES: Final[Mapping[str, str]] = {  # msgids
    # of a text
    "length": N_("A text has 1 to %(text_length)s characters."),
    "stray_brace": N_("Braces are for variables only."),
    "invisible_characters": N_("Invisible characters are not allowed."),
    "signature_in_text": N_(
        "The signature is added by the relay; brackets like it are not allowed."
    ),
    "variable_name": N_("A variable is called %(variable_name)s."),
    "variable_twice": N_("A variable stands in the text once."),
    "variable_first": N_("The text begins with fixed text."),
    "variable_last": N_("The text ends with fixed text."),
    "variables_adjacent": N_("Between two variables there are letters of fixed text."),
    "too_many_variables": N_("A text has at most %(variables)s variables."),
    "too_little_fixed_text": N_(
        "Fixed text is at least half, and %(columns)s columns: write more of it, or bound places "
        "and texts with fewer characters."
    ),
    "amount_without_currency": N_("The currency stands beside the amount, in the fixed text."),
    "text_withdrawn": N_("A text like this was withdrawn, and cannot be submitted again."),
    # of links
    "link_disguised": N_("A link is written in plain letters."),
    "link_with_user": N_("A link names no user."),
    "link_host_misleading": N_("The host of a link is a plain domain name, without a port."),
    "link_shortener": N_("Links of shorteners are not allowed."),
    "link_domain_not_registered": N_("Register the domain of the link first."),
    "link_not_https": N_("A link begins with https://."),
    "link_redirects": N_("A link has no parameter that names another address."),
    "link_pattern_malformed": N_(
        "A link is declared as host/path, with * for one part of the path."
    ),
    "link_pattern_too_wide": N_("A pattern without a host begins with a fixed part of the path."),
    "link_path_not_reviewed": N_("The link is not of the pattern that was reviewed."),
    # of variables
    "undeclared": N_("Declare the type of the variable."),
    "not_in_text": N_("The variable is not in the text."),
    "max_length": N_("The bound is more than the type allows, or less than one."),
    "several_orders": N_("A text has one order number: the id of its event."),
    "choices": N_("A choice has 1 to %(choices)s values."),
    "one_code_only": N_("A one-time code is the only variable of its text."),
    "declaration_malformed": N_("A variable is declared as NAME=TYPE or NAME=TYPE:MAX."),
    # of purposes and events
    "class_not_admitted": N_("You are not admitted for this class of purposes."),
    "essential_not_transactional": N_("Only a transactional template can be essential."),
    "event_not_transactional": N_("Only texts of a transactional template are about an event."),
    "event_type": N_("An event type is up to 32 lower-case letters, digits, - and _."),
    "other_purpose": N_("A new version has the purpose of its template."),
    # of values
    "missing": N_("The variable has no value."),
    "unknown_variable": N_("The template has no such variable."),
    "empty": N_("The value is empty."),
    "too_long": N_("The value is longer than its bound."),
    "not_of_its_type": N_("The value is not of the type of its variable."),
    "link_not_allowed": N_("A link is not allowed here."),
    "signature_not_allowed": N_("Brackets are not allowed."),
    "too_many_digits": N_("At most %(digits)s digits may follow each other."),
    "longer_than_fixed_text": N_("Names, places and texts are longer than the fixed text."),
    "not_the_event_id": N_("The order number is not the id of the event."),
    "not_one_of_the_choices": N_("The value is not one of the choices."),
}
FAULT_TEXTS: Final[Mapping[str, str]] = {
    code: message % FAULT_VALUES for code, message in FAULT_MESSAGES.items()
}


def explain(code: str, detail: str = "") -> str:
    """Return what a code means, and what it is about."""
    words = FAULT_TEXTS[code]
    return f"{words} ({code}: {detail})" if detail else f"{words} ({code})"
