"""The relay's decision, by examples and by properties."""

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from consent_tokens.consent.grant import EndReason, Grant, GrantStatus
from consent_tokens.consent.purposes import Purpose, PurposeClass
from consent_tokens.consent.scope import FrequencyCap, Scope, SendWindow
from consent_tokens.relay.case import Case, EventUse, TemplateUse
from consent_tokens.relay.checks import decide
from consent_tokens.relay.composition import compose
from consent_tokens.relay.decision import Accepted, Deferred, Reason, Refused
from consent_tokens.relay.templates.template import OnOverflow, Template, TemplateStatus
from consent_tokens.row_key import RowKey
from consent_tokens.rules.limits import Limits
from consent_tokens.rules_source import packaged_rules
from consent_tokens.tokens.claims import Claims

NOON = datetime(2021, 11, 11, 4, 0, tzinfo=UTC)  # 12:00 in Shanghai
SHANGHAI = ZoneInfo("Asia/Shanghai")
SCOPE = Scope(
    purposes=frozenset({Purpose.PROMOTIONS, Purpose.ORDERS}),
    frequency_cap=FrequencyCap(4, timedelta(days=30)),
    send_window=SendWindow.parse("09:00", "21:00", SHANGHAI),
    ends_at=NOON + timedelta(days=180),
)
GRANT = Grant(
    key=RowKey(1, 2), merchant_id="m", scope=SCOPE, language="en", granted_at=NOON,
    status=GrantStatus.LIVE, status_since=NOON,
)  # fmt: skip
CLAIMS = Claims(
    issuer="i", merchant_id="m", jti="h", issued_at=NOON, scope=SCOPE, channels=("sms",),
    notice=bytes(32), sealed_number=bytes(44),
)  # fmt: skip
GOOD: dict[str, Any] = {
    "merchant_id": "m",
    "is_merchant_active": True,
    "classes": frozenset(PurposeClass),
    "is_demonstration": True,  # tests/unit/test_admission_decision.py has the others
    "has_sender": True,
    "token": CLAIMS,
    "grant": GRANT,
    "purpose": "marketing.promotions",
    "text": "hello",
    "composed": compose("hello"),
    "max_segments": 8,
    "counted_sends": (),
    "transactional_cap": FrequencyCap(20, timedelta(days=1)),
    "not_before": NOON,
    "valid_until": NOON + timedelta(days=1),
    "now": NOON,
}
TEMPLATE = Template(
    id="tpl_1", version=1, merchant_id="m", purpose="marketing.promotions", text="hello",
    variables={}, on_overflow=OnOverflow.REFUSE, event_type="order", texts_per_event=2,
    is_essential=False, status=TemplateStatus.APPROVED,
)  # fmt: skip


def using(**changes: Any) -> TemplateUse:  # noqa: ANN401 - members of Template
    return TemplateUse(replace(TEMPLATE, **changes))


# what makes each refusal, alone: in the order in which the relay asks
FAULTS: dict[Reason, dict[str, Any]] = {
    Reason.MERCHANT_SUSPENDED: {"is_merchant_active": False},
    Reason.TOKEN_MALFORMED: {"token": Reason.TOKEN_MALFORMED},
    Reason.TOKEN_SIGNATURE_INVALID: {"token": Reason.TOKEN_SIGNATURE_INVALID},
    Reason.TOKEN_EXPIRED: {"token": replace(CLAIMS, scope=replace(SCOPE, ends_at=NOON))},
    Reason.TOKEN_NOT_YOURS: {"token": replace(CLAIMS, merchant_id="other"), "grant": None},
    Reason.CONSENT_REVOKED: {"grant": GRANT.ended(NOON, EndReason.CONSUMER)},
    Reason.CONSENT_PAUSED: {"grant": replace(GRANT, status=GrantStatus.PAUSED)},
    Reason.PURPOSE_NOT_GRANTED: {"purpose": "marketing.events"},
    Reason.CHANNEL_NOT_GRANTED: {"token": replace(CLAIMS, channels=("email",))},
    Reason.SENDER_NOT_ADMITTED: {"has_sender": False},
    Reason.CLASS_NOT_ADMITTED: {"classes": frozenset()},
    Reason.TEMPLATE_REQUIRED: {
        "purpose": "orders.updates", "template": None, "is_demonstration": False,
    },
    Reason.TEMPLATE_REJECTED: {"template": using(status=TemplateStatus.WITHDRAWN)},
    Reason.CONTENT_REJECTED: {"text": "a\u202eb"},
    Reason.TEXT_TOO_LONG: {"composed": compose("x" * 5000)},
    Reason.EVENT_REQUIRED: {"template": using(), "event": None, "is_demonstration": False},
    Reason.EVENT_USED: {"template": using(), "event": EventUse("order", 2)},
    Reason.RULE_FORBIDS: {"limits": Limits(forbidding=packaged_rules().packs["cn"].rules[:1])},
    Reason.CAP_REACHED: {"counted_sends": (NOON,) * 4},
    Reason.OUTSIDE_HOURS: {
        "not_before": NOON + timedelta(hours=10), "valid_until": NOON + timedelta(hours=11),
    },
    Reason.HELD_BACK: {
        "template": using(status=TemplateStatus.HELD), "event": EventUse("order", 0),
    },
}  # fmt: skip


def a_case(**changes: Any) -> Case:  # noqa: ANN401 - a builder takes what it is given
    return Case(**{**GOOD, **changes})


def test_a_message_within_the_grant_leaves_at_once() -> None:
    assert decide(a_case()) == Accepted(NOON)


@pytest.mark.parametrize("reason", list(Reason))
def test_each_refusal_has_one_cause(reason: Reason) -> None:
    decision = decide(a_case(**FAULTS[reason]))
    assert isinstance(decision, Refused)
    assert decision.reason is reason
    assert reason.value == reason.name.lower()


@given(st.sets(st.sampled_from(list(Reason)), min_size=1))
def test_of_several_causes_the_first_in_order_is_told(reasons: set[Reason]) -> None:
    ordered = [reason for reason in Reason if reason in reasons]
    changes: dict[str, Any] = {}
    for reason in reversed(ordered):
        changes |= FAULTS[reason]
    made = {
        reason
        for reason in ordered
        if all(changes.get(name) == value for name, value in FAULTS[reason].items())
    }
    decision = decide(a_case(**changes))
    assert isinstance(decision, Refused)
    if ordered[0] in made and len(made) == len(ordered):
        assert decision.reason is ordered[0]


@given(
    hour=st.integers(0, 47),
    opens=st.integers(0, 1439),
    length=st.integers(1, 1440),
    zone=st.sampled_from(["Asia/Shanghai", "Europe/Berlin", "America/New_York", "Asia/Kolkata"]),
)
def test_what_is_accepted_leaves_within_all_hours(
    hour: int, opens: int, length: int, zone: str
) -> None:
    hours = SendWindow(opens, min(1440, opens + length), ZoneInfo(zone))
    grant = replace(GRANT, scope=replace(SCOPE, send_window=hours))
    now = datetime(2026, 10, 24, tzinfo=UTC) + timedelta(hours=hour)  # over the end of summer time
    case = a_case(
        grant=grant,
        token=None,
        now=now,
        not_before=now,
        valid_until=now + timedelta(days=9),
    )
    grant_ends = replace(grant, scope=replace(hours_scope(hours), ends_at=now + timedelta(days=99)))
    decision = decide(replace_case(case, grant=grant_ends))
    assert isinstance(decision, Accepted | Deferred)
    local = decision.send_at.astimezone(ZoneInfo(zone))
    assert hours.opens <= local.hour * 60 + local.minute < hours.closes
    assert decision.send_at >= now


def hours_scope(hours: SendWindow) -> Scope:
    return replace(SCOPE, send_window=hours)


def replace_case(case: Case, **changes: Any) -> Case:  # noqa: ANN401 - see a_case
    return a_case(**{name: getattr(case, name) for name in GOOD} | changes)


def test_the_smaller_of_token_and_row_is_honoured() -> None:
    narrow = replace(
        SCOPE,
        purposes=frozenset({Purpose.ORDERS}),
        frequency_cap=FrequencyCap(1, timedelta(days=30)),
    )
    for changes in (
        {"grant": replace(GRANT, scope=narrow)},
        {"token": replace(CLAIMS, scope=narrow)},
    ):
        assert decide(a_case(**changes)) == Refused(Reason.PURPOSE_NOT_GRANTED)
    fewer = replace(SCOPE, frequency_cap=FrequencyCap(1, timedelta(days=30)))
    for changes in (
        {"grant": replace(GRANT, scope=fewer)},
        {"token": replace(CLAIMS, scope=fewer)},
    ):
        again = NOON + timedelta(days=30)
        assert decide(a_case(counted_sends=(NOON,), **changes)) == Refused(
            Reason.CAP_REACHED, again
        )


def test_at_night_it_waits_for_the_morning() -> None:
    night = NOON + timedelta(hours=10)  # 22:00 in Shanghai
    answer = decide(a_case(now=night, not_before=night, valid_until=night + timedelta(days=1)))
    assert answer == Deferred(datetime(2021, 11, 12, 1, 0, tzinfo=UTC))


@pytest.mark.parametrize(
    ("zone", "day", "utc"),
    [
        ("Europe/Berlin", datetime(2026, 3, 29, 5, tzinfo=UTC), "2026-03-29T07:00:00+00:00"),
        ("Europe/Berlin", datetime(2026, 10, 25, 5, tzinfo=UTC), "2026-10-25T08:00:00+00:00"),
        ("America/New_York", datetime(2026, 11, 1, 9, tzinfo=UTC), "2026-11-01T14:00:00+00:00"),
    ],
)
def test_on_the_days_when_clocks_change_nine_is_nine_on_the_wall(
    zone: str, day: datetime, utc: str
) -> None:
    hours = SendWindow.parse("09:00", "21:00", ZoneInfo(zone))
    assert hours.next_open(day).isoformat() == utc


def test_deciding_again_gives_the_same() -> None:
    case = a_case(counted_sends=(NOON,) * 2)
    assert decide(case) == decide(case)
