"""The case of a decision: a message, and all that is known of its consent and its merchant.

Pure: no clock, key or row is read here.
"""

from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from typing import Final, TypeAlias, TypeVar

from msgspec import Struct
from msgspec.structs import replace

from consent_tokens.consent.grant import Grant
from consent_tokens.consent.preferences import NO_PREFERENCES, Preferences
from consent_tokens.consent.purposes import PurposeClass
from consent_tokens.consent.scope import SendWindow
from consent_tokens.policies import RateLimit
from consent_tokens.relay.composition import ComposedText
from consent_tokens.relay.decision import Reason, class_of
from consent_tokens.relay.frequency_cap import next_allowed_at
from consent_tokens.relay.plan import Plan, plan_of
from consent_tokens.relay.templates.fill import VariableFault
from consent_tokens.relay.templates.template import Template
from consent_tokens.relay.text_form import TextFault
from consent_tokens.rules.applicable import MAX_AHEAD
from consent_tokens.rules.limits import NO_LIMITS, Limits, limits_for
from consent_tokens.rules.pack import RuleSet
from consent_tokens.rules.rule import Rule
from consent_tokens.tokens.claims import Claims

_Limit = TypeVar("_Limit")
_Step: TypeAlias = Callable[[datetime], datetime]
LATEST: Final = datetime.max.replace(tzinfo=UTC)
MAX_SEARCH_STEPS: Final = 1000  # windows in different time zones may never overlap


def limits_of(
    rule_set: RuleSet,
    purpose: str,
    grant: Grant | None,
    now: datetime,
    *,
    is_demonstration: bool,
) -> Limits:
    """Return what the rules of the recipient's region make of a message, as they are now."""
    if grant is None:  # it is refused anyway
        return NO_LIMITS
    return _limits_on(rule_set, purpose, grant.scope.send_window, now.date(), is_demonstration)


@lru_cache(maxsize=8192)  # by few and short arguments: each message looks it up
def _limits_on(
    rule_set: RuleSet,
    purpose: str,
    window: SendWindow,
    day: date,
    is_demonstration: bool,  # noqa: FBT001 - a keyword takes longer to look up
) -> Limits:
    purpose_class = class_of(purpose)
    return limits_for(
        rule_set, purpose, purpose_class, window, day, is_demonstration=is_demonstration
    )


class TemplateUse(Struct, frozen=True):
    """The template that a message names, as it is now, and what is wrong with its variables."""

    template: Template | None  # None: there is none of this id
    fault: VariableFault | None = None


class EventUse(Struct, frozen=True):
    """The event that a message is about."""

    type: str
    texts: int  # that the event had of this template


class Case(Struct, kw_only=True):  # frozen would take longer to create
    """The input of a decision; not changed once it is created.

    `token` is the claims, the reason why it is invalid, or None once the message has been accepted.
    `counted_sends` are the times, ascending, of the other messages of the same class under the
    grant, sent or planned; `marketing_sends` those of class marketing, of all merchants.
    """

    merchant_id: str
    is_merchant_active: bool
    classes: frozenset[PurposeClass]  # that the merchant may use now
    has_sender: bool  # that is admitted for the class of the message
    token: Claims | Reason | None
    grant: Grant | None
    purpose: str
    text: str  # of the merchant, or as its template was filled in
    composed: ComposedText
    max_segments: int
    counted_sends: Sequence[datetime]
    transactional_cap: RateLimit
    not_before: datetime
    valid_until: datetime
    now: datetime
    named_purposes: frozenset[str] = frozenset()  # that it is admitted for by name
    is_demonstration: bool = False  # such a merchant needs neither template nor event
    template: TemplateUse | None = None
    event: EventUse | None = None
    preferences: Preferences = NO_PREFERENCES
    marketing_sends: Sequence[datetime] = ()
    link_domains: frozenset[str] = frozenset()  # that the merchant has registered
    more_windows: tuple[SendWindow, ...] = ()  # besides those of token and row
    limits: Limits = NO_LIMITS  # of the rules
    text_fault: TextFault | None = None  # of a case that is decided again, without its text
    is_held_back: bool = False  # the pacing of its texts has no place left for now
    is_dropped: bool = False  # the pacing of its texts has ended: they are refused
    plans: Sequence[Plan] = ()  # of the merchant, that are about the message

    # derived on creation, because several checks need them; what is passed for them is replaced
    claims: Claims | None = None
    purpose_class: PurposeClass = PurposeClass.MARKETING
    is_limited: bool = True
    frequency_caps: tuple[RateLimit, ...] = ()  # of token and row: both bind
    send_windows: tuple[SendWindow, ...] = ()
    ends_at: datetime | None = None  # the earlier end of token and row
    send_at: datetime = LATEST  # the first time when all windows are open

    def __post_init__(self) -> None:
        self.claims = self.token if isinstance(self.token, Claims) else None
        scopes = [party.scope for party in (self.grant, self.claims) if party is not None]
        self.ends_at = min([scope.ends_at for scope in scopes], default=None)
        self.purpose_class = class_of(self.purpose)
        self.is_limited = self.purpose_class.is_limited
        if self.is_limited:
            windows = _distinct([scope.send_window for scope in scopes])
            self.send_windows = windows + self.more_windows
            self.frequency_caps = _distinct([scope.frequency_cap for scope in scopes])
        else:
            self.send_windows, self.frequency_caps = (), (self.transactional_cap,)
        self.send_at = _first_fixed_point(max(self.now, self.not_before), self.window_steps)

    @property
    def window_steps(self) -> "list[_Step]":
        """Return the steps that move a time to where consumer and rules let texts leave."""
        steps = self._own_steps
        if self.limits.moves and not self._is_essential:
            steps += [window.next_open for _, window in self.limits.windows]
            if self.limits.days:
                steps.append(self.limits.next_day)
        return steps

    @property
    def _is_essential(self) -> bool:
        """Whether it must leave at any hour, such as a recall of food."""
        template = self.template.template if self.template else None
        return template is not None and template.is_essential

    @property
    def without_rules(self) -> "Case":
        """Return the case as it would be if no rule bound it."""
        return replace(self, limits=NO_LIMITS)

    @property
    def moving_rules(self) -> tuple[Rule, ...]:
        """Return the rules that moved `send_at`, in the order in which they closed a time."""
        at, found = max(self.now, self.not_before), dict[str, Rule]()
        for _ in range(MAX_SEARCH_STEPS):
            before = at
            for step in self.window_steps:
                if (moved := step(at)) != at:
                    closed = self.limits.closed_between(at, moved)
                    found |= {rule.id: rule for rule in closed}
                    at = moved
            if at == before:
                break
        return tuple(found.values())

    @property
    def agreed_at(self) -> datetime:
        """Return the first time when all windows of the consumer are open, whatever the rules."""
        return _first_fixed_point(max(self.now, self.not_before), self._own_steps)

    @property
    def _own_steps(self) -> "list[_Step]":
        steps: list[_Step] = [window.next_open for window in self.send_windows]
        if self.preferences.quiet_hours:
            steps.append(self.preferences.quiet_hours.next_end)
        return steps

    @property
    def recipient_limits(self) -> tuple[RateLimit, ...]:
        """Return the recipient's own limits over all merchants; they bind marketing only."""
        return self.preferences.rate_limits if self.is_limited else ()

    @property
    def next_allowed_at(self) -> datetime:
        """Return when it could be sent as far as caps, limits and windows are concerned.

        Limits over all merchants, the recipient's and those of rules, move it by whole days, so
        that it does not reveal when another merchant's message was sent (promise 5).
        """
        return self._allowed_from(max(self.now, self.not_before))

    def _begins_of(self, plan: Plan) -> set[datetime]:
        """Return when a message may leave by a plan, as far as each rule is concerned."""
        notices = [rule.plan.notice for rule in self.limits.plans if rule.plan]
        return {max(plan.starts_at, plan.stated_at + notice) for notice in notices}

    def _allowed_from(self, at: datetime) -> datetime:
        of_rules = [cap for _, cap in self.limits.caps]
        over_all = [cap for _, cap in self.limits.recipient_caps]
        caps = [_cap_step(cap, self.counted_sends) for cap in (*self.frequency_caps, *of_rules)]
        limits = [_daily_limit_step(self, each) for each in (*self.recipient_limits, *over_all)]
        return _first_fixed_point(at, [*self.window_steps, *caps, *limits])

    @property
    def unplanned(self) -> tuple[Rule, ...]:
        """Return the rules by which it may not leave outside a plan, or beyond one.

        Once a message is accepted it has its place in a plan, whenever it leaves.
        """
        if not self.limits.plans or self.token is None:
            return ()
        return unplanned_at(self.limits, self.plans, self.send_at)

    @property
    def plan(self) -> Plan | None:
        """Return the plan that it counts in, by the longest notice of the rules of its day."""
        rules = self.limits.plans_on(self.send_at.date())
        notice = max((rule.plan.notice for rule in rules if rule.plan), default=timedelta())
        return plan_of(self.plans, self.send_at, notice)

    @property
    def next_planned_at(self) -> datetime | None:
        """Return when it could be sent as far as plans, caps, limits and windows are concerned.

        None if neither the end of the season lets it leave within MAX_AHEAD, nor a plan that is
        known to the case: of later ones than MAX_VALIDITY after `not_before` it knows nothing.
        """
        at = self.next_allowed_at
        for _ in range(MAX_AHEAD.days):
            planned_at = self._planned_from(at)
            if planned_at is None or planned_at == at:
                return planned_at
            at = self._allowed_from(planned_at)
        return None

    def _planned_from(self, at: datetime) -> datetime | None:
        """Return the first time from `at` on at which the rules about plans let it leave."""
        midnight = datetime.combine(at.date(), time(), UTC)
        times = {midnight + timedelta(days=each + 1) for each in range(MAX_AHEAD.days)}
        for plan in self.plans:
            times |= set() if plan.is_used_up else self._begins_of(plan)
        later = sorted(each for each in times if each > at)
        return next(
            (each for each in (at, *later) if not unplanned_at(self.limits, self.plans, each)), None
        )


def unplanned_at(limits: Limits, plans: Sequence[Plan], at: datetime) -> tuple[Rule, ...]:
    """Return the rules by which a message may not leave at a time, because no plan has it."""
    return tuple(
        rule
        for rule in limits.plans_on(at.date())
        if rule.plan and not any(each.counts_for(at, rule.plan.notice) for each in plans)
    )


def _distinct(limits: Sequence[_Limit]) -> tuple[_Limit, ...]:
    """Return at most two limits without repetition: token and row mostly have the same."""
    if len(limits) > 1 and (limits[0] is limits[1] or limits[0] == limits[1]):
        return (limits[0],)
    return tuple(limits)


def _cap_step(cap: RateLimit, counted_sends: Sequence[datetime]) -> _Step:
    return lambda at: next_allowed_at(cap, counted_sends, at)


def _daily_limit_step(case: Case, limit: RateLimit) -> _Step:
    def step(at: datetime) -> datetime:
        allowed_at = next_allowed_at(limit, case.marketing_sends, at)
        if allowed_at == at:
            return at
        timezone = case.grant.scope.send_window.timezone if case.grant else at.tzinfo
        day = allowed_at.astimezone(timezone).date() + timedelta(days=1)
        return datetime.combine(day, time(), timezone).astimezone(at.tzinfo)

    return step


def _first_fixed_point(at: datetime, steps: Sequence[_Step]) -> datetime:
    """Return the first time, from `at` on, that no step moves any further."""
    if len(steps) == 1:
        return steps[0](at)
    for _ in range(MAX_SEARCH_STEPS):
        before = at
        for step in steps:
            at = step(at)
        if at == before:
            return at
    return at
