"""Plans: what a merchant says it will send, in which time; counted as messages are accepted. Pure.

A rule with `plan` refuses texts that leave outside a plan of their merchant, or beyond its count.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from enum import StrEnum

from msgspec import Struct

from consent_tokens.relay.decision import is_limited


class PlanStatus(StrEnum):
    """How a plan stands."""

    UPCOMING = "upcoming"
    CURRENT = "current"
    OVER = "over"
    WITHDRAWN = "withdrawn"

    @property
    def is_open(self) -> bool:
        """Whether messages are, or will be, accepted in it."""
        return self in {PlanStatus.UPCOMING, PlanStatus.CURRENT}


class Plan(Struct, frozen=True, kw_only=True):
    """A number of messages that a merchant plans to have leave from `starts_at` to `ends_at`.

    Without purpose, template and sender it is for all marketing and finance texts of the merchant.
    """

    id: str
    merchant_id: str
    starts_at: datetime
    ends_at: datetime  # not included
    messages: int
    stated_at: datetime  # since when it plans no less than this
    created_at: datetime
    purpose: str | None = None
    template_id: str | None = None
    sender_id: str | None = None
    reference: str | None = None
    withdrawn_at: datetime | None = None
    accepted: int = 0  # messages that were accepted to leave in it
    excess: int = 0  # messages that were refused because it was used up

    @property
    def is_used_up(self) -> bool:
        """Whether no other message is within its count."""
        return self.accepted >= self.messages

    def covers(self, at: datetime) -> bool:
        """Whether a time is in it."""
        return self.starts_at <= at < self.ends_at

    def counts_for(self, at: datetime, notice: timedelta) -> bool:
        """Whether a message may leave at a time by it, if plans are to be stated so long before."""
        return self.covers(at) and not self.is_used_up and self.stated_at + notice <= at

    def is_for(self, purpose: str, template_id: str | None, sender_id: str | None) -> bool:
        """Whether it is about a message with these; all that it names must be the same."""
        if self.purpose is None and self.template_id is None and not is_limited(purpose):
            return False
        return (
            self.purpose in {None, purpose}
            and self.template_id in {None, template_id}
            and self.sender_id in {None, sender_id}
        )

    def status_at(self, now: datetime) -> PlanStatus:
        """Return how it stands."""
        if self.withdrawn_at is not None:
            return PlanStatus.WITHDRAWN
        if now < self.starts_at:
            return PlanStatus.UPCOMING
        return PlanStatus.CURRENT if now < self.ends_at else PlanStatus.OVER


def plan_of(plans: Sequence[Plan], at: datetime, notice: timedelta) -> Plan | None:
    """Return the plan that a message which leaves at a time counts in.

    Of several it is one that was stated so long before, and of those one that is not used up. The
    first one is used up before the next. None if the time is in none of them.
    """
    covering = [each for each in plans if each.covers(at)]
    return min(
        covering, key=lambda each: (each.stated_at + notice > at, each.is_used_up), default=None
    )


def plans_more(before: Plan, after: Plan) -> bool:
    """Whether a change of a plan allows anything that the plan did not allow."""
    same = (before.purpose, before.template_id, before.sender_id) == (
        after.purpose,
        after.template_id,
        after.sender_id,
    )
    is_within = before.starts_at <= after.starts_at and after.ends_at <= before.ends_at
    return not (same and is_within and after.messages <= before.messages)
