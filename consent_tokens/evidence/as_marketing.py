"""What a text that was decided to be an advert broke: judged as marketing, when it was sent."""

from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum

from consent_tokens.consent.scope import Scope
from consent_tokens.relay.frequency_cap import next_allowed_at


class Finding(StrEnum):
    """What speaks against a text as marketing, and what is not known of it."""

    NOT_AGREED = "adverts_not_agreed"  # the consent covered no marketing
    OUTSIDE_HOURS = "outside_hours"
    OVER_CAP = "over_cap"
    QUIET_PERIOD = "in_quiet_period"
    QUIET_UNKNOWN = "quiet_period_unknown"  # the preferences of that time are not kept


Findings = tuple[Finding, ...]


def judge_by_consent(scope: Scope, sent_at: datetime, earlier: Sequence[datetime]) -> Findings:
    """Return what a text broke of the consent that it was sent under.

    `scope` is as it was then; `earlier` are the times, ascending, of the marketing that left
    before under the same consent. Hours and cap are those of marketing: without any they say
    nothing.
    """
    if not any(purpose.is_limited for purpose in scope.purposes):
        return (Finding.NOT_AGREED,)
    found = []
    if scope.send_window.next_open(sent_at) != sent_at:
        found.append(Finding.OUTSIDE_HOURS)
    if next_allowed_at(scope.frequency_cap, earlier, sent_at) != sent_at:
        found.append(Finding.OVER_CAP)
    return tuple(found)
