"""What is kept of a case so that it can be decided again: derived inputs, never text or number.

A record names no merchant, grant, template or event, only whether they belong together. The time of
the decision and the version of the rules are in the event. `relay.case_recorder` writes records.
"""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final, TypeAlias

import msgspec
from msgspec import Struct
from msgspec.structs import asdict

from consent_tokens.consent.grant import Grant, GrantStatus
from consent_tokens.consent.preferences import NO_PREFERENCES, Preferences, quiet_hours_of
from consent_tokens.consent.purposes import Purpose
from consent_tokens.consent.quiet_periods import QuietPeriod
from consent_tokens.consent.scope import (
    SMS,
    FrequencyCap,
    Scope,
    SendWindow,
    send_window_of,
)
from consent_tokens.policies import RateLimit
from consent_tokens.relay.case import Case, EventUse, TemplateUse, limits_of
from consent_tokens.relay.composition import Coding, ComposedText
from consent_tokens.relay.decision import Accepted, Decision, Deferred, Reason, Refused, class_of
from consent_tokens.relay.plan import Plan
from consent_tokens.relay.templates.fill import VariableFault
from consent_tokens.relay.templates.template import OnOverflow, Template, TemplateStatus
from consent_tokens.relay.text_form import TextFault
from consent_tokens.row_key import RowKey
from consent_tokens.rules.limits import NO_LIMITS
from consent_tokens.rules.pack import RuleSet
from consent_tokens.tokens.claims import Claims

OURS, OTHERS = "ours", "others"  # in place of ids: of the merchant that sends, or of another
UNKNOWN: Final = "unknown"  # in place of a purpose or a variable that nobody has registered
LONG_AGO: Final = datetime(1970, 1, 1, tzinfo=UTC)
EVENT, OTHER_EVENT = "event", "other event"  # in place of the types of events

Window: TypeAlias = tuple[int, int, str]  # opens, closes, time zones
Limit: TypeAlias = tuple[int, int]  # messages, seconds
PlacedSend: TypeAlias = tuple[int, datetime]  # its place among all sends, the oldest is 0
# deferred to; or reason and next time; or accepted
Result: TypeAlias = datetime | tuple[str, datetime | None] | None


class Head(Struct, frozen=True, array_like=True):
    """What the merchant may do, and the size of the text: the same for texts of a campaign."""

    purpose: str
    is_active: bool
    has_sender: bool
    has_class: bool  # may use the class of the purpose
    is_named: bool  # admitted for the purpose by name
    is_demonstration: bool
    segments: int
    max_segments: int
    transactional_cap: Limit


class Party(Struct, frozen=True, array_like=True):
    """Grant or token, without its end: `detail` is the grant's status, or the token's channels."""

    is_ours: bool
    detail: str
    covers: bool  # the purpose
    cap: Limit
    window: Window


class TemplatePart(Struct, frozen=True, array_like=True):
    """The template that was named, and the event; `variable` and `why` are of a value's fault."""

    status: TemplateStatus | None  # None: there is none of this id
    is_ours: bool
    is_of_purpose: bool
    needs_event_type: bool
    texts_per_event: int
    is_essential: bool
    variable: str
    why: str
    texts: int | None  # that the event had; None: no event was named
    is_event_type: bool  # the event is of the template's type


class PlanPart(Struct, frozen=True, array_like=True):
    """A plan of the merchant, and how much of it was used."""

    starts_at: datetime
    ends_at: datetime
    messages: int
    stated_at: datetime
    accepted: int


class Tail(Struct, frozen=True, array_like=True):
    """What differs from message to message."""

    result: Result
    token: datetime | None  # when it ends; None: it is invalid, or was verified before
    grant: datetime | None  # when it ends; None: there is none
    not_before: datetime | None  # None: the time of the decision
    valid_until: datetime
    sends: Sequence[datetime]
    left_out: int = 0  # older sends
    token_fault: Reason | None = None  # why the token is invalid
    edges: Sequence[PlacedSend] = ()  # of the sends that are left out, what caps compare with


class Extra(Struct, frozen=True, array_like=True):
    """What most messages have nothing of."""

    text_fault: TextFault | None = None
    daily_limit: int | None = None
    weekly_limit: int | None = None
    quiet_hours: Window | None = None
    quiet_periods: Sequence[tuple[datetime, datetime]] = ()
    marketing_sends: Sequence[datetime] = ()
    more_windows: Sequence[Window] = ()
    left_out: int = 0  # older sends of all merchants
    is_held_back: bool = False  # by pacing
    is_dropped: bool = False
    plans: Sequence[PlanPart] = ()  # of the merchant, that are about the message
    edges: Sequence[PlacedSend] = ()  # of the sends of all merchants that are left out


class CaseRecord(Struct, frozen=True, array_like=True):
    """The derived inputs of one decision, and its result.

    `token` is None also where the token says what the grant says, but for its end.
    """

    head: Head
    grant: Party | None
    token: Party | None
    tail: Tail
    template: TemplatePart | None = None
    extra: Extra | None = None

    @property
    def sends(self) -> list[datetime]:
        """Return the sends under the grant, those that are left out near enough for its caps."""
        return restored(self.tail.sends, self.tail.left_out, self.tail.edges)

    @property
    def marketing_sends(self) -> list[datetime]:
        """Return the sends of all merchants in the same way."""
        extra = self.extra or Extra()
        return restored(extra.marketing_sends, extra.left_out, extra.edges)

    def knows(self, case: Case) -> bool:
        """Whether what is kept of the sends is enough for the caps of a case.

        It is for the caps that the recorded case had.
        """
        own, of_all = caps_of(case)
        extra = self.extra or Extra()
        return _is_enough(own, case.counted_sends, self.tail.left_out, self.tail.edges) and (
            _is_enough(of_all, case.marketing_sends, extra.left_out, extra.edges)
        )

    @property
    def is_of_dispatch(self) -> bool:
        """Whether it was decided when it was to be sent, and not when it was submitted."""
        return self.tail.token is None and self.tail.token_fault is None

    def members(self) -> dict[str, Any]:
        """Return all that it holds, by name, as values of JSON."""
        parts = {name: getattr(self, name) for name in self.__struct_fields__}
        named = {name: asdict(part) for name, part in parts.items() if part is not None}
        found: dict[str, Any] = msgspec.to_builtins(named)
        return found

    def result_at(self, now: datetime) -> Decision:
        """Return the decision that was recorded at `now`, without rules and faults."""
        result = self.tail.result
        if result is None:
            return Accepted(now)
        if isinstance(result, datetime):
            is_held_back = self.extra is not None and self.extra.is_held_back
            return Deferred(result, Reason.HELD_BACK if is_held_back else None)
        reason, next_at = result
        return Refused(Reason(reason), next_at)


def caps_of(case: Case) -> tuple[list[RateLimit], list[RateLimit]]:
    """Return the caps on the sends under the grant, and those on the sends of all merchants."""
    own = [*case.frequency_caps, *(cap for _, cap in case.limits.caps)]
    return own, [*case.recipient_limits, *(cap for _, cap in case.limits.recipient_caps)]


def restored(
    kept: Sequence[datetime], left_out: int, edges: Sequence[PlacedSend]
) -> list[datetime]:
    """Return sends as many as there were, ascending.

    One that is neither kept nor an edge has the time of the next that is known; before the first
    edge, and without edges, a time before any window.
    """
    known, older, at = dict(edges), list[datetime](), LONG_AGO
    first = min(known, default=left_out)
    for place in range(left_out - 1, first - 1, -1):
        at = known.get(place, at if older else kept[0])
        older.append(at)
    return [*[known.get(first, LONG_AGO)] * first, *reversed(older), *kept]


def _is_enough(
    caps: Sequence[RateLimit],
    sends: Sequence[datetime],
    left_out: int,
    edges: Sequence[PlacedSend],
) -> bool:
    places = {place for place, _ in edges}
    first_places = (len(sends) - cap.limit for cap in caps)
    return all(not 0 <= place < left_out or place in places for place in first_places)


DECODER: Final = msgspec.msgpack.Decoder(CaseRecord)


def decode_record(data: bytes) -> CaseRecord:
    """Return a record. Raises msgspec.DecodeError, msgspec.ValidationError."""
    return DECODER.decode(data)


def case_of(record: CaseRecord, now: datetime, rules: RuleSet | None = None) -> Case:
    """Return a case that is decided as the original was at `now`, under these rules."""
    head, tail, extra = record.head, record.tail, record.extra or Extra()
    grant = _grant_of(record, now)
    is_demonstration = head.is_demonstration
    return Case(
        merchant_id=OURS,
        is_merchant_active=head.is_active,
        classes=frozenset({class_of(head.purpose)} if head.has_class else ()),
        has_sender=head.has_sender,
        token=_token_of(record, now),
        grant=grant,
        purpose=head.purpose,
        text="",
        text_fault=extra.text_fault,
        composed=ComposedText(Coding.GSM7, (b"",) * head.segments),
        max_segments=head.max_segments,
        counted_sends=record.sends,
        transactional_cap=RateLimit(*_limit_of(head.transactional_cap)),
        not_before=tail.not_before or now,
        valid_until=tail.valid_until,
        now=now,
        named_purposes=frozenset({head.purpose} if head.is_named else ()),
        is_demonstration=is_demonstration,
        template=_use_of(record),
        event=_event_of(record.template),
        preferences=_preferences_of(extra) if record.extra else NO_PREFERENCES,
        marketing_sends=record.marketing_sends,
        more_windows=tuple(_window_of(each) for each in extra.more_windows),
        is_held_back=extra.is_held_back,
        is_dropped=extra.is_dropped,
        plans=[_plan_of(each) for each in extra.plans],
        limits=limits_of(rules, head.purpose, grant, now, is_demonstration=is_demonstration)
        if rules
        else NO_LIMITS,
    )


def _limit_of(limit: Limit) -> tuple[int, timedelta]:
    return limit[0], timedelta(seconds=limit[1])


def _window_of(window: Window) -> SendWindow:
    return send_window_of(*window)


def _scope_of(party: Party, ends_at: datetime, purpose: str) -> Scope:
    return Scope(
        purposes=frozenset({Purpose(purpose)} if party.covers else ()),
        frequency_cap=FrequencyCap(*_limit_of(party.cap)),
        send_window=_window_of(party.window),
        ends_at=ends_at,
    )


def _token_of(record: CaseRecord, now: datetime) -> Claims | Reason | None:
    ends_at, party = record.tail.token, record.token or record.grant
    if ends_at is None or party is None:
        return record.tail.token_fault
    is_like_the_grant = record.token is None
    return Claims(
        issuer="",
        merchant_id=OURS if party.is_ours else OTHERS,
        jti="",
        issued_at=now,
        scope=_scope_of(party, ends_at, record.head.purpose),
        channels=(SMS,) if is_like_the_grant else tuple(party.detail.split()),
        notice=b"",
        sealed_number=b"",
    )


def _grant_of(record: CaseRecord, now: datetime) -> Grant | None:
    party, ends_at = record.grant, record.tail.grant
    if party is None or ends_at is None:
        return None
    return Grant(
        key=RowKey(0, 0),
        merchant_id=OURS if party.is_ours else OTHERS,
        scope=_scope_of(party, ends_at, record.head.purpose),
        language="en",
        granted_at=now,
        status=GrantStatus(party.detail),
        status_since=now,
    )


def _use_of(record: CaseRecord) -> TemplateUse | None:
    part = record.template
    if part is None:
        return None
    fault = VariableFault(part.variable, part.why) if part.why else None
    if part.status is None:
        return TemplateUse(None, fault)
    return TemplateUse(_template_of(part, part.status, record.head.purpose), fault)


def _template_of(part: TemplatePart, status: TemplateStatus, purpose: str) -> Template:
    return Template(
        id="",
        version=1,
        merchant_id=OURS if part.is_ours else OTHERS,
        purpose=purpose if part.is_of_purpose else UNKNOWN,
        text="",
        variables={},
        on_overflow=OnOverflow.REFUSE,
        event_type=EVENT if part.needs_event_type else None,
        texts_per_event=part.texts_per_event,
        is_essential=part.is_essential,
        status=status,
    )


def _event_of(part: TemplatePart | None) -> EventUse | None:
    if part is None or part.texts is None:
        return None
    return EventUse(EVENT if part.is_event_type else OTHER_EVENT, part.texts)


def _plan_of(part: PlanPart) -> Plan:
    return Plan(id="", merchant_id=OURS, created_at=part.stated_at, **asdict(part))


def _preferences_of(extra: Extra) -> Preferences:
    return Preferences(
        quiet_periods=tuple(QuietPeriod(begins, ends) for begins, ends in extra.quiet_periods),
        daily_limit=extra.daily_limit,
        weekly_limit=extra.weekly_limit,
        quiet_hours=quiet_hours_of(*extra.quiet_hours) if extra.quiet_hours else None,
    )
