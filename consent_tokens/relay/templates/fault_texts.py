"""What the codes of faults of templates and values mean, for merchants."""

from collections.abc import Mapping
from typing import Final

from consent_tokens.relay.templates.check import MIN_FIXED_COLUMNS
from consent_tokens.relay.templates.declaration import MAX_CHOICES
from consent_tokens.relay.templates.grammar import MAX_DIGIT_RUN
from consent_tokens.relay.templates.template import (
    MAX_TEXT_LENGTH,
    MAX_VARIABLES,
    VARIABLE_NAME,
)

FAULT_TEXTS: Final[Mapping[str, str]] = {
    # of a text
    "length": f"A text has 1 to {MAX_TEXT_LENGTH} characters.",
    "stray_brace": "Braces are for variables only.",
    "invisible_characters": "Invisible characters are not allowed.",
    "signature_in_text": "The signature is added by the relay; brackets like it are not allowed.",
    "variable_name": f"A variable is called {VARIABLE_NAME.pattern}.",
    "variable_twice": "A variable stands in the text once.",
    "variable_first": "The text begins with fixed text.",
    "variable_last": "The text ends with fixed text.",
    "variables_adjacent": "Between two variables there are letters of fixed text.",
    "too_many_variables": f"A text has at most {MAX_VARIABLES} variables.",
    "too_little_fixed_text": (
        f"Fixed text is at least half, and {MIN_FIXED_COLUMNS} columns: write more of it, or bound "
        "places and texts with fewer characters."
    ),
    "amount_without_currency": "The currency stands beside the amount, in the fixed text.",
    "text_withdrawn": "A text like this was withdrawn, and cannot be submitted again.",
    # of links
    "link_disguised": "A link is written in plain letters.",
    "link_with_user": "A link names no user.",
    "link_host_misleading": "The host of a link is a plain domain name, without a port.",
    "link_shortener": "Links of shorteners are not allowed.",
    "link_domain_not_registered": "Register the domain of the link first.",
    "link_not_https": "A link begins with https://.",
    "link_redirects": "A link has no parameter that names another address.",
    "link_pattern_malformed": "A link is declared as host/path, with * for one part of the path.",
    "link_pattern_too_wide": "A pattern without a host begins with a fixed part of the path.",
    "link_path_not_reviewed": "The link is not of the pattern that was reviewed.",
    # of variables
    "undeclared": "Declare the type of the variable.",
    "not_in_text": "The variable is not in the text.",
    "max_length": "The bound is more than the type allows, or less than one.",
    "several_orders": "A text has one order number: the id of its event.",
    "choices": f"A choice has 1 to {MAX_CHOICES} values.",
    "one_code_only": "A one-time code is the only variable of its text.",
    "declaration_malformed": "A variable is declared as NAME=TYPE or NAME=TYPE:MAX.",
    # of purposes and events
    "class_not_admitted": "You are not admitted for this class of purposes.",
    "essential_not_transactional": "Only a transactional template can be essential.",
    "event_not_transactional": "Only texts of a transactional template are about an event.",
    "event_type": "An event type is up to 32 lower-case letters, digits, - and _.",
    "other_purpose": "A new version has the purpose of its template.",
    # of values
    "missing": "The variable has no value.",
    "unknown_variable": "The template has no such variable.",
    "empty": "The value is empty.",
    "too_long": "The value is longer than its bound.",
    "not_of_its_type": "The value is not of the type of its variable.",
    "link_not_allowed": "A link is not allowed here.",
    "signature_not_allowed": "Brackets are not allowed.",
    "too_many_digits": f"At most {MAX_DIGIT_RUN} digits may follow each other.",
    "longer_than_fixed_text": "Names, places and texts are longer than the fixed text.",
    "not_the_event_id": "The order number is not the id of the event.",
    "not_one_of_the_choices": "The value is not one of the choices.",
}


def explain(code: str, detail: str = "") -> str:
    """Return what a code means, and what it is about."""
    words = FAULT_TEXTS[code]
    return f"{words} ({code}: {detail})" if detail else f"{words} ({code})"
