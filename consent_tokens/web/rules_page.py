"""`/rules`: the rules in force for each jurisdiction, with what each rests on."""

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final
from zoneinfo import ZoneInfo

from flask import Response
from flask_babel import format_decimal
from flask_babel import gettext as _

from consent_tokens.localization import N_
from consent_tokens.rules.pack import DEMONSTRATION, Pack
from consent_tokens.rules.rule import Basis, Peak, Rule, RuleMode
from consent_tokens.web.consumer import blueprint, page
from consent_tokens.web.consumer.locale import language
from consent_tokens.web.consumer.template_filters import day
from consent_tokens.web.request_context import runtime

bp = blueprint("rules")

UTC: Final = ZoneInfo("UTC")

BASES: Final[Mapping[Basis, str]] = {
    Basis.LAW: N_("Law"),
    Basis.PRACTICE: N_("Practice of carriers and platforms"),
    Basis.OPERATOR: N_("Chosen by this service"),
}


@dataclass(frozen=True, slots=True)
class _RuleLine:
    """A rule as the page shows it."""

    id: str
    words: str
    status: str
    basis: str
    source: str  # in the language in which the pack has it
    article: str
    date: str


@dataclass(frozen=True, slots=True)
class _PeakLine:
    """A peak season as the page shows it, the next one or that of today."""

    name: str
    words: str
    first: str
    last: str
    messages_per_day: str  # empty: the platform does not say
    rules: Sequence[str]  # words of those that do something in it only


@dataclass(frozen=True, slots=True)
class _PackSection:
    """A pack as the page shows it."""

    name: str
    lines: Sequence[_RuleLine]
    peaks: Sequence[_PeakLine]


@bp.get("/rules")
def show_rules() -> Response:
    """Show the rules, those of demonstrations only where there can be any."""
    rule_set, today = runtime().rules.current(), runtime().clock.now().date()
    shown = [
        pack
        for pack in rule_set.packs.values()
        if pack.id != DEMONSTRATION or runtime().service.is_loopback
    ]
    return page(
        "rules.html",
        sections=[_section(pack, today) for pack in shown],
        version=rule_set.version,
    )


def _section(pack: Pack, today: dt.date) -> _PackSection:
    lines = [_line(rule, today) for rule in pack.rules]
    peaks = [
        _peak(pack, peak, days) for peak in pack.peaks if (days := peak.season.next_days(today))
    ]
    return _PackSection(pack.name[language()], lines, peaks)


def _peak(pack: Pack, peak: Peak, days: tuple[dt.date, dt.date]) -> _PeakLine:
    first, last = days
    return _PeakLine(
        name=peak.name[language()],
        words=peak.words[language()],
        first=_day(first),
        last=_day(last),
        messages_per_day=format_decimal(peak.messages_per_day) if peak.messages_per_day else "",
        rules=[
            rule.words[language()]
            for rule in pack.rules
            if rule.seasons
            and rule.is_in_season_between(first, last)
            and rule.mode_on(first) is RuleMode.ENFORCED
        ],
    )


def _line(rule: Rule, today: dt.date) -> _RuleLine:
    return _RuleLine(
        id=rule.id,
        words=rule.words[language()],
        status=_status(rule, today),
        basis=_(BASES[rule.basis]),
        source=rule.source,
        article=rule.article,
        date=_day(rule.date),
    )


def _status(rule: Rule, today: dt.date) -> str:
    """Return whether a rule is in force, in words."""
    match rule.mode_on(today):
        case RuleMode.ENFORCED:
            return str(_("In force"))
        case RuleMode.SHADOW:
            return str(_("New: in force from %(day)s", day=_day(rule.enforced_from)))
        case RuleMode.ADVISORY:
            return str(_("Not in force: the source has not been read yet"))


def _day(date: dt.date) -> str:
    return day(dt.datetime.combine(date, dt.time(12), dt.UTC), UTC)
