"""Promise 6: at most N in any D days, also when many race for the last one."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Barrier

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import text

from consent_tokens.clock import SystemClock
from consent_tokens.consent.scope import FrequencyCap
from consent_tokens.relay.frequency_cap import next_allowed_at, remaining
from consent_tokens.rules_source import RulesSource
from tests.fixtures import dispatch_round
from tests.service import ORDERS, PROMOTIONS, WIDE, Merchant, Service
from tests.unit.test_rule_limits import rules_of

START = datetime(2021, 11, 11, tzinfo=UTC)
MINUTES = st.integers(0, 60 * 24 * 90)


def crowded(cap: FrequencyCap, slots: list[datetime]) -> bool:
    """Whether any window of D days holds more than N: by its definition, slowly."""
    return any(
        sum(first <= other < first + cap.window for other in slots) > cap.limit for first in slots
    )


@given(
    st.lists(st.tuples(MINUTES, st.integers(0, 3 * 24 * 60)), max_size=40),
    st.integers(1, 5),
    st.integers(1, 30),
)
def test_no_window_ever_holds_more_than_the_cap(
    asked: list[tuple[int, int]], most: int, days: int
) -> None:
    """Whatever is asked in whatever order, also for later: past and planned slots alike."""
    cap = FrequencyCap(most, timedelta(days=days))
    slots: list[datetime] = []
    for at, ahead in asked:
        wanted = START + timedelta(minutes=at + ahead)
        if next_allowed_at(cap, slots, wanted) == wanted:
            slots = sorted([*slots, wanted])
        assert not crowded(cap, slots)


@given(st.lists(MINUTES, max_size=30), MINUTES, st.integers(1, 5), st.integers(1, 30))
def test_the_next_free_moment_is_free_and_is_the_first(
    minutes: list[int], at: int, most: int, days: int
) -> None:
    cap = FrequencyCap(most, timedelta(days=days))
    slots: list[datetime] = []
    for minute in minutes:
        wanted = START + timedelta(minutes=minute)
        if next_allowed_at(cap, slots, wanted) == wanted:
            slots = sorted([*slots, wanted])
    wanted = START + timedelta(minutes=at)
    again = next_allowed_at(cap, slots, wanted)
    assert again >= wanted
    assert not crowded(cap, sorted([*slots, again]))
    edges = [wanted, *(slot + cap.window for slot in slots), *(slot for slot in slots)]
    earlier = [edge for edge in edges if wanted <= edge < again]
    assert all(crowded(cap, sorted([*slots, edge])) for edge in earlier)


@given(st.lists(MINUTES, max_size=20), st.integers(1, 5))
def test_what_remains_is_exactly_what_still_fits(minutes: list[int], most: int) -> None:
    cap = FrequencyCap(most, timedelta(days=7))
    slots: list[datetime] = []
    for minute in minutes:
        wanted = START + timedelta(minutes=minute)
        if next_allowed_at(cap, slots, wanted) == wanted:
            slots = sorted([*slots, wanted])
    now = START + timedelta(days=20)
    left = remaining(cap, slots, now)
    for _ in range(left):
        assert next_allowed_at(cap, slots, now) == now
        slots = sorted([*slots, now])
    assert next_allowed_at(cap, slots, now) != now


def test_the_window_slides(service: Service) -> None:
    merchant, consumer = service.merchant(), service.consumer()
    token = service.obtain_token(merchant, consumer, max_messages=2, per_days=7)
    assert merchant.send(token).status_code == 202
    service.clock.advance(timedelta(days=3))
    assert merchant.send(token).status_code == 202
    refused = merchant.send(token)
    assert (refused.json["code"], refused.json["next_at"]) == (
        "cap_reached",
        "2021-11-18T04:00:00+00:00",
    )
    introspected = merchant.post("/v1/tokens/introspect", {"token": token}).json
    assert (introspected["remaining"], introspected["next_at"]) == (0, "2021-11-18T04:00:00+00:00")
    service.clock.advance(timedelta(days=4))
    assert merchant.send(token).status_code == 202
    assert merchant.send(token).json["code"] == "cap_reached"


def test_a_refused_message_costs_nothing(service: Service) -> None:
    merchant, consumer = service.merchant(), service.consumer()
    token = service.obtain_token(merchant, consumer, max_messages=1)
    for _ in range(5):
        assert merchant.send(token, text="\u202e").status_code == 422
    assert merchant.send(token).status_code == 202


def test_transactional_messages_have_a_wide_limit_of_their_own(service: Service) -> None:
    merchant, consumer = service.merchant(), service.consumer()
    token = service.obtain_token(merchant, consumer, PROMOTIONS, ORDERS, max_messages=1)
    codes = [merchant.send(token, ORDERS).json.get("code") for _ in range(21)]
    assert codes == [None] * 20 + ["cap_reached"]
    assert merchant.send(token, PROMOTIONS).status_code == 202


def test_a_message_that_left_late_counts_from_when_it_left(service: Service) -> None:
    """Planned on time, left two hours late: the next one waits those two hours as well."""
    merchant, consumer = service.merchant(), service.consumer()
    token = service.obtain_token(merchant, consumer, max_messages=1, per_days=7)
    begun = len(consumer.texts())
    assert merchant.send(token).status_code == 202
    ahead = service.clock.now() + timedelta(days=7)
    later = merchant.send(token, send_at=ahead.isoformat())
    assert later.json["status"] == "deferred"
    service.clock.advance(timedelta(hours=2))
    service.work()
    assert len(consumer.texts()) == begun + 1
    service.clock.advance(timedelta(days=7, hours=-2))
    service.work()
    assert len(consumer.texts()) == begun + 1, "it left less than seven days after the first"
    service.clock.advance(timedelta(hours=2))
    service.work()
    assert len(consumer.texts()) == begun + 2


@pytest.mark.parametrize("cap", [1, 3])
@pytest.mark.both_databases
def test_many_racing_for_the_last_one_get_exactly_the_cap(
    database_url: str, tmp_path: Path, cap: int
) -> None:
    """Two services on one database, eight askers, one grant; and two dispatchers afterwards."""
    one = Service.start(database_url, tmp_path / "keys", clock=SystemClock())
    merchant, consumer = one.merchant(), one.consumer()
    two = Service.start(database_url, tmp_path / "keys", clock=SystemClock())
    for _ in range(5):
        token = one.obtain_token(merchant, consumer, max_messages=cap)

        def send(place: int, token: str = token) -> int:
            through = (one, two)[place % 2]
            client = type(merchant)(through, merchant.id, merchant.api_key)
            return client.send(token).status_code

        with ThreadPoolExecutor(8) as pool:
            answers = list(pool.map(send, range(12)))
        assert sorted(answers) == [202] * cap + [403] * (12 - cap)
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(dispatch_round, [one.context, two.context]))
    left = one.runtime.database.read(
        lambda transaction: transaction.execute(
            text(
                "SELECT grant_id, count(*) AS n FROM messages"
                " WHERE status IN ('sent', 'delivered') AND grant_id IS NOT NULL"
                " GROUP BY grant_id"
            )
        ).all()
    )
    assert [row.n for row in left] == [cap] * 5
    one.close()
    two.close()


@pytest.mark.both_databases
def test_merchants_racing_for_one_person_get_no_more_than_the_rules_give_all_of_them(
    service: Service,
) -> None:
    """Nobody has set a limit, so no row of the recipient's own is there to lock."""
    started = service.with_context(otp=WIDE)
    consumer, ready = started.consumer(), []
    for name in ("甲书店", "乙茶铺", "丙鞋店", "丁花店"):
        merchant = started.legal_merchant(name)
        ready.append((merchant, started.obtain_token(merchant, consumer, max_messages=10)))
    cap = rules_of("recipient_cap = { max_messages = 1, per_days = 7 }")
    services = [started.with_runtime(rules=RulesSource(cap)) for _ in ready]
    begun = len(consumer.texts())

    def send(place: int) -> int:
        merchant, token = ready[place]
        together.wait()
        return Merchant(services[place], merchant.id, merchant.api_key).send(token).status_code

    for turn in range(1, 7):
        together = Barrier(len(ready))
        with ThreadPoolExecutor(len(ready)) as pool:
            assert sorted(pool.map(send, range(len(ready)))) == [202, 403, 403, 403]
        with ThreadPoolExecutor(2) as pool:
            list(pool.map(dispatch_round, [each.context for each in services[:2]]))
        assert len(consumer.texts()) == begun + turn
        service.clock.advance(timedelta(days=7))
