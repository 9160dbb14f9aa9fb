"""`/console/rules`: the rules in force, a trial on last week's messages, and versions compared."""

from typing import Final

from flask import Response, request
from flask_babel import gettext as _

from consent_tokens.rules.rule import RuleMode
from consent_tokens.services.supervision.rules import (
    RuleLine,
    RulesTried,
    compare_versions,
    rules_in_force,
    try_rules,
)
from consent_tokens.web.consoles.guard import console_blueprint
from consent_tokens.web.consoles.pages import page, redirect_to
from consent_tokens.web.consoles.site import OPERATOR
from consent_tokens.web.consoles.tables import Column, csv_response, table_of, table_query
from consent_tokens.web.consumer.locale import language
from consent_tokens.web.request_context import runtime

bp = console_blueprint("rules", OPERATOR)

MAX_VERSION: Final = 40  # characters


@bp.get("/rules")
def show() -> Response:
    """List the rules of each pack, and the versions."""
    return _page(None)


@bp.post("/rules/trial")
def try_out() -> Response:
    """Try the rules on the messages of the last week; it changes nothing."""
    return _page(try_rules(runtime()))


def _page(tried: RulesTried | None) -> Response:
    found, words = rules_in_force(runtime()), language()
    columns = [
        Column[RuleLine]("pack", _("Pack"), lambda each: each.pack),
        Column[RuleLine]("id", _("Rule"), lambda each: each.rule.id),
        Column[RuleLine]("words", _("What it says"), lambda each: each.rule.words[words]),
        Column[RuleLine]("mode", _("Status"), lambda each: mode_name(each.mode)),
        Column[RuleLine](
            "source", _("Source"), lambda each: f"{each.rule.source} {each.rule.article}"
        ),
        Column[RuleLine]("date", _("Date"), lambda each: each.rule.date.isoformat()),
    ]
    query = table_query(sort="pack", columns=columns)
    view = table_of(found.lines, columns, query)
    if query.is_csv:
        return csv_response("rules", view)
    return page("console/rules.html", found=found, rules=view, tried=tried, mode_name=mode_name)


def mode_name(mode: RuleMode) -> str:
    """Return what a rule does today."""
    labels = {
        RuleMode.ENFORCED: _("In force"),
        RuleMode.SHADOW: _("Shadow: counted only"),
        RuleMode.ADVISORY: _("Not in force: source not read"),
    }
    return str(labels[mode])


@bp.get("/rules/difference")
def compare() -> Response:
    """Show in what two versions differ; without them, the rules."""
    before, after = (request.args.get(name, "")[:MAX_VERSION] for name in ("from", "to"))
    if not before and not after:
        return redirect_to("console_rules.show")
    return page(
        "console/rules_difference.html",
        before=before,
        after=after,
        files=compare_versions(runtime(), before, after),
    )
