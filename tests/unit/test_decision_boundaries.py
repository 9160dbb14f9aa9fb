"""Where the relay's answers change: one step on each side of every boundary."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from msgspec.structs import replace

from consent_tokens.consent.preferences import Preferences, QuietHours
from consent_tokens.consent.purposes import Purpose, PurposeClass
from consent_tokens.consent.quiet_periods import QuietPeriod
from consent_tokens.consent.scope import FrequencyCap, SendWindow
from consent_tokens.relay.checks import decide
from consent_tokens.relay.composition import Coding, ComposedText
from consent_tokens.relay.decision import Accepted, Deferred, Reason, Refused, class_of, is_limited
from tests.unit.test_relay_decision import CLAIMS, GRANT, NOON, SCOPE, a_case

SECOND, DAY = timedelta(seconds=1), timedelta(days=1)
PAUSED = Refused(Reason.CONSENT_PAUSED)


def segments(count: int) -> ComposedText:
    return ComposedText(Coding.GSM7, (b"x",) * count)


def test_a_text_of_as_many_segments_as_are_allowed_is_accepted_and_one_more_is_not() -> None:
    assert decide(a_case(composed=segments(8), max_segments=8)) == Accepted(NOON)
    answer = decide(a_case(composed=segments(9), max_segments=8))
    assert answer == Refused(Reason.TEXT_TOO_LONG)


@pytest.mark.parametrize(
    ("begins", "ends", "answer"),
    [
        (NOON, NOON + SECOND, PAUSED),
        (NOON - DAY, NOON + SECOND, PAUSED),
        (NOON + SECOND, NOON + DAY, Accepted(NOON)),
        (NOON - DAY, NOON, Accepted(NOON)),
    ],
)
def test_a_quiet_period_pauses_marketing_from_its_first_moment_to_before_its_last(
    begins: datetime, ends: datetime, answer: Refused | Accepted
) -> None:
    quiet = Preferences(quiet_periods=(QuietPeriod(begins, ends),))
    assert decide(a_case(preferences=quiet)) == answer
    assert decide(a_case(preferences=quiet, purpose="orders.updates")) == Accepted(NOON)


def test_a_quiet_period_counts_at_the_moment_of_leaving() -> None:
    quiet = Preferences(quiet_periods=(QuietPeriod(NOON + DAY, NOON + 2 * DAY),))
    later = {"not_before": NOON + DAY, "valid_until": NOON + 3 * DAY}
    assert decide(a_case(preferences=quiet, **later)) == PAUSED


def test_a_limit_over_all_merchants_names_the_next_day_and_not_the_moment() -> None:
    """The recipient's next midnight: it does not tell when another merchant's message left."""
    preferences = Preferences(daily_limit=1)
    for sent in (NOON, NOON - timedelta(hours=3), NOON - timedelta(hours=11, minutes=59)):
        answer = decide(a_case(preferences=preferences, marketing_sends=[sent]))
        # free on 12 November, so from the 13th on; the send window opens at 09:00 in Shanghai
        assert answer == Refused(Reason.CAP_REACHED, datetime(2021, 11, 13, 1, 0, tzinfo=UTC))
    open_all_day = replace(SCOPE, send_window=SendWindow(0, 1440, ZoneInfo("Asia/Shanghai")))
    case = a_case(
        token=None, grant=replace(GRANT, scope=open_all_day), preferences=preferences,
        marketing_sends=[NOON],
    )  # fmt: skip
    midnight = datetime(2021, 11, 12, 16, 0, tzinfo=UTC)  # 00:00 on the 13th in Shanghai
    assert decide(case) == Refused(Reason.CAP_REACHED, midnight)
    assert a_case(
        token=None, grant=None, preferences=preferences, marketing_sends=[NOON]
    ).next_allowed_at == datetime(2021, 11, 13, tzinfo=UTC)


def test_a_limit_over_all_merchants_counts_no_more_than_its_window() -> None:
    preferences = Preferences(daily_limit=2, weekly_limit=3)
    case = {"preferences": preferences}
    assert decide(a_case(marketing_sends=[NOON - SECOND], **case)) == Accepted(NOON)
    two = [NOON - DAY, NOON - SECOND]
    assert decide(a_case(marketing_sends=two, **case)) == Accepted(NOON)
    two = [NOON - DAY + SECOND, NOON - SECOND]
    assert isinstance(decide(a_case(marketing_sends=two, **case)), Refused)
    three = [NOON - 7 * DAY + SECOND, NOON - 3 * DAY, NOON - 2 * DAY]
    assert isinstance(decide(a_case(marketing_sends=three, **case)), Refused)
    three = [NOON - 7 * DAY, NOON - 3 * DAY, NOON - 2 * DAY]
    assert decide(a_case(marketing_sends=three, **case)) == Accepted(NOON)


@pytest.mark.parametrize("changed", ["token", "grant"])
def test_consent_ends_at_its_end_and_not_before(changed: str) -> None:
    parties = {"token": CLAIMS, "grant": GRANT}
    for ends, answer in (
        (NOON, Refused(Reason.TOKEN_EXPIRED)),
        (NOON + SECOND, Accepted(NOON)),
    ):
        scope = replace(SCOPE, ends_at=ends)
        assert decide(a_case(**{changed: replace(parties[changed], scope=scope)})) == answer


def test_what_would_leave_after_the_end_is_refused_when_it_is_accepted() -> None:
    ends = replace(GRANT, scope=replace(SCOPE, ends_at=NOON + DAY))
    later = {"not_before": NOON + DAY, "valid_until": NOON + 2 * DAY}
    assert decide(a_case(grant=ends, **later)) == Refused(Reason.TOKEN_EXPIRED)


def test_a_message_may_leave_until_its_validity_ends() -> None:
    later = NOON + timedelta(hours=1)
    valid = {"not_before": later}
    assert decide(a_case(valid_until=later + SECOND, **valid)) == Deferred(later)
    answer = decide(a_case(valid_until=later, **valid))
    assert answer == Refused(Reason.OUTSIDE_HOURS, later)


def test_what_was_to_leave_earlier_leaves_now() -> None:
    assert decide(a_case(not_before=NOON - DAY)) == Accepted(NOON)


def test_a_row_of_another_merchant_is_refused_when_there_is_no_token() -> None:
    other = replace(GRANT, merchant_id="other")
    assert decide(a_case(token=None, grant=other)) == Refused(Reason.TOKEN_NOT_YOURS)
    assert decide(a_case(grant=other)) == Refused(Reason.TOKEN_NOT_YOURS)
    assert decide(a_case(token=None)) == Accepted(NOON)


def test_a_frequency_cap_is_free_again_when_its_window_has_passed() -> None:
    narrow = replace(SCOPE, frequency_cap=FrequencyCap(1, DAY))
    party = {"grant": replace(GRANT, scope=narrow), "token": replace(CLAIMS, scope=narrow)}
    assert decide(a_case(counted_sends=[NOON - DAY], **party)) == Accepted(NOON)
    last = NOON - DAY + SECOND
    assert decide(a_case(counted_sends=[last], **party)) == Refused(Reason.CAP_REACHED, last + DAY)


def test_the_next_moment_of_a_cap_lies_in_the_send_window() -> None:
    sent = NOON - timedelta(hours=2)
    narrow = replace(
        SCOPE,
        frequency_cap=FrequencyCap(1, DAY),
        send_window=SendWindow.parse("11:00", "13:00", ZoneInfo("Asia/Shanghai")),
    )
    party = {"grant": replace(GRANT, scope=narrow), "token": None}
    answer = decide(a_case(counted_sends=[sent], **party))
    assert answer == Refused(Reason.CAP_REACHED, datetime(2021, 11, 12, 3, 0, tzinfo=UTC))


def test_a_transactional_message_has_its_own_cap_and_no_send_window() -> None:
    night = NOON + timedelta(hours=10)
    case = {
        "purpose": "orders.updates", "transactional_cap": FrequencyCap(2, DAY), "now": night,
        "not_before": night, "valid_until": night + DAY,
    }  # fmt: skip
    assert decide(a_case(counted_sends=[night], **case)) == Accepted(night)
    answer = decide(a_case(counted_sends=[night - SECOND, night], **case))
    assert answer == Refused(Reason.CAP_REACHED, night - SECOND + DAY)


def test_quiet_hours_bind_transactional_messages_too() -> None:
    rest = QuietHours(11 * 60, 13 * 60, ZoneInfo("Asia/Shanghai"))
    case = a_case(purpose="orders.updates", preferences=Preferences(quiet_hours=rest))
    assert decide(case) == Deferred(NOON + timedelta(hours=1))


def test_send_windows_that_never_overlap_are_given_up_and_refused() -> None:
    """Nine to ten in Shanghai is never nine to ten in New York."""
    here, there = (
        replace(SCOPE, send_window=SendWindow.parse("09:00", "10:00", ZoneInfo(name)))
        for name in ("Asia/Shanghai", "America/New_York")
    )
    case = a_case(token=replace(CLAIMS, scope=here), grant=replace(GRANT, scope=there))
    assert case.send_at > NOON + timedelta(days=900), "it was looked for, for years"
    assert decide(case) == Refused(Reason.TOKEN_EXPIRED)


def test_two_send_windows_are_both_honoured() -> None:
    early, late = (
        replace(SCOPE, send_window=SendWindow.parse(opens, closes, ZoneInfo("Asia/Shanghai")))
        for opens, closes in (("09:00", "15:00"), ("14:00", "20:00"))
    )
    for one, other in ((early, late), (late, early)):
        case = a_case(token=replace(CLAIMS, scope=one), grant=replace(GRANT, scope=other))
        assert decide(case) == Deferred(NOON + timedelta(hours=2))


def test_a_purpose_of_no_catalogue_is_bound_like_marketing() -> None:
    assert is_limited("something.else")
    assert class_of("something.else") is PurposeClass.MARKETING
    assert class_of("finance.loans") is PurposeClass.FINANCE
    assert {purpose for purpose in Purpose if not is_limited(purpose)} == {
        Purpose.ORDERS, Purpose.DELIVERIES, Purpose.APPOINTMENTS, Purpose.NOTICES,
        Purpose.CODES,
    }  # fmt: skip
