"""Grants, scopes, requests, codes and preferences: one step on each side of every boundary."""

import pickle
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from msgspec.structs import replace

from consent_tokens.consent import one_time_code
from consent_tokens.consent.grant import EndReason, Grant, GrantStatus
from consent_tokens.consent.keywords import DEFAULT_MATCHER, Intent, Interpretation
from consent_tokens.consent.one_time_code import Challenge, format_code
from consent_tokens.consent.phone import PhoneNumber
from consent_tokens.consent.preferences import Preferences, QuietHours
from consent_tokens.consent.purposes import Purpose, PurposeClass, in_catalogue_order
from consent_tokens.consent.quiet_periods import SEASONS, QuietPeriod, quiet_until
from consent_tokens.consent.request import ConsentRequest, RequestedTerms, RequestStatus
from consent_tokens.consent.scope import (
    FrequencyCap,
    Scope,
    ScopeReduction,
    SendWindow,
    parse_time_of_day,
    purposes_of,
    send_window_of,
)
from consent_tokens.errors import ConflictError, GoneError
from consent_tokens.row_key import RowKey

SHANGHAI = ZoneInfo("Asia/Shanghai")
SECOND, DAY = timedelta(seconds=1), timedelta(days=1)
NOW = datetime(2026, 1, 1, 4, 0, tzinfo=UTC)  # 12:00 in Shanghai
END = NOW + 10 * DAY
SCOPE = Scope(
    purposes=frozenset({Purpose.PROMOTIONS, Purpose.ORDERS}),
    frequency_cap=FrequencyCap(4, 30 * DAY),
    send_window=SendWindow(540, 1260, SHANGHAI),
    ends_at=END,
)
GRANT = Grant(
    key=RowKey(1, 2), merchant_id="m", scope=SCOPE, language="en", granted_at=NOW,
    status=GrantStatus.LIVE, status_since=NOW,
)  # fmt: skip
REQUEST = ConsentRequest(
    key=RowKey(1, 3), merchant_id="m", created_at=NOW, expires_at=END,
    terms=RequestedTerms(
        purposes=SCOPE.purposes, frequency_cap=SCOPE.frequency_cap, opens="09:00", closes="21:00",
        valid_for=10 * DAY, locale="en",
    ),
)  # fmt: skip


# --- scope ----------------------------------------------------------------------------------------
@pytest.mark.parametrize(("limit", "days"), [(1, 1), (1000, 365)])
def test_a_frequency_cap_may_be_at_its_bounds(limit: int, days: int) -> None:
    cap = FrequencyCap(limit, timedelta(days=days))
    assert (cap.limit, cap.window.days) == (limit, days)


@pytest.mark.parametrize(
    ("text", "minutes"),
    [("00:00", 0), ("09:05", 545), ("19:59", 1199), ("23:59", 1439), ("24:00", 1440)],
)
def test_a_time_of_day_is_minutes_since_midnight(text: str, minutes: int) -> None:
    assert parse_time_of_day(text) == minutes


@pytest.mark.parametrize("text", ["25:00", "30:00", "24:59", "09:5", "x09:00", "09.00"])
def test_other_times_of_day_do_not_exist(text: str) -> None:
    with pytest.raises(ValueError, match="time"):
        parse_time_of_day(text)


@pytest.mark.parametrize(("opens", "closes"), [(-1, 5), (5, 5), (6, 5), (0, 1441)])
def test_a_send_window_lies_within_one_day(opens: int, closes: int) -> None:
    assert send_window_of(0, 1440, "UTC") == SendWindow(0, 1440, ZoneInfo("UTC"))
    with pytest.raises(ValueError, match="within one day"):
        SendWindow(opens, closes, SHANGHAI)


def at(hour: int, minute: int = 0, *, day: int = 1, second: int = 0) -> datetime:
    return datetime(2026, 1, day, hour, minute, second, tzinfo=SHANGHAI).astimezone(UTC)


@pytest.mark.parametrize(
    ("moment", "leaves"),
    [
        (at(9, 30), at(9, 30)),
        (at(9, 29, second=59), at(9, 30)),
        (at(0), at(9, 30)),
        (at(21, 14, second=59), at(21, 14, second=59)),
        (at(21, 15), at(9, 30, day=2)),
        (at(23, 59), at(9, 30, day=2)),
    ],
)
def test_a_send_window_opens_inclusive_and_closes_exclusive(
    moment: datetime, leaves: datetime
) -> None:
    found = SendWindow(9 * 60 + 30, 21 * 60 + 15, SHANGHAI).next_open(moment)
    assert found == leaves
    assert found.tzinfo is moment.tzinfo


def test_purposes_are_read_by_their_names() -> None:
    assert purposes_of("orders.updates marketing.events") == {Purpose.ORDERS, Purpose.EVENTS}
    with pytest.raises(ValueError, match="is no purpose"):
        purposes_of("orders.updates,marketing.events")


@pytest.mark.parametrize(
    ("reduction", "changed"),
    [
        (ScopeReduction(), {}),
        (ScopeReduction(purposes=frozenset({Purpose.ORDERS})), {"purposes": {Purpose.ORDERS}}),
        (
            ScopeReduction(purposes=frozenset({Purpose.ORDERS, Purpose.EVENTS})),
            {"purposes": {Purpose.ORDERS}},
        ),
        (ScopeReduction(max_messages=4), {}),
        (ScopeReduction(max_messages=3), {"frequency_cap": FrequencyCap(3, 30 * DAY)}),
        (ScopeReduction(opens=540, closes=1260), {}),
        (ScopeReduction(opens=600), {"send_window": SendWindow(600, 1260, SHANGHAI)}),
        (ScopeReduction(closes=600), {"send_window": SendWindow(540, 600, SHANGHAI)}),
    ],
)
def test_a_scope_is_narrowed_by_what_is_named(
    reduction: ScopeReduction, changed: dict[str, object]
) -> None:
    assert SCOPE.narrowed_by(reduction) == replace(SCOPE, **changed)


@pytest.mark.parametrize(
    "reduction",
    [
        ScopeReduction(purposes=frozenset()),
        ScopeReduction(purposes=frozenset({Purpose.EVENTS})),
        ScopeReduction(max_messages=5),
        ScopeReduction(max_messages=0),
        ScopeReduction(opens=539),
        ScopeReduction(opens=0),
        ScopeReduction(closes=1261),
    ],
)
def test_a_scope_is_never_widened_or_emptied(reduction: ScopeReduction) -> None:
    with pytest.raises(ValueError, match=r"more|purpose|cap"):
        SCOPE.narrowed_by(reduction)


def test_a_scope_may_end_earlier_and_not_later() -> None:
    assert SCOPE.narrowed_by(ScopeReduction(), ends=END) == SCOPE
    assert SCOPE.narrowed_by(ScopeReduction(), ends=END - SECOND).ends_at == END - SECOND
    with pytest.raises(ValueError, match="more"):
        SCOPE.narrowed_by(ScopeReduction(), ends=END + SECOND)
    assert SCOPE.with_end(END + DAY) == replace(SCOPE, ends_at=END + DAY)


# --- grant ----------------------------------------------------------------------------------------
@pytest.mark.parametrize("status", [GrantStatus.LIVE, GrantStatus.PAUSED])
def test_a_grant_expires_at_its_end_by_itself(status: GrantStatus) -> None:
    grant = replace(GRANT, status=status)
    assert grant.status_at(END - SECOND) is status
    assert grant.status_at(END) is GrantStatus.EXPIRED
    assert not grant.is_ended, "its end is yet to be recorded"
    with pytest.raises(ConflictError):
        grant.paused(END)
    with pytest.raises(ConflictError):
        grant.with_scope(END, SCOPE)


@pytest.mark.parametrize("reason", list(EndReason))
def test_a_grant_ends_once_and_for_good(reason: EndReason) -> None:
    ended = GRANT.ended(NOW + DAY, reason)
    is_expiry = reason is EndReason.EXPIRY
    assert ended.status is (GrantStatus.EXPIRED if is_expiry else GrantStatus.REVOKED)
    assert ended.status_since == NOW + DAY
    assert ended.is_ended
    assert ended.ended(NOW + 2 * DAY, EndReason.MERCHANT) is ended
    assert ended.status_at(END + DAY) is ended.status, "revoked stays revoked after its end"
    for change in (ended.paused, ended.resumed, lambda now: ended.with_scope(now, SCOPE)):
        with pytest.raises(ConflictError):
            change(NOW + DAY)


def test_a_pause_can_be_taken_back() -> None:
    paused = GRANT.paused(NOW + DAY)
    assert (paused.status, paused.status_since) == (GrantStatus.PAUSED, NOW + DAY)
    assert paused.paused(NOW + 2 * DAY) is paused
    assert GRANT.resumed(NOW + DAY) is GRANT
    resumed = paused.resumed(NOW + 3 * DAY)
    assert (resumed.status, resumed.status_since) == (GrantStatus.LIVE, NOW + 3 * DAY)
    narrow = SCOPE.narrowed_by(ScopeReduction(max_messages=1))
    assert paused.with_scope(NOW + 2 * DAY, narrow) == replace(paused, scope=narrow)


def test_names_of_grants_requests_and_reasons_are_kept_in_databases() -> None:
    assert [str(each) for each in GrantStatus] == ["live", "paused", "revoked", "expired"]
    assert [str(each) for each in RequestStatus] == ["pending", "granted", "declined", "expired"]
    assert all(each.value == each.name.lower() for each in (*EndReason, *Intent))


# --- request --------------------------------------------------------------------------------------
def test_a_request_expires_when_nobody_answers() -> None:
    assert REQUEST.status_at(END - SECOND) is RequestStatus.PENDING
    assert REQUEST.status_at(END) is RequestStatus.EXPIRED
    for answer in (REQUEST.declined, lambda now: REQUEST.granted(now, grant_key=RowKey(1, 2))):
        assert answer(END - SECOND).decided_at == END - SECOND
        with pytest.raises(ConflictError):
            answer(END)


def test_a_request_is_answered_once() -> None:
    granted = REQUEST.granted(NOW, grant_key=RowKey(7, 8))
    assert (granted.status, granted.grant_key) == (RequestStatus.GRANTED, RowKey(7, 8))
    declined = REQUEST.declined(NOW)
    assert (declined.status, declined.grant_key) == (RequestStatus.DECLINED, None)
    for answered in (granted, declined):
        assert answered.status_at(END + DAY) is answered.status
        with pytest.raises(ConflictError):
            answered.declined(NOW)
        with pytest.raises(ConflictError):
            answered.granted(NOW, grant_key=RowKey(1, 2))


def test_a_token_waits_24_hours() -> None:
    granted = REQUEST.granted(NOW, grant_key=RowKey(1, 2))
    assert granted.require_token_available(NOW) is True
    assert granted.require_token_available(NOW + DAY - SECOND) is True
    with pytest.raises(GoneError):
        granted.require_token_available(NOW + DAY)
    for other in (REQUEST, REQUEST.declined(NOW)):
        with pytest.raises(ConflictError):
            other.require_token_available(NOW)


def test_what_is_agreed_counts_from_the_yes() -> None:
    zone = ZoneInfo("Europe/Berlin")
    agreed = REQUEST.scope_for(ScopeReduction(days=3, max_messages=2), (zone,), NOW)
    assert agreed == Scope(
        purposes=SCOPE.purposes, frequency_cap=FrequencyCap(2, 30 * DAY),
        send_window=SendWindow(540, 1260, zone), ends_at=NOW + 3 * DAY,
    )  # fmt: skip
    assert REQUEST.scope_for(ScopeReduction(), (zone,), NOW).ends_at == NOW + 10 * DAY
    assert REQUEST.scope_for(ScopeReduction(days=10), (zone,), NOW).ends_at == NOW + 10 * DAY
    with pytest.raises(ValueError, match="more"):
        REQUEST.scope_for(ScopeReduction(days=11), (zone,), NOW)


# --- one-time codes -------------------------------------------------------------------------------
def test_a_code_has_six_digits_five_minutes_and_five_tries() -> None:
    assert format_code(0) == "000000"
    assert format_code(999_999) == "999999"
    assert one_time_code.CODE_SPACE == 1_000_000
    challenge = Challenge(
        id=b"i", intent="login", code_hash=b"h", sealed_number=b"n", failures_key=b"f", sent_at=NOW
    )
    assert challenge.is_open(NOW + timedelta(minutes=5) - SECOND)
    assert not challenge.is_open(NOW + timedelta(minutes=5))
    for attempt in range(1, 5):
        challenge = challenge.with_attempt(is_right=False)
        assert challenge.attempts == attempt
        assert challenge.is_open(NOW)
    assert not challenge.with_attempt(is_right=False).is_open(NOW)
    used = challenge.with_attempt(is_right=True)
    assert used.is_used
    assert not used.is_open(NOW)
    assert (
        not Challenge(
            id=b"i", intent="x", code_hash=b"", sealed_number=b"", failures_key=b"", sent_at=NOW
        )
        .with_attempt(is_right=True)
        .is_open(NOW)
    ), "good once"


# --- preferences ----------------------------------------------------------------------------------
def test_a_quiet_period_begins_inclusive_and_ends_exclusive() -> None:
    quiet = QuietPeriod(NOW, NOW + DAY)
    assert quiet.covers(NOW)
    assert quiet.covers(NOW + DAY - SECOND)
    assert not quiet.covers(NOW - SECOND)
    assert not quiet.covers(NOW + DAY)
    for begins in (NOW, NOW + SECOND):
        with pytest.raises(ValueError, match="before it ends"):
            QuietPeriod(begins, NOW)


@pytest.mark.parametrize(
    ("begins", "ends"), [(0, 1439), (1439, 0), (1440, 1), (1, 1440), (1439, 1440)]
)
def test_quiet_hours_may_reach_from_midnight_to_midnight(begins: int, ends: int) -> None:
    hours = QuietHours(begins, ends, SHANGHAI)
    assert (hours.begins, hours.ends) == (begins, ends)


@pytest.mark.parametrize(("begins", "ends"), [(1440, 0), (1440, 1440), (1441, 5), (5, -1)])
def test_quiet_hours_out_of_a_day_do_not_exist(begins: int, ends: int) -> None:
    with pytest.raises(ValueError, match="times of the day"):
        QuietHours(begins, ends, SHANGHAI)


@pytest.mark.parametrize(
    ("begins", "ends", "moment", "awake"),
    [
        (780, 830, at(12, 59, second=59), at(12, 59, second=59)),
        (780, 830, at(13), at(13, 50)),
        (780, 830, at(13, 49, second=59), at(13, 50)),
        (780, 830, at(13, 50), at(13, 50)),
        (1320, 450, at(21, 59), at(21, 59)),
        (1320, 450, at(22), at(7, 30, day=2)),
        (1320, 450, at(0, day=2), at(7, 30, day=2)),
        (1320, 450, at(7, 29, second=30, day=2), at(7, 30, day=2)),
        (1320, 450, at(7, 30, day=2), at(7, 30, day=2)),
        (1320, 1440, at(23), at(0, day=2)),
        (1440, 60, at(0, day=2), at(1, day=2)),
        (1320, 0, at(22), at(0, day=2)),
        (1320, 0, at(21, 59), at(21, 59)),
    ],
)
def test_quiet_hours_end_at_the_next_end(
    begins: int, ends: int, moment: datetime, awake: datetime
) -> None:
    assert QuietHours(begins, ends, SHANGHAI).next_end(moment) == awake


def test_limits_over_all_merchants_are_sliding_windows_within_bounds() -> None:
    assert Preferences().rate_limits == ()
    both = Preferences(daily_limit=100, weekly_limit=500)
    assert both.rate_limits == (FrequencyCap(100, DAY), FrequencyCap(500, 7 * DAY))
    assert Preferences(weekly_limit=1).rate_limits == (FrequencyCap(1, 7 * DAY),)
    assert Preferences(daily_limit=1).rate_limits == (FrequencyCap(1, DAY),)
    for day, week in ((0, None), (101, None), (None, 0), (None, 501), (5, 501)):
        with pytest.raises(ValueError, match="a limit"):
            Preferences(daily_limit=day, weekly_limit=week)


def test_without_a_quiet_period_nothing_is_quiet() -> None:
    assert Preferences().is_quiet_at(NOW) is False
    assert Preferences().no_invitations is False
    assert Preferences(quiet_periods=(QuietPeriod(NOW, NOW + DAY),)).is_quiet_at(NOW)


@pytest.mark.parametrize(
    ("name", "now", "begins", "ends"),
    [
        ("double11", "2026-01-01 12:00", "2026-11-01 00:00", "2026-11-16 00:00"),
        ("618", "2026-01-01 12:00", "2026-06-01 00:00", "2026-06-21 00:00"),
        ("618", "2026-06-20 23:59", "2026-06-20 23:59", "2026-06-21 00:00"),
        ("618", "2026-06-21 00:00", "2027-06-01 00:00", "2027-06-21 00:00"),
    ],
)
def test_a_season_is_these_days(name: str, now: str, begins: str, ends: str) -> None:
    season = {each.name: each for each in SEASONS}[name]
    at_, begins_, ends_ = (
        datetime.fromisoformat(each).replace(tzinfo=SHANGHAI).astimezone(UTC)
        for each in (now, begins, ends)
    )
    assert season.next_quiet_period(at_, SHANGHAI) == QuietPeriod(begins_, ends_)


def test_quiet_until_a_day_ends_within_two_years() -> None:
    assert quiet_until(date(2026, 1, 1), NOW, SHANGHAI) == QuietPeriod(NOW, at(0, day=2))
    with pytest.raises(ValueError, match="two years"):
        quiet_until(date(2025, 12, 31), NOW, SHANGHAI)
    midnight = datetime(2026, 1, 1, tzinfo=UTC)
    utc = ZoneInfo("UTC")
    with pytest.raises(ValueError, match="two years"):
        quiet_until(date(2025, 12, 31), midnight, utc)  # it ends at this very moment
    last = date(2026, 1, 1) + timedelta(days=730)
    assert quiet_until(last, midnight, utc).ends == midnight + timedelta(days=731)
    with pytest.raises(ValueError, match="two years"):
        quiet_until(last + timedelta(days=1), midnight, utc)


# --- purposes, phones, keywords -------------------------------------------------------------------
def test_purposes_keep_their_values_and_keyword_numbers() -> None:
    marketing, finance, transactional = PurposeClass
    assert [(str(each), each.keyword_number, each.purpose_class) for each in Purpose] == [
        ("marketing.promotions", 1, marketing),
        ("marketing.recommendations", 2, marketing),
        ("marketing.events", 3, marketing),
        ("marketing.surveys", 4, marketing),
        ("finance.loans", 9, finance),
        ("finance.credit", 10, finance),
        ("finance.insurance", 11, finance),
        ("finance.collection", 12, finance),
        ("orders.updates", 5, transactional),
        ("orders.deliveries", 6, transactional),
        ("service.appointments", 7, transactional),
        ("service.notices", 8, transactional),
        ("account.code", 13, transactional),
    ]
    assert [each.is_limited for each in PurposeClass] == [True, True, False]
    assert Purpose("marketing.events") is Purpose.EVENTS
    chosen = frozenset({Purpose.NOTICES, Purpose.EVENTS, Purpose.PROMOTIONS})
    assert in_catalogue_order(chosen) == (Purpose.PROMOTIONS, Purpose.EVENTS, Purpose.NOTICES)


@pytest.mark.parametrize(
    ("text", "region", "e164"),
    [
        ("+8613912345678", None, "+8613912345678"),
        ("139 1234 5678", "CN", "+8613912345678"),
        ("+86 139-1234-5678".ljust(40), None, "+8613912345678"),
    ],
)
def test_a_number_is_read_as_people_type_it(text: str, region: str | None, e164: str) -> None:
    assert PhoneNumber.parse(text, region).reveal() == e164


@pytest.mark.parametrize(
    "text", ["", "x", "13912345678", "+86139", "+8613912345678".ljust(41), "+86139123456789012"]
)
def test_what_is_no_number_is_refused_without_its_text(text: str) -> None:
    with pytest.raises(ValueError, match=r"^not a phone number$") as fault:
        PhoneNumber.parse(text)
    assert fault.value.__suppress_context__ or fault.value.__context__ is None


def test_a_number_tells_its_kind_region_range_and_time_zone() -> None:
    mobile, fixed = PhoneNumber.parse("+8613912345678"), PhoneNumber.parse("+861065529988")
    british, unassigned = PhoneNumber.parse("+447400123456"), PhoneNumber.parse("+8611012345678")
    assert mobile.can_receive_sms
    assert PhoneNumber.parse("+12015550123").can_receive_sms  # fixed line or mobile
    assert not fixed.can_receive_sms
    assert not unassigned.can_receive_sms
    assert mobile.is_in_regions(frozenset({"CN", "GB"}))
    assert mobile.is_in_regions(frozenset())
    assert not british.is_in_regions(frozenset({"CN"}))
    assert mobile.number_range() == "+861391234"
    berlin = ZoneInfo("Europe/Berlin")
    assert mobile.timezones(berlin) == (SHANGHAI,)
    assert british.timezones(berlin) == (ZoneInfo("Europe/London"),)
    assert PhoneNumber.parse("+80012345678").timezones(berlin) == (berlin,)  # of no country


def test_a_number_leaves_by_one_word_only() -> None:
    number = PhoneNumber.parse("+8613912345678")
    assert repr(number) == str(number) == "PhoneNumber()"
    for leak in (lambda: f"{number}", lambda: pickle.dumps(number)):
        with pytest.raises(TypeError, match="phone number"):
            leak()


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("STOP", Interpretation(Intent.STOP, "en")),
        ("stop?", Interpretation(Intent.UNCLEAR, "en")),
        ("stop all?", Interpretation(Intent.UNCLEAR, "en")),
        ("help?", Interpretation(Intent.HELP, "en")),
        ("?", Interpretation(Intent.HELP, "zh")),
        ("yes", Interpretation(Intent.YES, "en")),
        ("🛑", Interpretation(Intent.STOP, "en")),
        ("退訂", Interpretation(Intent.STOP, "zh")),
        ("stop".rjust(40), Interpretation(Intent.STOP, "en")),
        ("s t o p", Interpretation(Intent.STOP, "en")),
        ("stop" + "." * 36, Interpretation(Intent.STOP, "en")),
        ("revoke" + "!" * 34, Interpretation(Intent.STOP, "en")),
        ("oui" + "!" * 77, Interpretation(Intent.YES, "fr")),
        ("oui" + "!" * 78, Interpretation(Intent.YES, "fr")),
        ("STOP 5", Interpretation(Intent.STOP, "en", frozenset({Purpose.ORDERS}))),
        ("退订 5", Interpretation(Intent.STOP, "zh", frozenset({Purpose.ORDERS}))),
        ("how do I stop this?", Interpretation(Intent.UNCLEAR, "en")),
        ("please stop texting me", Interpretation(Intent.STOP, "en")),
        ("please stop texting me, all of you", Interpretation(Intent.STOP, "en")),
        ("please stop texting me, all shops", Interpretation(Intent.STOP_ALL, "en")),
        ("please leave me alone, everyone", Interpretation(Intent.STOP, "en")),
        ("别 再 发 短 信 了", Interpretation(Intent.STOP, "zh")),
        ("怎 么 退 订", Interpretation(Intent.UNCLEAR, "zh")),
        ("1234", Interpretation(Intent.UNCLEAR)),
        ("12 34 56 78", Interpretation(Intent.UNCLEAR)),
        ("123", Interpretation(Intent.OTHER)),
        ("123456789", Interpretation(Intent.OTHER)),
        ("the bus will stop here", Interpretation(Intent.OTHER, "en")),
        ("good morning", Interpretation(Intent.OTHER, "en")),
        ("please stop texting me " + "x" * 277, Interpretation(Intent.STOP, "en")),
        ("please stop texting me " + "x" * 9000, Interpretation(Intent.STOP, "en")),
        ("", Interpretation(Intent.OTHER)),
    ],
)
def test_a_reply_is_read_as(text: str, read: Interpretation) -> None:
    assert DEFAULT_MATCHER.interpret(text) == read


def test_an_operators_words_replace_those_of_the_table() -> None:
    own = DEFAULT_MATCHER.extended_with({"it": {Intent.NO: ("stop",), Intent.STOP: ("alt", "oui")}})
    assert own.interpret("stop") == Interpretation(Intent.NO, "it")
    assert own.interpret("alt") == Interpretation(Intent.STOP, "it")
    assert own.interpret("oui") == Interpretation(Intent.STOP, "it")
    assert own.interpret("ja") == Interpretation(Intent.YES, "de")
