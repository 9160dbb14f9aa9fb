"""Write what is kept of a case (`relay.case_record`).

Messages of one transaction are mostly alike: what they share is encoded once. With it a record
takes 1 microsecond, where encoding all of it for each message took 7.
"""

from bisect import bisect_right
from collections.abc import Sequence
from datetime import datetime
from typing import Final

import msgspec

from consent_tokens.consent.grant import Grant
from consent_tokens.consent.preferences import NO_PREFERENCES, QuietHours
from consent_tokens.consent.purposes import Purpose
from consent_tokens.consent.scope import SMS, SendWindow
from consent_tokens.policies import RateLimit
from consent_tokens.relay.alike import AlikeCases
from consent_tokens.relay.case import Case
from consent_tokens.relay.case_record import (
    UNKNOWN,
    Extra,
    Head,
    Limit,
    Party,
    PlacedSend,
    PlanPart,
    Result,
    Tail,
    TemplatePart,
    Window,
    caps_of,
)
from consent_tokens.relay.decision import Accepted, Decision, Deferred, Reason, Refused
from consent_tokens.relay.message import INVITATION_PURPOSE
from consent_tokens.relay.plan import Plan
from consent_tokens.relay.templates.template import Template
from consent_tokens.tokens.claims import Claims

ENCODER: Final = msgspec.msgpack.Encoder()
# MessagePack: what follows is an array of so many values; the rest of a record has its defaults
ARRAY_OF_FOUR, ARRAY_OF_SIX = b"\x94", b"\x96"
MAX_PAST_SENDS: Final = 100  # that are kept; of older ones, what higher caps compare with


def encode_case(case: Case, decision: Decision, alike: AlikeCases | None = None) -> bytes:
    """Return what is kept of a case; of those that are alike, what they share is encoded once.

    What is wrong with the text is taken from the decision: a text that was not looked at, because
    an earlier check refused the message, is not looked at again either.
    """
    shared, tail = _shared(case, alike), ENCODER.encode(_tail(case, decision))
    if case.template is None and _is_plain(case, decision):
        return ARRAY_OF_FOUR + shared + tail
    template, extra = _template(case), _extra(case, decision)
    return b"".join((ARRAY_OF_SIX, shared, tail, ENCODER.encode(template), ENCODER.encode(extra)))


def _shared(case: Case, alike: AlikeCases | None) -> bytes:
    """Return head, grant and token."""
    if alike is None:
        return _encode_shared(case)
    segments = len(case.composed.segments)
    found = alike.encoded.get(segments)
    if found is None:
        found = alike.encoded[segments] = _encode_shared(case)
    return found


def _encode_shared(case: Case) -> bytes:
    grant, claims = case.grant, case.claims
    kept = _party(case, grant, grant.status.value) if grant else None
    token = _party(case, claims, " ".join(claims.channels)) if claims else None
    if token and kept and claims and _says_the_same(token, kept, claims):
        token = None
    return ENCODER.encode(_head(case)) + ENCODER.encode(kept) + ENCODER.encode(token)


def _says_the_same(token: Party, grant: Party, claims: Claims) -> bool:
    parts = (grant.is_ours, grant.covers, grant.cap, grant.window)
    same = parts == (token.is_ours, token.covers, token.cap, token.window)
    return same and claims.channels == (SMS,)


def _head(case: Case) -> Head:
    is_known = case.purpose in Purpose or case.purpose == INVITATION_PURPOSE
    return Head(
        purpose=case.purpose if is_known else UNKNOWN,
        is_active=case.is_merchant_active,
        has_sender=case.has_sender,
        has_class=case.purpose_class in case.classes,
        is_named=case.purpose in case.named_purposes,
        is_demonstration=case.is_demonstration,
        segments=len(case.composed.segments),
        max_segments=case.max_segments,
        transactional_cap=_limit(case.transactional_cap),
    )


def _party(case: Case, party: Grant | Claims, detail: str) -> Party:
    scope = party.scope
    return Party(
        party.merchant_id == case.merchant_id,
        detail,
        case.purpose in scope.purposes,
        _limit(scope.frequency_cap),
        _window(scope.send_window),
    )


def _limit(limit: RateLimit) -> Limit:
    return limit.limit, int(limit.window.total_seconds())


def _window(window: SendWindow) -> Window:
    return window.opens, window.closes, window.timezone_names


def _template(case: Case) -> TemplatePart | None:
    use, event = case.template, case.event
    if use is None:
        return None
    found = use.template
    variable, why = (use.fault.variable, use.fault.why) if use.fault else ("", "")
    is_known = found is not None and variable in found.variables
    return TemplatePart(
        found.status if found else None,
        found is not None and found.merchant_id == case.merchant_id,
        found is not None and found.purpose == case.purpose,
        found is not None and found.event_type is not None,
        found.texts_per_event if found else 0,
        found is not None and found.is_essential,
        variable if is_known or not why else UNKNOWN,
        why,
        event.texts if event else None,
        event is not None and _is_of_type(found, event.type),
    )


def _is_of_type(template: Template | None, event_type: str) -> bool:
    return template is not None and template.event_type == event_type


def _tail(case: Case, decision: Decision) -> Tail:
    now, token, grant, sends = case.now, case.claims, case.grant, case.counted_sends
    left_out = _left_out(sends, now) if sends else 0
    return Tail(
        None if isinstance(decision, Accepted) else _result(decision),
        token.scope.ends_at if token else None,
        grant.scope.ends_at if grant else None,
        None if case.not_before is now else case.not_before,
        case.valid_until,
        sends[left_out:],
        left_out,
        case.token if isinstance(case.token, Reason) else None,
        _edges(caps_of(case)[0], sends, left_out, case) if left_out else (),
    )


def _result(decision: Deferred | Refused) -> Result:
    if isinstance(decision, Deferred):
        return decision.send_at
    return decision.reason.value, decision.next_at


def _left_out(sends: Sequence[datetime], now: datetime) -> int:
    """Return how many of the sends are not kept, the oldest."""
    if len(sends) <= MAX_PAST_SENDS:
        return 0
    return max(0, bisect_right(sends, now) - MAX_PAST_SENDS)


def _edges(
    caps: Sequence[RateLimit], sends: Sequence[datetime], left_out: int, case: Case
) -> list[PlacedSend]:
    """Return the sends that are left out and that a cap compares a time with.

    Of a cap of N those from the Nth of all on, as many as are planned, and those on either side of
    the start of its window (`relay.frequency_cap`).
    """
    planned = len(sends) - bisect_right(sends, case.now)
    places: set[int] = set()
    for cap in caps:
        nth = len(sends) - cap.limit
        first_in_window = bisect_right(sends, case.send_at - cap.window)
        places |= {*range(nth - planned, nth + 1), first_in_window - 1, first_in_window}
    return [(each, sends[each]) for each in sorted(places) if 0 <= each < left_out]


def _is_plain(case: Case, decision: Decision) -> bool:
    """Whether a record has nothing of `Extra`: most have not."""
    if case.preferences is not NO_PREFERENCES or case.more_windows or case.marketing_sends:
        return False
    if case.is_held_back or case.is_dropped or case.plans:
        return False
    return not isinstance(decision, Refused) or decision.text_fault is None


def _extra(case: Case, decision: Decision) -> Extra | None:
    if _is_plain(case, decision):
        return None
    preferences = case.preferences
    is_counted = bool(case.limits.recipient_caps or case.recipient_limits)
    marketing: Sequence[datetime] = case.marketing_sends if is_counted else ()
    left_out = _left_out(marketing, case.now)
    return Extra(
        text_fault=decision.text_fault if isinstance(decision, Refused) else None,
        daily_limit=preferences.daily_limit,
        weekly_limit=preferences.weekly_limit,
        quiet_hours=_quiet_hours(preferences.quiet_hours),
        quiet_periods=[(each.begins, each.ends) for each in preferences.quiet_periods],
        marketing_sends=marketing[left_out:],
        more_windows=[_window(each) for each in case.more_windows],
        left_out=left_out,
        edges=_edges(caps_of(case)[1], marketing, left_out, case) if left_out else (),
        is_held_back=case.is_held_back,
        is_dropped=case.is_dropped,
        plans=[_plan(each) for each in case.plans],
    )


def _plan(plan: Plan) -> PlanPart:
    return PlanPart(plan.starts_at, plan.ends_at, plan.messages, plan.stated_at, plan.accepted)


def _quiet_hours(hours: QuietHours | None) -> Window | None:
    if hours is None:
        return None
    return hours.begins, hours.ends, " ".join(map(str, hours.timezones))
